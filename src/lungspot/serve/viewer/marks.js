// Boxes on the film: outlines, their words, and the handles of the one that is edited. Draws on a 2-D canvas.

import { onScreen } from "./geometry.js";

const FONT = "12px system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";
const LINE = 17;

/**
 * Draw marks: {key, box, colour, text, dashed, faint, crossed}. `focus`: the key that stands out, or null; `editing`:
 * whether it has handles. `size`: {width, height} of the canvas, within which words are kept. `taken`: rectangles {left, top, wide, high}
 * that words keep clear of. Words of several lines are one label; no label covers another. Returns the labels' rectangles.
 */
export function drawMarks(context, view, marks, { focus, editing, size, taken = [] }) {
  const clear = [...taken];
  const ordered = [...marks].sort((a, b) => (a.key === focus) - (b.key === focus));
  for (const mark of ordered) outline(context, onScreen(view, mark.box), mark, mark.key === focus, focus !== null);
  context.font = FONT;
  context.textBaseline = "middle";
  for (const mark of ordered.reverse()) words(context, onScreen(view, mark.box), mark, clear, size, focus);
  const edited = editing && marks.find((mark) => mark.key === focus);
  if (edited) handles(context, onScreen(view, edited.box));
  return clear.slice(taken.length);
}

function outline(context, { x, y, width, height }, mark, on, anyFocus) {
  context.save();
  context.globalAlpha = on ? 1 : mark.faint || (anyFocus && !on) ? 0.55 : 1;
  const path = () => {
    context.strokeRect(x, y, width, height);
    if (mark.crossed) {
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(x + width, y + height);
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

function words(context, box, mark, taken, size, focus) {
  if (!mark.text) return;
  const { x, y, width, height } = box;
  if (x > size.width || x + width < 0 || y > size.height || y + height < 0) return;
  const lines = mark.text.split("\n");
  const wide = Math.max(...lines.map((line) => context.measureText(line).width)) + 10;
  const at = freePlace(box, wide, lines.length * LINE, taken, size);
  taken.push(at);
  context.save();
  context.globalAlpha = focus !== null && mark.key !== focus ? 0.6 : 1;
  context.fillStyle = "rgba(0, 0, 0, 0.72)";
  context.fillRect(at.left, at.top, wide, at.high);
  context.fillStyle = mark.colour;
  context.fillRect(at.left, at.top, 3, at.high);
  context.fillStyle = "#f2f5f8";
  lines.forEach((line, row) => {
    const middle = at.top + (row + 0.5) * LINE + 0.5;
    context.fillText(line, at.left + 7, middle);
    if (mark.crossed) context.fillRect(at.left + 6, middle, context.measureText(line).width + 2, 1);
  });
  context.restore();
}

const overlap = (a, b) => a.left < b.left + b.wide && b.left < a.left + a.wide && a.top < b.top + b.high && b.top < a.top + a.high;

/** A place for a label: above its box, below it, at its inner top, beside it; else the nearest free height. */
export function freePlace({ x, y, width, height }, wide, high, taken, size) {
  const wishes = [
    [x - 1, y - high - 2],
    [x - 1, y + height + 2],
    [x + width - wide + 1, y - high - 2],
    [x + width - wide + 1, y + height + 2],
    [x + 3, y + 3],
    [x + width + 3, y],
    [x - wide - 3, y],
  ];
  for (let by = 1; by < 60; by += 1) for (const sign of [1, -1]) wishes.push([x - 1, y - high - 2 + sign * by * LINE]);
  const within = ([left, top]) => ({
    left: Math.min(Math.max(left, 0), Math.max(size.width - wide, 0)),
    top: Math.min(Math.max(top, 0), Math.max(size.height - high, 0)),
    wide,
    high,
  });
  const places = wishes.map(within);
  return places.find((at) => !taken.some((other) => overlap(at, other))) ?? places[0];
}

function handles(context, { x, y, width, height }) {
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
    const [left, top] = [x + across * width - 4, y + down * height - 4];
    context.fillRect(left, top, 8, 8);
    context.strokeRect(left, top, 8, 8);
  }
}
