// Screening: a score against the threshold, what it advises, and one decision a person; then the next in the queue.

import * as api from "./api.js";
import { fill, make, one, say } from "./dom.js";
import { probability } from "./scene.js";

const DECISIONS = ["refer", "do not refer", "repeat film"];

/** Build the panel; it is seen where the server screens people. `list`: listing.js; `open(id)` opens a film. */
export function screening(store, { list, open }) {
  const { state } = store;
  let sending = false;
  const panel = make("section", { id: "screening", "aria-label": "Screening", hidden: true });
  one("sensitivity").before(panel);

  async function decide(decision) {
    const { id } = state;
    const reader = state.reader.trim();
    if (!reader) {
      one("decided").textContent = "Not decided: who reads? Give a name.";
      one("reader").focus();
      return;
    }
    if (sending) return;
    sending = true;
    try {
      const next = await list.unread();
      await api.decide(id, { reader, decision, why: "" });
      if (state.id === id) store.set({ reading: { ...state.reading, decision } });
      await list.refresh();
      if (state.id !== id) return;
      if (next && next !== id) await open(next);
      say(next && next !== id ? `Decided: ${decision}` : `Decided: ${decision}. Nobody is left to decide on.`);
    } catch (error) {
      say(error.message);
      one("decided").textContent = `Not decided: ${error.message}`;
    } finally {
      sending = false;
    }
  }

  store.listen(["reading", "model"], ({ reading, model }) => {
    panel.hidden = !model?.screening || !reading || reading.state !== "done";
    one("register").hidden = !model?.screening;
    if (panel.hidden) return;
    const [words, advice] = advised(reading, model);
    fill(
      panel,
      make("p", { id: "advice" }, words),
      make("div", { class: "line", role: "group", "aria-label": "Decision" }, ...DECISIONS.map((each) => button(each, advice, reading.decision, decide))),
      make("p", { id: "decided", role: "status" }, reading.decision ? `Decided: ${reading.decision}` : ""),
    );
  });
}

const button = (decision, advice, decided, decide) =>
  make(
    "button",
    {
      type: "button",
      "data-key": decision,
      class: decision === advice ? "main" : "",
      "aria-pressed": String(decision === decided),
      onclick: () => decide(decision),
    },
    decision,
  );

/** [what is said, what is advised] of a reading: the film's probability against the threshold of the model that read it. */
export function advised({ status, screened, limits, why_repeat: why }, { screening: { label, name, threshold, thresholds_of: whose } }) {
  if (status !== "assessed" || screened === null)
    return [`Advice: repeat film. ${why}`, "repeat film"];
  const least = limits?.[label]?.balanced ?? threshold;
  const above = screened >= least;
  const of = whose === "model" ? "the model's own threshold" : `threshold of ${whose}`;
  const advice = above ? "refer" : "do not refer";
  return [`${name} ${probability(screened)} ${above ? "≥" : "<"} ${probability(least)} (${of}). Advice: ${advice}.`, advice];
}
