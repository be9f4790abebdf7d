// Where the network looked, whether that is where its box is, and how it is drawn (lungspot.explain, lungspot.report.style).

import { move } from "./boxes.js";
import { turn } from "./correction.js";
import { cover } from "./positions.js";
import { median } from "./prepare.js";
import { resize } from "./resize.js";

const GRID = 64; // cells each way on which box and map are compared
const SIDE = 512; // pixels of a drawn map's long side
const COLOURS = [
  [0, 30, 10, 90],
  [0.3, 135, 30, 125],
  [0.55, 225, 75, 75],
  [0.8, 250, 160, 45],
  [1, 255, 245, 165],
];

/** By label, the map over the film as it is stored, less what the network answers on half of it. */
export function heatMaps(raw, { labels }, { turns }) {
  return new Map(labels.map((label, at) => [label, standingOut(turn(raw.maps[at], -turns))]));
}

function standingOut(map) {
  const middle = Math.fround(median(map.pixels));
  return { ...map, pixels: map.pixels.map((each) => Math.max(each - middle, 0)) };
}

const grown = (map, width, height) => resize(map, width, height, "bicubic").pixels.map((each) => Math.min(Math.max(each, 0), 1));

/** How a map over `frame` and each of its boxes agree: {energy_in_box, peak_in_box, iou, area}. */
export function agreeAll(map, boxes, frame) {
  const fine = grown(map, GRID, GRID);
  const hottest = [...fine.keys()].sort((a, b) => Math.max(fine[b], 0) - Math.max(fine[a], 0) || a - b);
  const total = fine.reduce((sum, each) => sum + each, 0);
  return boxes.map((box) => {
    const [x0, y0, x1, y1] = move(box, frame, { width: GRID, height: GRID });
    const [down, across] = [cover(y0, y1, 1, GRID), cover(x0, x1, 1, GRID)];
    const share = (cell) => down[Math.floor(cell / GRID)] * across[cell % GRID];
    const size = sum(down) * sum(across);
    const count = Math.max(halfEven(size), 1);
    const overlap = hottest.slice(0, count).reduce((all, cell) => all + share(cell), 0);
    const energy = fine.reduce((all, each, cell) => all + each * share(cell), 0);
    return {
      energy_in_box: total > 0 ? Math.min(energy / total, 1) : 0,
      peak_in_box: total > 0 && share(hottest[0]) >= 0.5,
      iou: total > 0 ? overlap / (count + size - overlap) : 0,
      area: size / fine.length,
    };
  });
}

const sum = (values) => values.reduce((all, each) => all + each, 0);

/** The nearest whole number; of two as near, the even one. */
export function halfEven(value) {
  const low = Math.floor(value);
  return value - low === 0.5 ? low + (low % 2) : Math.round(value);
}

/** A map as colours with transparency over a film of `frame`, relative to its own peak: an ImageData's parts. */
export function glow(map, frame) {
  const factor = SIDE / Math.max(frame.width, frame.height);
  const [width, height] = [frame.width, frame.height].map((side) => Math.max(halfEven(side * factor), 1));
  const peak = Math.max(map.pixels.reduce((most, each) => Math.max(most, each), 0), 1e-6);
  const values = grown({ ...map, pixels: map.pixels.map((each) => each / peak) }, width, height);
  const data = new Uint8ClampedArray(width * height * 4);
  values.forEach((value, at) => {
    const after = Math.max(COLOURS.findIndex(([level]) => level >= value), 1);
    const [low, high] = [COLOURS[after - 1], COLOURS[after]];
    const part = (value - low[0]) / (high[0] - low[0]);
    for (const channel of [0, 1, 2]) data[4 * at + channel] = low[channel + 1] + part * (high[channel + 1] - low[channel + 1]);
    data[4 * at + 3] = 165 * Math.min(Math.max((value - 0.2) / 0.7, 0), 1);
  });
  return { width, height, data };
}
