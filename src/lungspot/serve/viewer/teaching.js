// The teaching mode: the learner draws first; then the model's boxes and, where it is known, the truth are revealed and counted.

import * as api from "./api.js";
import { make, one, say } from "./dom.js";
import { inWords, score, scoreInWords, sessionInWords } from "./lesson.js";
import { labelOf, positive, secret } from "./scene.js";
import { opened } from "./verdicts.js";

/** Build the panel, and return the acts of the teaching mode: toggle, reveal. Nothing in it touches the review. `reader(name)` keeps a name. */
export function teaching(store, { reader }) {
  const { state } = store;
  let since = 0; // when the film came up
  let session = "";
  one("lesson-place").replaceWith(panel({ reveal, reader }));

  const group = (label) => labelOf(state, label).group ?? label;

  /** The truth's boxes, and the model's at the operating point. */
  function boxesOf(truth) {
    const told = state.review.items.filter(
      (item) => item.score !== null && positive(state, item) && (state.experimental || item.standing !== "experimental"),
    );
    const once = new Map(told.map((item) => [`${item.place} ${group(item.label)}`, item]).reverse()); // of each place and group the best
    const model = told.filter((item) => [...once.values()].includes(item));
    const known = truth?.findings.filter((each) => each.box) ?? null;
    return {
      truth: known?.map((each) => ({ by: "truth", label: each.label, box: each.box })) ?? null,
      model: model.map((item) => ({ by: "model", label: item.renamed ?? item.label, box: item.original, score: item.score })),
    };
  }

  function toggle() {
    if (!state.teach && state.reading?.status !== "assessed") return;
    const teach = !state.teach;
    store.set({
      teach,
      revealed: null,
      practice: opened([]),
      focus: null,
      grip: null,
      editing: false,
      heat: teach ? false : state.heat,
      tool: teach ? "draw" : "window",
      toolBefore: "window",
    });
    say(teach ? "Teaching: draw what you see, then reveal with R" : "Teaching is over");
  }

  /** What the server says of the answer; null where nobody is named, or the truth is not known there. */
  async function told(drawn) {
    const learner = state.reader.trim();
    if (!learner) return null;
    try {
      return await api.answer(state.id, { learner, marks: drawn, seconds: Math.round((performance.now() - since) / 100) / 10 });
    } catch (error) {
      if (error.code === "NO_TRUTH") return null;
      throw error;
    }
  }

  async function reveal() {
    if (!secret(state) || state.reading?.status !== "assessed") return;
    if (state.model.teaching_cases && !state.reader.trim()) {
      one("learner").focus();
      return store.set({ lesson: "Who learns? Give a name: the truth is told to those who have answered." });
    }
    const { id } = state;
    const drawn = state.practice.items.map(({ label, box }) => ({ label, box }));
    let answer;
    try {
      answer = await told(drawn);
    } catch (error) {
      return say(error.message);
    }
    if (state.id !== id || !secret(state)) return;
    const { truth, model } = boxesOf(answer?.truth ?? state.reading.truth);
    const lines = [`Against the model: ${inWords(score(drawn, model, group))}`];
    if (answer) lines.unshift(`Against the truth: ${scoreInWords(answer.score)}`, ...again(answer, drawn));
    else lines.unshift(truth ? `Against the truth: ${inWords(score(drawn, truth, group))}` : "The truth of this film is not known here.");
    if (truth) lines.push(`The model against the truth: ${inWords(score(model, truth, group))}`);
    if (answer) session = sessionInWords(answer.session);
    const words = lines.join("\n");
    store.set({ revealed: { boxes: [...(truth ?? []), ...model], words }, lesson: "", editing: false, tool: "window" });
    say([words, session].join("\n"));
  }

  store.listen(["id"], () => (since = performance.now()));
  store.listen(["reading", "teach", "revealed", "lesson", "reader"], () => {
    one("lesson").hidden = !state.teach || state.reading?.status !== "assessed";
    one("reveal").hidden = Boolean(state.revealed);
    if (document.activeElement !== one("learner")) one("learner").value = state.reader;
    one("session").textContent = session;
    one("lesson-score").textContent =
      state.lesson ||
      (state.revealed
        ? state.revealed.words
        : "Teaching: draw what you see (N), then reveal (R) what the model saw, and the truth where it is known. With a name your answer is counted; no review is made.");
  });
  return { toggle, reveal };
}

/** That a first answer counts, where this was a second one. */
const again = ({ marks }, drawn) => (JSON.stringify(marks) === JSON.stringify(drawn) ? [] : ["Your first answer about this film is the one that counts."]);

function panel({ reveal, reader }) {
  return make(
    "div",
    { id: "lesson", hidden: true },
    make("p", { id: "lesson-score", role: "status" }),
    make("p", { id: "session", role: "status" }),
    make(
      "div",
      { class: "line" },
      make("input", {
        id: "learner",
        maxlength: "64",
        autocomplete: "off",
        placeholder: "learner's name",
        "aria-label": "Learner's name",
        oninput: (event) => reader(event.target.value),
      }),
      make("button", { id: "reveal", type: "button", title: "Reveal (R)", onclick: reveal }, "Reveal"),
    ),
    make("p", {}, make("a", { href: "v1/lessons.csv", download: "lessons.csv" }, "Results per learner"), " · ", make("a", { href: "v1/lessons.csv?by=film", download: "lessons-by-film.csv" }, "per film")),
  );
}
