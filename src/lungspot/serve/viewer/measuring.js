// The reader's measurements: drawn by pointer, finger or keys, listed beside the film, and kept with the review.

import { fill, make, one, say } from "./dom.js";
import { toFilm, toScreen } from "./geometry.js";
import { KINDS, begun, described, dragged, gripAt, inWords, ratioLines, solid } from "./measures.js";
import { verdicts } from "./scene.js";
import { measured } from "./verdicts.js";

const BUTTONS = [
  ["length", "Distance", "Measure by dragging (M)"],
  ["angle", "Angle", "Drag one arm to the vertex, then move the other (Shift+M)"],
  ["region", "Greys", "Mean grey and area of a rectangle (Shift+G)"],
  ["cardiothoracic_ratio", "Heart : chest", "Cardiothoracic ratio (Shift+C)"],
];
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** How large the open film's pixels are. */
export const scaleOf = ({ reading }) => ({ spacing: reading?.spacing ?? null, tall: reading?.frame?.tall ?? 1 });

/** The measures that are shown now, the one that is being drawn or moved as it is now. */
export function measuresOf(state) {
  const { sketch } = state;
  const kept = verdicts(state).measures.map((each) => (each.key === sketch?.key ? sketch : each));
  return sketch?.key === "new" ? [...kept, sketch] : kept;
}

/** Build the panel. `stage()`: the film's; `tool(name)` chooses what dragging does. Returns the acts of keys and pointer. */
export function measuring(store, { stage, tool }) {
  const { state } = store;
  const held = () => (state.teach ? "practice" : "review");
  const open = () => Boolean(state.film && state.reading?.frame) && !state.revealed;
  const words = (measure) => `${KINDS[measure.kind].name} ${inWords(measure, scaleOf(state), state.film)}`;
  const find = (key) => verdicts(state).measures.find((each) => each.key === key);
  one("measures-place").replaceWith(panel(choose));

  function keep(measures) {
    const saved = held() === "review" ? "not saved" : state.saved;
    store.set({ [held()]: measured(verdicts(state), measures), saved, sketch: null });
  }

  function choose(kind) {
    if (!open()) return;
    if (kind === "cardiothoracic_ratio") return add({ kind, ...ratioLines(state.reading.result?.anatomy, state.reading.frame) });
    tool("measure");
    store.set({ measuring: kind, grip: null, focus: null, editing: false });
    say(`${KINDS[kind].name}: drag, or Enter puts one in the middle`);
  }

  function add(measure) {
    const key = Math.max(-1, ...verdicts(state).measures.map((each) => each.key)) + 1;
    keep([...verdicts(state).measures, { key, ...measure }]);
    store.set({ grip: { key, point: measure.points.length - 1 }, focus: null, editing: false });
    say(`${words(find(key))}. Arrows move a point, Enter goes to the next, Delete removes.`);
  }

  function draw(from, to, final) {
    if (!open()) return;
    const kind = state.measuring;
    const points = begun(kind, [from.x, from.y], [to.x, to.y], state.reading.frame);
    const sketch = { key: "new", kind, points, by: "reader" };
    if (!final) return store.set({ sketch });
    store.set({ sketch: null });
    if (solid(sketch)) add({ kind, points, by: "reader" });
  }

  function middle() {
    const { view, size } = stage();
    const at = (x, y) => toFilm(view, { x: x * size.width, y: y * size.height });
    draw(at(0.4, 0.45), at(0.6, 0.55), true);
    return true;
  }

  function move(grip, { x, y }, final) {
    const measure = find(grip.key);
    if (!measure) return;
    const moved = dragged(measure, grip.point, [x, y], state.reading.frame);
    if (!final) return store.set({ sketch: moved, grip });
    if (solid(moved)) keep(verdicts(state).measures.map((each) => (each.key === grip.key ? moved : each)));
    store.set({ sketch: null, grip });
  }

  function focus(key) {
    store.set({ grip: state.grip?.key === key ? null : { key, point: 0 }, focus: null, editing: false });
    if (state.grip) say(words(find(key)));
  }

  function remove(key) {
    keep(verdicts(state).measures.filter((each) => each.key !== key));
    store.set({ grip: null });
    say("Measurement removed");
  }

  /** Keys while a point is held; true where the key was for it. */
  function press(name, event) {
    const measure = state.grip && find(state.grip.key);
    if (!measure) {
      if (name !== "Enter" || state.tool !== "measure" || !open()) return false;
      return middle();
    }
    const { key, point } = state.grip;
    const by = STEPS[event.key];
    if (by && !event.shiftKey) {
      const { view } = stage();
      const step = event.ctrlKey || event.metaKey ? 10 : 1;
      const [x, y] = measure.points[point];
      const at = toScreen(view, { x, y });
      move(state.grip, toFilm(view, { x: at.x + by[0] * step, y: at.y + by[1] * step }), true);
      say(words(find(key)));
    } else if (name === "Enter") store.set({ grip: { key, point: (point + 1) % measure.points.length } });
    else if (name === "Delete" || name === "Backspace") remove(key);
    else if (name === "Escape") store.set({ grip: null });
    else return false;
    return true;
  }

  store.listen(["reading", "review", "practice", "teach", "sketch", "grip", "film", "measuring", "tool"], list);
  return {
    press,
    draw,
    move,
    grasp: (grip) => store.set({ grip, focus: null, editing: false }),
    grip: (point, reach) => gripAt(verdicts(state).measures, [point.x, point.y], reach),
    toolMeasure: () => choose("length"),
    toolAngle: () => choose("angle"),
    toolRegion: () => choose("region"),
    heartToChest: () => choose("cardiothoracic_ratio"),
  };

  function list() {
    one("measuring").hidden = !open();
    for (const [kind] of BUTTONS)
      one(`measure-${kind}`).setAttribute("aria-pressed", String(state.tool === "measure" && state.measuring === kind));
    const rows = open() ? measuresOf(state) : [];
    fill(one("measures"), ...rows.map((measure, at) => row(measure, at)));
  }

  function row(measure, at) {
    const text = `${at + 1}  ${described(measure, scaleOf(state), state.film)}`;
    const on = state.grip?.key === measure.key;
    return make(
      "li",
      { class: on ? "on" : "" },
      make(
        "button",
        { type: "button", class: "pick", "data-key": `m-${measure.key}`, "aria-pressed": String(on), onclick: () => focus(measure.key) },
        text,
      ),
      make(
        "button",
        {
          type: "button",
          "data-key": `gone-${measure.key}`,
          title: "Remove (Delete)",
          "aria-label": `Remove: ${text}`,
          onclick: () => remove(measure.key),
        },
        "✗",
      ),
    );
  }
}

function panel(choose) {
  const button = ([kind, text, title]) =>
    make("button", { id: `measure-${kind}`, type: "button", title, "aria-pressed": "false", onclick: () => choose(kind) }, text);
  return make(
    "div",
    { id: "measuring", hidden: true },
    make("div", { class: "line", role: "group", "aria-label": "Measure" }, ...BUTTONS.map(button)),
    make("ul", { id: "measures", "aria-label": "Measurements" }),
  );
}
