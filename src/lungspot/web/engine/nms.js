// From a network's many boxes of one label to few: non-maximum suppression and box voting (lungspot.detect.nms).

import { iou } from "./boxes.js";

const FLOOR = 1e-3; // raw scores below neither count nor vote
const CANDIDATES = 100; // boxes that count and vote, best first
const MOST = 50; // boxes that stay

/** The boxes that stay, best first: [{box, index}], `index` of the winner among those given. `most`, `vote`: overlaps. Scores are raw. */
export function suppress(boxes, scores, most, vote, least = 0) {
  const pool = [...scores.keys()]
    .filter((index) => scores[index] > FLOOR)
    .sort((a, b) => scores[b] - scores[a] || a - b)
    .slice(0, CANDIDATES)
    .filter((index) => boxes[index][2] > boxes[index][0] && boxes[index][3] > boxes[index][1]);
  const free = pool.map((index) => scores[index] >= least);
  const kept = [];
  for (const [at, index] of pool.entries()) {
    if (!free[at]) continue;
    const overlaps = pool.map((other) => iou(boxes[index], boxes[other]));
    kept.push({ box: voted(pool.filter((_, other) => other === at || overlaps[other] >= vote), boxes, scores), index });
    overlaps.forEach((overlap, other) => (free[other] &&= overlap <= most));
    if (kept.length === MOST) break;
  }
  return kept;
}

function voted(voters, boxes, scores) {
  const total = voters.reduce((sum, each) => sum + scores[each], 0);
  return [0, 1, 2, 3].map((corner) => voters.reduce((sum, each) => sum + scores[each] * boxes[each][corner], 0) / total);
}
