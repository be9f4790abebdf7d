// Decoders that are loaded when a film needs them: from this folder's neighbour, and from nowhere else.

const loaded = new Map();

/** A decoder's module, ready to be used: `jpeg`, `jpeg-ls`, `jpeg-2000`, `htj2k`, `jpeg-lossless`, `dicom`. */
export function codec(name) {
  if (!loaded.has(name)) loaded.set(name, load(name).catch((error) => (loaded.delete(name), Promise.reject(error))));
  return loaded.get(name);
}

async function load(name) {
  const module = await import(new URL(`../codecs/${name}.mjs`, import.meta.url));
  const made = module.default ?? module;
  return typeof made === "function" ? made() : made;
}
