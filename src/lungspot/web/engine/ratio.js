// What a report says of the heart's width over the chest's (lungspot.report.ratio).

import { thresholds } from "./card.js";

const LABEL = "cardiomegaly";
const [LARGE, SMALL] = [0.58, 0.5];
const VIEWS = { PA: [], AP: ["AP"] };

/** {key, value, notes}: keys of a report's templates; a reader's ratio before the network's, null where nothing is known of it. */
export function ratioOf(analysis, review) {
  const { anatomy, film } = analysis;
  const measured = (review?.measurements ?? []).findLast(({ kind }) => kind === "cardiothoracic_ratio");
  const view = VIEWS[film.view] ?? ["UNKNOWN"];
  if (measured) return { key: measured.by === "model" ? "accepted" : "reader", value: measured.value, notes: view };
  if (!anatomy) return null;
  const value = anatomy.cardiothoracic_ratio;
  return value === null ? { key: "none", value, notes: [] } : { key: "model", value, notes: [...view, ...contradicted(analysis, value)] };
}

/** By what the film's probability of cardiomegaly contradicts its ratio. */
function contradicted({ card, findings }, ratio) {
  const probability = (findings ?? []).find(({ label, box }) => label === LABEL && !box)?.score ?? null;
  if (probability === null) return [];
  if (ratio >= LARGE && probability < thresholds(card, LABEL, "sensitive").image) return ["LARGE"];
  return ratio <= SMALL && probability >= thresholds(card, LABEL, "balanced").image ? ["SMALL"] : [];
}
