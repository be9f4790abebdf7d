// The reader's verdicts on one film, as values: every act gives a new state, so that undo is a step back.
//
// A state is {items, measures, past, future}: measures as in measures.js. An item is one box: {key, label, box, score, verdict, original, agreement}; `score` is
// null for a box that a person drew. Verdicts: open (nothing said yet), accepted, rejected, edited, added.

import { KINDS } from "./measures.js";

const MOST_STEPS = 200;

/** The state before the reader did anything; a candidate's key is its place in the server's list. */
export function opened(candidates) {
  const items = candidates.map((each, at) => ({ ...each, key: at, verdict: "open", original: each.box }));
  return { items, measures: [], past: [], future: [] };
}

/** The state in which a saved review (docs/reference/http.md) left the candidates. */
export function resumed(candidates, saved) {
  let state = opened(candidates);
  for (const { action, candidate, label, box } of saved.verdicts) {
    if (action === "accept") state = judge(state, candidate, "accepted");
    else if (action === "reject") state = judge(state, candidate, "rejected");
    else if (action === "edit") {
      state = reshape(state, candidate, box);
      if (label) state = rename(state, candidate, label);
    } else if (box) state = add(state, label, box);
  }
  const measures = (saved.measurements ?? []).map(({ kind, points, by }, key) => ({ key, kind, points, by }));
  return { items: state.items, measures, past: [], future: [] };
}

const WORDS = { accepted: "accept", rejected: "reject" };

/** The verdicts as the server takes them. */
export function said(state) {
  return state.items
    .filter((item) => item.verdict !== "open")
    .map((item) => {
      if (item.score === null) return { action: "add", label: item.label, box: item.box };
      if (WORDS[item.verdict]) return { action: WORDS[item.verdict], candidate: item.key };
      return { action: "edit", candidate: item.key, label: item.label, box: item.box };
    });
}

const now = ({ items, measures }) => ({ items, measures });

function step(state, items, measures = state.measures) {
  return { items, measures, past: [...state.past, now(state)].slice(-MOST_STEPS), future: [] };
}

/** The state with other measures. */
export const measured = (state, measures) => step(state, state.items, measures);

/** The measures as the server takes them. */
export const sizes = ({ measures }) => measures.map(({ kind, points, by }) => ({ kind, points, by }));

function change(state, key, patch) {
  return step(
    state,
    state.items.map((item) => (item.key === key ? { ...item, ...patch } : item)),
  );
}

const find = (state, key) => state.items.find((item) => item.key === key);
const same = (a, b) => a.every((value, at) => value === b[at]);

/** Say yes or no to a box; the same word again takes it back. A drawn box that is rejected is gone. */
export function judge(state, key, verdict, along = []) {
  const item = find(state, key);
  if (!item) return state;
  if (along.length) return judgeAll(state, [key, ...along], verdict);
  if (item.score === null) return verdict === "rejected" ? remove(state, key) : state;
  const own = moved(item) ? "edited" : "open"; // to accept a box that was moved is to take it as it stands
  if (item.verdict === verdict) return change(state, key, { verdict: own });
  return change(state, key, { verdict: verdict === "accepted" && own === "edited" ? "edited" : verdict });
}

/** Say the same of several boxes of the model's, in one step; where the first has that verdict, take all back. */
function judgeAll(state, keys, verdict) {
  const back = find(state, keys[0]).verdict === verdict;
  const items = keys.reduce((held, key) => {
    const item = find(held, key);
    return !item || (item.verdict === verdict) !== back ? held : judge(held, key, verdict);
  }, state).items;
  return step(state, items);
}

/** Say the same of all of the model's boxes among `keys` that nothing was said of yet, in one step. */
export function judgeOpen(state, keys, verdict) {
  const of = new Set(keys);
  const open = (item) => of.has(item.key) && item.verdict === "open";
  if (!state.items.some(open)) return state;
  return step(
    state,
    state.items.map((item) => (open(item) ? { ...item, verdict } : item)),
  );
}

const moved = (item) => item.score !== null && !(same(item.box, item.original) && !item.renamed);

/** Give a box other corners. A model's box is then edited, unless it is back where it was. */
export function reshape(state, key, box) {
  const item = find(state, key);
  if (!item || same(item.box, box)) return state;
  const next = { ...item, box };
  const verdict = item.score === null ? "added" : moved(next) ? "edited" : "open";
  return change(state, key, { box, verdict });
}

/** Give a box another label. */
export function rename(state, key, label) {
  const item = find(state, key);
  if (!item || item.label === label) return state;
  if (item.score === null) return change(state, key, { label });
  const first = item.renamed ?? item.label;
  const renamed = label === first ? undefined : first;
  const next = { ...item, label, renamed };
  return change(state, key, { label, renamed, verdict: moved(next) ? "edited" : "open" });
}

/** Add a box that the reader drew. */
export function add(state, label, box) {
  const key = Math.max(-1, ...[...state.past, state, ...state.future].flatMap(({ items }) => items).map((item) => item.key)) + 1;
  const item = { key, label, box, score: null, verdict: "added", original: null };
  return step(state, [...state.items, item]);
}

/** Take a drawn box away; a model's box is rejected instead, for what the model said stays on record. */
export function remove(state, key) {
  const item = find(state, key);
  if (!item) return state;
  if (item.score !== null) return change(state, key, { verdict: "rejected" });
  return step(
    state,
    state.items.filter((each) => each.key !== key),
  );
}

export function undo(state) {
  if (!state.past.length) return state;
  return { ...state.past.at(-1), past: state.past.slice(0, -1), future: [now(state), ...state.future] };
}

export function redo(state) {
  if (!state.future.length) return state;
  return { ...state.future[0], past: [...state.past, now(state)], future: state.future.slice(1) };
}

export const changed = (state) => state.items.some((item) => item.verdict !== "open");

/** What differs between two states, in words, one sentence a box or measure; `name(label)`: a label for people. */
export function changes(before, after, name) {
  const told = [...pairs(before.items, after.items, (was, item) => differs(was, item, name))];
  told.push(...pairs(before.measures, after.measures, differsInSize));
  return [...new Set(told)]; // boxes of one name at one place are one thing to who hears it
}

function* pairs(before, after, told) {
  const old = new Map(before.map((each) => [each.key, each]));
  const kept = new Set(after.map((each) => each.key));
  for (const each of before) if (!kept.has(each.key)) yield told(each, null);
  for (const each of after) {
    const words = told(old.get(each.key), each);
    if (words) yield words;
  }
}

function differs(was, item, name) {
  if (!item) return `${name(was.label)} is gone`;
  if (!was) return `${name(item.label)} is back`;
  if (was.label !== item.label) return `${name(was.label)} is ${name(item.label)}`;
  if (!same(was.box, item.box)) return `the box of ${name(item.label)} is where it was`;
  if (was.verdict !== item.verdict) return `${name(item.label)} ${item.verdict === "open" ? "has no verdict" : `is ${item.verdict}`}`;
  return null;
}

function differsInSize(was, measure) {
  const { name } = KINDS[(measure ?? was).kind];
  if (!measure) return `${name} is gone`;
  if (!was) return `${name} is back`;
  return same(was.points.flat(), measure.points.flat()) ? null : `${name} is where it was`;
}
