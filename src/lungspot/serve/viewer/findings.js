// The list of findings beside the film: how sure, against which threshold, whether map and box agree, and the verdict.

import { fill, make, one, scoreBar, swatch } from "./dom.js";
import { frame, groups, leading } from "./places.js";
import { NOT_TOLD_APART, agreement, certainty, chance, changed, headline, labelOf, least, percent, place, places, positive, secret, statement, sureness } from "./scene.js";

const VERDICTS = {
  open: "",
  accepted: "accepted",
  rejected: "rejected",
  edited: "edited",
  added: "drawn",
};

/** Keep headline and list drawn. `acts`: focus, hover, judge, edit, hide, remove, rename. */
export function findings(store, acts) {
  let shown = null;
  const keys = [
    "id",
    "problem",
    "reading",
    "review",
    "practice",
    "teach",
    "revealed",
    "point",
    "focus",
    "hidden",
    "editing",
    "model",
    "boxes",
    "experimental",
    "changed",
    "compare",
  ];
  const draw = () => {
    const { state } = store;
    if (!state.reading) return empty(state);
    one("headline").textContent = one("headline").title = headline(state);
    one("headline").className = state.reading.status === "assessed" ? "" : "refused";
    fill(one("warnings"), ...loud(state.reading).map((code) => make("li", {}, state.model.why(code))));
    const found = places(state);
    one("none").hidden = found.length > 0 || state.reading.status !== "assessed";
    one("none").textContent = nothing(state);
    fill(one("found"), ...found.flatMap((each) => each.names.map((item, at) => entry(state, item, acts, { ...each, first: at === 0 }))));
    caveats(state);
    if (state.focus !== shown) one("found").querySelector(".on")?.scrollIntoView({ block: "nearest" });
    shown = state.focus;
  };
  store.listen(keys, draw);
  // On the list, for its rows are made anew under the pointer, and what is gone never says that it was left.
  one("found").addEventListener("pointerover", ({ target }) => {
    const row = target.closest("[data-item]");
    acts.hover(row ? Number(row.dataset.item) : null);
  });
  one("found").addEventListener("pointerleave", () => acts.hover(null));
  store.listen(["hover"], (state) => {
    for (const node of one("found").children) node.classList.toggle("hover", Number(node.dataset.item) === state.hover);
  });
}

// What a reader must know while looking; the rest (lossy compression, other windows …) stands once, in the details.
const LOUD = new Set([
  ...["BODY_PART", "BURNED_IN", "CHILD", "FRAME_CHOSEN", "GREYS_SWAPPED", "HEART_SIDE", "LUNGS_CUT_OFF", "MIRRORED", "NO_GATE", "ORIENTATION"],
  ...["RAW", "TRAILING", "TURNED"],
]);

const loud = ({ warnings }) => [...new Set(warnings.map((each) => each.code))].filter((code) => LOUD.has(code));

/** Nothing of an earlier film stays while the next one is opened. */
function empty(state) {
  one("headline").textContent = state.problem || (state.id ? "Opening…" : "No film is open");
  one("headline").className = one("headline").title = "";
  for (const id of ["warnings", "found", "whole", "caveats"]) fill(one(id));
  one("experimental").hidden = true;
  one("none").hidden = true;
}

/** What is said without a box, what the percentages are of, and what was not looked for or is not said. */
function caveats(state) {
  const told = state.reading.status === "assessed" && !secret(state) ? statement(state) : null;
  fill(one("whole"), ...(told?.said ?? []).filter((each) => !each.box).map((each) => make("li", {}, each.text)));
  const hidden = told ? state.reading.scores.filter((each) => each.standing === "experimental").map((each) => each.label) : [];
  const names = hidden.map((label) => labelOf(state, label).name).join(", ");
  const missing = (told?.not_looked_for ?? []).map((label) => labelOf(state, label).name).join(", ");
  one("experimental").hidden = !hidden.length;
  one("experimental").setAttribute("aria-pressed", String(state.experimental));
  one("experimental").textContent = state.experimental
    ? "Hide experimental labels"
    : `Show ${hidden.length} experimental label${hidden.length > 1 ? "s" : ""}`;
  one("experimental").title = names;
  fill(
    one("caveats"),
    told?.thresholds ? make("p", {}, told.thresholds) : null,
    missing ? make("p", {}, `Not looked for: ${missing}.`) : null,
    hidden.length
      ? make(
          "p",
          {},
          state.experimental
            ? `Experimental, often wrong on films of one hospital and so not reported: ${names}.`
            : `Not reported, for they are experimental: ${names}.`,
        )
      : null,
    told?.percentages ? make("p", {}, told.percentages) : null,
  );
}

function nothing(state) {
  if (secret(state)) return "Draw what you see (N), then reveal (R).";
  const which = state.experimental ? "No box" : "No box of a reported label";
  return `${which} reaches its threshold at the ${state.point} operating point. This does not mean that the film is normal.`;
}

function entry(state, item, acts, where) {
  const { key } = item;
  const on = state.focus === key;
  const off = state.hidden.has(key);
  return make(
    "li",
    {
      class: `${item.verdict}${where.first ? " first" : ""}${on ? " on" : ""}${off ? " off" : ""}${positive(state, item) ? "" : " below"}`,
      "data-item": key,
    },
    where.first ? alike(state, where.names) : null,
    where.first ? became(state, where) : null,
    choice(state, item, acts, { on, off }),
    judgements(state, item, acts),
    item.score === null ? null : bar(state, item),
    item.standing === "experimental" ? make("p", { class: "tried" }, evidence(state, item)) : null,
    on && item.agreement ? make("p", { class: "agreement" }, `Map: ${agreement(item.agreement)}`) : null,
    on ? more(state, item, acts, off) : null,
  );
}

/** Names of one place that a film cannot tell apart, said as such; nothing where there are none. */
function alike(state, names) {
  const standing = names.filter((item) => item.verdict !== "rejected");
  const together = groups(state, standing).filter(({ items }) => items.length > 1);
  if (!together.length) return null;
  const words = ({ id, items }) =>
    `${labelOf(state, id).name}, ${[place(standing[0]), NOT_TOLD_APART].filter(Boolean).join(": ")}: ` +
    items.map((item) => `${labelOf(state, item.label).name}${item.score === null ? "" : ` ${chance(item)}`}${tried(item)}`).join(", ");
  return make("p", { class: "alike" }, together.map(words).join("; "));
}

/** What became of a place against the prior film, where that hangs beside. */
function became(state, where) {
  const word = changed(state, { names: where.names, box: frame(where, leading(where.names)) });
  return word ? make("p", { class: "became" }, `Against the prior film: ${word.replaceAll("\n", "; ")}`) : null;
}

const tried = (item) => (item.standing === "experimental" ? " (experimental)" : "");

/** What is known of an experimental label: how often it was right on validation films of one source. */
function evidence(state, { label }) {
  const known = labelOf(state, label).evidence ?? {};
  const parts = [];
  if (known.calls_right !== undefined && known.calls_right !== null)
    parts.push(`${Math.round(100 * known.calls_right)} in 100 of its calls were right`);
  if (known.auroc) parts.push(`AUROC ${known.auroc.toFixed(2)}`);
  const of = known.source ? ` on validation films of ${known.source}` : "";
  return parts.length ? `Experimental: ${parts.join(", ")}${of}` : "Experimental: not tested on enough films of one source";
}

/** The button that chooses a finding: name, sureness, place and verdict. */
function choice(state, item, acts, { on, off }) {
  const name = labelOf(state, item.label).name;
  const verdict = VERDICTS[item.verdict];
  const sure = item.score === null ? "" : certainty(item.score);
  const words = [name, sure, sureness(state, item), place(item), verdict || "no verdict yet", off && "hidden"];
  return make(
    "button",
    {
      type: "button",
      class: "pick",
      "data-key": `pick-${item.key}`,
      "aria-pressed": String(on),
      "aria-label": words.filter(Boolean).join(", "),
      onclick: () => acts.focus(on ? null : item.key),
    },
    swatch(labelOf(state, item.label).color),
    make("span", { class: "name" }, name),
    make("span", { class: "number" }, sureness(state, item)),
    make(
      "span",
      { class: "place" },
      [sure, place(item), off && "hidden"].filter(Boolean).join(", "),
      verdict ? make("span", { class: "verdict-word" }, ` ${verdict}`) : null,
    ),
  );
}
function bar(state, item) {
  const { color } = labelOf(state, item.label);
  return scoreBar(item.score, least(state, item), positive(state, item) ? color : "#737d8a");
}

function button(state, item, { id, text, words, pressed = null, then }) {
  return make(
    "button",
    {
      type: "button",
      "data-key": `${id}-${item.key}`,
      title: words,
      "aria-label": `${words}: ${labelOf(state, item.label).name}`,
      "aria-pressed": pressed === null ? null : String(pressed),
      onclick: then,
    },
    text,
  );
}

/** Yes and no, on every row. */
function judgements(state, item, acts) {
  const { key, verdict } = item;
  const drawn = item.score === null;
  const yes = { id: "accept", text: "✓", words: "Accept (A)", pressed: verdict === "accepted" };
  const no = { id: "reject", text: "✗", words: "Reject (X)", pressed: verdict === "rejected" };
  const gone = { id: "remove", text: "✗", words: "Remove (Delete)", then: () => acts.remove(key) };
  return make(
    "div",
    { class: "yes-no" },
    drawn ? null : button(state, item, { ...yes, then: () => acts.judge(key, "accepted") }),
    button(state, item, drawn ? gone : { ...no, then: () => acts.judge(key, "rejected") }),
  );
}

/** What else can be done with the finding in focus. */
function more(state, item, acts, off) {
  const { key } = item;
  const editing = state.editing;
  const edit = {
    id: "edit",
    text: "Edit box",
    words: "Edit the box (E)",
    pressed: editing,
    then: () => acts.edit(key),
  };
  const hide = {
    id: "hide",
    text: off ? "Show" : "Hide",
    words: off ? "Show (V)" : "Hide (V)",
    then: () => acts.hide(key),
  };
  return make(
    "div",
    { class: "verdict" },
    button(state, item, edit),
    button(state, item, hide),
    item.verdict === "rejected" ? null : relabel(state, item, acts),
  );
}

function relabel(state, item, acts) {
  return make(
    "button",
    { id: "relabel", type: "button", "data-key": `label-${item.key}`, title: "Change the label (L)", onclick: () => acts.rename(item.key) },
    "Label…",
  );
}
