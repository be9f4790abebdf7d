// Measurements on the film: what their points mean, and what they come to. Pure functions.
//
// A measure is {key, kind, points, by}: points [x, y] in pixels of the film as its file stores it; by "reader", or "model" while its
// points are the borders that the model found. A scale is {spacing, tall}: mm a pixel (row, column) or null, and how high to how wide
// a pixel is. lungspot/report/measurements.py counts the same, and what is saved is counted there.

import { millimetres, pixelWidths } from "./geometry.js";

export const KINDS = {
  length: { name: "Distance", points: 2 },
  angle: { name: "Angle", points: 3 },
  region: { name: "Region", points: 2 },
  cardiothoracic_ratio: { name: "Cardiothoracic ratio", points: 4 },
};

const sized = ([x, y], { spacing, tall }) => (spacing ? [x * spacing[1], y * spacing[0]] : [x, y * tall]);

function between(one, other, { spacing, tall }) {
  const [a, b] = [one, other].map(([x, y]) => ({ x, y }));
  return spacing ? millimetres(a, b, spacing) : pixelWidths(a, b, tall);
}

/** What a measure comes to: {value, unit}, of a region with `greys`, of the ratio with `widths`. `film` has the greys. */
export function valueOf({ kind, points }, scale, film = null) {
  const unit = scale.spacing ? "mm" : "px";
  if (kind === "length") return { value: between(points[0], points[1], scale), unit };
  if (kind === "angle") return { value: angle(points.map((point) => sized(point, scale))), unit: "deg" };
  if (kind === "region") {
    const [a, b] = points.map((point) => sized(point, scale));
    const value = Math.abs((b[0] - a[0]) * (b[1] - a[1]));
    return { value, unit: `${unit}2`, greys: film ? greysOf(film, points) : null };
  }
  const widths = [between(points[0], points[1], scale), between(points[2], points[3], scale)];
  return { value: widths[1] ? widths[0] / widths[1] : 0, unit: "1", widths };
}

/** The angle at the middle one of three points in degrees, 0 to 180. */
function angle([one, vertex, other]) {
  const [a, b] = [one, other].map(([x, y]) => [x - vertex[0], y - vertex[1]]);
  return Math.abs((Math.atan2(a[0] * b[1] - a[1] * b[0], a[0] * b[0] + a[1] * b[1]) * 180) / Math.PI);
}

/** Greys of the pixels whose centres lie in a rectangle, in per cent of the film's range: {mean, deviation, least, most}. */
export function greysOf({ width, height, pixels }, corners) {
  const span = (axis, size) => {
    const [low, high] = corners.map((corner) => corner[axis]).sort((a, b) => a - b);
    const [first, last] = [Math.ceil(low - 0.5), Math.ceil(high - 0.5)];
    if (last > first) return [Math.max(first, 0), Math.min(last, size)];
    const middle = Math.min(Math.floor((low + high) / 2), size - 1);
    return [middle, middle + 1];
  };
  const [[x0, x1], [y0, y1]] = [span(0, width), span(1, height)];
  let [sum, squares, least, most] = [0, 0, 65535, 0];
  for (let y = y0; y < y1; y += 1)
    for (let x = x0; x < x1; x += 1) {
      const grey = pixels[y * width + x];
      sum += grey;
      squares += grey * grey;
      if (grey < least) least = grey;
      if (grey > most) most = grey;
    }
  const count = (x1 - x0) * (y1 - y0);
  const mean = sum / count;
  const part = (grey) => (100 * grey) / 65535;
  return { mean: part(mean), deviation: part(Math.sqrt(Math.max(squares / count - mean * mean, 0))), least: part(least), most: part(most) };
}

function length(value, unit) {
  if (unit === "mm") return value < 100 ? `${value.toFixed(1)} mm` : `${value.toFixed(0)} mm`;
  return `${value.toFixed(0)} px`;
}

/** The value of a measure in words, short enough to stand on the film. */
export function inWords(measure, scale, film) {
  const { value, unit, greys, widths } = valueOf(measure, scale, film);
  if (measure.kind === "length") return length(value, unit);
  if (measure.kind === "angle") return `${value.toFixed(1)}°`;
  if (measure.kind === "region") {
    const area = unit === "mm2" ? `${(value / 100).toFixed(1)} cm²` : `${value.toFixed(0)} px²`;
    return greys ? `grey ${greys.mean.toFixed(1)} ± ${greys.deviation.toFixed(1)} %, ${area}` : area;
  }
  const [heart, chest] = widths.map((each) => length(each, scale.spacing ? "mm" : "px"));
  return `${value.toFixed(2)} (heart ${heart}, chest ${chest})`;
}

/** A measure with its name and all that is known of it, for the list. */
export function described(measure, scale, film) {
  const words = [`${KINDS[measure.kind].name} ${inWords(measure, scale, film)}`];
  const { greys } = valueOf(measure, scale, film);
  if (greys) words.push(`from ${greys.least.toFixed(1)} to ${greys.most.toFixed(1)} % of the film's range`);
  if (measure.kind === "cardiothoracic_ratio") words.push(measure.by === "model" ? "borders found by the model" : "by hand");
  if (!scale.spacing && /length|region/.test(measure.kind)) words.push("no mm: the film does not say");
  return words.join(", ");
}

const clip = (value, most) => Math.round(100 * Math.min(Math.max(value, 0), most)) / 100;
const onFilm = ([x, y], { width, height }) => [clip(x, width), clip(y, height)];

/** The points of a measure that was drawn from one film point to another. */
export function begun(kind, from, to, frame) {
  const ends = [from, to].map((point) => onFilm(point, frame));
  if (kind !== "angle") return ends;
  const [[ax, ay], [vx, vy]] = ends;
  const arms = [1, -1].map((sign) => {
    const [dx, dy] = [ax - vx, ay - vy];
    const [sine, cosine] = [sign * Math.SQRT1_2, Math.SQRT1_2]; // the other arm begins at 45 degrees
    return [vx + dx * cosine - dy * sine, vy + dx * sine + dy * cosine];
  });
  const inside = ([x, y]) => x >= 0 && y >= 0 && x <= frame.width && y <= frame.height;
  return [...ends, onFilm(arms.find(inside) ?? arms[0], frame)];
}

/** The lines of the cardiothoracic ratio: on the borders that the model found and measured, else where a heart and a chest often are. */
export function ratioLines(anatomy, { width, height }) {
  const { heart, cardiothoracic_ratio: ratio } = anatomy ?? {};
  const [left, right] = anatomy?.lungs ?? [anatomy?.left_lung, anatomy?.right_lung];
  if (!heart || !left || !right || ratio === null) {
    const at = (x, y) => [x * width, y * height];
    return { by: "reader", points: [at(0.38, 0.62), at(0.66, 0.62), at(0.12, 0.72), at(0.88, 0.72)] };
  }
  const middle = (box, axis) => (box[axis] + box[axis + 2]) / 2;
  // on a film that lies on its side the lungs are one over the other, and the widths run from top to bottom
  const axis = Math.abs(middle(left, 0) - middle(right, 0)) >= Math.abs(middle(left, 1) - middle(right, 1)) ? 0 : 1;
  const across = (low, high, level) => [low, high].map((value) => (axis ? [level, value] : [value, level]));
  const edges = [Math.min(left[axis], right[axis]), Math.max(left[axis + 2], right[axis + 2])];
  const levels = [1 - axis, 3 - axis].map((at) => (at < 2 ? Math.min : Math.max)(left[at], right[at]));
  const base = levels[0] + 0.8 * (levels[1] - levels[0]);
  return { by: "model", points: [...across(heart[axis], heart[axis + 2], middle(heart, 1 - axis)), ...across(...edges, base)] };
}

/** A measure with one point somewhere else. The two lines of the ratio stay level, each with its partner. */
export function dragged(measure, index, point, frame) {
  const to = onFilm(point, frame);
  const points = measure.points.map((each, at) => (at === index ? to : each));
  if (measure.kind === "cardiothoracic_ratio") {
    const partner = index ^ 1;
    const [a, b] = [measure.points[index], measure.points[partner]];
    const level = Math.abs(a[0] - b[0]) >= Math.abs(a[1] - b[1]) ? 1 : 0;
    points[partner] = points[partner].map((value, axis) => (axis === level ? to[level] : value));
  }
  return { ...measure, points, by: "reader" };
}

/** Which point of which measure lies within `reach` ([x, y] in film pixels) of a film point: {key, point}, or null. */
export function gripAt(measures, [x, y], [across, along]) {
  const found = measures
    .flatMap(({ key, points }) => points.map((each, point) => ({ key, point, far: Math.hypot((each[0] - x) / across, (each[1] - y) / along) })))
    .filter(({ far }) => far <= 1)
    .sort((a, b) => a.far - b.far)[0];
  return found ? { key: found.key, point: found.point } : null;
}

/** Whether the points lie far enough apart to measure anything. */
export const solid = ({ kind, points }) => {
  const apart = (one, other) => Math.hypot(one[0] - other[0], one[1] - other[1]) >= 2;
  const [a, b, c, d] = points;
  if (kind === "region") return Math.abs(a[0] - b[0]) >= 1 && Math.abs(a[1] - b[1]) >= 1;
  return apart(a, b) && (kind !== "angle" || apart(b, c)) && (!d || apart(c, d));
};
