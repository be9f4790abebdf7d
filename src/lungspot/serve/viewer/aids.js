// The reader's aids on the film: letters of its sides, a scale bar, and a magnifying lens. Draw on a 2-D canvas.

import { compassOnScreen, onScreen, scaleBar, toFilm, toScreen } from "./geometry.js";
import { FAMILY, FONT } from "./labels.js";

const LENS = 110; // radius on the screen
const POWER = 2.5;
const EDGES = { left: "w", right: "e", top: "n", bottom: "s" };

/**
 * L and R where the file says which side of the patient lies at which edge, else that it is not known. `edges`: letters by left, right, top,
 * bottom. Returns the rectangles {left, top, wide, high} that no other word should cover.
 */
export function drawSides(context, view, frame, edges, size) {
  if (!frame) return [];
  const { x, y, width, height } = onScreen(view, [0, 0, frame.width, frame.height]);
  const [start, end] = [{ x, y }, { x: x + width, y: y + height }];
  const within = (value, most) => Math.min(Math.max(value, 16), most - 16);
  const middle = (from, to, most) => (Math.max(from, 0) + Math.min(to, most)) / 2;
  const near = Math.max(start.y, 0) + 0.12 * (Math.min(end.y, size.height) - Math.max(start.y, 0));
  const places = {
    w: [start.x + 18, near],
    e: [end.x - 18, near],
    n: [middle(start.x, end.x, size.width), start.y + 18],
    s: [middle(start.x, end.x, size.width), end.y - 18],
  };
  const place = (edge) => places[compassOnScreen(view, EDGES[edge])];
  context.save();
  context.textAlign = "center";
  context.textBaseline = "middle";
  const words = Object.entries(edges).map(([edge, letter]) => ({ text: letter, at: place(edge), font: `600 20px ${FAMILY}` }));
  if (!words.length) words.push({ text: "side unknown", at: [start.x + 50, start.y + 16], font: FONT });
  const taken = words.map(({ text, at, font }) => {
    context.font = font;
    const wide = context.measureText(text).width + 8;
    const [x, y] = [Math.min(Math.max(at[0], wide / 2 + 2), size.width - wide / 2 - 2), within(at[1], size.height)];
    context.lineWidth = 4;
    context.strokeStyle = "rgba(0, 0, 0, 0.75)";
    context.strokeText(text, x, y);
    context.fillStyle = "#f4f4f4"; // grey, as the film is
    context.fillText(text, x, y);
    return { left: x - wide / 2, top: y - 13, wide, high: 26, text };
  });
  context.restore();
  return taken;
}

/** A bar of a round length at the lower left, so that sizes can be judged at any zoom. Returns its rectangle. */
export function drawScale(context, view, spacing, size) {
  const { mm, pixels } = scaleBar(view, spacing, Math.min(size.width / 4, 180));
  const [x, y] = [14, size.height - 14];
  context.fillStyle = "rgba(0, 0, 0, 0.6)";
  context.fillRect(x - 6, y - 24, pixels + 12, 32);
  context.strokeStyle = "#e8edf2";
  context.lineWidth = 1.5;
  context.beginPath();
  context.moveTo(x, y - 5);
  context.lineTo(x, y);
  context.lineTo(x + pixels, y);
  context.lineTo(x + pixels, y - 5);
  context.stroke();
  context.font = FONT;
  context.textBaseline = "middle";
  context.fillStyle = "#e8edf2";
  const text = mm >= 10 ? `${mm / 10} cm` : `${mm} mm`;
  context.fillText(text, x, y - 14);
  return { left: x - 6, top: y - 24, wide: pixels + 12, high: 32, text };
}

/** A round lens about a screen point, that shows the film larger and without boxes. */
export function drawLens(context, { lens }, view, drawFilm) {
  const under = toFilm(view, lens);
  const scale = Math.max(view.scale * POWER, 1);
  context.save();
  context.beginPath();
  context.arc(lens.x, lens.y, LENS, 0, 2 * Math.PI);
  context.clip();
  context.fillStyle = "#000";
  context.fillRect(lens.x - LENS, lens.y - LENS, 2 * LENS, 2 * LENS);
  const near = { ...view, scale, x: 0, y: 0 };
  const { x, y } = toScreen(near, under);
  drawFilm({ ...near, x: lens.x - x, y: lens.y - y });
  context.restore();
  context.strokeStyle = "#cfd6de";
  context.lineWidth = 1.5;
  context.beginPath();
  context.arc(lens.x, lens.y, LENS, 0, 2 * Math.PI);
  context.stroke();
}
