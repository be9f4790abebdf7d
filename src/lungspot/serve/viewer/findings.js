// The list of findings beside the film: how sure, against which threshold, whether map and box agree, and the verdict.

import { fill, make, one, scoreBar, shape } from "./dom.js";
import { agreement, headline, labelOf, least, listed, percent, place, positive, secret, sureness } from "./scene.js";

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
  ];
  const draw = () => {
    const { state } = store;
    if (!state.reading) return empty(state);
    one("headline").textContent = headline(state);
    one("headline").className = state.reading.status === "assessed" ? "" : "refused";
    fill(one("warnings"), ...state.reading.warnings.map((each) => make("li", {}, state.model.why(each.code))));
    const items = listed(state);
    one("none").hidden = items.length > 0 || state.reading.status !== "assessed";
    one("none").textContent = nothing(state);
    if (document.activeElement?.id === "relabel" && state.focus === shown) return; // or a choice by typing is cut short
    fill(one("found"), ...items.map((item) => entry(state, item, acts)));
    if (state.focus !== shown) one("found").querySelector(".on")?.scrollIntoView({ block: "nearest" });
    shown = state.focus;
  };
  store.listen(keys, draw);
  one("found").addEventListener("focusout", (event) => event.target.id === "relabel" && requestAnimationFrame(draw));
  store.listen(["hover"], (state) => {
    for (const node of one("found").children) node.classList.toggle("hover", Number(node.dataset.item) === state.hover);
  });
}

/** Nothing of an earlier film stays while the next one is opened. */
function empty(state) {
  one("headline").textContent = state.problem || (state.id ? "Opening…" : "No film is open");
  one("headline").className = "";
  for (const id of ["warnings", "found"]) fill(one(id));
  one("none").hidden = true;
}

function nothing(state) {
  if (secret(state)) return "Draw what you see (N), then reveal (R).";
  return `No box reaches its threshold at the ${state.point} operating point. This does not mean that the film is normal.`;
}

function entry(state, item, acts) {
  const { key } = item;
  const on = state.focus === key;
  const off = state.hidden.has(key);
  return make(
    "li",
    {
      class: `${item.verdict}${on ? " on" : ""}${off ? " off" : ""}${positive(state, item) ? "" : " below"}`,
      "data-item": key,
      onpointerenter: () => acts.hover(key),
      onpointerleave: () => acts.hover(null),
    },
    choice(state, item, acts, { on, off }),
    judgements(state, item, acts),
    item.score === null ? null : bar(state, item),
    on && item.agreement ? make("p", { class: "agreement" }, `Map: ${agreement(item.agreement)}`) : null,
    on ? more(state, item, acts, off) : null,
  );
}

/** The button that chooses a finding: name, sureness, place and verdict. */
function choice(state, item, acts, { on, off }) {
  const name = labelOf(state, item.label).name;
  const verdict = VERDICTS[item.verdict];
  const words = `${name}, ${sureness(state, item)}, ${place(item)}, ${verdict || "no verdict yet"}${off ? ", hidden" : ""}`;
  return make(
    "button",
    {
      type: "button",
      class: "pick",
      "data-key": `pick-${item.key}`,
      "aria-pressed": String(on),
      "aria-label": words,
      onclick: () => acts.focus(on ? null : item.key),
    },
    swatch(labelOf(state, item.label).color),
    make("span", { class: "name" }, name),
    make("span", { class: "number" }, sureness(state, item)),
    make(
      "span",
      { class: "place" },
      [place(item), off && "hidden"].filter(Boolean).join(", "),
      verdict ? make("span", { class: "verdict-word" }, ` ${verdict}`) : null,
    ),
  );
}

function swatch(colour) {
  const square = shape(10, 10, [{ width: 10, height: 10, fill: colour }]);
  square.setAttribute("class", "dot");
  return square;
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
    item.verdict === "rejected" ? null : labels(state, item, acts),
  );
}

function labels(state, item, acts) {
  const option = ({ id, name }) => make("option", { value: id, selected: id === item.label }, name);
  const known = state.model.known.map((id) => state.model.labels.get(id));
  const others = [...state.model.labels.values()].filter((each) => !known.includes(each));
  const change = (event) => acts.rename(item.key, event.target.value);
  return make(
    "select",
    { id: "relabel", "data-key": `label-${item.key}`, "aria-label": "Label (L)", title: "Label (L)", onchange: change },
    make("optgroup", { label: "What the model looks for" }, ...known.map(option)),
    make("optgroup", { label: "Other words" }, ...others.map(option)),
  );
}
