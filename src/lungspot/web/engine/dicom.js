// DICOM films: header, gate, pixels, grey values and facts, in this order (lungspot.images.dicom).

import { codec } from "./codecs.js";
import * as facts from "./dicom_facts.js";
import { paddingRange, shader } from "./dicom_lut.js";
import { decodePixels } from "./dicom_pixels.js";
import { has, textOf, wholeOf } from "./dicom_values.js";
import { tabulate } from "./grey.js";
import { FilmError, checkSize } from "./refusal.js";

const MOST_FRAMES = 1000;
const MOST_INFLATED = 128 * 2 ** 20; // bytes
const PIXELS = "x7fe00010";
const PREFIX = "1.2.840.10008.1.2";
const DEFLATED = `${PREFIX}.1.99`;
const SYNTAXES = {
  "": "native",
  [PREFIX]: "native",
  [`${PREFIX}.1`]: "native",
  [`${PREFIX}.2`]: "native",
  [DEFLATED]: "native",
  [`${PREFIX}.5`]: "rle",
  ...Object.fromEntries([50, 51].map((end) => [`${PREFIX}.4.${end}`, "jpeg"])),
  ...Object.fromEntries([57, 70].map((end) => [`${PREFIX}.4.${end}`, "jpeg-lossless"])),
  ...Object.fromEntries([80, 81].map((end) => [`${PREFIX}.4.${end}`, "jpeg-ls"])),
  ...Object.fromEntries([90, 91].map((end) => [`${PREFIX}.4.${end}`, "jpeg-2000"])),
  ...Object.fromEntries([201, 202, 203].map((end) => [`${PREFIX}.4.${end}`, "htj2k"])),
};
const CLASS = "1.2.840.10008.5.1.4.1.1";
const FILM_CLASSES = new Set([`${CLASS}.1`, `${CLASS}.1.1`, `${CLASS}.1.1.1`]);
const COPY_CLASSES = new Set(["7", "7.2", "7.3", "7.4"].map((end) => `${CLASS}.${end}`));
const FILM_MODALITIES = new Set(["CR", "DX", "DR", "RG", "XR", "RX"]);
const NAMES = {
  ...{ CT: "a CT image", ES: "an endoscopy image", IO: "an intra-oral X-ray", KO: "a key object selection", MG: "a mammogram", MR: "an MR image" },
  ...{ NM: "a nuclear medicine image", OT: "an image of modality OT (other)", PR: "a presentation state", PT: "a PET image", PX: "a panoramic X-ray" },
  ...{ RF: "a fluoroscopy image", SC: "a secondary capture", SR: "a structured report", US: "an ultrasound image", XA: "an angiography image" },
};
const SAMPLES = { MONOCHROME1: 1, MONOCHROME2: 1, "PALETTE COLOR": 1, RGB: 3, YBR_FULL: 3, YBR_FULL_422: 3, YBR_RCT: 3, YBR_ICT: 3 };
const PREAMBLES = { "4d5a": "a Windows program", "7f454c46": "a program", "2321": "a script", "49492a00": "a TIFF", "4d4d002a": "a TIFF" };

/** The film in the bytes of a DICOM file of any structure, with or without preamble and file meta. */
export async function readDicom(bytes) {
  const header = await open(bytes);
  const { dataset, photometric } = header;
  const pixelNotices = [];
  const stored = await decodePixels(header, pixelNotices);
  const doubts = [...preamble(bytes), ...facts.notices(dataset), ...pixelNotices];
  const grey = photometric.startsWith("MONOCHROME");
  const how = grey ? { shade: shader(header, doubts), padding: paddingRange(header), inverted: photometric === "MONOCHROME1" } : {};
  return {
    width: header.columns,
    height: header.rows,
    pixels: tabulate(stored, how),
    bits: header.stored,
    pixel_spacing_mm: facts.spacing(dataset),
    pixel_aspect: facts.aspect(dataset),
    view: facts.view(dataset),
    age_years: facts.age(dataset),
    orientation: facts.orientation(dataset)[0],
    device: facts.device(dataset),
    sop_instance_uid: textOf(dataset, "SOPInstanceUID") || null,
    identity: facts.identity(dataset),
    notices: doubts,
  };
}

function preamble(bytes) {
  if (String.fromCharCode(...bytes.subarray(128, 132)) !== "DICM") return [];
  const head = [...bytes.subarray(0, 4)].map((each) => each.toString(16).padStart(2, "0")).join("");
  const kind = Object.keys(PREAMBLES).find((magic) => head.startsWith(magic));
  return kind ? [{ code: "PREAMBLE", text: `the preamble begins like ${PREAMBLES[kind]}` }] : [];
}

/** A header that has passed the gate: what sizes and pixels are, and where they lie. */
async function open(bytes) {
  const parser = await codec("dicom");
  const dataset = parse(parser, await plain(bytes));
  const syntax = textOf(dataset, "TransferSyntaxUID");
  refuseOthers(dataset);
  if (dataset.elements.x7fe00008 || dataset.elements.x7fe00009) throw new FilmError("UNSUPPORTED", "its pixels are floating-point numbers");
  const pixels = dataset.elements[PIXELS];
  if (!pixels) throw new FilmError("TRUNCATED", "the file ends before its pixel data");
  if (!(syntax in SYNTAXES)) throw new FilmError("UNSUPPORTED", `its transfer syntax is ${syntax}`);
  return { dataset, syntax, pixels, encoding: SYNTAXES[syntax], bigEndian: syntax === `${PREFIX}.2`, ...measure(dataset) };
}

function parse(parser, bytes) {
  try {
    return parser.parseDicom(bytes, { untilTag: PIXELS });
  } catch (error) {
    const words = String(error?.exception ?? error?.message ?? error);
    if (/overrun|past the end|beyond/i.test(words)) throw new FilmError("TRUNCATED", "the file ends before its pixel data");
    throw new FilmError("BAD_HEADER", "its header cannot be parsed");
  }
}

const META = (syntax) => {
  const padded = syntax.length % 2 ? `${syntax}\0` : syntax;
  return [2, 0, 0x10, 0, 0x55, 0x49, padded.length, 0, ...[...padded].map((letter) => letter.charCodeAt(0))];
};
const HEAD = [...new Array(128).fill(0), ...[..."DICM"].map((letter) => letter.charCodeAt(0))];
const joined = (head, rest) => {
  const out = new Uint8Array(head.length + rest.length);
  out.set(head);
  out.set(rest, head.length);
  return out;
};

/** The file with preamble and file meta, its data set inflated. */
async function plain(bytes) {
  const mark = (at) => String.fromCharCode(...bytes.subarray(at, at + 4));
  if (mark(0) === "DICM") return plain(joined(new Uint8Array(128), bytes));
  if (mark(128) !== "DICM") {
    if (bytes[0] === 2 && bytes[1] === 0) return plain(joined(HEAD, bytes));
    const big = bytes[0] === 0 && bytes[1] !== 0;
    return joined([...HEAD, ...META(big ? `${PREFIX}.2` : guessed(bytes, 0))], bytes);
  }
  const { syntax, end } = meta(bytes);
  if (syntax === "" && end > 132) return joined([...bytes.subarray(0, end), ...META(guessed(bytes, end))], bytes.subarray(end));
  if (end === 132) return joined([...HEAD, ...META(guessed(bytes, end))], bytes.subarray(end));
  if (syntax !== DEFLATED) return bytes;
  return joined([...HEAD, ...META(`${PREFIX}.1`)], await inflated(bytes.subarray(end)));
}

/** What a deflated data set holds; one byte of fill may follow it. */
async function inflated(bytes) {
  for (const packed of [bytes, bytes.subarray(0, -1)]) {
    try {
      return await unpacked(packed);
    } catch (error) {
      if (error instanceof FilmError) throw error;
    }
  }
  throw new FilmError("TRUNCATED", "its deflated data set ends early, or is damaged");
}

async function unpacked(bytes) {
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const parts = [];
  let size = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    size += part.value.length;
    if (size > MOST_INFLATED) throw new FilmError("TOO_LARGE", "its compressed data set is larger than any film");
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** The transfer syntax that a little-endian data set looks like, which begins at `at`. */
const guessed = (bytes, at) => (/^[A-Z]{2}$/.test(String.fromCharCode(bytes[at + 4], bytes[at + 5])) ? `${PREFIX}.1` : PREFIX);

/** The transfer syntax that the file meta group names, and where the group ends. */
function meta(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let [at, syntax] = [132, ""];
  while (at + 8 <= bytes.length && view.getUint16(at, true) === 2) {
    const long = /^(OB|OW|SQ|UN|UT)$/.test(String.fromCharCode(bytes[at + 4], bytes[at + 5]));
    if (long && at + 12 > bytes.length) break;
    const length = long ? view.getUint32(at + 8, true) : view.getUint16(at + 6, true);
    const value = at + (long ? 12 : 8);
    if (view.getUint16(at + 2, true) === 0x10) syntax = new TextDecoder("latin1").decode(bytes.subarray(value, value + length)).replace(/[\0 ]+$/, "");
    at = value + length;
  }
  return { syntax, end: at };
}

/** Let projection X-rays of people through; name anything else. */
function refuseOthers(dataset) {
  const kind = textOf(dataset, "SOPClassUID") || textOf(dataset, "MediaStorageSOPClassUID");
  const modality = textOf(dataset, "Modality").toUpperCase();
  const passes = FILM_CLASSES.has(kind)
    ? FILM_MODALITIES.has(modality) || ["", "OT"].includes(modality)
    : (COPY_CLASSES.has(kind) || !kind) && FILM_MODALITIES.has(modality);
  const what = modality ? (NAMES[modality] ?? `an object of modality ${modality}`) : kind ? `an object of class ${kind}` : "a DICOM file that names neither its class nor its modality";
  if (!passes) throw new FilmError(has(dataset, "Rows") ? "NOT_A_RADIOGRAPH" : "NO_PIXELS", `this is ${what}`);
  const species = textOf(dataset, "PatientSpeciesDescription").toLowerCase();
  if (species && !/^(human|homo)/.test(species)) throw new FilmError("NOT_A_RADIOGRAPH", "this is a film of an animal", "give a film of a person");
}

/** Sizes, depths and frames, checked. */
function measure(dataset) {
  const whole = (keyword) => wholeOf(dataset, keyword);
  const [rows, columns] = [whole("Rows") ?? 0, whole("Columns") ?? 0];
  checkSize(columns, rows);
  const photometric = textOf(dataset, "PhotometricInterpretation").toUpperCase() || "MONOCHROME2";
  const samples = whole("SamplesPerPixel") || 1;
  if (SAMPLES[photometric] !== samples) throw new FilmError("DIMENSIONS", `${samples} samples a pixel that are ${photometric}`);
  if (photometric === "PALETTE COLOR") throw new FilmError("UNSUPPORTED", "the page does not read films in a palette of colours", "give it to `lungspot detect`");
  const allocated = whole("BitsAllocated") ?? 0;
  const stored = whole("BitsStored") || allocated;
  const high = whole("HighBit") ?? stored - 1;
  if (![8, 16].includes(allocated) || !(stored > 0 && stored <= high + 1 && high + 1 <= allocated))
    throw new FilmError("DIMENSIONS", `${stored} bits up to bit ${high} in ${allocated} allocated; 8 or 16 are read`);
  const frames = whole("NumberOfFrames") || 1;
  if (!(frames > 0 && frames <= MOST_FRAMES)) throw new FilmError("TOO_LARGE", `the header says ${frames} frames; at most ${MOST_FRAMES} are read`);
  const [signed, planar] = [whole("PixelRepresentation") === 1, whole("PlanarConfiguration") || 0];
  return { rows, columns, photometric, samples, allocated, stored, high, frames, signed, planar };
}
