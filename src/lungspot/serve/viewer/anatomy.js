// Heart and lungs on the film, on request: thin lines with their names, only where they lie as in a chest. Draws on a 2-D canvas.

import { say } from "./dom.js";
import { onScreen } from "./geometry.js";
import { FONT } from "./labels.js";
import { secret } from "./scene.js";

const COLOUR = "#b8f0ff"; // no label's: what is shown is no finding

/** Heart and lungs of a result, [{name, box}]; none where they do not lie as in a chest: nothing was measured then. */
export function organsOf(result) {
  const seen = result?.anatomy;
  if (!seen || seen.cardiothoracic_ratio === null) return [];
  const { heart, left_lung: left, right_lung: right, lungs } = seen;
  const sides = left ? [["left lung", left], ["right lung", right]] : (lungs ?? []).map((lung) => ["lung", lung]);
  return [["heart", heart], ...sides].map(([name, box]) => ({ name, box }));
}

/** What is to be drawn now: nothing before a learner's boxes are revealed. */
export const organsNow = (state) => (state.anatomy && !secret(state) ? organsOf(state.reading?.result) : []);

/** The act that shows and hides them, and says so where there are none. */
export function anatomyActs(store) {
  const { state } = store;
  return {
    anatomy() {
      store.set({ anatomy: !state.anatomy });
      const none = state.reading && !organsOf(state.reading.result).length;
      say(state.anatomy ? (none ? "No heart and lungs were found that lie as in a chest" : "Heart and lungs are shown") : "Heart and lungs are hidden");
    },
  };
}

/** Draw organs; returns the rectangles {left, top, wide, high, text} of their names. */
export function drawOrgans(context, view, organs) {
  context.save();
  context.font = FONT;
  context.textAlign = "center";
  context.textBaseline = "middle";
  const taken = organs.map(({ name, box }) => {
    const { x, y, width, height } = onScreen(view, box);
    for (const [wide, style] of [[3, "rgba(0, 0, 0, 0.5)"], [1, COLOUR]]) {
      context.lineWidth = wide;
      context.strokeStyle = style;
      context.strokeRect(x, y, width, height);
    }
    const wide = context.measureText(name).width + 6;
    const [middle, level] = [x + width / 2, name === "heart" ? y + height - 9 : y + 9];
    context.lineWidth = 3;
    context.strokeStyle = "rgba(0, 0, 0, 0.8)";
    context.strokeText(name, middle, level);
    context.fillStyle = COLOUR;
    context.fillText(name, middle, level);
    return { left: middle - wide / 2, top: level - 8, wide, high: 16, text: name };
  });
  context.restore();
  return taken;
}
