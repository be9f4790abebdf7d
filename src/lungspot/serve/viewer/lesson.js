// Teaching: how well a learner's boxes meet the reference's. Pure functions.

import { iou } from "./geometry.js";

/**
 * Match boxes one to one, best overlap first, from an IoU of `least`; `group(label)`: of labels that a film cannot tell apart, the same.
 * Returns {found, missed, extra, pairs, sensitivity, precision, f1}: pairs are {drawn, reference, iou}.
 */
export function score(drawn, reference, group = (label) => label, least = 0.3) {
  const candidates = drawn
    .flatMap((mine) => reference.map((theirs) => ({ drawn: mine, reference: theirs, iou: iou(mine.box, theirs.box) })))
    .filter((pair) => group(pair.drawn.label) === group(pair.reference.label) && pair.iou >= least)
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

/** The same of what the server counted: its score of an answer (docs/reference/http.md), and what was marked and does not count. */
export function scoreInWords({ places, found, extra, uncounted, findings, named, overlap }) {
  const parts = [`${found} of ${places} found${found ? ` (mean overlap ${Math.round((100 * overlap) / found)} %)` : ""}, ${places - found} missed, ${extra} extra.`];
  if (!places && !extra && !findings) parts[0] = "nothing is there, and nothing was marked.";
  if (findings) parts.push(`${named} of ${findings} finding${findings > 1 ? "s" : ""} of the film named.`);
  if (uncounted) parts.push(`${uncounted} not counted: nobody looked for that, or boxed it.`);
  return parts.join(" ");
}

/** One sentence on a session: sensitivity at the learner's own false marks a film, and the model's at as many. */
export function sessionInWords({ learner, films, places, sensitivity, extra_per_film: rate, model_sensitivity: model, model_extra_per_film: modelRate }) {
  const part = (value) => `${Math.round(100 * value)} %`;
  const own = sensitivity === null ? "no place to find yet" : `${part(sensitivity)} of ${places} place${places > 1 ? "s" : ""} found`;
  const theirs = model === null ? "" : `; the model ${part(model)} at ${modelRate.toFixed(2)}`;
  return `${learner}: ${films} film${films > 1 ? "s" : ""}, ${own} at ${rate.toFixed(2)} false marks a film${theirs}.`;
}
