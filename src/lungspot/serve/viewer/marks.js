// Boxes on the film: outlines, their words, and the handles of the one that is edited. Draws on a 2-D canvas.

import { onScreen } from "./geometry.js";
import { FONT, LINE, placeOf, sizeOf, wrapped } from "./labels.js";

/**
 * Draw marks: {key, box, colour, text, short, word, dashed, faint, crossed}. `focus`: the key that stands out, or null; `edited`: the key of the one that
 * has handles. `size`: {width, height} of the canvas, within which words are kept; `film`: the film's rectangle there, which words leave free where
 * they can; `taken`: rectangles {left, top, wide, high} that words keep clear of. A box in focus has all its `text`, others have
 * `short`; no label covers another, nor the box that it names: where there is no room it is left to the list. `silent`: no words but `word`, what became of a place against another film. Returns the labels: rectangles with key and text.
 */
export function drawMarks(context, view, marks, { focus, edited = null, size, film = null, taken = [], silent = false }) {
  const ordered = [...marks].sort((a, b) => (a.key === focus) - (b.key === focus));
  const placed = ordered.map((mark) => ({ mark, at: rectangle(onScreen(view, mark.box)) }));
  for (const { mark, at } of placed) outline(context, at, mark, mark.key === focus, focus !== null);
  const labels = arrange(context, placed.toReversed(), focus, { size, film, taken, silent });
  for (const label of labels) words(context, label, focus !== null && label.key !== focus);
  const held = placed.find(({ mark }) => mark.key === edited);
  if (held) handles(context, held.at);
  return labels;
}

const rectangle = ({ x, y, width, height }) => ({ left: x, top: y, wide: width, high: height });
const seen = ({ left, top, wide, high }, size) => left < size.width && left + wide > 0 && top < size.height && top + high > 0;

/** The labels of boxes that are seen, the one in focus first and in all its words; each keeps clear of those before it. */
function arrange(context, placed, focus, { size, film, taken, silent }) {
  context.font = FONT;
  const measure = (text) => context.measureText(text).width;
  const labels = [];
  for (const { mark, at } of placed) {
    const said = silent ? mark.word : mark.text;
    if (!said || !seen(at, size)) continue;
    const others = placed.filter((each) => each.mark !== mark).map((each) => each.at);
    const short = silent ? said : (mark.short ?? said);
    for (const text of new Set(mark.key === focus ? [said, short] : [short])) {
      const lines = wrapped(text, measure);
      const { wide, high } = sizeOf(lines, measure);
      const place = placeOf(at, wide, high, { taken: [...taken, ...labels], others, film, size });
      if (!place) continue;
      labels.push({ ...place, key: mark.key, text: lines.join("\n"), mark, box: at });
      break;
    }
  }
  return labels;
}

function outline(context, { left, top, wide, high }, mark, on, anyFocus) {
  context.save();
  context.globalAlpha = on ? 1 : mark.faint || (anyFocus && !on) ? 0.55 : 1;
  const path = () => {
    context.strokeRect(left, top, wide, high);
    if (mark.crossed) {
      context.beginPath();
      context.moveTo(left, top);
      context.lineTo(left + wide, top + high);
      context.stroke();
    }
  };
  context.lineWidth = on ? 5 : 4;
  context.strokeStyle = "rgba(0, 0, 0, 0.55)";
  path();
  context.lineWidth = on ? 3 : 2;
  context.strokeStyle = mark.colour;
  if (mark.dashed) context.setLineDash([6, 5]);
  path();
  context.restore();
}

function words(context, { left, top, wide, high, far, text, mark, box }, quiet) {
  context.save();
  context.textBaseline = "middle";
  context.globalAlpha = quiet ? 0.75 : 1;
  if (far) leader(context, { left, top, wide, high }, box, mark.colour);
  context.fillStyle = "rgba(0, 0, 0, 0.78)";
  context.fillRect(left, top, wide, high);
  context.fillStyle = mark.colour;
  context.fillRect(left, top, 3, high);
  context.fillStyle = "#f2f5f8";
  text.split("\n").forEach((line, row) => {
    const middle = top + (row + 0.5) * LINE + 1.5;
    context.fillText(line, left + 7, middle);
    if (mark.crossed) context.fillRect(left + 6, middle, context.measureText(line).width + 2, 1);
  });
  context.restore();
}

/** A thin line from words to the nearest point of their box. */
function leader(context, label, box, colour) {
  const within = (value, from, length) => Math.min(Math.max(value, from), from + length);
  const [x, y] = [label.left + label.wide / 2, label.top + label.high / 2];
  const to = [within(x, box.left, box.wide), within(y, box.top, box.high)];
  const from = [within(to[0], label.left, label.wide), within(to[1], label.top, label.high)];
  for (const [width, style] of [
    [3, "rgba(0, 0, 0, 0.6)"],
    [1, colour],
  ]) {
    context.lineWidth = width;
    context.strokeStyle = style;
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    context.stroke();
  }
}

function handles(context, { left, top, wide, high }) {
  context.fillStyle = "#fff";
  context.strokeStyle = "#000";
  context.lineWidth = 1;
  for (const [across, down] of [
    [0, 0],
    [0.5, 0],
    [1, 0],
    [0, 0.5],
    [1, 0.5],
    [0, 1],
    [0.5, 1],
    [1, 1],
  ]) {
    const [x, y] = [left + across * wide - 4, top + down * high - 4];
    context.fillRect(x, y, 8, 8);
    context.strokeRect(x, y, 8, 8);
  }
}
