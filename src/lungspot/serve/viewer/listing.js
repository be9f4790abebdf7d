// The worklist's films: asks the server for them, again while films are read, and walks from one to the next.

import * as api from "./api.js";
import { askToken } from "./dialogs.js";
import { say } from "./dom.js";

const BUSY = 1000; // milliseconds until the next look while films are read
const QUIET = 15000;

/** {refresh, more, filter, step}: look again, show more, show others, and the id of the next film that is read. */
export function listing(store) {
  const { state } = store;
  let count = api.PER_PAGE;
  let later = null;
  let asked = 0;

  async function refresh() {
    clearTimeout(later);
    asked += 1;
    const mine = asked;
    try {
      const { readings, total, ended } = await api.list(state.filter, count);
      if (mine !== asked) return; // a later answer, perhaps to another filter, counts
      if (JSON.stringify(readings) !== JSON.stringify(state.rows)) store.set({ rows: readings });
      store.set({ total, ended });
    } catch (error) {
      if (error.status === 401) await askToken();
      else say(error.message);
    }
    clearTimeout(later);
    const busy = state.rows.some((row) => row.state !== "done");
    later = setTimeout(refresh, busy ? BUSY : QUIET);
  }

  return {
    refresh,
    more() {
      count += api.PER_PAGE;
      return refresh();
    },
    filter(filter) {
      store.set({ filter });
      return refresh();
    },
    /** A film that was reviewed moves down the list; the next one is then the first that is not reviewed. */
    step(by) {
      const open = state.rows.find((row) => row.state === "done" && !row.reviewed);
      if (by > 0 && state.saved && open && open.id !== state.id) return open.id;
      const ids = state.rows.filter((row) => row.state === "done").map((row) => row.id);
      const at = ids.indexOf(state.id);
      return ids[at < 0 ? 0 : at + by] ?? null;
    },
  };
}
