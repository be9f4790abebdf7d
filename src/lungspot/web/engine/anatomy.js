// Heart and lungs of a film, their proportion, and on which side the heart lies (lungspot.detect.anatomy).

import { move, width } from "./boxes.js";
import { inFile } from "./correction.js";
import { organBox } from "./regions.js";

/** {heart, left_lung, right_lung, cardiothoracic_ratio, mirrored} of the upright film; null where the network knows none. */
export function anatomyOf(raw, frame, { anatomy, input_size: size }) {
  if (!anatomy || !raw.organs) return null;
  const square = { width: size, height: size };
  const [heart, first, second] = raw.organs.map((organ) => {
    const box = organBox(organ, square);
    return box && move(box, square, frame);
  });
  const likely = raw.mirrored[0];
  const mirrored = likely >= anatomy.sure ? true : likely <= 1 - anatomy.sure ? false : null;
  const [left, right] = mirrored ? [first, second] : [second, first];
  return { heart, left_lung: left, right_lung: right, cardiothoracic_ratio: ratio(heart, first, second), mirrored };
}

function ratio(heart, one, other) {
  if (!heart || !one || !other) return null;
  return width(heart) / (Math.max(one[2], other[2]) - Math.min(one[0], other[0]));
}

/** The lungs that were seen, the one at the picture's left first. */
export const lungsOf = ({ left_lung: left, right_lung: right }) => [left, right].filter(Boolean).sort((a, b) => a[0] - b[0]);

/** The anatomy of the upright film in the frame of the file. */
export function anatomyInFile(seen, correction, frame) {
  const moved = (box) => box && inFile(box, correction, frame);
  return { ...seen, heart: moved(seen.heart), left_lung: moved(seen.left_lung), right_lung: moved(seen.right_lung) };
}

/** The patient's side at the left edge that may be believed: `said` by the file, null where the heart contradicts it. */
export function leftSide(said, seen) {
  if (!seen || seen.mirrored === null || said === null) return said;
  return (said === "left") === seen.mirrored ? said : null;
}

/** The warning that the heart lies where the file, or custom where it says nothing, does not put it. */
export function heartSide(said, seen) {
  if (!seen || seen.mirrored === null || seen.mirrored === (said === "left")) return [];
  const where = seen.mirrored ? "as on a mirrored film" : "as on a film that is not mirrored, and the file says it is";
  return [{ code: "HEART_SIDE", text: `the heart lies ${where}: check left and right, which are not said` }];
}
