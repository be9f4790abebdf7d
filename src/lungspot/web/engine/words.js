// The words that every form of a result shares (lungspot.report.words).

export const NOT_TOLD_APART = "cannot be told apart on a film";

/** A probability in whole per cent; never 0 or 100, which nobody can be. */
export const percent = (value) => (value > 0.994 ? "> 99 %" : value < 0.006 ? "< 1 %" : `${(100 * value).toFixed(0)} %`);

/** `a, b or c`; each word once. */
export function joined(words, last) {
  const each = [...new Set(words)];
  return [each.slice(0, -1).join(", "), ...each.slice(-1)].filter(Boolean).join(` ${last} `);
}

/** Where a finding is, in words; `organ`: of its label. `pictureSide`: on films whose sides are not known. */
export function placeOf(organ, side, zone, pictureSide) {
  const words = zone ? `${zone} zone` : "";
  if (side === "bilateral" || pictureSide === "bilateral") return ["both sides", words].filter(Boolean).join(", ");
  if (side) return `${side} ${words || (organ === "lung" ? "lung" : "")}`.trim();
  return [pictureSide ? `${pictureSide} of the picture` : "", words].filter(Boolean).join(", ");
}

/** In which half of the picture a box lies; `bilateral` where it reaches far into both. */
export function pictureSideOf([x0, , x1], { width }) {
  if (x0 / width < 0.35 && x1 / width > 0.65) return "bilateral";
  return (x0 + x1) / 2 < width / 2 ? "left" : "right";
}
