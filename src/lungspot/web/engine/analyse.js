// One film from pixels to an analysis: the line that lungspot.pipeline.assess is in Python.

import { anatomyInFile, anatomyOf, heartSide, leftSide, lungsCutOff, trustedLungs } from "./anatomy.js";
import { reaches, thresholds, POINTS } from "./card.js";
import { decode, sided } from "./decode.js";
import { inFile } from "./correction.js";
import { runGated } from "./gate.js";
import { agreeAll, heatMaps } from "./heat.js";
import { uprightLeftSide } from "./orientation.js";
import { findPlaces } from "./places.js";

const LOWEST = 0.05; // no box below this is worth a page's while, unless a threshold lies lower

/** The lowest score that a box is kept from. */
export const floorOf = (card) =>
  Math.min(LOWEST, ...card.labels.flatMap((label) => POINTS.map((point) => thresholds(card, label, point).box)));

/** Everything that can be said about a film {width, height, pixels, view, orientation, notices, …}, down to the floor. */
export async function analyse(film, card, taxonomy, run) {
  const gated = await runGated(film, card, run);
  const base = { film, card, point: "balanced", reasons: gated.reasons, notices: gated.notices };
  const empty = { findings: null, places: [], agreement: [], anatomy: null, heat: new Map(), turns: 0 };
  if (gated.reasons.length) return { ...base, ...empty, leftSide: uprightLeftSide(film.orientation, 0) };
  const { raw, frame, correction } = gated;
  const said = uprightLeftSide(film.orientation, correction.turns);
  const seen = anatomyOf(raw, frame, card, said);
  const left = leftSide(said, seen);
  const upright = sided(decode(raw, frame, card, { taxonomy, floor: floorOf(card), lungs: trustedLungs(seen, card) }), left);
  const findings = upright.map((each) => ({ ...each, box: each.box && inFile(each.box, correction, frame) }));
  const heat = heatMaps(raw, card, correction);
  return {
    ...base,
    findings,
    heat,
    places: findPlaces(findings, card, taxonomy),
    agreement: agreement(findings, heat, film),
    anatomy: seen && anatomyInFile(seen, correction, frame),
    notices: [...gated.notices, ...heartSide(said, seen), ...lungsCutOff(raw.organs)],
    turns: correction.turns,
    leftSide: left,
  };
}

/** Box by box, in the order of the findings, how box and map agree. */
function agreement(findings, heat, film) {
  const boxed = findings.filter(({ box }) => box);
  const byLabel = new Map();
  for (const [label, map] of heat) {
    const boxes = boxed.filter((each) => each.label === label).map(({ box }) => box);
    if (boxes.length) byLabel.set(label, agreeAll(map, boxes, film)[Symbol.iterator]());
  }
  return boxed.map(({ label }) => byLabel.get(label).next().value);
}

/** An analysis as an operating point has it, and which of its boxes that point shows. */
export function atPoint(analysis, point, taxonomy) {
  if (!analysis.findings) return { at: { ...analysis, point }, shown: [] };
  const { card, findings } = analysis;
  const kept = findings.map((each) => !each.box || reaches(card, each, point));
  const shown = [...findings.keys()].filter((at) => findings[at].box && kept[at]);
  const own = findings.filter((_, at) => kept[at]);
  const at = { ...analysis, point, findings: own, places: findPlaces(own, card, taxonomy), agreement: shown.map((each) => analysis.agreement[each]) };
  return { at, shown };
}
