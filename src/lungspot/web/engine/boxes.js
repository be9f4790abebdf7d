// Boxes [x0, y0, x1, y1] in pixels, and the plain arithmetic on them (docs/conventions.md, "Coordinates").

export const width = (box) => box[2] - box[0];
export const height = (box) => box[3] - box[1];
export const area = (box) => width(box) * height(box);
export const centre = (box) => [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
const solid = (box) => (box[0] < box[2] && box[1] < box[3] ? box : null);

/** A box of `source`, a frame {width, height}, in `target`, the same picture at another size. */
export function move(box, source, target) {
  const [x, y] = [target.width / source.width, target.height / source.height];
  return [box[0] * x, box[1] * y, box[2] * x, box[3] * y];
}

/** The part of a box that lies in another; null where there is none. */
export const overlap = (one, other) =>
  solid([Math.max(one[0], other[0]), Math.max(one[1], other[1]), Math.min(one[2], other[2]), Math.min(one[3], other[3])]);

export const clip = (box, frame) => overlap(box, [0, 0, frame.width, frame.height]);

export function intersection(one, other) {
  const part = overlap(one, other);
  return part ? area(part) : 0;
}

export function iou(one, other) {
  const shared = intersection(one, other);
  return shared / (area(one) + area(other) - shared);
}

export const enclosing = (boxes) => [
  Math.min(...boxes.map((box) => box[0])),
  Math.min(...boxes.map((box) => box[1])),
  Math.max(...boxes.map((box) => box[2])),
  Math.max(...boxes.map((box) => box[3])),
];
