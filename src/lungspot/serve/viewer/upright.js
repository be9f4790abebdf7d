// How a film faces the reader: as it was set upright for reading, as its file stores it, or as the reader turned it.

/** Whether the film is shown just as its file stores it. */
export const isStored = ({ facing: { turns, flip }, window }) => !turns && !flip && !window?.invert;

/** Whether the film is shown as it was read. */
export const isRead = ({ facing: { turns, flip }, window, reading: { correction } }) =>
  turns === correction.quarter_turns && !flip && Boolean(window?.invert) === correction.invert;

const TURNS = ["", "turned left", "upside down", "turned right"];

/** How it is shown, in words; nothing where it is as stored and needed no more. `whole`: also then. */
export function facingWords(state, whole = true) {
  const { facing, window, reading } = state;
  const { quarter_turns: turned, invert } = reading.correction;
  if (isStored(state)) return turned || invert ? "as stored" : whole ? "as the file says" : "";
  const how = [TURNS[facing.turns], facing.flip && "mirrored", window?.invert && "inverted"].filter(Boolean).join(", ");
  return isRead(state) ? `shown as read: ${how}` : how;
}

/** The film's part of greys that its presets look at, led back from the upright film to the stored one: [x0, y0, x1, y1], 0 to 1. */
export function storedPart([x0, y0, x1, y1], turns) {
  // A quarter turn against the clock brings the stored right edge to the top: stored x = 1 - upright y, stored y = upright x.
  return turns ? storedPart([1 - y1, x0, 1 - y0, x1], turns - 1) : [x0, y0, x1, y1];
}
