// Measurements as they are drawn on the film: lines with their ends, and their values in words.

import { toScreen } from "./geometry.js";
import { FONT } from "./labels.js";
import { inWords } from "./measures.js";

const endsOf = ({ points }, view) => points.map(([x, y]) => toScreen(view, { x, y }));

/** The words of measures and where they stand: {text, left, top, wide, high}; no other word should cover them. */
export function measureWords(context, view, measures, { scale, film, size }) {
  return measures.map((measure, at) =>
    place(context, `${at + 1}  ${inWords(measure, scale, film)}`, anchor(measure.kind, endsOf(measure, view)), size),
  );
}

/** Draw the lines of measures and their ends. `held`: {key, point} of the one that is moved, or null. */
export function drawMeasures(context, view, measures, held) {
  for (const measure of measures) {
    const ends = endsOf(measure, view);
    const on = held?.key === measure.key;
    for (const [width, colour] of [
      [on ? 5 : 4, "rgba(0, 0, 0, 0.65)"],
      [on ? 2.5 : 1.5, "#fff"],
    ]) {
      context.lineWidth = width;
      context.strokeStyle = colour;
      context.setLineDash(measure.by === "model" ? [6, 4] : []);
      context.stroke(path(measure.kind, ends));
    }
    context.setLineDash([]);
    ends.forEach((end, point) => grip(context, end, on && held.point === point));
  }
}

function path(kind, ends) {
  const made = new Path2D();
  if (kind === "region") {
    const [a, b] = ends;
    made.rect(Math.min(a.x, b.x), Math.min(a.y, b.y), Math.abs(a.x - b.x), Math.abs(a.y - b.y));
    return made;
  }
  ends.forEach(({ x, y }, at) => (at === 0 || (kind === "cardiothoracic_ratio" && at === 2) ? made.moveTo(x, y) : made.lineTo(x, y)));
  return made;
}

function grip(context, { x, y }, on) {
  const half = on ? 5 : 3;
  context.fillStyle = "#000";
  context.fillRect(x - half - 1, y - half - 1, 2 * half + 2, 2 * half + 2);
  context.fillStyle = on ? "#7db4ff" : "#fff";
  context.fillRect(x - half, y - half, 2 * half, 2 * half);
}

/** Where the words begin: beside the middle of a line, at the vertex, under a region, over the wider line of the ratio. */
function anchor(kind, ends) {
  const [a, b, c, d] = ends;
  if (kind === "angle") return { x: b.x + 10, y: b.y + 14 };
  if (kind === "region") return { x: Math.min(a.x, b.x), y: Math.max(a.y, b.y) + 14 };
  const [one, other] = kind === "cardiothoracic_ratio" ? [c, d] : [a, b];
  return { x: (one.x + other.x) / 2 + 8, y: (one.y + other.y) / 2 - 13 };
}

function place(context, text, { x, y }, size) {
  context.font = FONT;
  const wide = context.measureText(text).width + 10;
  const left = Math.min(Math.max(x - 5, 0), Math.max(size.width - wide, 0));
  const top = Math.min(Math.max(y - 9, 0), size.height - 18);
  return { text, left, top, wide, high: 18 };
}

/** Write the words of measures. */
export function drawMeasureWords(context, words) {
  context.font = FONT;
  context.textBaseline = "middle";
  for (const { text, left, top, wide, high } of words) {
    context.fillStyle = "rgba(0, 0, 0, 0.78)";
    context.fillRect(left, top, wide, high);
    context.fillStyle = "#fff";
    context.fillText(text, left + 5, top + high / 2 + 0.5);
  }
}
