// The worklist's films: asks the server for those in sight, again while films are read, and knows what is beside the open one.

import * as api from "./api.js";
import { askToken } from "./dialogs.js";
import { say } from "./dom.js";

const BUSY = 1000; // milliseconds until the next look while films are read
const QUIET = 15000;
const SOON = 40; // in which the next film may be opened, which asks anyhow
const SPARE = 20; // rows above and below those in sight that are asked for too

/**
 * {refresh, soon, opened, look, ask, step, unread}: look again, now, in a moment, or for another film; look at other rows; ask for another order, filter or words; the id of the
 * film that is read and stands before or after the open one; and of the next that nobody reviewed.
 */
export function listing(store) {
  const { state } = store;
  let sight = [0, 30];
  let later = null;
  let asked = 0;
  let asking = null;

  async function refresh() {
    clearTimeout(later);
    asked += 1;
    const mine = asked;
    asking = answer(mine);
    await asking;
    if (mine !== asked) return;
    const { queued, reading } = state.counts;
    later = setTimeout(refresh, queued + reading > 0 ? BUSY : QUIET);
  }

  async function answer(mine) {
    const pages = wanted();
    try {
      const last = pages.at(-1); // one of them is enough to know what stands beside the open film
      const parts = await Promise.all(pages.map((page) => api.list(question(), page, page === last && (state.id ?? "none"))));
      if (mine !== asked) return; // a later answer, perhaps to another question, counts
      const rows = [...new Map(parts.flatMap((part) => part.readings).map((row) => [row.id, row])).values()];
      const { total, counts, beside } = parts.at(-1);
      const first = (pages[0] - 1) * api.PER_PAGE;
      const same = first === state.first && JSON.stringify(rows) === JSON.stringify(state.rows);
      if (!same) store.set({ rows, first });
      store.set({ total, counts, beside: beside ?? null });
    } catch (error) {
      if (error.status === 401) await askToken();
      else say(error.message);
    }
  }

  /** The pages, from 1, that hold the rows in sight and some more. */
  function wanted() {
    const page = (row) => Math.floor(Math.max(row, 0) / api.PER_PAGE) + 1;
    const last = page(Math.min(sight[1] + SPARE, Math.max((state.total ?? 1) - 1, 0)));
    const first = Math.min(page(sight[0] - SPARE), last);
    return Array.from({ length: last - first + 1 }, (_, at) => first + at);
  }

  function question() {
    const { filter, finding, sort, search, names, model } = state;
    const known = model?.keeps_identifiers ? null : names; // where the server keeps names, it knows them itself
    return { filter, finding: state.teach ? "" : finding, sort, search, names: known };
  }

  /** What stands beside the open film now. */
  async function beside() {
    while (state.beside?.id !== (state.id ?? "none")) {
      const before = asked;
      await (asking ?? refresh());
      if (before === asked && state.beside?.id !== (state.id ?? "none")) await refresh();
      if (!state.counts.done) break;
    }
    return state.beside ?? {};
  }

  return {
    refresh,
    /** Look again in a moment, if nothing else asks before. */
    soon() {
      clearTimeout(later);
      later = setTimeout(refresh, SOON);
    },
    /** Another film is open: look again, and where it is out of sight, at the rows about where it is likely to stand. */
    opened() {
      const { id, beside: before, rows } = state;
      const by = id === before?.next ? 1 : id === before?.previous ? -1 : 0;
      if (by && !rows.some((row) => row.id === id)) {
        const at = (before.position ?? -1) + by;
        const half = Math.ceil((sight[1] - sight[0]) / 2);
        sight = [at - half, at + half];
      }
      return refresh();
    },
    look(first, last) {
      sight = [first, last];
      const held = first >= state.first && last < state.first + state.rows.length;
      if (!held && state.total > 0) refresh();
    },
    ask(patch) {
      store.set({ ...patch, beside: null });
      return refresh();
    },
    step: async (by) => (await beside())[by > 0 ? "next" : "previous"] ?? null,
    unread: async () => (await beside()).next_unread ?? null,
  };
}
