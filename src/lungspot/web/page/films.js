// The films of this tab: read one after another, kept in its memory, and nowhere else. A worklist as the server's is.

import { atPoint, floorOf } from "../engine/analyse.js";
import { POINTS, isReported, reaches, thresholds } from "../engine/card.js";
import { document, findingsJson, statementJson } from "../engine/document.js";
import { letters } from "../engine/orientation.js";
import { probabilities, refusedBecause, statement, told } from "../engine/statement.js";

const POINT = "balanced";
const rounded = (value) => Number(value.toFixed(4));
const now = () => `${new Date().toISOString().slice(0, 19)}Z`;

/** A film that waits: its row, without a result. */
export const waiting = (number, id, name) => ({
  id,
  number,
  name,
  created: now(),
  state: "queued",
  analysis: null,
  pixels: null,
  reviews: [],
  row: { status: null, reasons: [], headline: null, labels: [], top: null, urgency: 2, width: null, height: null, view: null },
});

/** Put what the thread answered into a film. */
export function finished(film, { film: facts, analysis, pixels }, { card, facts: page, runtime }) {
  film.analysis = { ...analysis, film: facts, card, name: film.name, made: now(), runtime };
  film.pixels = { width: facts.width, height: facts.height, pixels };
  film.state = "done";
  film.finished = now();
  film.row = columns(film.analysis, page);
}

/** Put what refused a film into it: {code, reason, advice}. */
export function refused(film, problem, { facts: page }) {
  const advice = problem.advice || page.model.reasons[problem.code] || "";
  film.analysis = { film: null, card: null, findings: null, reasons: [problem.code], notices: [], places: [], point: POINT, name: film.name, made: now() };
  film.state = "done";
  film.finished = now();
  const { urgency } = statement(film.analysis, page);
  film.row = { ...film.row, status: "not_assessed", reasons: [problem.code], headline: refusedBecause(problem.reason, page), urgency, advice };
}

function columns(analysis, page) {
  const { at } = atPoint(analysis, POINT, page.taxonomy);
  const said = statement(at, page);
  const called = said.said.flatMap((each) => told(each).map(({ label, score, film }) => [label, score ?? film]));
  const likely = [...probabilities(at)].filter(([label]) => !said.unsaid.includes(label));
  const best = (called.length ? called : likely).reduce((one, other) => (one && one[1] >= other[1] ? one : other), null);
  const positive = (analysis.findings ? at.findings : []).filter((each) => isReported(analysis.card, each.label) && reaches(analysis.card, each, POINT));
  const { width, height, view } = analysis.film;
  return {
    status: analysis.findings ? "assessed" : "not_assessed",
    reasons: analysis.reasons,
    headline: said.headline,
    labels: [...new Set(positive.map(({ label }) => label))],
    top: best && { label: best[0], name: page.taxonomy[best[0]].name, score: rounded(best[1]) },
    urgency: said.urgency,
    ...{ width, height, view },
  };
}

/** A film as the worklist has it. */
export const rowOf = (film) => ({
  ...film.row,
  urgency: rounded(film.row.urgency),
  id: film.id,
  number: film.number,
  name: film.name,
  state: film.state,
  created: film.created,
  finished: film.finished ?? null,
  study_date: film.analysis?.film?.identity?.study_date || null,
  reviewed: film.reviews.length > 0,
  model: null,
  patient: null,
  screened: null,
  decision: null,
});

const ORDERS = {
  urgency: (a, b) => a.reviewed - b.reviewed || b.urgency - a.urgency || a.number - b.number,
  name: (a, b) => a.name.localeCompare(b.name) || a.number - b.number,
  date: (a, b) => (b.study_date ?? b.created).localeCompare(a.study_date ?? a.created) || b.number - a.number,
  status: (a, b) => rank(a) - rank(b) || b.urgency - a.urgency || a.number - b.number,
};
const rank = ({ state, status, reviewed }) => (state !== "done" ? 2 : reviewed ? 3 : Number(status === "not_assessed"));
const FILTERS = {
  all: () => true,
  open: ({ reviewed }) => !reviewed,
  reviewed: ({ reviewed }) => reviewed,
  refused: ({ status }) => status === "not_assessed",
};

/** One page of the worklist, as the server answers: {readings, total, counts, beside}. */
export function listed(films, { filter, finding, sort, search }, page, perPage, id) {
  const rows = films.map(rowOf);
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const text = (row) => `${row.name} ${row.headline ?? ""} ${row.study_date ?? ""}`.toLowerCase();
  const found = rows
    .filter((row) => FILTERS[filter](row) && (!finding || row.labels.includes(finding)) && words.every((word) => text(row).includes(word)))
    .sort(ORDERS[sort] ?? ORDERS.urgency);
  const count = (keep) => rows.filter(keep).length;
  const counts = {
    queued: count(({ state }) => state === "queued"),
    reading: count(({ state }) => state === "reading"),
    done: count(({ state }) => state === "done"),
    reviewed: count(({ reviewed }) => reviewed),
    not_assessed: count(({ status }) => status === "not_assessed"),
  };
  return { readings: found.slice((page - 1) * perPage, page * perPage), total: found.length, counts, beside: id ? beside(found, id) : null };
}

function beside(rows, id) {
  const at = rows.findIndex((row) => row.id === id);
  const [before, after] = [rows.slice(0, Math.max(at, 0)), rows.slice(at + 1)];
  const done = (some) => some.find(({ state }) => state === "done")?.id ?? null;
  const unread = [...after, ...before].filter(({ reviewed }) => !reviewed);
  return { id, position: at < 0 ? null : at, previous: done(before.toReversed()), next: done(after), next_unread: done(unread) };
}

/** Everything about one film, as the server answers (docs/reference/http.md). */
export function whole(film, { facts: page, card }) {
  const { analysis } = film;
  const { at } = atPoint(analysis, POINT, page.taxonomy);
  const read = Boolean(analysis.film);
  return {
    ...rowOf(film),
    result: document(at, page),
    floor: rounded(floorOf(card)),
    candidates: read ? candidates(analysis, page) : [],
    statements: read ? statements(analysis, page) : {},
    edges: edgesOf(analysis),
    correction: correctionOf(analysis),
    heatmaps: analysis.findings ? card.labels : [],
    image_thresholds: Object.fromEntries(card.labels.map((label) => [label, byPoint((point) => rounded(thresholds(card, label, point).image))])),
    why_repeat: "",
    identity: analysis.film?.identity ?? null,
    priors: [],
    reviews: film.reviews,
    truth: null,
  };
}

/** The letters at a film's edges, none where its sides are not known or nothing is. */
export const edgesOf = ({ film, leftSide }) => (film && leftSide !== null ? letters(film.orientation) : {});

/** What makes the film as it is stored upright, and white what is bone. */
export const correctionOf = ({ turns, notices }) => ({
  quarter_turns: turns ?? 0,
  invert: notices.some(({ code }) => code === "GREYS_SWAPPED"),
});

const byPoint = (of) => Object.fromEntries(POINTS.map((point) => [point, of(point)]));

/** Every box that was kept, best first, with the thresholds of all points. */
export function candidates(analysis, page) {
  return findingsJson(analysis, page).map(({ threshold: _, positive: __, ...each }) => ({
    ...each,
    thresholds: byPoint((point) => rounded(thresholds(analysis.card, each.label, point).box)),
  }));
}

/** What is said of a film at each operating point. */
function statements(analysis, page) {
  return byPoint((point) => {
    const { at, shown } = atPoint(analysis, point, page.taxonomy);
    return {
      reported: statementJson(statement(at, page), at, page),
      experimental: statementJson(statement(at, page, true), at, page),
      places: Object.fromEntries(at.places.map(({ number, members }) => [number, members.map((each) => shown[each])])),
    };
  });
}
