// Regions of neighbouring cells of a map, and boxes around them (lungspot.detect.mapbox and .anatomy).
// A map is {width, height, pixels}, 0 to 1, over a whole frame.

import { resize } from "./resize.js";

const FINER = 4; // a map is interpolated to so many times its cells
const SHARE = 0.25; // of the strongest region's activation, that another region needs
const MOST = 4;
const HALF = 0.5; // an organ is where it is likelier than not
const LEAST = 0.005; // of the film's area that an organ must have

/** Each region of 4-connected cells as a list of their numbers, in the order of the first cell. */
export function regions(hot, width) {
  const left = Uint8Array.from(hot);
  const found = [];
  for (let begin = 0; begin < left.length; begin += 1) {
    if (!left[begin]) continue;
    const cells = [begin];
    left[begin] = 0;
    for (const cell of cells) {
      const x = cell % width;
      const near = [cell - width, cell + width, x > 0 ? cell - 1 : -1, x < width - 1 ? cell + 1 : -1];
      for (const next of near)
        if (left[next]) {
          left[next] = 0;
          cells.push(next);
        }
    }
    found.push(cells);
  }
  return found;
}

/** Boxes around the regions where a map reaches `fraction` of its peak, strongest first, in pixels of `frame`. */
export function boxesFromMap(map, fraction, frame) {
  const fine = resize(map, map.width * FINER, map.height * FINER);
  const peak = fine.pixels.reduce((most, each) => Math.max(most, each), -Infinity);
  if (peak <= 0) return [];
  const found = regions(Array.from(fine.pixels, (each) => each >= Math.fround(fraction * peak)), fine.width)
    .map((cells) => ({ cells, sum: cells.reduce((sum, cell) => sum + fine.pixels[cell], 0) }))
    .sort((a, b) => b.sum - a.sum);
  const [x, y] = [frame.width / fine.width, frame.height / fine.height];
  return found
    .slice(0, MOST)
    .filter(({ sum }) => sum >= SHARE * found[0].sum)
    .map(({ cells }) => {
      const xs = cells.map((cell) => cell % fine.width);
      const ys = cells.map((cell) => Math.floor(cell / fine.width));
      return [Math.min(...xs) * x, Math.min(...ys) * y, (Math.max(...xs) + 1) * x, (Math.max(...ys) + 1) * y];
    });
}

/** The numbers of the cells of an organ's largest region; null where it is too small to be one. */
export function organCells({ width, pixels }) {
  const hot = Array.from(pixels, (each) => each >= HALF);
  const few = LEAST * hot.length;
  if (hot.filter(Boolean).length < few) return null;
  const largest = regions(hot, width).reduce((most, each) => (each.length > most.length ? each : most));
  return largest.length < few ? null : largest;
}

/** The box around an organ's largest region, in pixels of `frame`, its edges where the map crosses a half; or null. */
export function organBox({ width, height, pixels }, frame) {
  const largest = organCells({ width, pixels });
  if (!largest) return null;
  const own = new Set(largest);
  const near = new Set(largest);
  for (const cell of largest) {
    const [x, y] = [cell % width, Math.floor(cell / width)];
    for (let dy = -1; dy <= 1; dy += 1)
      for (let dx = -1; dx <= 1; dx += 1)
        if (x + dx >= 0 && x + dx < width && y + dy >= 0 && y + dy < height) near.add(cell + dy * width + dx);
  }
  const [across, down] = [new Float32Array(width), new Float32Array(height)];
  for (const cell of near) {
    if (!own.has(cell) && pixels[cell] >= HALF) continue; // of another region
    const [x, y] = [cell % width, Math.floor(cell / width)];
    across[x] = Math.max(across[x], pixels[cell]);
    down[y] = Math.max(down[y], pixels[cell]);
  }
  const [[x0, x1], [y0, y1]] = [crossings(across), crossings(down)];
  const [wide, high] = [frame.width / width, frame.height / height];
  return [x0 * wide, y0 * high, x1 * wide, y1 * high];
}

/** Where a profile first rises over a half and last falls below, in cells. */
function crossings(profile) {
  const first = profile.findIndex((each) => each >= HALF);
  const last = profile.findLastIndex((each) => each >= HALF);
  const share = (inside, outside) => (inside - HALF) / (inside - outside);
  return [
    first === 0 ? 0 : first + 0.5 - share(profile[first], profile[first - 1]),
    last === profile.length - 1 ? profile.length : last + 0.5 + share(profile[last], profile[last + 1]),
  ];
}
