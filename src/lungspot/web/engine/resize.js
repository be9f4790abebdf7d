// Pictures of real numbers made smaller or larger, as Pillow does it (libImaging/Resample.c): anti-aliased, first along
// rows, then along columns, summed in 64 bits and kept in 32.
//
// A picture is {width, height, pixels: Float32Array}, row by row.

const FILTERS = {
  bilinear: { support: 1, weight: (x) => Math.max(1 - Math.abs(x), 0) },
  bicubic: { support: 2, weight: cubic },
};

function cubic(at) {
  const x = Math.abs(at);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

/** Return a picture of `width` x `height` pixels. `part`: [x0, y0, x1, y1] of the source, in its pixels, that is shown. */
export function resize(source, width, height, filter = "bilinear", part = [0, 0, source.width, source.height]) {
  const [x0, y0, x1, y1] = part;
  const across = x0 || x1 !== source.width || width !== source.width;
  const down = y0 || y1 !== source.height || height !== source.height;
  if (!across && !down) return { ...source, pixels: source.pixels.slice() };
  const wide = across ? alongRows(source, width, weights(source.width, x0, x1, width, FILTERS[filter])) : source;
  return down ? alongColumns(wide, height, weights(source.height, y0, y1, height, FILTERS[filter])) : wide;
}

/** For each place of the result: where its sources begin, how many there are, and what each counts. */
function weights(size, low, high, count, { support, weight }) {
  const scale = (high - low) / count;
  const stretch = Math.max(scale, 1);
  const reach = support * stretch;
  const most = Math.ceil(reach) * 2 + 1;
  const first = new Int32Array(count);
  const counts = new Int32Array(count);
  const values = new Float64Array(count * most);
  for (let at = 0; at < count; at += 1) {
    const centre = low + (at + 0.5) * scale;
    const from = Math.max(Math.trunc(centre - reach + 0.5), 0);
    const many = Math.min(Math.trunc(centre + reach + 0.5), size) - from;
    let total = 0;
    for (let k = 0; k < many; k += 1) {
      const value = weight((k + from - centre + 0.5) * (1 / stretch));
      values[at * most + k] = value;
      total += value;
    }
    if (total !== 0) for (let k = 0; k < many; k += 1) values[at * most + k] /= total;
    first[at] = from;
    counts[at] = many;
  }
  return { first, counts, values, most };
}

function alongRows({ width, height, pixels }, wide, { first, counts, values, most }) {
  const out = new Float32Array(wide * height);
  for (let y = 0; y < height; y += 1) {
    const row = y * width;
    for (let x = 0; x < wide; x += 1) {
      let sum = 0;
      const from = row + first[x];
      const weight = x * most;
      for (let k = 0; k < counts[x]; k += 1) sum += pixels[from + k] * values[weight + k];
      out[y * wide + x] = sum;
    }
  }
  return { width: wide, height, pixels: out };
}

function alongColumns({ width, pixels }, high, { first, counts, values, most }) {
  const out = new Float32Array(width * high);
  const sums = new Float64Array(width);
  for (let y = 0; y < high; y += 1) {
    sums.fill(0);
    for (let k = 0; k < counts[y]; k += 1) {
      const row = (first[y] + k) * width;
      const weight = values[y * most + k];
      for (let x = 0; x < width; x += 1) sums[x] += pixels[row + x] * weight;
    }
    out.set(sums, y * width);
  }
  return { width, height: high, pixels: out };
}
