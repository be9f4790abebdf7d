// The toolbar over the film and the status line under it.

import { greyAt } from "./film.js";
import { make, one } from "./dom.js";
import { secret, verdicts } from "./scene.js";
import { isStored } from "./upright.js";
import { MOST, inWords } from "./window.js";

const PRESETS = ["as the file says", "auto", "lung", "mediastinum", "bone"];
const NAMES = ["Film", "Auto", "Lung", "Medi.", "Bone"];
const TOOLS = [
  ["window", "Window", "Window by dragging (W)"],
  ["pan", "Pan", "Pan by dragging (P)"],
  ["draw", "Draw", "Draw a box (N)"],
  ["measure", "Ruler", "Measure by dragging (M)"],
];

/** Build the toolbar. `acts`: tool, lens, preset, invert, fit, zoomIn, zoomOut, boxes, heat, compare, teach. */
export function tools(store, acts) {
  const bar = one("tools");
  const button = (id, text, title, then) => make("button", { id, type: "button", title, onclick: then }, text);
  const group = (name, ...children) => make("div", { class: "group", role: "group", "aria-label": name }, ...children);
  bar.append(
    group(
      "Left mouse button",
      ...TOOLS.map(([id, text, title]) => button(`tool-${id}`, text, title, () => acts.tool(id))),
    ),
    group(
      "Window",
      ...NAMES.map((name, at) =>
        button(`preset-${at + 1}`, name, `Window: ${PRESETS[at]} (${at + 1})`, () => acts.preset(at)),
      ),
      button("invert", "Invert", "Invert (I)", acts.invert),
    ),
    group(
      "Zoom",
      button("fit", "Fit", "Fit (F)", acts.fit),
      button("zoom-out", "−", "Zoom out (−)", acts.zoomOut),
      button("zoom-in", "+", "Zoom in (+)", acts.zoomIn),
      button("lens", "Lens", "Magnifier (Z)", acts.lens),
    ),
    group(
      "Turn",
      button("turn-left", "⟲", "Turn to the left (6)", () => acts.turn(1)),
      button("turn-right", "⟳", "Turn to the right (7)", () => acts.turn(-1)),
      button("flip", "⇋", "Mirror (8)", acts.flip),
      button("stored", "Stored", "As the file stores it, or as it was read (9)", acts.stored),
    ),
    group(
      "Overlay",
      button("boxes", "Boxes", "Boxes (B)", acts.boxes),
      button("heat", "Heat", "Heat map (H)", acts.heat),
    ),
    group(
      "Mode",
      button("compare", "Prior", "Compare with a prior film (C)", acts.compare),
      button("teach", "Teach", "Teaching: draw first, then reveal (T)", acts.teach),
    ),
  );
  const names = { "zoom-out": "Zoom out", "zoom-in": "Zoom in", "turn-left": "Turn left", "turn-right": "Turn right", flip: "Mirror" };
  for (const [id, name] of Object.entries(names)) one(id).setAttribute("aria-label", name);
  store.listen(["tool", "lens", "window", "boxes", "heat", "compare", "teach", "revealed", "film", "presets", "reading", "facing"], (state) =>
    draw(state),
  );
  store.listen(
    ["cursor", "film", "reading", "tool", "window", "zoom", "editing", "focus", "reshaped", "review", "practice"],
    status,
  );
}

const pressed = (id, on) => one(id).setAttribute("aria-pressed", String(Boolean(on)));

function draw(state) {
  for (const [id] of TOOLS) pressed(`tool-${id}`, state.tool === id);
  const { window } = state;
  state.presets.forEach(({ window: each }, at) =>
    pressed(`preset-${at + 1}`, window && each.centre === window.centre && each.width === window.width),
  );
  pressed("invert", window?.invert);
  pressed("flip", state.film && state.facing.flip);
  pressed("stored", state.film && isStored(state));
  pressed("lens", state.lens);
  pressed("boxes", state.boxes);
  pressed("heat", state.heat);
  pressed("compare", state.compare);
  pressed("teach", state.teach);
  const judged = state.reading?.status === "assessed";
  for (const node of one("tools").querySelectorAll("button")) node.disabled = !state.film;
  one("boxes").disabled = !state.film;
  one("heat").disabled = !judged || secret(state);
  one("teach").disabled = !judged && !state.teach;
}

function status(state) {
  const { cursor, film, reading, tool, window } = state;
  const spacing = reading?.spacing;
  const unknown = film && !spacing && tool === "measure" ? "No mm: the film does not say how large its pixels are" : "";
  const item = film && state.editing && verdicts(state).items.find((each) => each.key === state.focus);
  const size = item ? sizeOf(state.reshaped?.box ?? item.box, spacing) : "";
  one("where").textContent = film && cursor ? place(cursor, spacing) : size || unknown;
  const grey = film && cursor ? greyAt(film, cursor) : null;
  one("grey").textContent = grey === null ? "" : `grey ${((100 * grey) / MOST).toFixed(1)} %`;
  one("window-note").textContent = window && film ? inWords(window) : "";
  one("zoom").textContent = film ? `${Math.round(100 * state.zoom)} %` : "";
}

/** How large the edited box is; a measure that needs no mouse. */
function sizeOf([x0, y0, x1, y1], spacing) {
  const [wide, high] = spacing ? [(x1 - x0) * spacing[1], (y1 - y0) * spacing[0]] : [x1 - x0, y1 - y0];
  return `box ${wide.toFixed(0)} × ${high.toFixed(0)} ${spacing ? "mm" : "px"}`;
}

function place({ x, y }, spacing) {
  const pixels = `x ${Math.floor(x)} y ${Math.floor(y)}`;
  return spacing ? `${pixels} · ${(x * spacing[1]).toFixed(0)} × ${(y * spacing[0]).toFixed(0)} mm` : pixels;
}
