// The report to copy, as the reader's verdicts have it now: the server writes it, this shows it, one key copies it.

import * as api from "./api.js";
import { changesOf } from "./changed.js";
import { make, one, say } from "./dom.js";
import { secret } from "./scene.js";
import { said, sizes } from "./verdicts.js";

const PAUSE = 150; // milliseconds without a change before the text is asked for
const CHANGES = ["reading", "review", "point", "experimental", "reader", "language", "compare"];

/** Build the panel. `form()`: {reader, note, complete}. `change(patch)` keeps the language. Returns the acts: copyReport. */
export function report(store, { form, change }) {
  const { state } = store;
  let text = "";
  let told = []; // what of the state the text is of
  let later = null;
  let asked = 0;
  const box = panel();
  one("report-place").replaceWith(box);
  one("edits").append(make("button", { id: "copy-report", type: "button", title: "Copy the report (Y)" }, "Copy report"));

  const open = () => Boolean(state.reading?.result) && !secret(state);

  async function write() {
    if (!open()) return;
    const mine = (asked += 1);
    const { id } = state;
    const of = CHANGES.map((key) => state[key]);
    const { language, point, experimental } = state;
    try {
      const body = { ...form(), verdicts: said(state.review), measurements: sizes(state.review) };
      const prior = priorOf(state);
      const answer = await api.report(id, body, { language, point, experimental, ...(prior && { prior }) });
      if (mine !== asked || id !== state.id) return;
      store.set({ changed: prior ? changesOf(state, prior, answer.changes?.every) : null });
      one("changed").textContent = prior ? answer.comparison : "";
      one("changed").lang = language;
      text = answer.text;
      told = of;
      one("report").textContent = text;
      one("report").lang = language;
    } catch (error) {
      text = "";
      if (mine === asked) one("copied").textContent = error.message;
      throw error;
    }
  }

  /** Ask for the text once nothing has changed for a moment; what copies meanwhile waits for it. */
  function soon() {
    one("copied").textContent = "";
    one("copy-report").textContent = "Copy report";
    clearTimeout(later);
    later = setTimeout(() => now().catch(() => {}), PAUSE); // it is said in the panel, and to who copies
  }

  function now() {
    clearTimeout(later);
    later = null;
    return write();
  }

  /** Whether the text is of what the page shows now; a change that no part has heard of yet counts too. */
  const current = () => later === null && text !== "" && CHANGES.every((key, at) => told[at] === state[key]);

  async function copyReport() {
    if (!open()) return;
    try {
      const { id } = state;
      while (!current()) {
        await now();
        if (state.id !== id || !open()) throw new Error("another film was opened");
      }
      await toClipboard(text);
      one("copy-report").textContent = "Copied";
      say("Report copied");
    } catch (error) {
      one("copied").textContent = `not copied: ${error.message}`;
      say(`Not copied: ${error.message}`);
    }
  }

  one("copy-report").addEventListener("click", copyReport);
  one("note").addEventListener("input", soon);
  one("complete").addEventListener("change", soon);
  one("language").addEventListener("change", ({ target }) => {
    change({ language: target.value });
    store.set({ language: target.value });
  });
  store.listen(["model"], ({ model }) => {
    const options = Object.entries(model.report_languages).map(([id, name]) => make("option", { value: id }, name));
    one("language").replaceChildren(...options);
    one("language").value = state.language;
  });
  store.listen([...CHANGES, "teach", "revealed"], () => {
    box.hidden = !open();
    one("changed").hidden = !open() || !priorOf(state);
    one("copy-report").disabled = !open();
    if (!open()) return;
    if (one("report").dataset.film !== state.id) for (const part of ["report", "changed"]) one(part).textContent = "";
    one("report").dataset.film = state.id;
    soon();
  });
  return { copyReport };
}

/** The film that hangs beside the open one, if it is the same patient's: the report compares with it, and with no other. */
const priorOf = ({ reading, compare }) => reading?.priors.find(({ id }) => id === compare)?.id;

function panel() {
  return make(
    "details",
    { id: "report-box", open: true, hidden: true },
    make("summary", {}, "Report to copy (Y)"),
    make(
      "div",
      { class: "line" },
      make("select", { id: "language", "aria-label": "Language of the report" }),
      make("span", { id: "copied", role: "status" }),
    ),
    make("pre", { id: "report", class: "scrolls", tabindex: "0", role: "region", "aria-label": "Report to copy" }),
  );
}

/** Put text on the clipboard; where a page may not (plain HTTP beyond this machine), by way of a chosen text. */
async function toClipboard(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = make("textarea", { class: "unseen", "aria-hidden": "true" });
  area.value = text;
  const before = document.activeElement;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  before?.focus();
  if (!done) throw new Error("the browser does not allow it; choose the text and copy it");
}
