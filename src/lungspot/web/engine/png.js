// PNG, all of it: 1 to 16 bits, palettes, opacity, interlaced; decoded here, for a canvas would give 8 bits, through a
// colour profile and multiplied by opacity.

import { turn } from "./correction.js";
import { exifOrientation, pixelShape, uprightByExif, xmpOrientation } from "./exif.js";
import { luma, stretch, tabulate } from "./grey.js";
import { FilmError, checkSize } from "./refusal.js";

const SAMPLES = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }; // colour type → samples a pixel
const DEPTHS = { 0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16] };
const PASSES = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]]; // Adam7

/** What a PNG's key Software says of a picture that lungspot drew. */
export const DRAWN = "lungspot: a drawing over a film";

const damaged = (why) => new FilmError("NOT_DECODABLE", `the PNG cannot be decoded (${why})`);

/** The film in a PNG's bytes, as reading has it: {width, height, pixels, bits, pixel_aspect, notices}. */
export async function readPng(bytes) {
  const png = chunksOf(bytes);
  checkSize(png.width, png.height);
  if (!DEPTHS[png.colour]?.includes(png.bits)) throw damaged(`colour type ${png.colour} of ${png.bits} bits`);
  if (png.software === DRAWN) throw new FilmError("NOT_A_RADIOGRAPH", "a drawing of lungspot over a film", "give the film that it was drawn over");
  const { lines, cut } = await linesOf(png);
  const samples = png.interlaced ? interlaced(lines, png) : unpacked(lines, 0, png.width, png.height, png).samples;
  const { pixels, bits, colored } = greyOf(samples, png);
  const upright = uprightByExif({ width: png.width, height: png.height, pixels }, png.orientation, turn);
  const notices = [
    ...(png.frames > 1 ? [{ code: "FRAME_CHOSEN", text: `the first of ${png.frames} pictures was read` }] : []),
    ...(colored ? [{ code: "COLOR_CONVERTED", text: "colour turned into grey" }] : []),
    ...(cut ? [{ code: "TRUNCATED", text: "the file ends early; all pixels are there" }] : []),
  ];
  return { ...upright, bits, pixel_aspect: png.aspect, notices };
}

/** What the chunks say: size, kind, the packed lines, palette, transparent colour, orientation. */
function chunksOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = { packed: [], orientation: 1, aspect: [1, 1], frames: 1, cut: true };
  let density = null;
  for (let at = 8; at + 8 <= bytes.length; ) {
    const length = view.getUint32(at);
    const name = latin(bytes.subarray(at + 4, at + 8));
    const body = bytes.subarray(at + 8, at + 8 + length);
    const whole = at + 12 + length <= bytes.length;
    if (whole && crc(bytes.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length) && name[0] < "a")
      throw damaged(`the checksum of ${name} is wrong`);
    if (name === "IDAT") found.packed.push(body);
    if (!whole) break;
    if (name === "IHDR") Object.assign(found, headOf(view, at + 8));
    else if (name === "PLTE") found.palette = body;
    else if (name === "tRNS") found.transparent = body;
    else if (name === "eXIf") found.exif = exifOrientation(body);
    else if (name === "acTL") found.frames = view.getUint32(at + 8);
    else if (name === "pHYs") density = [view.getUint32(at + 8), view.getUint32(at + 12)];
    else if (name === "iTXt" && latin(body).startsWith("XML:com.adobe.xmp")) found.xmp = xmpOrientation(latin(body));
    else if (name === "tEXt" && latin(body).startsWith("Software\0")) found.software = latin(body).slice(9);
    else if (name === "IEND") {
      found.cut = false;
      break;
    }
    at += 12 + length;
  }
  if (!found.width && !found.packed.length) throw damaged("it has no header");
  found.orientation = found.exif || found.xmp || 1;
  if (density) found.aspect = pixelShape(...density, found.orientation);
  return found;
}

const headOf = (view, at) => ({
  width: view.getUint32(at),
  height: view.getUint32(at + 4),
  bits: view.getUint8(at + 8),
  colour: view.getUint8(at + 9),
  interlaced: view.getUint8(at + 12) === 1,
});

const latin = (bytes) => new TextDecoder("latin1").decode(bytes);

let table = null;

/** The checksum of a chunk's name and body (ISO 3309). */
export function crc(bytes) {
  table ??= Uint32Array.from({ length: 256 }, (_, start) => {
    let value = start;
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
    return value;
  });
  let value = 0xffffffff;
  for (const byte of bytes) value = table[(value ^ byte) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

/** The unpacked lines, each after the byte of its filter; `cut`: the file ends early, and no line is missing. */
async function linesOf(png) {
  const passes = png.interlaced ? PASSES : [[0, 0, 1, 1]];
  const needed = passes.reduce((sum, pass) => sum + sizeOf(pass, png), 0);
  const out = new Uint8Array(needed);
  const stream = new DecompressionStream("deflate");
  const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
  let [filled, problem] = [0, null];
  // It is never closed: a stream that ends early would fail then, and take with it what it has already given.
  const written = writer.write(await new Blob(png.packed).arrayBuffer()).then(() => new Promise((then) => setTimeout(then, 50)));
  const ended = written.then(() => ({ done: true }));
  try {
    while (filled < needed) {
      const { done, value } = await Promise.race([reader.read(), ended]);
      if (done) break;
      out.set(value.subarray(0, needed - filled), filled);
      filled += value.length;
    }
  } catch (error) {
    problem = error;
  }
  ended.catch(() => {});
  writer.abort().catch(() => {}); // what follows the last line is not read
  if (filled >= needed) return { lines: out, cut: png.cut };
  if (png.cut) throw new FilmError("TRUNCATED", "the PNG ends before its last line");
  throw damaged(problem ? "its data stream is broken" : "lines are missing");
}

function sizeOf([left, top, across, down], { width, height, bits, colour }) {
  const [columns, rows] = [Math.ceil((width - left) / across), Math.ceil((height - top) / down)];
  return columns > 0 && rows > 0 ? rows * (1 + Math.ceil((columns * bits * SAMPLES[colour]) / 8)) : 0;
}

/** Samples of `width` x `height` pixels whose lines begin at `at`, their filters undone; and where the next ones begin. */
function unpacked(lines, at, width, height, { bits, colour }) {
  const many = SAMPLES[colour];
  const stride = Math.ceil((width * bits * many) / 8);
  const step = Math.max((bits * many) >> 3, 1);
  const samples = bits === 16 ? new Uint16Array(width * height * many) : new Uint8Array(width * height * many);
  let above = new Uint8Array(stride);
  let from = at;
  for (let y = 0; y < height; y += 1, from += 1 + stride) {
    const line = lines.subarray(from + 1, from + 1 + stride);
    unfilter(lines[from], line, above, step);
    spread(line, samples, y * width * many, width * many, bits);
    above = line;
  }
  return { samples, next: from };
}

function unfilter(kind, line, above, step) {
  if (kind > 4) throw damaged(`filter ${kind}`);
  if (kind === 0) return;
  for (let at = 0; at < line.length; at += 1) {
    const left = at >= step ? line[at - step] : 0;
    if (kind === 1) line[at] += left;
    else if (kind === 2) line[at] += above[at];
    else if (kind === 3) line[at] += (left + above[at]) >> 1;
    else line[at] += paeth(left, above[at], at >= step ? above[at - step] : 0);
  }
}

function paeth(left, up, corner) {
  const guess = left + up - corner;
  const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

function spread(line, samples, to, count, bits) {
  if (bits === 8) samples.set(line.subarray(0, count), to);
  else if (bits === 16) for (let at = 0; at < count; at += 1) samples[to + at] = (line[2 * at] << 8) | line[2 * at + 1];
  else {
    const most = (1 << bits) - 1;
    for (let at = 0; at < count; at += 1) samples[to + at] = (line[(at * bits) >> 3] >> (8 - bits - ((at * bits) & 7))) & most;
  }
}

function interlaced(lines, png) {
  const many = SAMPLES[png.colour];
  const count = png.width * png.height * many;
  const samples = png.bits === 16 ? new Uint16Array(count) : new Uint8Array(count);
  let at = 0;
  for (const [left, top, across, down] of PASSES) {
    const [columns, rows] = [Math.ceil((png.width - left) / across), Math.ceil((png.height - top) / down)];
    if (columns <= 0 || rows <= 0) continue;
    const part = unpacked(lines, at, columns, rows, png);
    at = part.next;
    for (let y = 0; y < rows; y += 1)
      for (let x = 0; x < columns; x += 1)
        for (let k = 0; k < many; k += 1)
          samples[((top + y * down) * png.width + left + x * across) * many + k] = part.samples[(y * columns + x) * many + k];
  }
  return samples;
}

/** Stored samples as grey, as lungspot.images.raster has them. */
function greyOf(samples, { bits, colour, palette, transparent }) {
  if (bits === 16) return deep(samples, colour, transparent);
  if (colour === 0) return { pixels: tabulate(samples), bits: bits === 1 ? 1 : 8, colored: false };
  const rgba = colour === 4 ? fromGrey(samples) : colour === 3 ? fromPalette(samples, palette, transparent) : samples;
  const step = colour === 2 ? 3 : 4;
  const seen = colour === 2 && transparent ? withKey(rgba, transparent) : rgba;
  if (step === 4) ontoBlack(seen);
  const { grey, colored } = luma(seen, step);
  return { pixels: tabulate(grey), bits: 8, colored };
}

const fromGrey = (samples) =>
  Uint8Array.from({ length: samples.length * 2 }, (_, at) => samples[(at >> 2) * 2 + ((at & 3) === 3 ? 1 : 0)]);

function fromPalette(samples, palette = new Uint8Array(), transparent = new Uint8Array()) {
  const out = new Uint8Array(samples.length * 4);
  samples.forEach((index, at) => {
    for (const k of [0, 1, 2]) out[4 * at + k] = palette[3 * index + k] ?? 0;
    out[4 * at + 3] = transparent[index] ?? 255;
  });
  return out;
}

/** RGB in which one colour is transparent, which is black here. */
function withKey(samples, key) {
  const out = samples.slice();
  for (let at = 0; at < out.length; at += 3)
    if (out[at] === key[1] && out[at + 1] === key[3] && out[at + 2] === key[5]) out.fill(0, at, at + 3);
  return out;
}

/** RGBA laid onto black, in the whole numbers of Pillow's alpha_composite. */
function ontoBlack(samples) {
  for (let at = 0; at < samples.length; at += 4) {
    const opacity = samples[at + 3];
    if (opacity === 255) continue;
    for (let k = at; k < at + 3; k += 1) {
      const sum = samples[k] * opacity * 128 + (0x80 << 7);
      samples[k] = opacity === 0 ? 0 : (((sum >> 8) + sum) >> 8) >> 7;
    }
  }
}

function deep(samples, colour, transparent) {
  const many = SAMPLES[colour];
  if (transparent && (colour === 0 || colour === 2)) {
    const key = Array.from({ length: many }, (_, at) => (transparent[2 * at] << 8) | transparent[2 * at + 1]);
    for (let at = 0; at < samples.length; at += many) if (key.every((each, k) => samples[at + k] === each)) samples.fill(0, at, at + many);
  }
  const { grey, colored } = many >= 3 ? luma(samples, many, 65535) : { grey: many === 1 ? samples : samples.filter((_, at) => at % 2 === 0), colored: false };
  if (many % 2) return { pixels: tabulate(grey), bits: 16, colored };
  const seen = Float64Array.from(grey, (value, at) => value * (samples[at * many + many - 1] / 65535));
  return { pixels: stretch(seen), bits: 16, colored };
}
