// The server's answers as the page uses them (docs/reference/http.md). The only file that knows addresses.

import { Refused, inShape } from "./model.js";

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", ...options });
  } catch {
    throw new Refused(0, {
      code: "NO_SERVER",
      reason: "the server does not answer",
      advice: "is lungspot serve still running?",
    });
  }
  if (answer.ok) return answer;
  throw new Refused(answer.status, await whatWasWrong(answer));
}

async function whatWasWrong(answer) {
  try {
    return (await answer.json()).error;
  } catch {
    return { code: "BUG", reason: `the server answered ${answer.status}`, advice: "" };
  }
}

const json = async (path, options) => (await ask(path, options)).json();
const post = (path, body) =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
const of = (id) => `v1/readings/${encodeURIComponent(id)}`;

/** The film's other forms: [words, where it is], each for a window of its own; or, where there is no server, [words, what makes it]. */
export const views = (id, { point, language }) => [
  ["Page to print", `${of(id)}/report.html?${new URLSearchParams({ point, language })}`],
  ["Picture with boxes", `${of(id)}/overlay.png?point=${point}`],
  ["16-bit PNG", `${of(id)}/image?bits=16`],
];

export const remove = (id) => ask(of(id), { method: "DELETE" });

export const signIn = (token) => post("v1/session", { token });

export const model = async () => inShape(await json("v1/model"));

export const PER_PAGE = 100;
export const SERVED = true; // a server keeps the films: names outlive a reload, and links lead to it
const FILTERS = { open: { reviewed: false }, reviewed: { reviewed: true }, refused: { status: "not_assessed" }, all: {} };
const MOST_NAMES = 900000; // characters that a body may hold of names

/**
 * One page of the worklist: {readings, total, counts, beside}. `question`: {filter, finding, sort, search, names}; `names`: a Map of
 * those that only this page knows, or null; `id`: the film whose neighbours are wanted, if any.
 */
export async function list({ filter, finding, sort, search, names }, page, id) {
  const wanted = { ...FILTERS[filter], ...(finding && { label: finding }), sort, page, per_page: PER_PAGE, ...(id && { beside: id }) };
  if (!search && !(names && sort === "name")) return json(`v1/readings?${new URLSearchParams(wanted)}`);
  const body = { ...wanted, search, names: named(names ?? new Map()) };
  return (await post("v1/worklist", body)).json();
}

/** The latest names that a body has room for. */
function named(names) {
  let room = MOST_NAMES;
  const fitting = [...names].reverse().filter(([id, name]) => (room -= id.length + 2 * name.length + 8) > 0);
  return Object.fromEntries(fitting);
}

export const rowsOf = async (ids) => (await json(`v1/readings?per_page=200&ids=${ids.join(",")}`)).readings;
export const reading = (id) => json(`${of(id)}?wait=20`);

/** The film's pixels in 16 bits: {width, height, pixels: Uint16Array}; null where there is no picture. */
export async function pixels(id, signal) {
  try {
    const answer = await ask(`${of(id)}/image.raw16`, { signal });
    const [width, height] = ["Width", "Height"].map((side) => Number(answer.headers.get(`X-Image-${side}`)));
    return { width, height, pixels: new Uint16Array(await answer.arrayBuffer()) };
  } catch (error) {
    if (error.code === "NO_PICTURE") return null;
    throw error;
  }
}

/** A label's heat map as a picture to lay over the film. */
export async function heat(id, label) {
  return createImageBitmap(await (await ask(`${of(id)}/heatmap/${encodeURIComponent(label)}`)).blob());
}

/** An export of reviews as a blob, with the films' names as this page knows them. */
export const exported = async (path, names) => (await post(path, { names: Object.fromEntries(names) })).blob();

/** A learner's answer about a film: its score, the truth, and the session; only the first one counts. */
export const answer = async (id, body) => (await post(`${of(id)}/answer`, body)).json();

/** The report to copy as a review that is not saved has it; `how`: {language, point, experimental}. */
export const report = async (id, body, how) => (await post(`${of(id)}/report?${new URLSearchParams(how)}`, body)).json();

/** Keep what a reader decided of the person on a film. */
export const decide = (id, body) => post(`${of(id)}/decision`, body);

export const review = async (id, body) => (await post(`${of(id)}/review`, body)).json();

/** Send one file; `progress` hears of the part sent, 0 to 1. Resolves to the server's answer. */
export function upload(file, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const form = new FormData();
    form.append("film", file, file.name);
    request.open("POST", "v1/readings");
    request.responseType = "json";
    request.upload.addEventListener(
      "progress",
      (event) => event.lengthComputable && progress(event.loaded / event.total),
    );
    request.addEventListener("load", () => {
      if (request.status < 300) return resolve(request.response);
      const error = request.response?.error ?? { code: "BUG", reason: `the server answered ${request.status}` };
      const refused = new Refused(request.status, error);
      refused.after = Number(request.getResponseHeader("Retry-After")) || 2;
      reject(refused);
    });
    request.addEventListener("error", () =>
      reject(new Refused(0, { code: "NO_SERVER", reason: "the connection broke" })),
    );
    request.send(form);
  });
}
