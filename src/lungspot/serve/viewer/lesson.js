// Teaching: how well a learner's boxes meet the reference's. Pure functions.

import { iou } from "./geometry.js";

/**
 * Match boxes one to one, best overlap first, same label only, from an IoU of `least`.
 * Returns {found, missed, extra, pairs, sensitivity, precision, f1}: pairs are {drawn, reference, iou}.
 */
export function score(drawn, reference, least = 0.3) {
  const candidates = drawn
    .flatMap((mine) => reference.map((theirs) => ({ drawn: mine, reference: theirs, iou: iou(mine.box, theirs.box) })))
    .filter((pair) => pair.drawn.label === pair.reference.label && pair.iou >= least)
    .sort((a, b) => b.iou - a.iou);
  const taken = new Set();
  const pairs = candidates.filter((pair) => {
    if (taken.has(pair.drawn) || taken.has(pair.reference)) return false;
    taken.add(pair.drawn).add(pair.reference);
    return true;
  });
  const missed = reference.filter((each) => !taken.has(each));
  const extra = drawn.filter((each) => !taken.has(each));
  const part = (count, of) => (of ? count / of : 1);
  const sensitivity = part(pairs.length, reference.length);
  const precision = part(pairs.length, drawn.length);
  const f1 = drawn.length + reference.length ? (2 * pairs.length) / (drawn.length + reference.length) : 1;
  return { found: pairs.length, missed, extra, pairs, sensitivity, precision, f1 };
}

/** One sentence on a score. */
export function inWords({ found, missed, extra, pairs }) {
  const total = found + missed.length;
  if (!total && !extra.length) return "Nothing drawn, and the reference has no box.";
  const overlap = pairs.length
    ? ` (mean overlap ${Math.round((100 * pairs.reduce((sum, pair) => sum + pair.iou, 0)) / pairs.length)} %)`
    : "";
  return `${found} of ${total} found${overlap}, ${missed.length} missed, ${extra.length} extra.`;
}
