// From film to film: opened, the next, the one before, saved and on to the next that is to be read, deleted.

import { askAhead } from "./ahead.js";
import * as api from "./api.js";
import { say } from "./dom.js";
import { shortName } from "./names.js";
import { forget, open as openFilm } from "./opening.js";

/** {open, walk, saveAndNext, erase}. `list`: listing.js; `finding.save()` sends the review; `shown()`: the pixels are there. */
export function walking(store, { list, finding, shown }) {
  const { state } = store;

  async function open(id) {
    try {
      await openFilm(store, id, shown);
    } catch (error) {
      say(error.message);
    }
  }

  async function walk(by) {
    const moved = by > 0 && state.saved.startsWith("saved"); // a film that was reviewed stands further down now
    const next = (moved ? await list.unread() : null) ?? (await list.step(by));
    if (next) open(next);
  }

  async function saveAndNext() {
    const { id, reading } = state;
    if (!reading) return;
    const next = await list.unread();
    const drop = next && next !== id ? askAhead(next) : () => {}; // its result comes while the review is kept, and is shown only then
    if (!(await finding.save()) || state.id !== id) return drop();
    if (!next || next === id) return say("Review saved. No other film is left to read.");
    await open(next);
    if (state.id === next) store.set({ savedBefore: `saved: ${shortName(state, reading)}` });
  }

  async function erase() {
    const { id } = state;
    if (!id || !confirm("Delete this film, its result and its reviews? This cannot be undone.")) return;
    const next = (await list.step(1)) ?? (await list.step(-1));
    try {
      await api.remove(id);
      forget(store);
      await list.refresh();
      if (next) await open(next);
      else say("Deleted");
    } catch (error) {
      say(error.message);
    }
  }

  return { open, walk, saveAndNext, erase };
}
