// The stored pixels of a DICOM film, checked against its header: whole, unpadded, of the right sign
// (lungspot.images.dicom_pixels). A header is what dicom.js has made.

import { codec } from "./codecs.js";
import { bytesOf, textOf } from "./dicom_values.js";
import { overlays } from "./dicom_facts.js";
import { luma } from "./grey.js";
import { beginsFrame, decodeJpeg } from "./jpeg.js";
import { FilmError } from "./refusal.js";

const UNDEFINED = 0xffffffff;
const LOSSY = new Set(["50", "51", "81", "91", "203"].map((end) => `1.2.840.10008.1.2.4.${end}`));
const MOST_FRAGMENTS = 20000;

/** The first frame's values, one a pixel, right-aligned, with their sign, colour as grey; it adds to `notices`. */
export async function decodePixels(header, notices) {
  const say = (code, text) => notices.push({ code, text });
  const { value, fragments } = element(header);
  if (header.frames > 1) say("FRAME_CHOSEN", `the first of ${header.frames} frames was read`);
  const native = header.encoding === "native";
  const { samples, bits, many } = native ? { ...nativeSamples(header, value, say), bits: header.stored } : await compressed(header, firstFrame(header, fragments), say);
  const said = textOf(header.dataset, "LossyImageCompression");
  if (said === "01" || (LOSSY.has(header.syntax) && said !== "00")) say("LOSSY", "compressed with loss");
  return many === 3 ? greyOf(header, samples, say) : align(header, samples, bits, say);
}

/** The value of the pixel data element, or its fragments; the first is the offset table. */
function element({ dataset, pixels, encoding }) {
  const bytes = dataset.byteArray;
  if (pixels.length !== UNDEFINED) {
    if (encoding !== "native") throw new FilmError("NOT_DECODABLE", "its pixel data are not in fragments, as compressed data are");
    const missing = pixels.dataOffset + pixels.length - bytes.length;
    if (missing > 0) throw new FilmError("TRUNCATED", `${missing} of ${pixels.length} bytes of pixel data are missing`);
    return { value: bytesOf(dataset, pixels), fragments: [] };
  }
  if (encoding === "native") throw new FilmError("NOT_DECODABLE", "its pixel data are in fragments, but no compression is named");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const mark = (at) => (at + 8 <= bytes.length ? view.getUint32(at, true) : 0);
  const fragments = [];
  let at = pixels.dataOffset;
  while (mark(at) === 0xe000fffe && fragments.length <= MOST_FRAGMENTS) {
    const length = view.getUint32(at + 4, true);
    if (at + 8 + length > bytes.length) break;
    fragments.push(bytes.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  if (fragments.length > MOST_FRAGMENTS) throw new FilmError("NOT_DECODABLE", `its pixel data lie in more than ${MOST_FRAGMENTS} pieces`);
  if (mark(at) !== 0xe0ddfffe) throw new FilmError("TRUNCATED", "its last fragment of pixel data is not whole");
  return { value: null, fragments };
}

function firstFrame({ frames }, [offsets, ...parts]) {
  if (!parts.length) throw new FilmError("NOT_DECODABLE", "its pixel data hold no fragment");
  if (frames > 1 && parts.length === frames) return parts[0];
  const second = frames > 1 && offsets.length >= 8 ? new DataView(offsets.buffer, offsets.byteOffset).getUint32(4, true) : Infinity;
  const mine = [];
  for (let at = 0, end = 0; at < parts.length && (frames === 1 || end < second); at += 1) {
    mine.push(parts[at]);
    end += 8 + parts[at].length;
  }
  const out = new Uint8Array(mine.reduce((sum, part) => sum + part.length, 0));
  mine.reduce((to, part) => (out.set(part, to), to + part.length), 0);
  return out;
}

/** How many bytes one native frame takes. */
export const frameBytes = ({ rows, columns, photometric, samples, allocated }) =>
  rows * columns * (photometric === "YBR_FULL_422" ? 2 : samples) * (allocated / 8);

function nativeSamples(header, value, say) {
  const { rows, columns, allocated, samples: many, planar, frames, photometric } = header;
  const size = frameBytes(header);
  if (value.length < size) throw new FilmError("TRUNCATED", `${value.length} bytes of pixel data where its size needs ${size}`);
  const needed = size * frames;
  if (value.length > needed + (needed % 2)) say("SIZE_MISMATCH", `${value.length} bytes of pixel data, ${needed} needed`);
  const flat = allocated === 8 ? (header.bigEndian && header.pixels.vr === "OW" ? swapped(value, size) : value.subarray(0, size)) : words(value, size, !header.bigEndian);
  if (many === 1) return { samples: flat, many };
  const count = rows * columns;
  if (photometric === "YBR_FULL_422") return { samples: Uint8Array.from({ length: count * 3 }, (_, at) => flat[(Math.floor(at / 3) >> 1) * 4 + (Math.floor(at / 3) & 1)]), many };
  if (planar !== 1) return { samples: flat, many };
  return { samples: interleaved(flat, count), many };
}

const interleaved = (flat, count) => flat.constructor.from({ length: count * 3 }, (_, at) => flat[(at % 3) * count + Math.floor(at / 3)]);
const swapped = (value, size) => Uint8Array.from({ length: size }, (_, at) => value[at ^ 1] ?? value[at]);

function words(value, size, little) {
  const found = new Uint16Array(size / 2);
  const [low, high] = little ? [0, 1] : [1, 0];
  for (let at = 0; at < found.length; at += 1) found[at] = value[2 * at + low] | (value[2 * at + high] << 8);
  return found;
}

// ----------------------------------------------------------------------------------------------------- compressed

const DECODERS = {
  jpeg: async (stream) => {
    const { samples, width, height, components } = await decodeJpeg(stream);
    return { samples, width, height, many: components, bits: 8 };
  },
  "jpeg-lossless": async (stream) => {
    const facts = frameOf(stream);
    const { Decoder } = await codec("jpeg-lossless");
    const made = new Decoder().decompress(stream.buffer, stream.byteOffset, stream.length);
    return { ...facts, samples: facts.bits <= 8 ? new Uint8Array(made) : new Uint16Array(made) };
  },
  "jpeg-ls": (stream) => byWasm("jpeg-ls", "JpegLSDecoder", stream),
  "jpeg-2000": (stream) => byWasm("jpeg-2000", "J2KDecoder", stream),
  htj2k: (stream) => byWasm("htj2k", "HTJ2KDecoder", stream),
};

async function byWasm(name, kind, stream) {
  const { [kind]: Decoder } = await codec(name);
  const decoder = new Decoder();
  try {
    decoder.getEncodedBuffer(stream.length).set(stream);
    decoder.decode();
    const { width, height, bitsPerSample: bits, componentCount: many, isSigned: signed = false } = decoder.getFrameInfo();
    const plain = decoder.getDecodedBuffer().slice();
    const samples = bits <= 8 ? plain : signed ? new Int16Array(plain.buffer) : new Uint16Array(plain.buffer);
    const planes = name === "jpeg-ls" && many === 3 && decoder.getInterleaveMode?.() === 0;
    return { width, height, bits, many, signed, samples: planes ? interleaved(samples, width * height) : samples };
  } finally {
    decoder.delete();
  }
}

/** What a JPEG's frame header says: {width, height, bits, many}. */
function frameOf(stream) {
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  for (let at = 2; at + 10 < stream.length && stream[at] === 0xff; at += 2 + view.getUint16(at + 2)) {
    const marker = stream[at + 1];
    if (beginsFrame(marker) || marker === 0xf7)
      return { bits: stream[at + 4], height: view.getUint16(at + 5), width: view.getUint16(at + 7), many: stream[at + 9] };
  }
  throw new FilmError("NOT_DECODABLE", "its pixel data are not what its transfer syntax says");
}

async function compressed(header, stream, say) {
  if (header.encoding === "rle") return { ...unpackRle(header, stream), bits: header.stored };
  if (header.encoding === "jpeg" && (frameOf(stream).bits > 8 || header.photometric === "RGB"))
    throw new FilmError("UNSUPPORTED", "the page does not read JPEG of 12 bits or of RGB", "give it to `lungspot detect`");
  if (/^jpeg(-lossless|-ls)?$/.test(header.encoding)) requireEnd(stream);
  let found;
  try {
    found = await DECODERS[header.encoding](stream);
  } catch (error) {
    if (error instanceof FilmError) throw error;
    throw new FilmError("NOT_DECODABLE", `its ${header.encoding.toUpperCase()} pixel data cannot be decoded`);
  }
  const { width, height, many, bits, signed } = found;
  if (width !== header.columns || height !== header.rows || many !== header.samples || bits > header.allocated)
    throw new FilmError("NOT_DECODABLE", `its header says ${header.columns} x ${header.rows} pixels, its data ${width} x ${height}`);
  if (Boolean(signed) !== header.signed && /jpeg-2000|htj2k/.test(header.encoding))
    say("PIXEL_REPRESENTATION", "header and codestream differ; the header was followed");
  const mask = 2 ** bits - 1;
  const samples = signed ? new Int32Array(found.samples).map((value) => value & mask) : found.samples;
  return { samples, bits: Math.min(bits, header.stored), many };
}

function requireEnd(stream) {
  for (let at = stream.length - 2; at >= Math.max(stream.length - 64, 0); at -= 1) if (stream[at] === 0xff && stream[at + 1] === 0xd9) return;
  throw new FilmError("TRUNCATED", "its JPEG data have no end");
}

/** RLE (PS3.5 Annex G): one segment a byte of each sample, high bytes first. */
function unpackRle({ rows, columns, samples: many, allocated }, stream) {
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  const count = rows * columns;
  const wide = allocated / 8;
  if (stream.length < 64 || view.getUint32(0, true) !== many * wide) throw new FilmError("NOT_DECODABLE", "its RLE data are damaged");
  const starts = Array.from({ length: many * wide }, (_, at) => view.getUint32(4 + 4 * at, true));
  const planes = starts.map((start, at) => segment(stream.subarray(start, starts[at + 1] ?? stream.length), count));
  const samples = new (wide === 1 ? Uint8Array : Uint16Array)(count * many);
  planes.forEach((plane, number) => {
    const [sample, low] = [Math.floor(number / wide), number % wide === wide - 1];
    for (let at = 0; at < count; at += 1) samples[at * many + sample] |= low ? plane[at] : plane[at] << 8;
  });
  return { samples, many };
}

function segment(bytes, count) {
  const out = new Uint8Array(count);
  let [at, filled] = [0, 0];
  while (filled < count && at < bytes.length) {
    const head = bytes[at++];
    if (head < 128) {
      const run = bytes.subarray(at, at + head + 1);
      out.set(run.subarray(0, count - filled), filled);
      filled += run.length;
      at += head + 1;
    } else if (head > 128) {
      out.fill(bytes[at++], filled, Math.min(filled + 257 - head, count));
      filled += 257 - head;
    }
  }
  if (filled < count) throw new FilmError("TRUNCATED", "its RLE data end early");
  return out;
}

// ---------------------------------------------------------------------------------------- from samples to values

function align(header, samples, bits, say) {
  const shift = header.encoding === "native" || header.encoding === "rle" ? header.high + 1 - header.stored : 0;
  const values = shift ? samples.map((value) => value >> shift) : samples;
  const most = 2 ** bits - 1;
  if (header.signed) {
    const half = (most + 1) / 2;
    const found = new Int32Array(values.length);
    for (let at = 0; at < values.length; at += 1) found[at] = ((values[at] + half) & most) - half;
    return found;
  }
  let highest = 0;
  for (let at = 0; at < values.length; at += 1) if (values[at] > highest) highest = values[at];
  if (highest <= most) return values;
  if (LOSSY.has(header.syntax)) return values.map((value) => Math.min(value, most)); // a lossy decoder may overshoot
  if (overlays(header.dataset, ({ bits: inside, data }) => inside && !data)) return values.map((value) => value & most);
  say("BITS_STORED", `the header says ${header.stored} bits, the pixels use ${highest.toString(2).length}`);
  return values;
}

function greyOf(header, samples, say) {
  const plain = samples.constructor.from({ length: samples.length / 3 }, (_, at) => samples[3 * at]);
  if (/^YBR_FULL/.test(header.photometric) && header.encoding !== "jpeg") {
    say("COLOR_CONVERTED", "the brightness of the colours was taken");
    return plain;
  }
  if (samples.every((value, at) => value === samples[at - (at % 3)])) return plain;
  say("COLOR_CONVERTED", "colour turned into grey");
  return luma(samples, 3).grey;
}
