// What stands in the corners of a film: date, age, view, how it is turned, size of a pixel, window and zoom; each can be hidden.

import { say } from "./dom.js";
import { FONT, LINE, overlap } from "./labels.js";
import { facingWords } from "./upright.js";
import { inWords } from "./window.js";

const EDGE = 8;

/** What can be hidden, one by one: [id, words, corner]; the letters L and R and the scale bar have no corner. */
export const SHOWN = [
  ["date", "date", "nw"],
  ["age", "age", "nw"],
  ["view", "view", "ne"],
  ["facing", "how it is turned", "ne"],
  ["spacing", "size of a pixel", "sw"],
  ["window", "window", "se"],
  ["zoom", "zoom", "se"],
  ["sides", "L and R", null],
  ["scale", "scale bar", null],
];

/** The acts that show and hide them: all, or one. `change(patch)` keeps that in this browser. */
export function cornerActs(store, change) {
  const { state } = store;
  return {
    corners() {
      change({ corners: !state.corners });
      store.set({ corners: !state.corners });
      say(state.corners ? "Facts in the corners are shown" : "Facts in the corners are hidden");
    },
    unshow(id, hidden) {
      const unshown = new Set(state.unshown);
      if (hidden) unshown.add(id);
      else unshown.delete(id);
      change({ unshown: [...unshown] });
      store.set({ unshown });
    },
  };
}

/** The lines by corner; what the file does not say has none, but for the view. `zoom`: screen pixels for one of the film. */
export function cornerLines({ reading, window, facing, zoom }, hidden) {
  const said = {
    date: reading.identity?.study_date,
    age: age(reading.identity?.age_years),
    view: { UNKNOWN: "view unknown" }[reading.view] ?? reading.view,
    facing: facingWords({ reading, window, facing }, false),
    spacing: reading.spacing && pixel(reading.spacing),
    window: window && inWords({ ...window, invert: false }),
    zoom: `${Math.round(100 * zoom)} %`,
  };
  const found = { nw: [], ne: [], sw: [], se: [] };
  for (const [id, , corner] of SHOWN) if (corner && said[id] && !hidden.has(id)) found[corner].push(said[id]);
  return found;
}

function age(years) {
  if (years === null || years === undefined) return "";
  return years < 2 ? `age ${Math.round(12 * years)} months` : `age ${Math.floor(years)}`;
}

function pixel([high, wide]) {
  const short = (value) => String(Number(value.toPrecision(3)));
  return high === wide ? `${short(wide)} mm a pixel` : `${short(wide)} × ${short(high)} mm a pixel`;
}

/**
 * Draw lines in the corners of a canvas; a line that would lie on something is left out. `taken`: rectangles {left, top, wide, high}; `size`: {width,
 * height}. Returns the rectangles of what is drawn, with their text.
 */
export function drawCorners(context, lines, { taken, size }) {
  context.save();
  context.font = FONT;
  context.textBaseline = "middle";
  context.lineWidth = 3;
  context.lineJoin = "round";
  context.strokeStyle = "rgba(0, 0, 0, 0.8)";
  context.fillStyle = "#e2e2e2"; // grey, as the film is
  const drawn = [];
  for (const [corner, texts] of Object.entries(lines)) {
    const [above, before] = [corner[0] === "n", corner[1] === "w"];
    context.textAlign = before ? "left" : "right";
    let top = above ? EDGE - 2 : size.height - EDGE + 2 - LINE;
    for (const text of above ? texts : texts.toReversed()) {
      const wide = Math.ceil(context.measureText(text).width) + 4;
      const at = () => ({ left: before ? EDGE - 2 : size.width - EDGE + 2 - wide, top, wide, high: LINE, text });
      const free = () => !taken.some((each) => overlap(each, at()));
      const near = () => (above ? top + LINE <= size.height / 2 : top >= size.height / 2); // further on it would be another corner's
      while (!free() && near()) top += above ? LINE / 2 : -LINE / 2;
      if (!near() || wide > size.width / 2 - EDGE) continue;
      const x = before ? EDGE : size.width - EDGE;
      context.strokeText(text, x, top + LINE / 2);
      context.fillText(text, x, top + LINE / 2);
      drawn.push(at());
      top += above ? LINE : -LINE;
    }
  }
  context.restore();
  return drawn;
}
