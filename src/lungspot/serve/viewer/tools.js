// The toolbar over the film and the status line under it.

import { SHOWN } from "./corners.js";
import { make, one } from "./dom.js";
import { greyAt } from "./film.js";
import { secret, verdicts } from "./scene.js";
import { NARROW } from "./stage.js";
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
  const group = (name, short, ...children) => {
    const list = make("div", { class: "buttons", role: "group", "aria-label": name }, ...children);
    const fold = make("button", { type: "button", class: "fold", "aria-expanded": "false", title: name }, short);
    const box = make("div", { class: `group${short === "More" ? " always" : ""}` }, fold, list);
    fold.addEventListener("click", () => unfold(bar, box.classList.contains("open") ? null : box));
    list.addEventListener("click", (event) => event.target.closest("button") && unfold(bar, null));
    return box;
  };
  bar.append(
    group(
      "Left mouse button",
      "Tool",
      ...TOOLS.map(([id, text, title]) => button(`tool-${id}`, text, title, (event) => acts.tool(id, event.pointerType === "touch"))),
    ),
    group(
      "Window",
      "Window",
      ...NAMES.map((name, at) =>
        button(`preset-${at + 1}`, name, `Window: ${PRESETS[at]} (${at + 1})`, () => acts.preset(at)),
      ),
      button("invert", "Invert", "Invert (I)", acts.invert),
    ),
    group(
      "Zoom",
      "Zoom",
      button("fit", "Fit", "Fit (F)", acts.fit),
      button("zoom-out", "−", "Zoom out (−)", acts.zoomOut),
      button("zoom-in", "+", "Zoom in (+)", acts.zoomIn),
      button("lens", "Lens", "Magnifier (Z)", acts.lens),
    ),
    group(
      "Overlay",
      "Show",
      button("boxes", "Boxes", "Boxes (B)", acts.boxes),
      button("heat", "Heat", "Heat map (H)", acts.heat),
    ),
    group(
      "Mode",
      "Mode",
      button("compare", "Prior", "Compare with a prior film (C)", acts.compare),
      button("teach", "Teach", "Teaching: draw first, then reveal (T)", acts.teach),
    ),
    group(
      "Turn, organs, and facts in the corners",
      "More",
      button("turn-left", "⟲ Turn left", "Turn to the left (6)", () => acts.turn(1)),
      button("turn-right", "⟳ Turn right", "Turn to the right (7)", () => acts.turn(-1)),
      button("flip", "⇋ Mirror", "Mirror (8)", acts.flip),
      button("stored", "As stored", "As the file stores it, or as it was read (9)", acts.stored),
      button("anatomy", "Heart and lungs", "Heart and lungs (Shift+H)", acts.anatomy),
      button("corners", "Facts in the corners", "Facts in the corners (Shift+I)", acts.corners),
      ...SHOWN.map(([id, words]) => choice(store, id, words, acts)),
    ),
  );
  document.addEventListener("pointerdown", (event) => event.target.closest?.("#tools .open") ?? unfold(bar, null));
  bar.addEventListener("keydown", (event) => event.key === "Escape" && unfold(bar, null));
  const names = { "zoom-out": "Zoom out", "zoom-in": "Zoom in" };
  for (const [id, name] of Object.entries(names)) one(id).setAttribute("aria-label", name);
  store.listen(["tool", "lens", "window", "boxes", "heat", "anatomy", "compare", "teach", "revealed", "film", "presets", "reading", "facing", "corners"], (state) =>
    draw(state),
  );
  store.listen(
    ["corners", "unshown", "cursor", "film", "reading", "tool", "window", "zoom", "editing", "focus", "reshaped", "review", "practice"],
    status,
  );
}

/** Open one group as a menu, or none; only where it is folded. */
function unfold(bar, box) {
  for (const each of bar.querySelectorAll(".group")) {
    each.classList.toggle("open", each === box);
    each.querySelector(".fold").setAttribute("aria-expanded", String(each === box));
  }
}

/** One fact that may stand on the picture, to be hidden. */
function choice({ state }, id, words, acts) {
  const input = make("input", {
    type: "checkbox",
    id: `show-${id}`,
    checked: !state.unshown.has(id),
    onchange: () => acts.unshow(id, !input.checked),
  });
  return make("label", {}, input, words);
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
  const { quarter_turns: turned, invert } = state.reading?.correction ?? {};
  pressed("stored", state.film && (turned || invert) && isStored(state));
  pressed("corners", state.corners);
  pressed("lens", state.lens);
  pressed("boxes", state.boxes);
  pressed("heat", state.heat);
  pressed("anatomy", state.anatomy);
  pressed("compare", state.compare);
  pressed("teach", state.teach);
  const judged = state.reading?.status === "assessed";
  for (const node of one("tools").querySelectorAll("button:not(.fold)")) node.disabled = !state.film;
  one("boxes").disabled = !state.film;
  one("stored").disabled = !state.film || !(turned || invert || !isStored(state));
  one("heat").disabled = !judged || secret(state);
  one("anatomy").disabled = !judged || secret(state);
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
  const inCorners = state.corners && one("film").clientWidth >= NARROW;
  one("window-note").classList.toggle("unseen", inCorners && !state.unshown.has("window"));
  one("zoom").classList.toggle("unseen", inCorners && !state.unshown.has("zoom"));
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
