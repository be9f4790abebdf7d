// How a film looks as a picture, in nine numbers (lungspot.images.statistics).

import { percentiles } from "./prepare.js";

const SIDE = 192; // pixels that are looked at along a side, about
const LEVELS = 256;
const rounded = (value) => Number(value.toFixed(4));

export function statisticsOf({ width, height, pixels }) {
  const [down, across] = [Math.max(Math.floor(height / SIDE), 1), Math.max(Math.floor(width / SIDE), 1)];
  const lines = [];
  for (let y = 0; y < height; y += down) {
    const line = [];
    for (let x = 0; x < width; x += across) line.push(pixels[y * width + x]);
    lines.push(line);
  }
  const sample = lines.flat();
  const bins = new Float64Array(LEVELS);
  for (const value of sample) bins[Math.floor(Math.fround(value * (LEVELS - 1)))] += 1;
  const entropy = bins.reduce((sum, count) => (count ? sum - (count / sample.length) * Math.log2(count / sample.length) : sum), 0);
  let [steps, count] = [0, 0];
  lines.forEach((line, y) =>
    line.forEach((value, x) => {
      const next = [x + 1 < line.length ? line[x + 1] : null, y + 1 < lines.length ? lines[y + 1][x] : null];
      for (const other of next)
        if (other !== null) {
          steps += Math.abs(Math.fround(other - value));
          count += 1;
        }
    }),
  );
  const [p5, p25, p50, p75, p95] = percentiles(sample, [5, 25, 50, 75, 95]).map(rounded);
  return {
    ...{ p5, p25, p50, p75, p95 },
    entropy: rounded(Math.abs(entropy)),
    roughness: rounded(steps / Math.max(count, 1)),
    levels: new Set(sample).size,
    clipped: rounded(sample.filter((each) => each <= 0 || each >= 1).length / sample.length),
  };
}
