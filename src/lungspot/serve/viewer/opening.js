// Opens a film: asks for its result, its pixels and its heat maps, and puts them into the page's state.

import { filmOf, letGo, makeReady, readingOf } from "./ahead.js";
import * as api from "./api.js";
import { fill, make, one, say } from "./dom.js";
import { shortName } from "./names.js";
import { headline } from "./scene.js";
import { opened, resumed } from "./verdicts.js";
import { presets } from "./window.js";

const EMPTY = { film: null, reading: null, review: opened([]), practice: opened([]), presets: [], window: null };
const FRESH = {
  focus: null,
  hover: null,
  hidden: new Set(),
  editing: false,
  sketch: null,
  grip: null,
  draft: null,
  reshaped: null,
  revealed: null,
  lesson: "",
  compare: null,
  changed: null,
  prior: null,
  saved: "",
  savedBefore: "",
  saving: false,
  cursor: null,
  lensAt: null,
  heats: new Map(),
};

/** A reading as the page holds it. */
function reading(answer) {
  const { result } = answer;
  const image = result?.image ?? {};
  return {
    ...answer,
    status: result ? result.status : "waiting",
    reasons: result?.reasons ?? [],
    scores: result?.image_scores ?? [],
    warnings: result?.warnings ?? [],
    frame: image.width ? { width: image.width, height: image.height, tall: tall(image) } : null,
    spacing: image.pixel_spacing_mm ?? null,
    candidates: answer.candidates ?? [],
    heatmaps: answer.heatmaps ?? [],
    limits: answer.image_thresholds ?? {},
    statements: answer.statements ?? {},
    edges: answer.edges ?? {},
    correction: answer.correction ?? { quarter_turns: 0, invert: false },
    priors: answer.priors ?? [],
    reviews: answer.reviews ?? [],
  };
}

/** How high to how wide a pixel of the film is. */
const tall = ({ pixel_aspect: aspect }) => (aspect ? aspect[0] / aspect[1] : 1);

/** What is needed to show one film: {reading, film, presets}. Waits until the server has read it. */
export async function load(id, stillWanted) {
  for (;;) {
    const one = reading(await readingOf(id));
    if (!stillWanted()) return null;
    if (!one.result) continue;
    const film = one.frame ? await filmOf(id) : null;
    if (!stillWanted()) return null;
    return { reading: one, film, presets: film ? presets(film, one.correction) : [] };
  }
}

// What a reader has said and not yet saved of films that are not open now, by id.
const drafts = new Map();

/** Whether a verdict would be lost if the page were closed. */
export const unsaved = ({ saved }) => drafts.size > 0 || saved.startsWith("not saved");

let openings = 0;

/** Open a film in the page; teaching goes on with it. `shown()` is called once its pixels are there. */
export async function open(store, id, shown) {
  const { state } = store;
  if (state.id === id && !state.problem) return; // it is open, or on its way
  openings += 1;
  const mine = openings;
  letGo(id);
  lay(state);
  const before = state.tool === "draw" ? state.toolBefore : state.tool;
  const tool = state.teach ? "draw" : before;
  store.set({ ...EMPTY, ...FRESH, heats: new Map(), hidden: new Set(), id, tool, toolBefore: before, problem: "" });
  form("", false);
  const wanted = () => state.id === id && mine === openings;
  try {
    if (state.rows.some((row) => row.id === id && row.state === "done")) makeReady(id); // its pixels come beside its result
    const loaded = await load(id, wanted);
    if (!loaded) return;
    const facing = { turns: loaded.reading.correction.quarter_turns, flip: false };
    store.set({ ...loaded, ...held(loaded.reading, state.reader), facing, window: loaded.presets[0]?.window ?? null });
    refusal(state);
    shown();
    say(`${shortName(state, loaded.reading)}: ${headline(state)}`);
  } catch (error) {
    if (wanted()) store.set({ problem: error.message });
    throw error;
  }
}

/** Leave the open film, which is no more. */
export function forget(store) {
  store.set({ ...EMPTY, ...FRESH, heats: new Map(), hidden: new Set(), id: null });
}

function form(note, complete) {
  one("note").value = note;
  one("complete").checked = complete;
}

/** Keep what is not saved of the film that is left. */
function lay({ id, review, saved }) {
  if (id && saved.startsWith("not saved"))
    drafts.set(id, { review, note: one("note").value, complete: one("complete").checked });
}

/** The review of a film that is opened: the one that was not saved, else the reader's last, else a new one. */
function held({ id, candidates, reviews }, reader) {
  const draft = drafts.get(id);
  drafts.delete(id);
  const mine = lastReview(reviews, reader);
  form((draft ?? mine)?.note ?? "", (draft ?? mine)?.complete ?? false);
  if (draft) return { review: draft.review, saved: "not saved" };
  if (!mine) return { review: opened(candidates), saved: "" };
  return { review: resumed(candidates, mine), saved: `saved ${new Date(mine.created).toLocaleTimeString("en-GB")}` };
}

function lastReview(reviews, reader) {
  return reader ? reviews.filter((each) => each.reader === reader).at(-1) : undefined;
}

/** The film's heat map of a label, asked for once; null where there is none (yet). */
export function heatOf(store, label) {
  const {
    reading: { id, heatmaps },
    heats,
  } = store.state;
  if (!heatmaps.includes(label)) return null;
  if (!heats.has(label)) {
    heats.set(label, null);
    api.heat(id, label).then(
      (bitmap) => {
        if (store.state.id === id) store.set({ heats: new Map(store.state.heats).set(label, bitmap) });
      },
      () => {},
    );
  }
  return heats.get(label);
}

/** Show why a film was not assessed, over the film: it is what it is, and never "normal". */
function refusal({ reading: { status, reasons, frame, headline }, model }) {
  const box = one("refusal");
  box.hidden = status === "assessed";
  if (box.hidden) return;
  const code = reasons.join(", ");
  const because = frame ? reasons.map(model.why) : [headline.replace(`${model.not_assessed}: `, "")];
  const start = frame
    ? "lungspot did not judge this picture; there is no score and no box:"
    : "This file could not be read as a film:";
  fill(
    box,
    make("h2", {}, model.not_assessed),
    make("p", {}, start),
    make("ul", {}, ...because.map((text) => make("li", {}, text))),
    frame ? null : make("p", {}, `What to do: ${reasons.map(model.why).join("; ")}.`),
    make("p", { class: "code" }, `This does not mean that the film is normal. Code: ${code}`),
  );
}
