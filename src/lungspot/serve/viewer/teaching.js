// The teaching mode: the learner draws first; then the model's boxes and, where it is known, the truth are revealed.

import { say } from "./dom.js";
import { inWords, score } from "./lesson.js";
import { positive, secret } from "./scene.js";
import { opened } from "./verdicts.js";

/** The acts of the teaching mode. Nothing in it touches the review. */
export function teaching(store) {
  const { state } = store;

  /** The truth's boxes where the server has it, else none; the model's at the operating point. */
  function references() {
    const model = state.review.items.filter(
      (item) => item.score !== null && positive(state, item) && (state.experimental || item.standing !== "experimental"),
    );
    const truth = state.reading.truth?.findings.filter((each) => each.box) ?? null;
    return {
      truth: truth?.map((each) => ({ by: "truth", label: each.label, box: each.box })) ?? null,
      model: model.map((item) => ({
        by: "model",
        label: item.renamed ?? item.label,
        box: item.original,
        score: item.score,
      })),
    };
  }

  return {
    toggle() {
      if (!state.teach && state.reading?.status !== "assessed") return;
      const teach = !state.teach;
      store.set({
        teach,
        revealed: null,
        practice: opened([]),
        focus: null,
        editing: false,
        heat: teach ? false : state.heat,
        tool: teach ? "draw" : "window",
        toolBefore: "window",
      });
      say(teach ? "Teaching: draw what you see, then reveal with R" : "Teaching is over");
    },
    reveal() {
      if (!secret(state) || state.reading?.status !== "assessed") return;
      const drawn = state.practice.items.map(({ label, box }) => ({ label, box }));
      const { truth, model } = references();
      const lines = [`Against the model: ${inWords(score(drawn, model))}`];
      lines.unshift(
        truth ? `Against the truth: ${inWords(score(drawn, truth))}` : "The truth of this film is not known here.",
      );
      if (truth) lines.push(`The model against the truth: ${inWords(score(model, truth))}`);
      const words = lines.join("\n");
      store.set({ revealed: { boxes: [...(truth ?? []), ...model], words }, editing: false, tool: "window" });
      say(words);
    },
  };
}
