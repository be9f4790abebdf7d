// From a film to the network's input: the same steps as lungspot.images.prepare, for there is one way only.

import { resize } from "./resize.js";

const [LOW, HIGH] = [0.5, 99.5]; // percentiles that become 0 and 1

/** The film {width, height, pixels 0 to 1} squashed to a square of `size` pixels, its greys stretched: Float32Array. */
export const prepare = (film, size) => normalise(resize(film, size, size).pixels);

export function normalise(pixels) {
  const [low, high] = percentiles(pixels, [LOW, HIGH]);
  const out = new Float32Array(pixels.length);
  if (high - low < 1e-6) return out;
  const from = Math.fround(low);
  const range = Math.fround(high - low);
  for (let at = 0; at < pixels.length; at += 1) out[at] = Math.min(Math.max((pixels[at] - from) / range, 0), 1);
  return out;
}

/** Percentiles of numbers, linear between neighbours, as numpy has them. */
export function percentiles(values, wanted) {
  const sorted = new Float32Array(values).sort();
  return wanted.map((percent) => {
    const at = (percent / 100) * (sorted.length - 1);
    const low = Math.floor(at);
    const high = Math.min(low + 1, sorted.length - 1);
    return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
  });
}

/** The middle of numbers: of an even count, the mean of the two in the middle. */
export const median = (values) => percentiles(values, [50])[0];
