// Films made ready before they are asked for: those that are most likely opened next, at most two, and no others.

import * as api from "./api.js";
import { film } from "./film.js";

const MOST = 2;
const ready = new Map(); // by id: {made: a promise of the film or null, stop}

function begin(id) {
  const control = new AbortController();
  const made = api.pixels(id, control.signal).then((pixels) => pixels && film(pixels));
  return { made, stop: () => control.abort() };
}

/** Let go of all films that are ready or on their way, but for these. */
export function letGo(...but) {
  for (const [id, { stop }] of ready) {
    if (but.includes(id)) continue;
    ready.delete(id);
    stop();
  }
}

/** Ask for the pixels of a film, if they are not here or on their way. */
export function makeReady(id) {
  if (ready.has(id)) return;
  const one = begin(id);
  ready.set(id, one);
  one.made.catch(() => ready.get(id) === one && ready.delete(id)); // it is asked for again when it is opened
}

/** A film with its smaller copies, or null where there is no picture: as it was made ready, else asked for now. */
export function filmOf(id) {
  const { made } = ready.get(id) ?? begin(id);
  ready.delete(id);
  return made;
}

const results = new Map(); // by id: a promise of the server's answer that is on its way

/** Ask for what is known of a film that is opened in a moment: the next opening takes this answer. Returns what drops it. */
export function askAhead(id) {
  results.clear();
  results.set(id, api.reading(id));
  results.get(id).catch(() => {}); // said where it is waited for
  return () => results.clear();
}

/** What the server knows of a film: as it was asked for ahead, else asked for now. */
export function readingOf(id) {
  const answer = results.get(id) ?? api.reading(id);
  results.clear();
  return answer;
}

/** Once a film is shown, make those beside it ready: the next that nobody reviewed, and the next in the list. */
export function lookAhead(store) {
  const { state } = store;
  store.listen(["film", "beside"], () => {
    if (!state.film || state.beside?.id !== state.id) return;
    const { next_unread: unread, next } = state.beside;
    const wanted = [...new Set([unread, next])].filter((id) => id && id !== state.id).slice(0, MOST);
    letGo(...wanted);
    wanted.forEach(makeReady);
  });
}
