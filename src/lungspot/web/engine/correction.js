// What was done to a film before it could be read, {turns, invert}, and how to undo it (lungspot.detect.correction).
// `turns`: quarter turns against the clock that set it upright.

export const NONE = { turns: 0, invert: false };
export const then = (one, other) => ({ turns: (one.turns + other.turns) % 4, invert: one.invert !== other.invert });
export const frameOf = ({ turns }, { width, height }) => (turns % 2 ? { width: height, height: width } : { width, height });

/** The film as its file stores it, {width, height, pixels}, set upright, its greys set right. */
export function upright(film, { turns, invert }) {
  if (!turns && !invert) return film;
  const turned = turn(film, turns);
  const pixels = turned.pixels === film.pixels ? film.pixels.slice() : turned.pixels;
  if (invert) for (let at = 0; at < pixels.length; at += 1) pixels[at] = 1 - pixels[at];
  return { ...turned, pixels };
}

/** A picture turned by quarter turns against the clock. */
export function turn({ width, height, pixels }, turns) {
  const times = ((turns % 4) + 4) % 4;
  if (times === 0) return { width, height, pixels };
  const [wide, high] = times % 2 ? [height, width] : [width, height];
  const out = new pixels.constructor(pixels.length);
  for (let y = 0; y < high; y += 1) {
    for (let x = 0; x < wide; x += 1) {
      const from =
        times === 1 ? x * width + (width - 1 - y) : times === 2 ? (height - 1 - y) * width + (width - 1 - x) : (height - 1 - x) * width + y;
      out[y * wide + x] = pixels[from];
    }
  }
  return { width: wide, height: high, pixels: out };
}

/** A box of the upright film, whose frame is `of`, in the frame of the file. */
export function inFile(box, { turns }, of) {
  let [found, frame] = [box, of];
  for (let each = 0; each < turns; each += 1) {
    const [x0, y0, x1, y1] = found;
    found = [frame.height - y1, x0, frame.height - y0, x1];
    frame = { width: frame.height, height: frame.width };
  }
  return found;
}
