// The worklist: as many rows as are in sight, of however many films; arrows walk through it, Enter opens.

import { fill, make, one, refill, swatch } from "./dom.js";
import { shortName, wholeName } from "./names.js";
import { labelOf, probability, secret } from "./scene.js";

const WORDS = { queued: "waiting", reading: "reading…" };
const filters = ({ not_assessed: refused }) => [
  ["all", "All", ({ queued, reading, done }) => queued + reading + done],
  ["open", "To read", ({ queued, reading, done, reviewed }) => queued + reading + done - reviewed],
  ["reviewed", "Read", ({ reviewed }) => reviewed],
  ["refused", refused, (counts) => counts.not_assessed],
];
const SORTS = { urgency: "urgency", name: "name", date: "date", status: "status" };
const STILL = 6; // pixels that a hand moves in a click
const MORE = 10; // rows drawn above and below those in sight

/** Keep the list drawn. `open(id)` opens a film; `list`: look, ask (listing.js); `sorted(sort)` hears of another order. */
export function worklist(store, { open, list, sorted }) {
  const { state } = store;
  const rows = one("rows");
  const invitation = one("empty").textContent; // as the page has it before anything is asked
  const room = make("div", { role: "presentation", class: "room" });
  rows.append(room);
  let cursor = null; // the row that the keyboard is on, from 0
  let pressed = null; // the film on whose row a button or finger went down, and where: {id, x, y}
  let shown = null; // the film that was brought into sight last
  const high = () => parseFloat(getComputedStyle(rows).getPropertyValue("--row"));
  const inSight = () => {
    const first = Math.floor(rows.scrollTop / high());
    return [first, Math.min(first + Math.ceil(rows.clientHeight / high()), Math.max((state.total ?? 1) - 1, 0))];
  };

  function draw() {
    if (!state.model) return;
    const total = state.total ?? 0;
    rows.hidden = !total; // a list box without options is none
    one("empty").hidden = total > 0;
    one("empty").textContent = empty(state) || invitation;
    room.style.height = `${total * high()}px`;
    const [first, last] = inSight();
    const from = Math.max(first - MORE, 0);
    const to = Math.min(last + MORE, total - 1);
    room.style.paddingTop = `${from * high()}px`;
    refill(room, ...Array.from({ length: Math.max(to - from + 1, 0) }, (_, at) => entry(state, from + at, cursor)));
    const active = cursor === null ? null : state.rows[cursor - state.first];
    if (active) rows.setAttribute("aria-activedescendant", `row-${active.id}`);
    else rows.removeAttribute("aria-activedescendant");
    one("worklist-title").textContent = state.total === null ? "Worklist" : `Worklist (${total})`;
    list.look(first, last);
  }

  const seen = (at) => at * high() >= rows.scrollTop && (at + 1) * high() <= rows.scrollTop + rows.clientHeight;

  /** Bring a row into sight, in the middle where it was far away; returns whether it was out of it. */
  function reveal(at) {
    const [top, room] = [at * high(), rows.clientHeight];
    if (seen(at)) return false;
    const near = top >= rows.scrollTop - high() && top <= rows.scrollTop + room;
    rows.scrollTop = near ? (top < rows.scrollTop ? top : top + high() - room) : top - (room - high()) / 2;
    return true;
  }

  function choose(id) {
    const at = state.rows.findIndex((row) => row.id === id);
    if (at >= 0) cursor = state.first + at;
    open(id);
    one("reading").focus(); // the keys that follow are for the film
  }

  function walk(event) {
    const page = Math.max(Math.floor(rows.clientHeight / high()) - 1, 1);
    const at = cursor ?? -1;
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
    if (by !== undefined && state.total) {
      event.preventDefault();
      cursor = Math.min(Math.max(at + by, 0), state.total - 1);
      reveal(cursor);
      draw();
    } else if ((event.key === "Enter" || event.key === " ") && at >= 0) {
      event.preventDefault();
      const row = state.rows[at - state.first];
      if (row) choose(row.id);
    }
  }

  /** Open the row that the button or finger went down on: the list may move before it comes up, and then there is no click. */
  function released({ clientX, clientY }) {
    const still = pressed && Math.hypot(clientX - pressed.x, clientY - pressed.y) < STILL;
    if (still) choose(pressed.id);
    pressed = null;
  }

  store.listen(["beside", "id"], () => {
    const { id, beside } = state;
    if (!id || beside?.id !== id || beside.position === null) return;
    const { position } = beside;
    const left = shown?.id === id && (shown.at === position || !seen(shown.at)); // the reader may scroll away from it
    shown = { id, at: position };
    if (!left && reveal(position)) draw(); // the rows that are in sight now are asked for at once
  });
  store.listen(["rows", "first", "total", "id", "model", "names", "teach", "revealed", "search", "filter"], draw);
  rows.addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
  new ResizeObserver(draw).observe(rows);
  rows.addEventListener("keydown", walk);
  rows.addEventListener("focus", () => {
    if (!rows.matches(":focus-visible")) return; // a mouse is on it: nothing moves below a button that goes down
    cursor ??= state.beside?.position ?? 0;
    reveal(cursor);
    draw();
  });
  const filmOf = (target) => target.closest(".row[id]")?.dataset.key; // a row whose film is not known yet has no id
  rows.addEventListener("pointerdown", ({ target, button, clientX: x, clientY: y }) => {
    pressed = button === 0 && filmOf(target) ? { id: filmOf(target), x, y } : null;
  });
  rows.addEventListener("pointerup", released);
  rows.addEventListener("pointercancel", () => (pressed = null)); // a finger scrolls
  rows.addEventListener("click", ({ target, detail }) => detail === 0 && filmOf(target) && choose(filmOf(target))); // by no pointer
  questions(store, list, sorted, () => {
    cursor = null;
    shown = null; // the open film is brought into sight again, wherever it stands then
    rows.scrollTop = 0;
  });
}

/** Search, chips and order. `again()`: before another question is asked. */
function questions(store, list, sorted, again) {
  const { state } = store;
  let looking = false;
  const ask = (patch) => {
    again();
    return list.ask(patch);
  };
  const search = one("search");
  search.addEventListener("input", async () => {
    if (looking) return; // letters that come while an answer is on its way are looked for together, after it
    looking = true;
    while (search.value.trim() !== state.search) await ask({ search: search.value.trim() });
    looking = false;
  });
  search.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "Enter") return;
    event.preventDefault();
    one("rows").focus();
  });
  const select = (id, label, options, then) =>
    make("select", { id, "aria-label": label, title: label, onchange: (event) => then(event.target.value) }, ...options);
  const option = ([value, name]) => make("option", { value }, name);
  store.listen(["model"], () => {
    const known = state.model.labels;
    const sorts = state.model.screening ? { screening: "screening score", ...SORTS } : SORTS;
    const reported = state.model.known.filter((id) => known.get(id).standing !== "experimental");
    fill(
      one("orders"),
      select("finding", "Finding", [["", "any finding"], ...reported.map((id) => [id, known.get(id).name])].map(option), (finding) =>
        ask({ finding }),
      ),
      select("sort", "Order", Object.entries(sorts).map(([value, name]) => option([value, `by ${name}`])), (sort) => {
        sorted(sort);
        ask({ sort });
      }),
    );
    one("sort").value = state.sort;
  });
  store.listen(["counts", "filter", "teach", "model"], () => {
    if (!state.model) return;
    fill(one("chips"), ...filters(state.model).map((chip) => filterChip(state, chip, (filter) => ask({ filter }))));
    one("finding").hidden = state.teach; // what the model found is not yet for the learner
  });
}

function filterChip({ counts, filter }, [id, name, count], choose) {
  return make(
    "button",
    { type: "button", class: "chip", "data-key": `show-${id}`, "aria-pressed": String(filter === id), onclick: () => choose(id) },
    `${name} ${count(counts)}`,
  );
}

function empty({ search, filter, finding }) {
  if (search || filter !== "all" || finding) return "No film is like that.";
  return "";
}

function entry(state, at, cursor) {
  const row = state.rows[at - state.first];
  const place = { role: "option", "aria-posinset": String(at + 1), "aria-setsize": String(state.total), "data-at": String(at) };
  const on = at === cursor ? " cursor" : "";
  if (!row)
    return make("div", { ...place, "data-key": `at-${at}`, "aria-selected": "false", class: `row${on}` }, make("span", { class: "name" }, "…"));
  const chosen = row.id === state.id;
  const covered = hides(state, row);
  return make(
    "div",
    {
      ...place,
      id: `row-${row.id}`,
      "data-key": row.id,
      "aria-selected": String(chosen),
      class: `row ${row.status ?? row.state}${row.reviewed ? " done" : ""}${on}`,
      title: [wholeName(state, row), covered ? "" : row.headline].filter(Boolean).join("\n"),
    },
    dot(state, row, covered),
    make("span", { class: "name" }, shortName(state, row)),
    make("span", { class: "number", title: covered ? null : meant(row) }, ending(row, covered)),
    make(
      "span",
      { class: "what" },
      earlier(state, row) ? make("span", { class: "by" }, `read by ${row.model}`) : null,
      row.decision ? make("span", { class: "by" }, row.decision) : null,
      covered ? "your reading first" : (row.headline ?? WORDS[row.state] ?? row.state),
    ),
  );
}

/** Whether another model read the film than the one that reads now. */
const earlier = ({ model }, row) => row.model && row.model !== `${model.name} ${model.version}`;

/** What the percentage at the end of the line is of. */
function meant({ screened, top, labels }) {
  if (typeof screened === "number") return "of what people are screened for, of the whole film";
  if (!top) return null;
  return labels.length ? `${top.name}, the surest of what is said` : `${top.name}, the likeliest, below its threshold`;
}

/** At the end of the line: whether it was read, and how sure the surest of what is said is. */
function ending(row, covered) {
  const score = row.screened ?? row.top?.score;
  const sure = row.status === "assessed" && row.top && !covered ? probability(score) : "";
  if (!row.reviewed) return sure;
  return make("span", { class: "tick" }, make("span", { "aria-label": "read", role: "img" }, "✓"), ` ${sure}`);
}

/** Whether a learner must not yet see what the model says of a film; the open one is bare once it is revealed. */
const hides = (state, row) => state.teach && row.status === "assessed" && !(row.id === state.id && !secret(state));

function dot(state, row, covered) {
  const label = covered || !row.labels?.length ? null : row.top?.label;
  const colour = row.status === "not_assessed" ? "#ffc061" : label ? labelOf(state, label).color : "#737d8a";
  return swatch(colour);
}
