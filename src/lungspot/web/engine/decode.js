// From the network's numbers to findings: fused, calibrated, thinned out, in pixels of the film (lungspot.detect.decode).

import { calibrate, thresholds } from "./card.js";
import { centre, clip, enclosing, height, move, width } from "./boxes.js";
import { suppress } from "./nms.js";
import { confine } from "./positions.js";
import { boxesFromMap } from "./regions.js";

const SMALLEST = 2; // pixels of the film that a box must have each way
const [TOP, BASE] = [0.1, 0.82]; // where apices and bases lie on an upright film
const TALL = 0.764; // of the lungs' height: a box over a whole lung is in no zone
const BOTH = 0.15; // of the lungs' width, that a box reaches past the middle each way to be on both sides

/**
 * The findings on the upright film whose frame is `frame`: those with a box, best first, then one a label for the whole
 * film. `taxonomy`: by label. `lungs`: two boxes, or null. `floor`: the least score of a box.
 */
export function decode(raw, frame, card, { taxonomy, floor, lungs }) {
  const square = { width: card.input_size, height: card.input_size };
  const corners = raw.boxes.map((box) => box.map((each) => Math.min(Math.max(each, 0), card.input_size)));
  const [boxed, whole] = [[], []];
  card.labels.forEach((label, column) => {
    const probability = calibrate(raw.image_scores[column], card.image_calibration[label]);
    whole.push({ label, box: null, score: probability, side: null, zone: null, judged: true });
    const fraction = card.box_from_map[label];
    const judged = fraction === undefined;
    const found = judged
      ? labelBoxes(raw, corners, column, card, floor)
      : (probability >= floor ? boxesFromMap(raw.maps[column], fraction, square) : []).map((box) => ({ box, score: probability }));
    for (const { box, score } of found) {
      const inside = clip(box, square);
      const onFilm = inside && solid(move(inside, square, frame));
      const kept = onFilm && inLungs(onFilm, label, frame, card, lungs, taxonomy);
      if (kept) boxed.push({ label, box: kept, score, ...sideAndZone(kept, frame, taxonomy[label], lungs), judged });
    }
  });
  boxed.sort((a, b) => b.score - a.score);
  return [...boxed, ...whole];
}

const solid = (box) => (Math.min(width(box), height(box)) >= SMALLEST ? box : null);

function inLungs(box, label, frame, card, lungs, taxonomy) {
  if (!taxonomy[label].in_lungs) return box;
  const inside = confine(box, frame, card.positions[label], lungs, card.least_inside);
  return inside && solid(inside);
}

/** One label's boxes in input pixels with their calibrated scores, best first, doubles taken out. */
function labelBoxes(raw, corners, column, card, floor) {
  const label = card.labels[column];
  const scores = raw.scores.map((row) => row[column]);
  const film = raw.image_scores[column] ** (card.box_fusion[label] ?? 0);
  const calibrated = scores.map((score) => calibrate(score * film, card.box_calibration[label]));
  const shown = scores.filter((_, at) => calibrated[at] >= floor);
  if (!shown.length) return [];
  const least = shown.reduce((low, each) => Math.min(low, each), Infinity);
  return suppress(corners, scores, card.nms_iou, card.vote_ious?.[label] ?? card.vote_iou, least).map(({ box, index }) => ({ box, score: calibrated[index] }));
}

/** The patient's side and the zone of a box on an upright film whose patient's right is at its left. */
export function sideAndZone(box, frame, { paired }, lungs) {
  if (!paired) return { side: null, zone: null };
  const known = lungs?.length === 2;
  const within = known ? enclosing(lungs) : [0, TOP * frame.height, frame.width, BASE * frame.height];
  const middle = known ? (lungs[0][2] + lungs[1][0]) / 2 : frame.width / 2;
  const reach = BOTH * width(within);
  const crosses = box[0] < middle - reach && box[2] > middle + reach;
  const side = crosses ? "bilateral" : centre(box)[0] < middle ? "right" : "left";
  if (height(box) > TALL * height(within)) return { side, zone: null };
  const third = ((centre(box)[1] - within[1]) / height(within)) * 3;
  return { side, zone: third < 1 ? "upper" : third < 2 ? "middle" : "lower" };
}

/** Findings with the sides that they have where `left` of the patient is at the picture's left; null: only both sides. */
export function sided(findings, left) {
  if (left === "right") return findings;
  const other = left === "left" ? { left: "right", right: "left" } : {};
  const known = { ...other, bilateral: "bilateral" };
  return findings.map((finding) => ({ ...finding, side: known[finding.side] ?? null }));
}
