// The worklist: films by urgency, one row each; arrows walk through it, Enter opens.

import { make, one, refill, shape } from "./dom.js";
import { labelOf, probability, secret } from "./scene.js";

const WORDS = { queued: "waiting", reading: "reading…" };

/** Keep the list drawn; `open(id)` opens a film, `more()` asks for the next page. */
export function worklist(store, { open, more, filter }) {
  const rows = one("rows");
  store.listen(["rows", "total", "id", "model", "names", "ended", "teach", "revealed"], (state) => draw(state, open));
  one("more").addEventListener("click", more);
  one("filter").addEventListener("change", (event) => filter(event.target.value));
  rows.addEventListener("keydown", (event) => walk(event, store.state, open));
}

function draw(state, open) {
  if (!state.model) return;
  const rows = one("rows");
  refill(rows, ...state.rows.map((row) => entry(state, row, open)));
  rows.hidden = !state.rows.length; // a list box without options is none
  one("empty").hidden = state.rows.length > 0;
  one("more").hidden = state.ended;
  const title = one("worklist-title");
  title.textContent = state.total === null ? "Worklist" : `Worklist (${state.total})`;
}

function entry(state, row, open) {
  const chosen = row.id === state.id;
  const name = state.names.get(row.id) ?? row.name;
  const covered = hides(state, row);
  const first = !state.rows.some((each) => each.id === state.id) && row === state.rows[0];
  return make(
    "div",
    {
      role: "option",
      "data-key": row.id,
      "aria-selected": String(chosen),
      tabindex: chosen || first ? "0" : "-1",
      class: `row ${row.status ?? row.state}${row.reviewed ? " done" : ""}`,
      title: name,
      onclick: () => {
        open(row.id);
        one("reading").focus();
      },
    },
    dot(state, row, covered),
    make("span", { class: "name" }, name),
    make("span", { class: "number" }, row.status === "assessed" && row.top && !covered ? probability(row.top.score) : ""),
    make("span", { class: "what" }, covered ? "your reading first" : (row.headline ?? WORDS[row.state] ?? row.state)),
    row.reviewed ? make("span", { class: "tick" }, "✓ reviewed") : null,
    earlier(state, row) ? make("span", { class: "by" }, `read by ${row.model}`) : null,
  );
}

/** Whether another model read the film than the one that reads now. */
const earlier = ({ model }, row) => row.model && row.model !== `${model.name} ${model.version}`;

/** Whether a learner must not yet see what the model says of a film; the open one is bare once it is revealed. */
const hides = (state, row) =>
  state.teach && row.status === "assessed" && !(row.id === state.id && !secret(state));

function dot(state, row, covered) {
  const label = covered ? null : row.labels?.[0];
  const colour = row.status === "not_assessed" ? "#ffc061" : label ? labelOf(state, label).color : "#737d8a";
  const square = shape(10, 10, [{ width: 10, height: 10, fill: colour }]);
  square.setAttribute("class", "dot");
  return square;
}

function walk(event, state, open) {
  const list = [...one("rows").querySelectorAll("[role=option]")];
  const at = list.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: list.length - 1, PageDown: at + 10, PageUp: at - 10 }[
    event.key
  ];
  if (to !== undefined && list.length) {
    event.preventDefault();
    const next = list[Math.min(Math.max(to, 0), list.length - 1)];
    for (const each of list) each.tabIndex = each === next ? 0 : -1;
    next.focus();
  } else if ((event.key === "Enter" || event.key === " ") && at >= 0) {
    event.preventDefault();
    open(list[at].dataset.key);
    one("reading").focus(); // the keys that follow are for the film
  }
}
