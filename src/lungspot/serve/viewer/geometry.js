// Geometry: where the film lies on the screen, and what a pointer does to a box. Pure functions, no drawing.
//
// A box is [x0, y0, x1, y1] in pixels of the film as its file stores it: half-open, (0, 0) the top-left corner of the
// top-left pixel. A view is {scale, tall, x, y}: screen = film * (scale, scale * tall) + (x, y), in CSS pixels of the
// canvas. `tall`, of views and frames, is how high to how wide one pixel of the film is: 1 where pixels are square.

/** The view in which the whole film is seen, in the middle. `frame` is {width, height, tall}, `size` {width, height}. */
export function fit({ width, height, tall = 1 }, size, margin = 8) {
  const scale = Math.max(
    Math.min((size.width - 2 * margin) / width, (size.height - 2 * margin) / (height * tall)),
    1e-3,
  );
  return { scale, tall, x: (size.width - width * scale) / 2, y: (size.height - height * scale * tall) / 2 };
}

/** How many screen pixels high one row of the film is. */
export const down = ({ scale, tall = 1 }) => scale * tall;

/** The view after zooming by a factor about a screen point, which stays where it is. */
export function zoomAt(view, factor, point, limits = [0.02, 24]) {
  const scale = Math.min(Math.max(view.scale * factor, limits[0]), limits[1]);
  const by = scale / view.scale;
  return { ...view, scale, x: point.x - (point.x - view.x) * by, y: point.y - (point.y - view.y) * by };
}

/** The view moved by screen pixels, never so far that the film leaves the screen. */
export function pan(view, dx, dy, frame, size, keep = 60) {
  const within = (value, length, room) => Math.min(Math.max(value, keep - length), room - keep);
  return {
    ...view,
    x: within(view.x + dx, frame.width * view.scale, size.width),
    y: within(view.y + dy, frame.height * down(view), size.height),
  };
}

export const toScreen = (view, point) => ({ x: point.x * view.scale + view.x, y: point.y * down(view) + view.y });
export const toFilm = (view, point) => ({ x: (point.x - view.x) / view.scale, y: (point.y - view.y) / down(view) });

/** The screen rectangle of a box. */
export function onScreen(view, [x0, y0, x1, y1]) {
  const start = toScreen(view, { x: x0, y: y0 });
  return { x: start.x, y: start.y, width: (x1 - x0) * view.scale, height: (y1 - y0) * down(view) };
}

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
