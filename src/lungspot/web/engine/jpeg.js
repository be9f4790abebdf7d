// JPEG films: decoded by libjpeg-turbo, as lungspot decodes them, so that every pixel is the same.

import { codec } from "./codecs.js";
import { turn } from "./correction.js";
import { exifOrientation, pixelShape, uprightByExif, xmpOrientation } from "./exif.js";
import { luma, tabulate } from "./grey.js";
import { FilmError, checkSize } from "./refusal.js";

/** The film in a JPEG's bytes, as reading has it. */
export async function readJpeg(bytes) {
  const facts = factsOf(bytes);
  checkSize(facts.width, facts.height);
  if (facts.bits !== 8 || facts.lossless) throw new FilmError("UNSUPPORTED", `a JPEG of ${facts.bits} bits${facts.lossless ? ", lossless" : ""}`, "save it as PNG");
  if (facts.components !== 1 && facts.components !== 3) throw new FilmError("UNSUPPORTED", `a JPEG of ${facts.components} colours`, "save it as PNG");
  if (!facts.ended) throw new FilmError("TRUNCATED", "the JPEG ends early");
  const { samples, components } = await decodeJpeg(bytes);
  const { grey, colored } = components === 3 ? luma(samples, 3) : { grey: samples, colored: false };
  const picture = { width: facts.width, height: facts.height, pixels: tabulate(grey) };
  const notices = [
    { code: "LOSSY", text: "compressed with loss (JPEG)" },
    ...(colored ? [{ code: "COLOR_CONVERTED", text: "colour turned into grey" }] : []),
  ];
  return { ...uprightByExif(picture, facts.orientation, turn), bits: 8, pixel_aspect: facts.aspect, notices };
}

/** The samples of a baseline or progressive JPEG of 8 bits: {width, height, components, samples}; RGB where it has colour. */
export async function decodeJpeg(bytes) {
  const { JPEGDecoder } = await codec("jpeg");
  const decoder = new JPEGDecoder();
  try {
    decoder.getEncodedBuffer(bytes.length).set(bytes);
    decoder.decode();
    const { width, height, componentCount: components } = decoder.getFrameInfo();
    return { width, height, components, samples: decoder.getDecodedBuffer().slice() };
  } catch (error) {
    if (error instanceof FilmError) throw error;
    throw new FilmError("NOT_DECODABLE", "the JPEG cannot be decoded");
  } finally {
    decoder.delete();
  }
}

/** Whether a marker is one of SOF0 to SOF15, after which sizes and depth stand. */
export const beginsFrame = (marker) => marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);

const NO_LENGTH = (marker) => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8);

/** What the markers say: size, depth, colours, whether lossless, orientation, shape of a pixel, whether it has an end. */
function factsOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = { aspect: [1, 1], exif: 0, xmp: 0 };
  let density = null;
  for (let at = 2; at + 4 <= bytes.length; ) {
    if (bytes[at] !== 0xff) break;
    const marker = bytes[at + 1];
    if (marker === 0xff || NO_LENGTH(marker)) {
      at += marker === 0xff ? 1 : 2;
      continue;
    }
    const length = view.getUint16(at + 2);
    const body = bytes.subarray(at + 4, at + 2 + length);
    if (beginsFrame(marker)) {
      if (body.length < 6) break;
      Object.assign(found, { bits: body[0], height: view.getUint16(at + 5), width: view.getUint16(at + 7), components: body[5] });
      found.lossless = [0xc3, 0xc7, 0xcb, 0xcf].includes(marker);
    } else if (marker === 0xe0 && text(body, 0, 5) === "JFIF\0" && body.length >= 12) density = [(body[8] << 8) | body[9], (body[10] << 8) | body[11]];
    else if (marker === 0xe1 && text(body, 0, 4) === "Exif") found.exif ||= exifOrientation(body.subarray(6));
    else if (marker === 0xe1 && text(body, 0, 28) === "http://ns.adobe.com/xap/1.0/") found.xmp ||= xmpOrientation(text(body, 0, body.length));
    else if (marker === 0xda) break;
    at += 2 + length;
  }
  if (!found.width) throw new FilmError("NOT_DECODABLE", "it begins like a JPEG, but is damaged or unusual");
  found.orientation = found.exif || found.xmp || 1;
  if (density) found.aspect = pixelShape(...density, found.orientation);
  found.ended = endsWell(bytes);
  return found;
}

const text = (bytes, from, to) => new TextDecoder("latin1").decode(bytes.subarray(from, to));

/** Whether the end marker is there, whatever follows it. */
function endsWell(bytes) {
  for (let at = bytes.length - 2; at >= 0; at -= 1) if (bytes[at] === 0xff && bytes[at + 1] === 0xd9) return true;
  return false;
}
