// Window and level: which grey values of the film become black and white. Pure functions.
//
// A window is {centre, width, invert} in grey values of the film, 0 to 65535: its own darkest and brightest level.

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

/** How many pixels have each of 1024 levels of grey; `pixels` is a Uint16Array. */
export function histogram(pixels) {
  const bins = new Uint32Array(1024);
  const step = Math.max(1, Math.floor(pixels.length / 400000));
  for (let at = 0; at < pixels.length; at += step) bins[pixels[at] >> 6] += 1;
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

/** Presets from the film's own greys; lungs are dark, the mediastinum and bones bright. Keys 1 to 5 choose them. */
export function presets(bins) {
  const at = (part) => percentile(bins, part);
  const span = (low, high) => between(Math.min(low, high - 256), high);
  return [
    { name: "Film", title: "as the film's file says", window: between(0, MOST) },
    { name: "Auto", title: "without the darkest and brightest half per cent", window: span(at(0.005), at(0.995)) },
    { name: "Lung", title: "the darker two thirds", window: span(at(0.03), at(0.72)) },
    { name: "Mediastinum", title: "the brighter half", window: span(at(0.4), at(0.995)) },
    { name: "Bone", title: "the brightest part, more contrast", window: span(at(0.55), at(0.999)) },
  ];
}

/** Width and centre in per cent of the film's own range, for people. */
export function inWords({ centre, width, invert }) {
  const percent = (value) => ((100 * value) / MOST).toFixed(0);
  return `W ${percent(width)} C ${percent(centre)}${invert ? " inverted" : ""}`;
}
