// What a report says of a film, line by line: the model's word, and over it a reader's (lungspot.report.observations).

import { trustedLungs } from "./anatomy.js";
import { sideAndZone, sided } from "./decode.js";
import { frameOf, inFile } from "./correction.js";
import { groupsOf, told } from "./statement.js";
import { pictureSideOf } from "./words.js";

const NEAR = 0.02; // pixels between a box and the same box in JSON, which has two digits

/**
 * The lines of a film's findings, most urgent first: {names, judged, boxed, side, zone, pictureSide}. `review`: null, or
 * {verdicts: [{action, label, box, offered: {label, box}}], complete, absent}.
 */
export function observations(analysis, said, facts, review) {
  const verdicts = review?.verdicts ?? [];
  const open = new Map(verdicts.entries());
  const lines = said.said.flatMap((each) =>
    each.box ? ofPlace(analysis, each, facts, verdicts, open) : ofFilm(each, facts, review),
  );
  for (const verdict of open.values()) // edited, drawn, or below the threshold and accepted all the same
    if (verdict.action !== "reject") lines.push(observed(analysis, verdict, facts));
  const urgency = ({ names }) => Math.max(...names.map(({ label }) => facts.taxonomy[label].urgency));
  return lines.sort((a, b) => urgency(b) - urgency(a));
}

const nowhere = { side: null, zone: null, pictureSide: null };
const judgedName = (label, film = 0) => ({ label, score: null, film, positive: true, experimental: false });

function ofFilm(said, facts, review) {
  if (review?.complete) return [];
  const gone = new Set(review?.absent ?? []);
  for (const { action, label } of review?.verdicts ?? []) if (action !== "reject") gone.add(label);
  return groupsOf(said.names, facts)
    .map((group) => group.filter(({ label }) => !gone.has(label)))
    .filter((left) => left.length)
    .map((names) => ({ names, judged: false, boxed: false, ...nowhere }));
}

function ofPlace(analysis, said, facts, verdicts, open) {
  const { members } = analysis.places.find(({ number }) => number === said.place);
  const { side, zone, pictureSide } = said;
  const at = { boxed: true, side, zone, pictureSide };
  return groupsOf(told(said), facts).flatMap((group) => {
    const [left, accepted] = [[], []];
    for (const name of group) {
      const boxes = members.map((index) => analysis.findings[index]).filter(({ label }) => label === name.label);
      const mine = [...verdicts.entries()].filter(([, each]) => speaksOf(each, name.label, boxes));
      for (const [number, { action }] of mine) if (action === "accept" || action === "reject") open.delete(number);
      if (mine.some(([, { action }]) => action === "accept")) accepted.push(judgedName(name.label, name.film));
      else if (!mine.length) left.push(name);
    }
    return [
      ...(accepted.length ? [{ names: accepted, judged: true, ...at }] : []),
      ...(left.length ? [{ names: left, judged: false, ...at }] : []),
    ];
  });
}

const speaksOf = ({ offered }, label, boxes) =>
  Boolean(offered) && offered.label === label && boxes.some(({ box }) => box.every((each, at) => Math.abs(each - offered.box[at]) <= NEAR));

/** The line of a finding that a reader marked; side and zone follow from the box, as the model's do. */
function observed({ film, card, anatomy, turns, leftSide }, { label, box }, { taxonomy }) {
  const names = [judgedName(label)];
  if (!box) return { names, judged: true, boxed: false, ...nowhere };
  const back = { turns: (4 - turns) % 4, invert: false }; // what leads from the file to the upright film
  const lungs = (trustedLungs(anatomy, card) ?? []).map((lung) => inFile(lung, back, film)).sort((a, b) => a[0] - b[0]);
  const { side: patients, zone } = sideAndZone(inFile(box, back, film), frameOf(back, film), taxonomy[label], lungs);
  const [{ side }] = sided([{ side: patients }], leftSide);
  const unknown = side === null && taxonomy[label].paired;
  return { names, judged: true, boxed: true, side, zone, pictureSide: unknown ? pictureSideOf(box, film) : null };
}
