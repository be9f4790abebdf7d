// One shadow, one place: boxes that cover one another are one frame with several names (lungspot.detect.places).

import { area, enclosing, intersection, iou } from "./boxes.js";
import { isReported } from "./card.js";

/** The places of a film's findings, best first: {number, box, findings, members, judged, label, side, zone}. */
export function findPlaces(findings, card, taxonomy) {
  const rank = (at) => (isReported(card, findings[at].label) ? 0 : 1);
  const ranked = [...findings.keys()]
    .filter((at) => findings[at].box)
    .sort((a, b) => rank(a) - rank(b) || findings[b].score - findings[a].score || a - b);
  const groups = [];
  for (const at of ranked) {
    const group = groups.find(([first]) => onePlace(findings[first], findings[at], card.place_rule, taxonomy));
    if (group) group.push(at);
    else groups.push([at]);
  }
  return groups.map((members, at) => place(at + 1, members, findings));
}

function place(number, members, all) {
  const findings = members.map((at) => all[at]);
  const [{ box, judged, label, side, zone }] = findings;
  const sides = new Set(findings.map((each) => each.side).filter(Boolean));
  const zones = new Set(findings.filter((each) => each.label === label).map((each) => each.zone));
  return {
    number,
    members,
    findings,
    judged,
    label,
    box: judged ? box : enclosing(findings.map((each) => each.box)),
    side: judged || sides.size < 2 ? side : "bilateral",
    zone: judged || zones.size === 1 ? zone : null,
  };
}

function onePlace(first, other, rule, taxonomy) {
  if (!(first.judged && other.judged)) return first.label === other.label && first.judged === other.judged;
  const [mine, theirs] = [taxonomy[first.label], taxonomy[other.label]];
  if (mine.in_lungs !== theirs.in_lungs || !(mine.in_lungs || mine.organ === theirs.organ)) return false;
  if (iou(first.box, other.box) >= rule.iou) return true;
  const smaller = Math.min(area(first.box), area(other.box));
  return mine.group === theirs.group && intersection(first.box, other.box) >= rule.cover * smaller;
}
