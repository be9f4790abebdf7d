// Where on a film a finding of the lungs can lie: no box is reported where no lung is (lungspot.detect.positions).

import { area, enclosing, overlap } from "./boxes.js";

const LEAST = 0.5; // of a box's area that must lie in lungs that are known
const ROUNDING = 1e-9;

/** The part of a box that lies where lungs are, or null. `positions`: {grid, cells} of the card; `lungs`: boxes, or null. */
export function confine(box, frame, positions, lungs, least) {
  if (lungs) {
    const inside = lungs.length ? overlap(box, enclosing(lungs)) : null;
    return inside && area(inside) >= LEAST * area(box) - ROUNDING ? inside : null;
  }
  if (!positions) return box;
  const { parts, share } = onNet(box, frame, positions);
  return share < least - ROUNDING || !parts.length ? null : overlap(box, enclosing(parts));
}

function onNet(box, frame, { grid, cells }) {
  const down = cover(box[1], box[3], frame.height / grid, grid);
  const across = cover(box[0], box[2], frame.width / grid, grid);
  const parts = [];
  let [inside, all] = [0, 0];
  for (let row = 0; row < grid; row += 1) {
    for (let column = 0; column < grid; column += 1) {
      const weight = down[row] * across[column];
      if (!(weight > 0)) continue;
      all += weight;
      if (!bit(cells, row * grid + column)) continue;
      inside += weight;
      const [wide, high] = [frame.width / grid, frame.height / grid];
      parts.push([column * wide, row * high, (column + 1) * wide, (row + 1) * high]);
    }
  }
  return { parts, share: inside / Math.max(all, 1e-12) };
}

/** One bit of hexadecimal digits, the highest of each first. */
const bit = (digits, at) => (parseInt(digits[at >> 2], 16) >> (3 - (at & 3))) & 1;

/** How much of each cell of a net lies between two edges, 0 to 1. */
export const cover = (low, high, step, grid) =>
  Array.from({ length: grid }, (_, at) => Math.max(Math.min((at + 1) * step, high) - Math.max(at * step, low), 0) / step);
