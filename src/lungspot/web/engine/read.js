// The one way from a file's bytes to a film: the content decides what it is, never the name (lungspot.images.read).

import { UNKNOWN } from "./orientation.js";
import { readJpeg } from "./jpeg.js";
import { readPng } from "./png.js";
import { FilmError } from "./refusal.js";
import { sha256 } from "./sha256.js";

const MOST = 512 * 1024 * 1024;

/**
 * A film: {width, height, pixels, bits, kind, sha256, view, orientation, pixel_aspect, pixel_spacing_mm, age_years, device,
 * sop_instance_uid, notices, identity}. Throws a FilmError with the code that says why there is none.
 */
export async function read(bytes) {
  if (bytes.length > MOST) throw new FilmError("TOO_LARGE", `more than ${MOST / 2 ** 20} MiB`);
  const kind = sniff(bytes);
  const reader = { png: readPng, jpeg: readJpeg }[kind];
  const found = reader ? await reader(bytes) : await (await import("./dicom.js")).readDicom(bytes);
  return { ...PLAIN, ...found, kind, sha256: await sha256(bytes) };
}

const PLAIN = {
  view: "UNKNOWN",
  orientation: UNKNOWN,
  pixel_aspect: [1, 1],
  pixel_spacing_mm: null,
  age_years: null,
  device: null,
  sop_instance_uid: null,
  identity: null,
  notices: [],
};

const OTHERS = [
  ["504b0304", "a ZIP archive", "give the films in it"],
  ["25504446", "a PDF", ""],
  ["1f8b", "a gzip file", ""],
  ["47494638", "a GIF picture", ""],
];
const PICTURES = [
  ["49492a00", "a TIFF picture"],
  ["4d4d002a", "a TIFF picture"],
  ["52494646", "a WebP picture"],
  ["424d", "a BMP picture"],
  ["0000000c6a502020", "a JPEG 2000 picture without its DICOM header"],
  ["ff4fff51", "a JPEG 2000 codestream without its DICOM header"],
];

/** What bytes begin: `dicom`, `png` or `jpeg`; other pictures are refused as UNSUPPORTED, the rest as NOT_AN_IMAGE. */
export function sniff(bytes) {
  const head = [...bytes.subarray(0, 8)].map((each) => each.toString(16).padStart(2, "0")).join("");
  if (mark(bytes, 128) === "DICM" || mark(bytes, 0) === "DICM" || likeDicom(bytes)) return "dicom";
  if (head.startsWith("89504e470d0a1a0a")) return "png";
  if (head.startsWith("ffd8ff")) return "jpeg";
  for (const [magic, name] of PICTURES)
    if (head.startsWith(magic)) throw new FilmError("UNSUPPORTED", `this is ${name}`, "save it as PNG, or give it to `lungspot detect`");
  for (const [magic, name, advice] of OTHERS) if (head.startsWith(magic)) throw new FilmError("NOT_AN_IMAGE", `this is ${name}`, advice);
  throw new FilmError("NOT_AN_IMAGE", bytes.length ? "this is no kind of film known here" : "this is an empty file");
}

const mark = (bytes, at) => String.fromCharCode(...bytes.subarray(at, at + 4));

/** Whether the first bytes are a data element of group 2 or 8: a DICOM file without preamble. */
function likeDicom(bytes) {
  if (bytes.length < 16) return false;
  const explicit = /^[A-Z]{2}$/.test(String.fromCharCode(bytes[4], bytes[5]));
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true);
  return [2, 8].includes(bytes[0] | (bytes[1] << 8)) && (explicit || length <= 1024);
}
