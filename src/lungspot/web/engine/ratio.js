// What a report says of the heart's width over the chest's (lungspot.report.ratio).

import { thresholds } from "./card.js";

/** {key, value, notes}: keys of a report's templates; a reader's ratio before the network's, null where nothing is known of it. */
export function ratioOf(analysis, facts, review) {
  const { anatomy, film } = analysis;
  const measured = (review?.measurements ?? []).findLast(({ kind }) => kind === "cardiothoracic_ratio");
  const view = { PA: [], AP: ["AP"] }[film.view] ?? ["UNKNOWN"];
  if (measured) return { key: measured.by === "model" ? "accepted" : "reader", value: measured.value, notes: view };
  if (!anatomy) return null;
  const value = anatomy.cardiothoracic_ratio;
  return value === null ? { key: "none", value, notes: [] } : { key: "model", value, notes: [...view, ...contradicted(analysis, facts.ratio, value)] };
}

/** By what the film's probability of cardiomegaly contradicts its ratio. */
function contradicted({ card, findings }, [name, small, large], ratio) {
  // Undefined where nobody looked: neither below nor above anything.
  const probability = findings?.find(({ label, box }) => label === name && !box)?.score;
  if (ratio >= large && probability < thresholds(card, name, "sensitive").image) return ["LARGE"];
  return ratio <= small && probability >= thresholds(card, name, "balanced").image ? ["SMALL"] : [];
}
