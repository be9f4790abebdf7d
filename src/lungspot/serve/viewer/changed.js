// What became of a place against the prior film that hangs beside: a word at its box. Pure functions of the page's state.

import { iou } from "./geometry.js";

const WORDS = {
  new: "new",
  larger: "larger or denser",
  smaller: "smaller or less dense",
  same: "unchanged",
  gone: "gone",
  unsure: "undecided",
  both: "on both films",
};
const ALIKE = "both films look alike here"; // a mark that one of them has comes and goes with a threshold
const NEAR = 0.5; // overlap of a box of the page's and one of the report's

/** The changes that the report says, `every` of the server's answer, with which films they are of. */
export const changesOf = (state, prior, every) => ({ film: state.id, prior, point: state.point, every: every ?? [] });

/** What the report says of the two films that are shown now; nothing where it is of others. */
function current({ id, compare, point, changed }) {
  return changed && changed.film === id && changed.prior === compare && changed.point === point ? changed.every : [];
}

const word = (change) => (change.word === "same" && change.marked !== "both" ? ALIKE : (WORDS[change.word] ?? change.word));

/** What became of a place of the open film, by its look-alike names: [{labels, word}]; nothing where that is not said. */
export function became(state, labels, box) {
  const near = current(state).filter((each) => each.box && iou(box, each.box) >= NEAR);
  return near.filter((each) => each.labels.some((label) => labels.includes(label))).map((each) => ({ labels: each.labels, word: word(each) }));
}

/** What became of a place that the prior film alone marks; `keys`: of its candidates. */
export function becameThen(state, reading, keys) {
  const members = reading.statements[state.point]?.places ?? {};
  const found = current(state).find(
    (each) => each.marked === "before" && (members[each.earlier_place] ?? []).some((key) => keys.includes(key)),
  );
  return found ? word(found) : "";
}
