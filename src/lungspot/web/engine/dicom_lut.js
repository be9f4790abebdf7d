// From stored values to shown ones: Modality LUT or rescale, then VOI LUT or window (lungspot.images.dicom_lut).
// Each runs over a film's table of levels, not over its pixels.

import { bytesOf, elementOf, isLittle, itemsOf, numberOf, textOf, valuesOf } from "./dicom_values.js";
import { FilmError } from "./refusal.js";

const KEPT = 0.5; // of the pixels between the darkest and the brightest level; a window that shows fewer is not used
const TOLERANCE = 10; // one part in so many of a table may be missing, or be too many

/** The function from stored levels, and how many pixels have each, to shown values; it adds to `notices`. */
export function shader(header, notices) {
  const say = (code, text) => notices.push({ code, text });
  return (levels, weights) => {
    const values = levels.map(modality(header, levels, say));
    const choices = voi(header.dataset, values, say);
    if (!choices.length) {
      say("NO_WINDOW", "neither a window nor a VOI LUT; the full range is used");
      return values;
    }
    if (choices.length > 1) say("WINDOW_CHOSEN", `the first of ${choices.length} was used`);
    const shown = values.map(choices[0]);
    if (showsTheFilm(shown, weights)) return shown;
    say("WINDOW_IGNORED", "the window would hide most of the film; the full range is used");
    return values;
  };
}

/** The inclusive range of stored values that pad the film; null for none. */
export function paddingRange({ dataset, signed }) {
  const value = numberOf(dataset, "PixelPaddingValue");
  if (value === null) return null;
  const limit = numberOf(dataset, "PixelPaddingRangeLimit") ?? value;
  const meant = (each) => (signed && each > 32767 ? each - 65536 : !signed && each < 0 ? each + 65536 : each);
  return [value, limit].map((each) => meant(Math.trunc(each))).sort((a, b) => a - b);
}

function modality({ dataset }, levels, say) {
  const [item] = itemsOf(dataset, "ModalityLUTSequence");
  if (!item) {
    const slope = numberOf(dataset, "RescaleSlope") || 1; // a slope of 0 would erase the film
    const intercept = numberOf(dataset, "RescaleIntercept") ?? 0;
    return (level) => level * slope + intercept;
  }
  const table = tableIn(item, [levels[0], levels.at(-1)]);
  if (!table) throw new FilmError("BAD_HEADER", "its Modality LUT is damaged");
  noteLength(table, "Modality LUT", say);
  return table.at;
}

/** Every way of showing the film that the file offers, VOI LUTs first; each gives 0 to 1. */
function voi(dataset, values, say) {
  const span = [least(values), most(values)];
  const tables = itemsOf(dataset, "VOILUTSequence").map((item) => tableIn(item, span));
  const usable = tables.filter(Boolean);
  if (usable.length < tables.length) say("LUT_IGNORED", `${tables.length - usable.length} of ${tables.length} VOI LUTs`);
  if (usable.length) {
    noteLength(usable[0], "VOI LUT", say);
    return usable.map(scaled);
  }
  const kind = textOf(dataset, "VOILUTFunction").toUpperCase() || "LINEAR";
  const [centres, widths] = [valuesOf(dataset, "WindowCenter"), valuesOf(dataset, "WindowWidth")];
  return centres
    .slice(0, widths.length)
    .map((centre, at) => (centre === null || widths[at] === null ? null : windowOf(kind, centre, widths[at])))
    .filter(Boolean);
}

const least = (values) => values.reduce((low, each) => Math.min(low, each), Infinity);
const most = (values) => values.reduce((high, each) => Math.max(high, each), -Infinity);

function noteLength({ values, announced }, name, say) {
  if (values.length !== announced) say("LUT_LENGTH", `${name}: ${values.length} entries where ${announced} are announced`);
}

function scaled({ at, values }) {
  const [low, high] = [least(values), most(values)];
  return (input) => (at(input) - low) / Math.max(high - low, 1);
}

const clipped = (value) => Math.min(Math.max(value, 0), 1);

/** A window function (PS3.3 C.11.2.1.2, C.11.2.1.3), null where the standard forbids its width. */
function windowOf(kind, centre, width) {
  if (kind === "SIGMOID") return width > 0 ? (x) => 1 / (1 + Math.exp(Math.min(Math.max((-4 * (x - centre)) / width, -700), 700))) : null;
  if (kind === "LINEAR_EXACT") return width > 0 ? (x) => clipped((x - centre) / width + 0.5) : null;
  if (width < 1) return null;
  return (x) => clipped((x - (centre - 0.5)) / Math.max(width - 1, 1e-9) + 0.5);
}

/** Whether a window leaves most pixels distinguishable; the darkest and the brightest level do not count. */
function showsTheFilm(shown, weights) {
  const present = [...weights.keys()].filter((at) => weights[at] > 0);
  const inner = present.slice(1, -1);
  const sum = (some) => some.reduce((all, at) => all + weights[at], 0);
  const kept = inner.filter((at) => shown[at] > 1e-6 && shown[at] < 1 - 1e-6);
  const seen = present.map((at) => shown[at]);
  return sum(kept) >= KEPT * sum(inner) && most(seen) - least(seen) > 0;
}

/** The look-up table {at(input), values, announced} that two attributes of an item make; null where they make no sense. */
function tableIn(item, span) {
  const [said, data] = [wordsIn(item, "LUTDescriptor"), wordsIn(item, "LUTData")];
  if (!said || !data || said.words.length < 3) return null;
  const [announced, , bits] = [said.words[0] || 65536, 0, said.words[2]];
  const packed = bits === 8 && 2 * data.bytes.length < 3 * announced;
  const fill = data.bytes.length === announced + (announced % 2);
  const values = packed ? data.bytes.subarray(0, fill ? announced : undefined) : data.words;
  if (!values.length || Math.abs(values.length - announced) * TOLERANCE > announced) return null;
  const first = asMeant(said.words[1], values.length, span, said.signed);
  const at = (input) => values[Math.min(Math.max(Math.floor(input + 0.5) - first, 0), values.length - 1)];
  return { at, values, announced };
}

/** The first input of a table: signed or not, as it covers more of the span. */
function asMeant(first, count, [low, high], signed) {
  if (first < 0x8000) return first;
  const choices = signed ? [first - 0x10000, first] : [first, first - 0x10000];
  const covered = (start) => Math.min(start + count - 1, high) - Math.max(start, low);
  return covered(choices[1]) > covered(choices[0]) ? choices[1] : choices[0];
}

function wordsIn(item, keyword) {
  const element = elementOf(item, keyword);
  if (!element) return null;
  const bytes = bytesOf(item, element);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const words = Uint16Array.from({ length: bytes.length >> 1 }, (_, at) => view.getUint16(2 * at, isLittle(item)));
  return { words, bytes, signed: element.vr === "SS" };
}
