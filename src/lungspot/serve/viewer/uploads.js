// Films in: dropped, picked, sent one by one with their progress, and followed until they are read.

import * as api from "./api.js";
import { fill, make, one, say } from "./dom.js";

const AT_ONCE = 2;
const TRIES = 40; // waits that a full queue may ask for, before a film is given up

/** Listen for films. `refresh()` draws the worklist anew, `arrived(ids)` hears of films that are done. */
export function uploads(store, { refresh, arrived }) {
  const waiting = [];
  const entries = [];
  let sending = 0;
  let following = false;
  const draw = () => fill(one("uploads"), ...entries.map((entry) => row(entry, dismiss)));
  const dismiss = (entry) => {
    entries.splice(entries.indexOf(entry), 1);
    draw();
  };

  async function send(entry) {
    for (let tries = 0; ; tries += 1) {
      try {
        return await api.upload(entry.file, (part) => {
          entry.part = part;
          draw();
        });
      } catch (error) {
        if (error.code !== "BUSY" || tries >= TRIES) throw error;
        entry.words = "the queue is full, waiting";
        draw();
        await sleep(1000 * Math.min(error.after, 30));
      }
    }
  }

  async function next() {
    if (sending >= AT_ONCE || !waiting.length) return;
    sending += 1;
    const entry = waiting.shift();
    try {
      refuseTooLarge(entry.file, store.state.model);
      accepted(entry, await send(entry));
    } catch (error) {
      entry.words = error.message;
      entry.failed = true;
      say(`${entry.file.name}: ${error.message}`);
    }
    sending -= 1;
    draw();
    next();
  }

  function accepted(entry, { readings, refused }) {
    entry.ids = new Set(readings.map((each) => each.id));
    entry.total = entry.ids.size;
    entry.words = "reading…";
    const names = new Map(store.state.names);
    for (const { id, name } of readings) names.set(id, name || entry.file.name);
    store.set({ names });
    for (const { name, error } of refused) entries.push({ file: { name }, words: error.reason, failed: true });
    if (!entry.ids.size) dismiss(entry);
    refresh();
    follow();
  }

  /** One loop for all that is being read: it waits for the film that came first, then asks after every one. */
  async function follow() {
    if (following) return;
    following = true;
    for (let ids; (ids = entries.flatMap((entry) => [...(entry.ids ?? [])]).slice(0, 200)).length; ) {
      try {
        await api.reading(ids[0]).catch(gone);
        const rows = new Map((await api.rowsOf(ids)).map((each) => [each.id, each]));
        const done = ids.filter((id) => (rows.get(id) ?? { state: "done" }).state === "done");
        await finished(done, rows);
        if (done.length < ids.length) await sleep(300);
      } catch {
        await sleep(2000);
      }
    }
    following = false;
  }

  async function finished(done, rows) {
    if (!done.length) return;
    for (const entry of [...entries]) {
      const before = entry.ids?.size;
      for (const id of done) entry.ids?.delete(id);
      if (before && !entry.ids.size) entries.splice(entries.indexOf(entry), 1);
    }
    draw();
    await refresh();
    const here = done.filter((id) => rows.has(id));
    if (here.length) arrived(here);
  }

  function add(files) {
    for (const file of files) {
      const entry = { file, part: 0, words: "" };
      entries.push(entry);
      waiting.push(entry);
    }
    draw();
    for (let each = 0; each < AT_ONCE; each += 1) next();
  }

  one("picker").addEventListener("change", (event) => {
    add([...event.target.files]);
    event.target.value = "";
  });
  dropping(add);
  return { open: () => one("picker").click() };
}

const sleep = (milliseconds) => new Promise((then) => setTimeout(then, milliseconds));

/** A film that was deleted meanwhile is done too. */
function gone(error) {
  if (error.status !== 404) throw error;
}

/** A browser that sends more than the server takes hears of a broken connection, not why. */
function refuseTooLarge({ size }, model) {
  const most = model?.limits.upload_bytes ?? Infinity;
  if (size > most) throw new Error(`${Math.ceil(size / 2 ** 20)} MiB; the server takes ${Math.floor(most / 2 ** 20)}`);
}

function row(entry, dismiss) {
  const share = entry.total ? (entry.total - entry.ids.size) / entry.total : entry.part;
  const words = entry.words || (entry.part ? `sending ${Math.round(100 * entry.part)} %` : "waiting");
  return make(
    "li",
    { class: entry.failed ? "failed" : "" },
    make("span", { class: "name" }, entry.file.name),
    make(
      "span",
      { class: "words" },
      entry.total > 1 && entry.ids.size ? `${entry.total - entry.ids.size} of ${entry.total} read` : words,
    ),
    entry.failed
      ? make(
          "button",
          { type: "button", "aria-label": `Dismiss ${entry.file.name}`, onclick: () => dismiss(entry) },
          "×",
        )
      : make("progress", { max: "1", value: String(share), "aria-label": `Progress of ${entry.file.name}` }),
  );
}

function dropping(add) {
  const veil = one("drop");
  let depth = 0;
  const withFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => {
    if (!withFiles(event)) return;
    depth += 1;
    veil.hidden = false;
  });
  addEventListener("dragleave", () => {
    depth = Math.max(depth - 1, 0);
    if (!depth) veil.hidden = true;
  });
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", async (event) => {
    event.preventDefault();
    depth = 0;
    veil.hidden = true;
    if (event.dataTransfer) add(await filesOf(event.dataTransfer));
  });
}

/** The dropped files, those in dropped folders too. */
async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  return (await Promise.all(entries.map(walk))).flat();
}

async function walk(entry) {
  if (entry.isFile) return [await new Promise((then, fail) => entry.file(then, fail))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const part = await new Promise((then, fail) => reader.readEntries(then, fail));
    if (!part.length) break;
    found.push(...part);
  }
  return (await Promise.all(found.map(walk))).flat();
}
