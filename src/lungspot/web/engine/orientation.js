// Which side of the patient lies at which edge of a picture: {right, bottom}, letters or null (lungspot.images.orientation).

const OPPOSITE = { L: "R", R: "L", A: "P", P: "A", H: "F", F: "H" };
const AXIS = { L: 0, R: 0, A: 1, P: 1, H: 2, F: 2 };
const SIDE = { L: "left", R: "right" };
export const UNKNOWN = { right: null, bottom: null };

const opposite = (letter) => (letter ? OPPOSITE[letter] : null);

/** The orientation that two DICOM values mean; null for nonsense. */
export function ofWords(row, column) {
  for (const word of [row, column]) {
    const axes = [...word].map((letter) => AXIS[letter]);
    if (axes.includes(undefined) || new Set(axes).size < axes.length) return null;
  }
  const [right, bottom] = [row[0] ?? null, column[0] ?? null];
  return right && bottom && AXIS[right] === AXIS[bottom] ? null : { right, bottom };
}

/** The orientation of the picture turned by quarter turns against the clock. */
export function turned({ right, bottom }, turns) {
  let made = { right, bottom };
  for (let each = 0; each < turns % 4; each += 1) made = { right: made.bottom, bottom: opposite(made.right) };
  return made;
}

/** The patient's side at the left edge once the picture was turned upright; null where it is not known or contradicted. */
export function uprightLeftSide(orientation, turns) {
  const { right, bottom } = turned(orientation ?? UNKNOWN, turns);
  return bottom === null || bottom === "F" ? (SIDE[opposite(right)] ?? null) : null;
}

/** By edge of the picture the side there, L or R. */
export function letters({ right, bottom }) {
  const edges = { left: opposite(right), right, top: opposite(bottom), bottom };
  return Object.fromEntries(Object.entries(edges).filter(([, letter]) => letter in SIDE));
}

/** Quarter turns against the clock that bring the feet to the bottom; null where that is not known. */
function quarterTurns({ right, bottom }) {
  const at = [bottom, opposite(right), opposite(bottom), right].indexOf("F");
  return at < 0 ? null : at;
}

/** Whether the picture, set upright, has the patient's left at its left edge; null where that is not known. */
export function mirrored(orientation) {
  const turns = quarterTurns(orientation);
  const side = turns === null ? null : (SIDE[opposite(turned(orientation, turns).right)] ?? null);
  return side === null ? null : side === "left";
}
