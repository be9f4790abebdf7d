// Boxes on the film: outlines, their words, and the handles of the one that is edited. Draws on a 2-D canvas.

import { onScreen } from "./geometry.js";

const FONT = "12px system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";
const LINE = 17;

/**
 * Draw marks: {key, box, colour, text, dashed, faint, crossed}. `focus`: the key that stands out, or null; `editing`:
 * whether it has handles. `size`: {width, height} of the canvas, within which words are kept.
 */
export function drawMarks(context, view, marks, { focus, editing, size }) {
  const taken = [];
  const ordered = [...marks].sort((a, b) => (a.key === focus) - (b.key === focus));
  for (const mark of ordered) outline(context, onScreen(view, mark.box), mark, mark.key === focus, focus !== null);
  context.font = FONT;
  context.textBaseline = "middle";
  for (const mark of ordered.reverse()) words(context, onScreen(view, mark.box), mark, taken, size, focus);
  const edited = editing && marks.find((mark) => mark.key === focus);
  if (edited) handles(context, onScreen(view, edited.box));
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

function words(context, { x, y, width, height }, mark, taken, size, focus) {
  if (!mark.text) return;
  const wide = context.measureText(mark.text).width + 10;
  if (x > size.width || x + width < 0 || y > size.height || y + height < 0) return;
  const left = Math.min(Math.max(x - 1, 0), Math.max(size.width - wide, 0));
  let top = y - LINE - 2;
  if (top < 0) top = Math.min(Math.max(y + 3, 0), size.height - LINE);
  const clash = () => taken.find((t) => Math.abs(t.top - top) < LINE && t.left < left + wide && left < t.left + t.wide);
  for (let tries = 0; clash() && tries < 12; tries += 1) top = clash().top + LINE;
  taken.push({ left, top, wide });
  context.save();
  context.globalAlpha = focus !== null && mark.key !== focus ? 0.6 : 1;
  context.fillStyle = "rgba(0, 0, 0, 0.72)";
  context.fillRect(left, top, wide, LINE);
  context.fillStyle = mark.colour;
  context.fillRect(left, top, 3, LINE);
  context.fillStyle = "#f2f5f8";
  context.fillText(mark.text, left + 7, top + LINE / 2 + 0.5);
  if (mark.crossed) {
    context.fillRect(left + 6, top + LINE / 2, wide - 10, 1);
  }
  context.restore();
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
