// What the viewer asks, answered in this tab: it stands in the place of the module that asks a server.

import { atPoint } from "../engine/analyse.js";
import { glow } from "../engine/heat.js";
import { reportText } from "../engine/report_text.js";
import { candidates, finished, listed, refused, rowOf, waiting, whole } from "./films.js";
import { valueOf } from "./measures.js";
import { Refused, inShape } from "./model.js";
import { jsonBlob, overlayBlob, reviewsBlob, save, textBlob } from "./saving.js";
import { start } from "./thread.js";

export const PER_PAGE = 100;
export const SERVED = false; // nothing is kept, films and names least of all, and no link leads anywhere
const LARGEST = 512 * 1024 * 1024; // bytes of one film
const films = []; // of this tab, in the order in which they came
const tell = (words) => {
  for (const id of ["empty", "headline"]) { // the worklist is folded away on a small screen
    const place = document.getElementById(id);
    if (place) place.textContent = words;
  }
};
const engine = start(tell);
engine.catch(() => {}); // whoever asks for it hears of it

const nobody = () => new Refused(404, { code: "NO_READING", reason: "this tab has no such film", advice: "open it again" });

function filmOf(id) {
  const film = films.find((each) => each.id === id);
  if (!film) throw nobody();
  return film;
}

export async function model() {
  let opened;
  try {
    opened = await engine;
  } catch (error) {
    throw new Refused(0, { code: error.code ?? "NO_SERVER", reason: error.reason ?? error.message, advice: error.advice ?? "" });
  }
  const { facts, threads, runtime, film } = opened;
  const { software } = facts.model;
  if (film && !films.length) await shownFirst(film);
  document.documentElement.dataset.threads = threads;
  return {
    ...inShape({ ...facts.model, taxonomy: Object.entries(facts.taxonomy).map(([id, known]) => ({ id, ...known })) }),
    software: { ...software, onnxruntime: `${runtime} (in this page)` },
    limits: { upload_bytes: LARGEST },
  };
}

/** Read the film of a demonstration before the page asks what there is. */
async function shownFirst(film) {
  tell(`Reading ${film.name}…`);
  await upload(film, () => {});
  await films[0].done;
}

export const list = async (question, page, id) => listed(films, question, page, PER_PAGE, id);
export const rowsOf = async (ids) => films.filter(({ id }) => ids.includes(id)).map(rowOf);

/** One film, once it is read. */
export async function reading(id) {
  const film = filmOf(id);
  await film.done;
  return whole(filmOf(id), await engine);
}

export async function pixels(id) {
  return filmOf(id).pixels;
}

/** A label's heat map as a picture to lay over the film. */
export async function heat(id, label) {
  const { analysis } = filmOf(id);
  const { width, height, data } = glow(analysis.heat.get(label), analysis.film);
  return createImageBitmap(new ImageData(data, width, height));
}

/** Take one file. It is read here, its bytes only when it is its turn; what other films say does not matter to it. */
export async function upload(file, progress) {
  const opened = await engine;
  progress(1);
  const film = waiting((films.at(-1)?.number ?? 0) + 1, crypto.getRandomValues(new Uint32Array(4)).join("-"), file.name);
  films.push(film);
  film.done = readInTurn(film, file, opened);
  return { readings: [{ id: film.id, name: film.name, state: film.state, duplicate: false }], refused: [] };
}

let turn = Promise.resolve(); // one film at a time: the network uses all threads that there are

function readInTurn(film, file, opened) {
  turn = turn.then(async () => {
    film.state = "reading";
    try {
      finished(film, await opened.ask("read", { file }), opened);
    } catch (problem) {
      refused(film, problem, opened);
    }
  });
  return turn;
}

/** What the right-hand panel offers of a film: [words, what happens]. */
export function views(id, { point, language }) {
  const film = filmOf(id);
  const called = film.name.replace(/[\\/]/g, "_").replace(/\.(dcm|png|jpe?g)$/i, "");
  const offered = async (make, ending) => save(await make(film, await engine, { point, language }), `${called}.${ending}`);
  return [
    ["Save JSON", () => offered(jsonBlob, "json")],
    ["Save report", () => offered(textBlob, "txt")],
    ...(film.pixels ? [["Save picture", () => offered(overlayBlob, "png")]] : []),
  ];
}

/** The report to copy as a review that is not saved has it. */
export async function report(id, body, { language, point, experimental }) {
  const { facts } = await engine;
  const film = filmOf(id);
  const begun = body.verdicts.length || body.complete || body.note || body.measurements.length;
  return reportText(atPoint(film.analysis, point, facts.taxonomy).at, facts, { language, experimental, review: begun ? settled(film, body, facts) : null });
}

/** A review with everything that its verdicts and measurements mean. */
function settled(film, body, facts) {
  const offered = film.analysis.findings ? candidates(film.analysis, facts) : [];
  const image = film.analysis.film;
  const scale = { spacing: image.pixel_spacing_mm, tall: image.pixel_aspect[0] / image.pixel_aspect[1] };
  return {
    ...body,
    absent: body.absent ?? [],
    verdicts: body.verdicts.map((verdict) => withBox(verdict, offered[verdict.candidate])),
    measurements: body.measurements.map((each) => measured(each, scale, film.pixels)),
  };
}

function measured(each, scale, pixels) {
  const { widths, greys, ...value } = valueOf(each, scale, pixels);
  const unit = scale.spacing ? "mm" : "px";
  return { ...each, ...value, ...(greys && { greys }), ...(widths && { widths: { heart: widths[0], chest: widths[1], unit } }) };
}

function withBox(verdict, of) {
  if (!of) return { ...verdict, box: verdict.box ?? null };
  const { label, box, score } = of;
  return { ...verdict, label: verdict.label ?? label, box: verdict.box ?? box, offered: { label, box, score } };
}

/** Keep a review, as long as this tab is open. */
export async function review(id, body) {
  const { facts } = await engine;
  const film = filmOf(id);
  const kept = { ...settled(film, body, facts), id: film.reviews.length + 1, reading_id: id, created: `${new Date().toISOString().slice(0, 19)}Z` };
  film.reviews.push(kept);
  return kept;
}

export async function remove(id) {
  films.splice(films.indexOf(filmOf(id)), 1);
}

/** The reviews of this tab's films, for `lungspot detect --reviews`. */
export const exported = async () => reviewsBlob(films);

const never = async () => {
  throw new Refused(404, { code: "NO_ROUTE", reason: "this page has no server", advice: "start lungspot serve" });
};
export const signIn = never;
export const answer = never;
export const decide = never;
