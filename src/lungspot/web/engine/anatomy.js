// Heart and lungs of a film, their proportion, and on which side the heart lies (lungspot.detect.anatomy).

import { enclosing, height, move, width } from "./boxes.js";
import { inFile } from "./correction.js";
import { organBox, organCells } from "./regions.js";

// What a chest looks like; lengths are parts of the chest's width or height, but where another is named.
const RATIO = [0.34, 0.8]; // the heart's width
const OUTSIDE = 0.02; // how far the heart may reach out of the chest at a side
const ACROSS = 0.14; // of the heart that lies at either side of the middle between the lungs, at least
const NARROW = 0.3; // what of the heart lies at that side of the middle where less of it lies, at most
const HEART_TOP = 0.2; // from the lungs' top to the heart's, at least
const HEART_BOTTOM = 0.2; // from the lungs' bottom to the heart's, at most
const HEIGHTS = 0.68; // of the higher lung's height that the other has, at least
const TOPS = 0.15; // from one lung's top to the other's, at most
const WIDTHS = 0.5; // of the wider lung's width that the other has, at least
const BETWEEN = 0.04; // from one lung to the other, at least

/**
 * {heart, left_lung, right_lung, unsided, cardiothoracic_ratio, mirrored} of the upright film; null where the network knows none. `said`: the
 * patient's side at the left edge by the file; `unsided`: the lungs where sides are not said.
 */
export function anatomyOf(raw, frame, { anatomy, input_size: size }, said) {
  if (!anatomy || !raw.organs) return null;
  const square = { width: size, height: size };
  const [heart, first, second] = raw.organs.map((organ) => {
    const box = organBox(organ, square);
    return box && move(box, square, frame);
  });
  const likely = raw.mirrored[0];
  const mirrored = likely >= anatomy.sure ? true : likely <= 1 - anatomy.sure ? false : null;
  const seen = { heart, left_lung: null, right_lung: null, unsided: [], cardiothoracic_ratio: measured(heart, first, second), mirrored };
  const left = leftSide(said, seen);
  if (!left) return { ...seen, unsided: [first, second].filter(Boolean) };
  const [one, other] = left === "left" ? [first, second] : [second, first];
  return { ...seen, left_lung: one, right_lung: other };
}

function measured(heart, one, other) {
  if (!isPlausible(heart, one, other)) return null;
  return width(heart) / width(enclosing([one, other]));
}

/** Whether a heart and the lungs at the left and the right of an upright picture lie as in a chest; not where one is null. */
export function isPlausible(heart, one, other) {
  if (!heart || !one || !other) return false;
  const chest = enclosing([one, other]);
  const [wide, high] = [width(chest), height(chest)];
  const middle = (one[2] + other[0]) / 2;
  const narrow = Math.min(middle - heart[0], heart[2] - middle);
  const alike = (size, least) => Math.min(size(one), size(other)) >= least * Math.max(size(one), size(other));
  const ratio = width(heart) / wide;
  return (
    ratio >= RATIO[0] &&
    ratio <= RATIO[1] &&
    Math.min(heart[0] - chest[0], chest[2] - heart[2]) >= -OUTSIDE * wide &&
    narrow >= ACROSS * width(heart) &&
    narrow <= NARROW * wide &&
    heart[1] - chest[1] >= HEART_TOP * high &&
    heart[3] - chest[3] <= HEART_BOTTOM * high &&
    alike(height, HEIGHTS) &&
    Math.abs(one[1] - other[1]) <= TOPS * high &&
    alike(width, WIDTHS) &&
    other[0] - one[2] >= BETWEEN * wide
  );
}

const [CUT_SIDE, CUT_TOP, CUT_BOTTOM] = [0.7, 0.7, 0.4]; // of a lung's height at a side, of its width at top or bottom
const SPOT = 0.02; // of the film's area, below which a lung is a stray spot

/** The warning that the picture's edge cuts off a lung: much of the lung's outline lies on it. `organs`: heart and two lungs, or null. */
export function lungsCutOff(organs) {
  const cut = (organs ?? []).slice(1).some((lung) => {
    const { width: wide, height: high, pixels } = lung;
    const cells = organCells(lung);
    if (!cells || cells.length < SPOT * pixels.length) return false;
    const [xs, ys] = [cells.map((cell) => cell % wide), cells.map((cell) => Math.floor(cell / wide))];
    const [across, down] = [new Set(xs).size, new Set(ys).size];
    const at = (values, edge) => values.filter((value) => value === edge).length;
    return (
      Math.max(at(xs, 0), at(xs, wide - 1)) >= CUT_SIDE * down || at(ys, 0) >= CUT_TOP * across || at(ys, high - 1) >= CUT_BOTTOM * across
    );
  });
  const text = "the picture's edge cuts off a lung: what lies beyond it was not judged";
  return cut ? [{ code: "LUNGS_CUT_OFF", text }] : [];
}

/** The lungs that were seen, the one at the picture's left first. */
export const lungsOf = ({ left_lung: left, right_lung: right, unsided }) =>
  [left, right, ...unsided].filter(Boolean).sort((a, b) => a[0] - b[0]);

/** Both lungs, where they say where boxes may lie: the card trusts them, and heart and lungs lie as in a chest; else null. */
export const trustedLungs = (seen, { anatomy }) =>
  anatomy?.lungs_trusted && typeof seen?.cardiothoracic_ratio === "number" ? lungsOf(seen) : null;

/** The anatomy of the upright film in the frame of the file. */
export function anatomyInFile(seen, correction, frame) {
  const moved = (box) => box && inFile(box, correction, frame);
  const [heart, left, right] = [seen.heart, seen.left_lung, seen.right_lung].map(moved);
  return { ...seen, heart, left_lung: left, right_lung: right, unsided: seen.unsided.map(moved) };
}

/** The patient's side at the left edge that may be believed: `said` by the file, null where the heart contradicts it. */
export function leftSide(said, seen) {
  if (!seen || seen.mirrored === null || said === null) return said;
  return (said === "left") === seen.mirrored ? said : null;
}

/** The warning that the heart lies where the file, or custom where it says nothing, does not put it. */
export function heartSide(said, seen) {
  if (!seen || seen.mirrored === null || seen.mirrored === (said === "left")) return [];
  const where = seen.mirrored ? "as on a mirrored film" : "as on a film that is not mirrored, and the file says it is";
  return [{ code: "HEART_SIDE", text: `the heart lies ${where}: check left and right, which are not said` }];
}
