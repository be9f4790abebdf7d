// Choosing a label: a search over all words, those used last first, then what the model looks for. Nothing is chosen unasked.

import { fill, make, one, say } from "./dom.js";
import { labelOf } from "./scene.js";

const MOST_RECENT = 5;

/**
 * Ask for the label of a box; resolves to its id, or null where the reader leaves. `recent`: ids of those used last, latest first; `current`: the
 * box's own now, or null.
 */
export function askLabel(state, recent, current = null) {
  const box = one("labels");
  const input = make("input", {
    id: "label-search",
    type: "search",
    role: "combobox",
    autocomplete: "off",
    "aria-label": "Label: type to search",
    "aria-controls": "label-list",
    "aria-expanded": "true",
    placeholder: "type to search",
  });
  const list = make("ul", { id: "label-list", role: "listbox", "aria-label": "Labels", class: "scrolls" });
  const groups = grouped(state, recent);
  let shown = [];
  let at = -1;

  function draw() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = ({ id, name }) => words.every((word) => `${name} ${id}`.toLowerCase().includes(word));
    const found = groups.map(([title, labels]) => [title, labels.filter(fits)]).filter(([, labels]) => labels.length);
    shown = found.flatMap(([, labels]) => labels);
    at = words.length && shown.length ? 0 : Math.max(shown.findIndex(({ id }) => id === current), -1);
    fill(list, ...found.flatMap(([title, labels]) => [make("li", { role: "presentation", class: "title" }, title), ...labels.map(option)]));
    if (!shown.length) fill(list, make("li", { role: "presentation", class: "title" }, "no such label"));
    mark();
  }

  const option = (label) =>
    make(
      "li",
      { id: `label-${label.id}`, role: "option", "data-label": label.id, "aria-selected": "false" },
      make("span", {}, label.name),
      label.id === current ? make("span", { class: "muted" }, "now") : null,
    );

  function mark() {
    const chosen = shown[at];
    for (const each of list.querySelectorAll("[role=option]"))
      each.setAttribute("aria-selected", String(each.dataset.label === chosen?.id));
    if (!chosen) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", `label-${chosen.id}`);
    one(`label-${chosen.id}`).scrollIntoView({ block: "nearest" });
  }

  return new Promise((done) => {
    let answer = null;
    const choose = (id) => {
      answer = id;
      box.close();
    };
    input.addEventListener("input", draw);
    input.addEventListener("keydown", (event) => {
      const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[event.key];
      if (by && shown.length) {
        at = Math.min(Math.max(at + by, 0), shown.length - 1);
        mark();
      } else if (event.key === "Enter") {
        if (shown[at]) choose(shown[at].id);
        else say("Choose a label: type to search, or use the arrows");
      } else return;
      event.preventDefault();
    });
    list.addEventListener("click", (event) => {
      const row = event.target.closest("[data-label]");
      if (row) choose(row.dataset.label);
    });
    const head = make(
      "div",
      { class: "bar" },
      make("h2", { id: "labels-title" }, current ? "Change the label" : "What is it?"),
      make("button", { type: "button", onclick: () => box.close() }, "Cancel"),
    );
    fill(box, head, input, list);
    box.addEventListener("close", () => done(answer), { once: true });
    box.showModal();
    draw();
    input.focus();
  });
}

/** [title, labels]: those used last, what the model looks for, and all other words; each label once. */
function grouped({ model }, recent) {
  const last = recent.filter((id) => model.labels.has(id)).slice(0, MOST_RECENT);
  const known = model.known.filter((id) => !last.includes(id));
  const others = [...model.labels.keys()].filter((id) => !last.includes(id) && !known.includes(id));
  const of = (ids) => ids.map((id) => ({ id, name: labelOf({ model }, id).name }));
  return [
    ["Used last", of(last)],
    ["What the model looks for", of(known)],
    ["Other words", of(others)],
  ];
}
