// Geometry: where the film lies on the screen, and what a pointer does to a box. Pure functions, no drawing.
//
// A box is [x0, y0, x1, y1] in pixels of the film as its file stores it: half-open, (0, 0) the top-left corner of the
// top-left pixel. A view is {scale, tall, turns, flip, x, y}: where the film lies on the canvas, in CSS pixels. (x, y) is its
// (0, 0) corner; `tall`, of views and frames, is how high to how wide one pixel of the film is: 1 where pixels are square;
// `turns` is how many quarter turns against the clock it is shown turned by, `flip` whether it is then mirrored, left to right.

/** How screen points follow film points: [a, b, c, d], x = a * column + c * row, y = b * column + d * row, and the corner's place. */
export function axes({ scale, tall = 1, turns = 0, flip = false }) {
  const [across, along] = [
    [1, 0, 0, 1],
    [0, -1, 1, 0],
    [-1, 0, 0, -1],
    [0, 1, -1, 0],
  ].map(([a, b, c, d]) => [
    [a * scale, b * scale],
    [c * scale * tall, d * scale * tall],
  ])[turns];
  const mirror = flip ? -1 : 1;
  return [mirror * across[0], across[1], mirror * along[0], along[1]].map((value) => value + 0); // no -0
}

/** The view in which the whole film is seen, in the middle. `frame` is {width, height, tall}, `size` {width, height}, `facing` {turns, flip}. */
export function fit({ width, height, tall = 1 }, size, facing = {}, margin = 8) {
  const { turns = 0, flip = false } = facing;
  const [wide, high] = turns % 2 ? [height * tall, width] : [width, height * tall];
  const scale = Math.max(Math.min((size.width - 2 * margin) / wide, (size.height - 2 * margin) / high), 1e-3);
  const view = { scale, tall, turns, flip, x: 0, y: 0 };
  const film = onScreen(view, [0, 0, width, height]);
  return { ...view, x: (size.width - film.width) / 2 - film.x, y: (size.height - film.height) / 2 - film.y };
}

/** How many screen pixels one row of the film is high, or wide where it is turned. */
export const down = ({ scale, tall = 1 }) => scale * tall;

/** The view after zooming by a factor about a screen point, which stays where it is. */
export function zoomAt(view, factor, point, limits = [0.02, 24]) {
  const scale = Math.min(Math.max(view.scale * factor, limits[0]), limits[1]);
  const by = scale / view.scale;
  return { ...view, scale, x: point.x - (point.x - view.x) * by, y: point.y - (point.y - view.y) * by };
}

/** The view with the film facing another way; the film point that lies at a screen point stays there. */
export function turnAbout(view, facing, point) {
  const turned = { ...view, ...facing };
  const now = toScreen(turned, toFilm(view, point));
  return { ...turned, x: turned.x + point.x - now.x, y: turned.y + point.y - now.y };
}

/** The view moved by screen pixels, never so far that the film leaves the screen. */
export function pan(view, dx, dy, frame, size, keep = 60) {
  const within = (value, length, room) => Math.min(Math.max(value, keep - length), room - keep);
  const { x, y, width, height } = onScreen(view, [0, 0, frame.width, frame.height]);
  return {
    ...view,
    x: view.x + within(x + dx, width, size.width) - x,
    y: view.y + within(y + dy, height, size.height) - y,
  };
}

export function toScreen(view, point) {
  const [a, b, c, d] = axes(view);
  return { x: a * point.x + c * point.y + view.x, y: b * point.x + d * point.y + view.y };
}

export function toFilm(view, point) {
  const [a, b, c, d] = axes(view);
  const [x, y, size] = [point.x - view.x, point.y - view.y, a * d - b * c];
  return { x: (d * x - c * y) / size, y: (a * y - b * x) / size };
}

/** The screen rectangle of a box. */
export function onScreen(view, [x0, y0, x1, y1]) {
  const [a, b] = [toScreen(view, { x: x0, y: y0 }), toScreen(view, { x: x1, y: y1 })];
  return { x: Math.min(a.x, b.x), y: Math.min(a.y, b.y), width: Math.abs(b.x - a.x), height: Math.abs(b.y - a.y) };
}

const COMPASS = { n: [0, -1], s: [0, 1], w: [-1, 0], e: [1, 0] };
const word = ([x, y]) => (y < 0 ? "n" : y > 0 ? "s" : "") + (x < 0 ? "w" : x > 0 ? "e" : "");

/** Where an edge or corner of the film, as a compass word, lies on the screen; and the other way round. */
export function compassOnScreen(view, compass) {
  const [a, b, c, d] = axes(view).map(Math.sign);
  const [x, y] = [...compass].map((each) => COMPASS[each]).reduce((sum, each) => [sum[0] + each[0], sum[1] + each[1]]);
  return word([a * x + c * y, b * x + d * y]);
}
export const compassOnFilm = (view, compass) =>
  ["n", "e", "s", "w", "ne", "nw", "se", "sw"].find((each) => compassOnScreen(view, each) === compass);

/** The box between two film points, within the frame; corners to a hundredth of a pixel, as the JSON has them. */
export function boxBetween(a, b, frame) {
  const clip = (value, most) => Math.round(100 * Math.min(Math.max(value, 0), most)) / 100;
  return [
    clip(Math.min(a.x, b.x), frame.width),
    clip(Math.min(a.y, b.y), frame.height),
    clip(Math.max(a.x, b.x), frame.width),
    clip(Math.max(a.y, b.y), frame.height),
  ];
}

/**
 * What of a box lies under a film point: a compass word for an edge or corner, "move" for the inside, or null.
 * `reach`: how far from an edge counts as the edge, in columns and rows of the film, [x, y].
 */
export function handleAt([x0, y0, x1, y1], point, [across, along]) {
  const { x, y } = point;
  if (x < x0 - across || x > x1 + across || y < y0 - along || y > y1 + along) return null;
  const near = (value, edge, reach) => Math.abs(value - edge) <= reach;
  const vertical =
    near(y, y0, along) && (y < y0 || !near(y, y1, along) || y - y0 < y1 - y) ? "n" : near(y, y1, along) ? "s" : "";
  const horizontal =
    near(x, x0, across) && (x < x0 || !near(x, x1, across) || x - x0 < x1 - x) ? "w" : near(x, x1, across) ? "e" : "";
  return vertical + horizontal || "move";
}

/** The box after its handle was dragged by (dx, dy) film pixels. Moving keeps the size; edges may cross. */
export function dragBox(box, handle, dx, dy, frame) {
  let [x0, y0, x1, y1] = box;
  if (handle === "move") {
    dx = Math.min(Math.max(dx, -x0), frame.width - x1);
    dy = Math.min(Math.max(dy, -y0), frame.height - y1);
    return boxBetween({ x: x0 + dx, y: y0 + dy }, { x: x1 + dx, y: y1 + dy }, frame);
  }
  if (handle.includes("w")) x0 += dx;
  if (handle.includes("e")) x1 += dx;
  if (handle.includes("n")) y0 += dy;
  if (handle.includes("s")) y1 += dy;
  return boxBetween({ x: x0, y: y0 }, { x: x1, y: y1 }, frame);
}

export const area = ([x0, y0, x1, y1]) => Math.max(x1 - x0, 0) * Math.max(y1 - y0, 0);

/** Intersection over union of two boxes, 0 to 1. */
export function iou(a, b) {
  const both = area([Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])]);
  const all = area(a) + area(b) - both;
  return all > 0 ? both / all : 0;
}

/** The length of a line in mm; `spacing` is (row, column) as DICOM has it. */
export function millimetres(a, b, spacing) {
  return Math.hypot((b.x - a.x) * spacing[1], (b.y - a.y) * spacing[0]);
}

/** The length of a line in widths of the film's pixels; `tall` as in views. */
export const pixelWidths = (a, b, tall = 1) => Math.hypot(b.x - a.x, (b.y - a.y) * tall);

/** The longest round length in mm (1, 2 or 5 times a power of ten) that is at most `most` screen pixels wide. */
export function scaleBar(view, spacing, most) {
  const available = (most / view.scale) * spacing[1];
  const power = 10 ** Math.floor(Math.log10(available));
  const mm = [5, 2, 1].map((each) => each * power).find((each) => each <= available) ?? power;
  return { mm, pixels: (mm / spacing[1]) * view.scale };
}
