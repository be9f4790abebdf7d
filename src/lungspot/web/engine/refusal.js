// What refuses a film: a code of docs/reference/errors.md, the reason, and what to do next; the words are in facts.json.

export class FilmError extends Error {
  constructor(code, reason, advice = "") {
    super(reason);
    Object.assign(this, { code, reason, advice });
  }
}

const [MOST_SIDE, MOST_PIXELS] = [20000, 50_000_000];

/** Refuse a size in pixels that no chest film has, before anything is decoded. */
export function checkSize(width, height) {
  const said = `the header says ${width} x ${height} pixels`;
  if (!(width >= 1 && height >= 1)) throw new FilmError("DIMENSIONS", said);
  if (Math.max(width, height) > MOST_SIDE || width * height > MOST_PIXELS)
    throw new FilmError("TOO_LARGE", `${said}; at most ${MOST_SIDE} on a side and ${MOST_PIXELS / 1e6} million in all are read`);
}
