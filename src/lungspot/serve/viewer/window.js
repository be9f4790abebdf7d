// Window and level: which grey values of the film become black and white. Pure functions.
//
// A window is {centre, width, invert} in grey values of the film, 0 to 65535: its own darkest and brightest level.

import { storedPart } from "./upright.js";

export const MOST = 65535;
const NARROWEST = 64;

/** A table from each of the 65536 grey values to its 8-bit grey on the screen, linear between the window's edges. */
export function table({ centre, width, invert }) {
  const low = centre - width / 2;
  const out = new Uint8ClampedArray(MOST + 1);
  for (let value = 0; value <= MOST; value += 1) {
    const grey = ((value - low) / width) * 255;
    out[value] = invert ? 255 - grey : grey;
  }
  return out;
}

/** The window after a drag of screen pixels: to the right widens it, downwards raises its centre (darkens). */
export function dragged(window, dx, dy) {
  const step = MOST / 800;
  return clamp({ ...window, width: window.width + dx * step, centre: window.centre + dy * step });
}

export function clamp(window) {
  return {
    centre: Math.min(Math.max(Math.round(window.centre), 0), MOST),
    width: Math.min(Math.max(Math.round(window.width), NARROWEST), 2 * MOST),
    invert: Boolean(window.invert),
  };
}

/** The window between two grey values. */
export const between = (low, high, invert = false) => clamp({ centre: (low + high) / 2, width: high - low, invert });

/**
 * How many pixels of a film {width, height, pixels} have each of 1024 levels of grey. `part`: [x0, y0, x1, y1] of the
 * film, 0 to 1, that counts.
 */
export function histogram({ width, height, pixels }, part = [0, 0, 1, 1]) {
  const [x0, y0, x1, y1] = part.map((each, at) => Math.floor(each * (at % 2 ? height : width)));
  const bins = new Uint32Array(1024);
  const step = Math.max(1, Math.floor(Math.sqrt(((x1 - x0) * (y1 - y0)) / 400000)));
  for (let y = y0; y < y1; y += step) for (let x = x0; x < x1; x += step) bins[pixels[y * width + x] >> 6] += 1;
  return bins;
}

/** The grey value below which a part of the pixels lies, 0 to 1. */
export function percentile(bins, part) {
  const total = bins.reduce((sum, count) => sum + count, 0);
  let seen = 0;
  for (let bin = 0; bin < bins.length; bin += 1) {
    seen += bins[bin];
    if (seen >= part * total) return Math.min(bin * 64 + 32, MOST);
  }
  return MOST;
}

const CHEST = [0.15, 0.2, 0.85, 0.75]; // where an upright frontal film has its lungs and the mediastinum

/**
 * Presets from the film's own greys; lungs are dark, the mediastinum and bones bright. Keys 1 to 5 choose them. `correction`: {quarter_turns,
 * invert} that the film needs to be read; of a film whose greys are swapped, presets are swapped too.
 */
export function presets(film, { quarter_turns: turns, invert } = { quarter_turns: 0, invert: false }) {
  const right = (bins) => (invert ? bins.toReversed() : bins);
  const all = right(histogram(film));
  const chest = right(histogram(film, storedPart(CHEST, turns)));
  const span = (bins, low, high) => {
    const top = percentile(bins, high);
    return between(Math.min(percentile(bins, low), top - 256), top);
  };
  const found = [
    { name: "as the file says", window: between(0, MOST) },
    { name: "auto", window: span(all, 0.005, 0.995) },
    { name: "lung", window: span(chest, 0.01, 0.7) },
    { name: "mediastinum", window: span(chest, 0.4, 0.998) },
    { name: "bone", window: span(chest, 0.25, 0.9) },
  ];
  const stored = ({ centre, width }) => ({ centre: invert ? MOST - centre : centre, width, invert });
  return found.map(({ name, window }) => ({ name, window: stored(window) }));
}

/** Width and centre in per cent of the film's own range, for people. */
export function inWords({ centre, width, invert }) {
  const percent = (value) => ((100 * value) / MOST).toFixed(0);
  return `W ${percent(width)} C ${percent(centre)}${invert ? " inverted" : ""}`;
}
