// From stored numbers to grey, 0 to 1, white is dense: the rule of lungspot.images.grey.

import { halfEven } from "./heat.js";

/**
 * Whole numbers as grey, through one table of their levels. `shade(levels, weights)` maps levels to values; `padding`:
 * [low, high] of stored values that are no picture; `inverted`: low values are white.
 */
export function tabulate(stored, { shade = null, padding = null, inverted = false } = {}) {
  const [low, high] = ends(stored);
  const weights = new Float64Array(high - low + 1);
  for (let at = 0; at < stored.length; at += 1) weights[stored[at] - low] += 1;
  const levels = Float64Array.from(weights, (_, at) => low + at);
  const padded = levels.map((level) => Number(padding !== null && level >= padding[0] && level <= padding[1]));
  const apart = weights.some((weight, at) => weight > 0 && !padded[at]); // else a film of padding alone: as it is
  if (apart) padded.forEach((is, at) => is && (weights[at] = 0));
  const values = shade ? shade(levels, weights) : levels;
  const table = between(values, values.filter((_, at) => weights[at] > 0), inverted);
  if (apart) padded.forEach((is, at) => is && (table[at] = 0));
  const out = new Float32Array(stored.length);
  for (let at = 0; at < stored.length; at += 1) out[at] = table[stored[at] - low];
  return out;
}

function ends(values) {
  let low = Infinity;
  let high = -Infinity;
  for (let at = 0; at < values.length; at += 1) {
    if (values[at] < low) low = values[at];
    if (values[at] > high) high = values[at];
  }
  return [low, high];
}

/** Real numbers as grey; a flat picture becomes 0. */
export const stretch = (values, inverted = false) => between(values, values, inverted);

function between(values, present, inverted) {
  const [low, high] = ends(present);
  const out = new Float32Array(values.length);
  if (!(high > low)) return out;
  for (let at = 0; at < values.length; at += 1) {
    const share = Math.min(Math.max((values[at] - low) / (high - low), 0), 1);
    out[at] = inverted ? 1 - share : share;
  }
  return out;
}

const TINT = 8; // levels of 255 between the channels of a grey film that lossy compression may leave

/** Samples of RGB, `step` of them a pixel, as grey of the same type, and whether there was colour to lose. */
export function luma(samples, step, top = 255) {
  const grey = new samples.constructor(samples.length / step);
  const { fround } = Math;
  const [r, g, b] = [0.299, 0.587, 0.114].map(fround);
  let most = 0;
  for (let at = 0, from = 0; at < grey.length; at += 1, from += step) {
    const red = samples[from];
    const green = samples[from + 1];
    const blue = samples[from + 2];
    grey[at] = halfEven(fround(fround(fround(r * red) + fround(g * green)) + fround(b * blue)));
    most = Math.max(most, Math.max(red, green, blue) - Math.min(red, green, blue));
  }
  return { grey, colored: most > (TINT * top) / 255 };
}
