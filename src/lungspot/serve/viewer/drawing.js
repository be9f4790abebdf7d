// Draws both stages from the page's state, at most once a frame: the open film, and the film to compare with.

import { organsNow } from "./anatomy.js";
import { cornerLines } from "./corners.js";
import { one } from "./dom.js";
import { measuresOf, scaleOf } from "./measuring.js";
import { heatOf } from "./opening.js";
import { agreement, labelOf, listed, marks, percent, priorMarks, secret } from "./scene.js";

const SHOWN = [
  ...[
    "film",
    "window",
    "reading",
    "review",
    "practice",
    "teach",
    "revealed",
    "point",
    "focus",
    "hover",
    "hidden",
    "editing",
    "experimental",
  ],
  ...["over", "split", "facing", "corners", "unshown"],
  ...["draft", "reshaped", "sketch", "grip", "lens", "lensAt", "boxes", "heat", "anatomy", "heats", "prior", "compare", "changed", "model"],
];

/** Draw when the state changes; returns what asks for a drawing (a stage's new view). `stages()`: [now, then]. */
export function drawing(store, stages) {
  const { state } = store;
  let asked = false;
  function redraw() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      const [now, then] = stages();
      drawNow(store, now);
      drawThen(state, then);
      store.set({ zoom: zoomOf(now) });
    });
  }
  store.listen(SHOWN, redraw);
  return redraw;
}

const zoomOf = ({ view }) => view.scale * (devicePixelRatio || 1);

/** The part of a stage that says why a film was not assessed, where no other words should be. */
function reserved({ canvas }) {
  const box = one("refusal");
  if (box.hidden) return [];
  const [room, at] = [canvas.getBoundingClientRect(), box.getBoundingClientRect()];
  return [{ left: at.left - room.left, top: at.top - room.top, wide: at.width, high: at.height }];
}

/** Where the lens is: at the pointer; in the middle of the film while no pointer is over a stage. */
function lensOn({ lens, lensAt }, stage, otherwise = null) {
  if (!lens) return null;
  return lensAt ? (lensAt.stage === stage ? lensAt.point : null) : otherwise;
}

/** The item whose heat map is shown: the one in focus, else the first that is listed. */
function heatItem(state) {
  const items = listed(state);
  return items.find((item) => item.key === (state.hover ?? state.focus)) ?? items.find((item) => item.score !== null);
}

function heatLabel(state, item) {
  const likeliest = state.reading.scores
    .filter((each) => state.experimental || each.standing !== "experimental")
    .toSorted((a, b) => b.probability - a.probability)[0];
  return item?.renamed ?? item?.label ?? likeliest?.label;
}

function drawNow(store, now) {
  const { state } = store;
  const { film, window, reading, focus, hover, editing, draft } = state;
  const heating = state.heat && reading?.status === "assessed" && !secret(state);
  const item = heating ? heatItem(state) : null;
  const label = heating ? heatLabel(state, item) : null;
  const heat = label ? heatOf(store, label) : null;
  now.canvas.dataset.heat = heat ? label : "";
  now.draw({
    film,
    window,
    frame: reading?.frame,
    spacing: reading?.spacing,
    edges: reading?.edges,
    corners: reading && film && state.corners ? cornerLines({ ...state, zoom: zoomOf(now) }, state.unshown) : null,
    unshown: state.unshown,
    reserved: reserved(now),
    under: state.compare && state.over && state.prior?.film ? { ...state.prior, split: state.split } : null,
    heat,
    organs: organsNow(state),
    marks: marks(state),
    focus: hover ?? focus,
    edited: editing && !state.revealed ? focus : null,
    measures: measuresOf(state),
    scale: scaleOf(state),
    grip: state.grip,
    draft,
    lens: lensOn(state, now, { x: now.size.width / 2, y: now.size.height / 2 }),
  });
  one("heat-note").hidden = !label;
  one("heat-note").textContent = label ? heatWords(state, label, item) : "";
}

function heatWords(state, label, item) {
  const name = `Heat map, ${labelOf(state, label).name}`;
  if (!state.reading.heatmaps.includes(label)) return `${name}: none`;
  if (!item?.agreement) return `${name}: no box to compare with`;
  return `${name}: ${agreement(item.agreement)}, overlap ${percent(item.agreement.iou)}`;
}

function drawThen(state, then) {
  const { prior } = state;
  if (!prior) return then.draw({});
  const { film, window, reading } = prior;
  const facing = { turns: reading.correction.quarter_turns, flip: false };
  const corners = state.corners && film ? cornerLines({ reading, window, facing, zoom: zoomOf(then) }, state.unshown) : null;
  const marks = state.boxes && !secret(state) ? priorMarks(state, reading) : [];
  const lens = lensOn(state, then);
  return then.draw({ film, window, frame: reading.frame, spacing: reading.spacing, edges: reading.edges, lens, marks, corners, unshown: state.unshown });
}
