// Where the words of boxes stand: never over one another, never over the box that they name, beside the film where there is room.
// Pure functions; a rectangle is {left, top, wide, high} in screen pixels.

export const FAMILY = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";
export const FONT = `12px ${FAMILY}`; // of words on the film
export const LINE = 16; // height of a line of them
const PAD = 5;
const WIDEST = 176; // of a label, where its words can be broken
const NEAR = 10; // beyond this a thin line leads from the words to their box

export const overlap = (a, b) => common(a, b) > 0;

/** How many square pixels two rectangles share. */
function common(a, b) {
  const wide = Math.min(a.left + a.wide, b.left + b.wide) - Math.max(a.left, b.left);
  const high = Math.min(a.top + a.high, b.top + b.high) - Math.max(a.top, b.top);
  return wide > 0 && high > 0 ? wide * high : 0;
}

/** Text broken at spaces into lines that are at most `widest` long, numbers with what they are of; `measure(text)`: how long it is. */
export function wrapped(text, measure, widest = WIDEST) {
  return text.replace(/ (?=[\d%<>≥])/g, "\u00a0").split("\n").flatMap((paragraph) => {
    const lines = [];
    for (const word of paragraph.split(" ")) {
      const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
      if (lines.length && measure(longer) <= widest) lines[lines.length - 1] = longer;
      else lines.push(word);
    }
    return lines;
  });
}

/** How far apart two rectangles are, 0 where they touch. */
function apart(a, b) {
  const across = Math.max(b.left - a.left - a.wide, a.left - b.left - b.wide, 0);
  const along = Math.max(b.top - a.top - a.high, a.top - b.top - b.high, 0);
  return Math.hypot(across, along);
}

/**
 * The best place for words of one box, {left, top, wide, high, far}; null where there is none. `box`: the rectangle of its frame; `taken`: what no
 * words may cover; `others`: frames of other boxes, covered only where there is no other place; `film`: the film, covered only where that is nearer by
 * much; `size`: {width, height} of the canvas.
 */
export function placeOf(box, wide, high, { taken, others = [], film = null, size }) {
  const own = { left: box.left - 2, top: box.top - 2, wide: box.wide + 4, high: box.high + 4 };
  const fits = (at) =>
    at.left >= 0 && at.top >= 0 && at.left + wide <= size.width && at.top + high <= size.height &&
    !overlap(at, own) && !taken.some((each) => overlap(at, each));
  const cost = (at) =>
    (4 * others.reduce((sum, each) => sum + common(at, each), 0) + (film ? 0.6 * common(at, film) : 0)) / (wide * high) +
    apart(at, box) / 150;
  let best = null;
  for (const [left, top] of wishes(own, wide, high, film, size)) {
    const at = { left: Math.round(left), top: Math.round(top), wide, high };
    if (!fits(at)) continue;
    const price = cost(at);
    if (!best || price < best.price - 1e-9) best = { at, price };
  }
  return best && { ...best.at, far: apart(best.at, box) > NEAR };
}

function wishes(own, wide, high, film, size) {
  const [right, bottom] = [own.left + own.wide, own.top + own.high];
  const inside = (left) => Math.min(Math.max(left, 0), size.width - wide);
  const found = [];
  for (const left of new Set([own.left, right - wide, inside(own.left), inside(right - wide)])) {
    found.push([left, own.top - high], [left, bottom]);
    for (let by = 1; by < 30; by += 1) found.push([left, own.top - high - by * LINE], [left, bottom + by * LINE]);
  }
  const columns = [own.left - wide, right];
  if (film) columns.push(film.left - wide - 4, film.left + film.wide + 4);
  const from = Math.min(Math.max(own.top, 0), size.height - high);
  for (const left of columns) for (let by = 0; by < 40; by += 1) found.push([left, from + by * LINE], [left, from - by * LINE]);
  return found;
}

/** The size of a label of some lines. */
export const sizeOf = (lines, measure) => ({
  wide: Math.ceil(Math.max(...lines.map(measure))) + 2 * PAD + 2,
  high: lines.length * LINE + 2,
});
