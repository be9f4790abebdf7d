// What of a film is to be seen now: which boxes, with which words and look. Pure functions of the page's state.

import { became, becameThen } from "./changed.js";
import { frame, groups, leading, placesOf } from "./places.js";

const MOST_LINES = 2; // of groups of names at one place; the list has them all

/** What is said of labels that look alike at one place. */
export const NOT_TOLD_APART = "cannot be told apart on a film";

export const percent = (value) => `${Math.round(100 * value)} %`;

/** The operating points from the most specific to the most sensitive, as the slider has them. */
export const POINTS = ["specific", "balanced", "sensitive"];

export const labelOf = (state, label) => state.model.labels.get(label) ?? { name: label, color: "currentColor" };

/** The threshold of a label at the chosen operating point, on boxes ("box") or whole films ("image"). */
export function threshold(state, label, kind = "box") {
  const own = kind === "image" ? state.reading?.limits[label]?.[state.point] : undefined; // those of the model that read it
  return own ?? state.model.thresholds[state.point]?.[label]?.[kind] ?? 0.5;
}

/** The threshold of a box: its candidate's own, which a new label does not change. */
export const least = (state, item) => item.thresholds?.[state.point] ?? threshold(state, item.label);

export const positive = (state, item) => item.score === null || item.score >= least(state, item);

/** Whether an item is listed: judged or drawn by the reader, or positive and not only shown on request. */
const told = (state, item) =>
  item.verdict !== "open" || (positive(state, item) && (state.experimental || item.standing !== "experimental"));

/** Which candidates show each place that is said, most urgent place first. */
function said(state) {
  const members = state.reading.statements?.[state.point]?.places ?? {};
  return (statement(state)?.said ?? []).filter((each) => each.place !== null).map((each) => members[each.place] ?? []);
}

/** The places of the open film, most urgent first (places.js). */
export function places(state) {
  if (!state.reading) return [];
  const shown = verdicts(state).items.filter((item) => told(state, item));
  return placesOf(shown, state.teach ? [] : said(state));
}

/** Whether what the model says is hidden: the learner draws first. */
export const secret = (state) => state.teach && !state.revealed;

/** The reader's boxes that count now: the exercise's in teaching, else the review's. */
export const verdicts = (state) => (state.teach ? state.practice : state.review);

/** The items that are listed now, place by place: one a name, those that the reader has judged or drawn among them. */
export const listed = (state) => places(state).flatMap((place) => place.names);

/** The statement at the chosen operating point: of reported labels, or with experimental ones where they are asked for. */
export function statement({ reading, point, experimental }) {
  return reading.statements?.[point]?.[experimental ? "experimental" : "reported"] ?? null;
}

/** How sure the model is of a box, in words that say what the percentage is of. */
export function chance(item) {
  return item.judged === false ? `${probability(item.score)} (whole film)` : probability(item.score);
}

/** A probability in whole per cent; never 0 or 100, which nobody can be. */
export const probability = (value) => (value > 0.994 ? "> 99 %" : value < 0.006 ? "< 1 %" : percent(value));

// After Panicek and Hricak, How sure are you, doctor? AJR 2016: five words and the probabilities about which they stand.
const CERTAINTY = [
  [0.9, "very probable"],
  [0.625, "probable"],
  [0.375, "possible"],
  [0.1, "less likely"],
  [0, "unlikely"],
];

/** A probability in a word. */
export const certainty = (value) => CERTAINTY.find(([least]) => value >= least)[1];

/** `87 % ≥ 31 %`: how sure, and against which threshold. */
export function sureness(state, item) {
  if (item.score === null) return "drawn";
  return `${chance(item)} ${positive(state, item) ? "≥" : "<"} ${percent(least(state, item))}`;
}

/** The marks on the open film: one a place that is not hidden, and in teaching, once revealed, the reference's. */
export function marks(state) {
  if (!state.reading || !state.boxes) return [];
  const own = places(state).flatMap((place) => mark(state, place, state, (each) => changed(state, each)) ?? []);
  return [...own, ...reference(state)];
}

/** A place as it is drawn: with the box of the name that is pointed at, is in focus, or leads. `change`: what became of it, in a word. */
function mark(state, place, { hover = null, focus: chosen = null }, change) {
  const focus = hover ?? chosen;
  const names = place.names.filter((item) => !state.hidden.has(item.key));
  if (!names.length) return null;
  const item = [hover, chosen].flatMap((key) => names.find((each) => each.key === key) ?? []).at(0) ?? leading(names);
  const every = names.every((each) => each.verdict === "rejected");
  const box = state.reshaped?.key === item.key ? state.reshaped.box : frame(place, item);
  const word = change({ names, box });
  const also = (text) => [text, word].filter(Boolean).join("\n");
  return {
    key: item.key,
    box,
    colour: labelOf(state, item.label).color,
    text: also(words(state, names, focus)),
    short: also(shortWords(state, names)),
    word,
    dashed: item.score !== null && !names.some((each) => positive(state, each)),
    crossed: every,
    faint: every,
  };
}

/** What became of a place against the prior film that hangs beside, in a word; empty where that is not said. */
export function changed(state, { names, box }) {
  const labels = names.flatMap(({ label, renamed }) => [label, renamed]);
  const found = secret(state) ? [] : became(state, labels, box);
  const words = [...new Set(found.map(({ word }) => word))];
  return words.length < 2 ? words.join() : found.map((each) => `${together(state, each.labels)}: ${each.word}`).join("\n");
}

/** One name for labels that look alike. */
function together(state, labels) {
  return labelOf(state, labels.length > 1 ? (state.model.labels.get(labels[0])?.group ?? labels[0]) : labels[0]).name;
}

/** The words at a place: of look-alikes first what they are together; rejected names only where there is no other. */
function words(state, names, focus) {
  const standing = names.filter((each) => each.verdict !== "rejected");
  const lines = groups(state, standing.length ? standing : names).map(({ id, items }) => {
    const each = items.map((one) => sign(state, one, one.key === focus || (focus === null && names.length === 1))).join(", ");
    return items.length > 1 ? `${labelOf(state, id).name}: ${NOT_TOLD_APART}\n${each}` : each;
  });
  if (lines.length > MOST_LINES) lines.splice(MOST_LINES, Infinity, `and ${lines.length - MOST_LINES} more`);
  return lines.join("\n");
}

/** A place in few words: what it is, and how probable its likeliest name is. */
function shortWords(state, names) {
  const item = leading(names);
  const [{ id, items }] = groups(state, [item, ...names.filter((each) => each !== item && each.verdict !== "rejected")]);
  return items.length > 1 ? `${labelOf(state, id).name}\n${sign(state, item)} or alike` : sign(state, item);
}

function sign(state, item, full) {
  const mark = { accepted: "✓ ", rejected: "✗ ", edited: "✎ ", added: "+ " }[item.verdict] ?? "";
  const name = `${mark}${labelOf(state, item.label).name}`;
  if (item.score === null) return name;
  const tried = item.standing === "experimental" ? " (experimental)" : "";
  return `${name} ${full ? `${certainty(item.score)}, ` : ""}${chance(item)}${tried}`;
}

/** The marks of a film that is only looked at: one a place, in the model's words. */
export function priorMarks(state, reading) {
  const items = reading.candidates.map((each, key) => ({ ...each, key, verdict: "open" }));
  const quiet = { ...state, reading, hidden: new Set(), reshaped: null };
  return placesOf(
    items.filter((item) => told(quiet, item)),
    said(quiet),
  ).map((place) => mark(quiet, place, {}, ({ names }) => becameThen(state, reading, names.map(({ key }) => key))));
}

function reference(state) {
  if (!state.teach || !state.revealed) return [];
  return state.revealed.boxes.map((each, at) => ({
    key: `reference-${at}`,
    box: each.box,
    colour: labelOf(state, each.label).color,
    text: `${each.by}: ${labelOf(state, each.label).name}${each.score ? ` ${percent(each.score)}` : ""}`,
    dashed: each.by === "model",
  }));
}

/** One sentence about the film, as every form of the result says it; never "normal". */
export function headline(state) {
  const { reading } = state;
  if (reading.status !== "assessed") return state.model.not_assessed;
  if (secret(state)) return "Your reading first";
  return statement(state)?.headline ?? `No finding at the ${state.point} operating point`;
}

/** Side and zone in words: `right lower zone`; the patient's side. */
export function place({ side, zone }) {
  const where = zone ? `${zone} zone` : "";
  if (side === "bilateral") return where ? `both sides, ${where}` : "both sides";
  return [side, where].filter(Boolean).join(" ");
}

/** Whether the heat map speaks of the same place, in words. */
export function agreement({ energy_in_box: energy, peak_in_box: peak, area }) {
  return `${percent(energy)} in the box (${percent(area)} of the film), peak ${peak ? "inside" : "outside"}`;
}
