// What of a film is to be seen now: which boxes, with which words and look. Pure functions of the page's state.

export const percent = (value) => `${Math.round(100 * value)} %`;

/** The operating points from the most specific to the most sensitive, as the slider has them. */
export const POINTS = ["specific", "balanced", "sensitive"];

export const labelOf = (state, label) => state.model.labels.get(label) ?? { name: label, color: "#d5dbe3" };

/** The threshold of a label at the chosen operating point, on boxes ("box") or whole films ("image"). */
export function threshold(state, label, kind = "box") {
  const own = kind === "image" ? state.reading?.limits[label]?.[state.point] : undefined; // those of the model that read it
  return own ?? state.model.thresholds[state.point]?.[label]?.[kind] ?? 0.5;
}

/** The threshold of a box: its candidate's own, which a new label does not change. */
export const least = (state, item) => item.thresholds?.[state.point] ?? threshold(state, item.label);

export const positive = (state, item) => item.score === null || item.score >= least(state, item);

/** Whether what the model says is hidden: the learner draws first. */
export const secret = (state) => state.teach && !state.revealed;

/** The reader's boxes that count now: the exercise's in teaching, else the review's. */
export const verdicts = (state) => (state.teach ? state.practice : state.review);

/** The items that are listed now: those from the threshold on, and those that the reader has judged or drawn. */
export function listed(state) {
  if (!state.reading) return [];
  return verdicts(state).items.filter((item) => item.verdict !== "open" || positive(state, item));
}

/** `87 % ≥ 31 %`: how sure, and against which threshold. */
export function sureness(state, item) {
  if (item.score === null) return "drawn";
  return `${percent(item.score)} ${positive(state, item) ? "≥" : "<"} ${percent(least(state, item))}`;
}

/** The marks on the open film: the listed boxes that are not hidden, and in teaching, once revealed, the reference's. */
export function marks(state) {
  if (!state.reading || !state.boxes) return [];
  const shown = listed(state).filter((item) => !state.hidden.has(item.key));
  const focus = state.hover ?? state.focus;
  const own = shown.map((item) => ({
    key: item.key,
    box: state.reshaped?.key === item.key ? state.reshaped.box : item.box,
    colour: labelOf(state, item.label).color,
    text: words(state, item, focus),
    dashed: item.score !== null && !positive(state, item),
    crossed: item.verdict === "rejected",
    faint: item.verdict === "rejected",
  }));
  return [...own, ...reference(state)];
}

function words(state, item, focus) {
  const name = labelOf(state, item.label).name;
  const sign = { accepted: "✓ ", rejected: "✗ ", edited: "✎ ", added: "+ " }[item.verdict] ?? "";
  if (item.score === null) return `${sign}${name}`;
  return focus === null || focus === item.key
    ? `${sign}${name} ${sureness(state, item)}`
    : `${sign}${name} ${percent(item.score)}`;
}

function reference(state) {
  if (!state.teach || !state.revealed) return [];
  return state.revealed.boxes.map((each, at) => ({
    key: `reference-${at}`,
    box: each.box,
    colour: labelOf(state, each.label).color,
    text: `${each.by}: ${labelOf(state, each.label).name}${each.score ? ` ${percent(each.score)}` : ""}`,
    dashed: each.by === "model",
  }));
}

/** One sentence about the film, never "normal". */
export function headline(state) {
  const { reading } = state;
  if (reading.status !== "assessed") return "Not assessed";
  if (secret(state)) return "Your reading first";
  const names = new Set(
    state.review.items
      .filter((item) => item.score !== null && positive(state, item))
      .map((item) => labelOf(state, item.label).name),
  );
  if (names.size) return [...names].join(", ");
  const unboxed = reading.scores.filter((each) => each.probability >= threshold(state, each.label, "image"));
  if (unboxed.length) return `${unboxed.map((each) => labelOf(state, each.label).name).join(", ")} (no box)`;
  return `No finding at the ${state.point} operating point`;
}

/** Side and zone in words: `right lower zone`; the patient's side. */
export function place({ side, zone }) {
  const where = zone ? `${zone} zone` : "";
  if (side === "bilateral") return where ? `both sides, ${where}` : "both sides";
  return [side, where].filter(Boolean).join(" ");
}

/** Whether the heat map speaks of the same place, in words. */
export function agreement({ energy_in_box: energy, peak_in_box: peak, area }) {
  return `${percent(energy)} in the box (${percent(area)} of the film), peak ${peak ? "inside" : "outside"}`;
}
