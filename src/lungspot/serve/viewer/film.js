// The film's pixels on their way to the screen: smaller copies, made in 16 bits, and their greys under a window.

import { table } from "./window.js";

/** A film of 16-bit pixels with copies of half, a quarter … of its size, each a mean of four. */
export function film({ width, height, pixels }) {
  const levels = [{ width, height, pixels }];
  while (Math.min(levels.at(-1).width, levels.at(-1).height) > 512) levels.push(half(levels.at(-1)));
  return { width, height, pixels, levels, drawn: levels.map(() => null) };
}

function half({ width, height, pixels }) {
  const wide = width >> 1;
  const high = height >> 1;
  const out = new Uint16Array(wide * high);
  for (let y = 0; y < high; y += 1) {
    let from = 2 * y * width;
    for (let x = 0; x < wide; x += 1, from += 2) {
      out[y * wide + x] = (pixels[from] + pixels[from + 1] + pixels[from + width] + pixels[from + width + 1] + 2) >> 2;
    }
  }
  return { width: wide, height: high, pixels: out };
}

/**
 * The film under a window at the smallest size that still has a pixel for each of the screen's: {canvas, shrink}, where
 * each pixel of the canvas stands for shrink by shrink pixels of the film.
 */
export function picture(film, window, scale) {
  let level = 0;
  while (level + 1 < film.levels.length && scale * 2 ** (level + 1) <= 1) level += 1;
  const key = `${window.centre} ${window.width} ${window.invert}`;
  const old = film.drawn[level];
  const shrink = 2 ** level;
  if (old?.key === key) return { canvas: old.canvas, shrink };
  const { width, height, pixels } = film.levels[level];
  const canvas = old?.canvas ?? new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { alpha: false });
  const image = old?.image ?? context.createImageData(width, height);
  paint(pixels, table(window), new Uint32Array(image.data.buffer));
  context.putImageData(image, 0, 0);
  film.drawn[level] = { key, canvas, image };
  return { canvas, shrink };
}

function paint(pixels, greys, out) {
  for (let at = 0; at < pixels.length; at += 1) {
    const grey = greys[pixels[at]];
    out[at] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
  }
}

/** The film's grey value at a film point, 0 to 65535, or null outside. */
export function greyAt(film, { x, y }) {
  const [column, row] = [Math.floor(x), Math.floor(y)];
  if (column < 0 || row < 0 || column >= film.width || row >= film.height) return null;
  return film.pixels[row * film.width + column];
}
