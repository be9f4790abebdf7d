// What is said of a film, once (lungspot.report.statement): documents, the page and the report are views of it.
//
// An analysis is {film, card, findings or null, reasons, point, places, anatomy, …}; `facts`: the page's (taxonomy, words).

import { isReported, reaches } from "./card.js";
import { NOT_TOLD_APART, joined, percent, pictureSideOf, placeOf } from "./words.js";

const REFUSED = 0.9; // a film that nobody could judge comes before those without a finding
const NOTHING = 0.8;

/** The probability that the film shows each label at all. */
export const probabilities = ({ findings }) =>
  new Map((findings ?? []).filter(({ box }) => !box).map(({ label, score }) => [label, score]));

export const diseasesBut = ({ taxonomy }, labels) => Object.keys(taxonomy).filter((id) => taxonomy[id].disease && !labels.includes(id));

/** What is said; `experimental`: of labels of that standing too. */
export function statement(analysis, facts, experimental = false) {
  const { card, findings, reasons, point } = analysis;
  if (!findings) return refused(analysis, facts);
  const tried = new Set(card.labels.filter((label) => !isReported(card, label)));
  const hidden = experimental ? new Set() : tried;
  const film = probabilities(analysis);
  const places = analysis.places.flatMap((place) => saidOf(place, analysis, facts, film, hidden, tried));
  const boxed = new Set(places.flatMap(({ names }) => names.filter(({ positive }) => positive).map(({ label }) => label)));
  const whole = wholeFilm(analysis, facts, new Set([...hidden, ...boxed]), tried);
  const said = [...places.filter(positive), ...whole].map((each) => [urgency(each, facts), each]);
  said.sort(([a], [b]) => b - a);
  const likeliest = Math.max(0, ...[...film].filter(([label]) => !tried.has(label)).map(([, score]) => score));
  const inOrder = said.map(([, each]) => each);
  return {
    said: inOrder,
    below: places.filter((each) => !positive(each)),
    reasons,
    unsaid: card.labels.filter((label) => hidden.has(label)),
    notLookedFor: diseasesBut(facts, card.labels),
    urgency: Math.max(0, ...said.map(([each]) => each)) || NOTHING * likeliest,
    headline: headline(inOrder, point, facts),
    percentages: facts.percentages,
  };
}

function refused({ reasons }, facts) {
  const words = reasons.map((code) => facts.model.reasons[code] ?? code).join("; ");
  return { said: [], below: [], reasons, unsaid: [], notLookedFor: [], urgency: REFUSED, headline: refusedBecause(words, facts), percentages: null };
}

/** The sentence of a film that was not assessed; `reason` in words. */
export const refusedBecause = (reason, facts) => `${facts.model.not_assessed}: ${reason}`;

const positive = ({ names }) => names.some((name) => name.positive);
const probability = ({ score, film }) => score ?? film;

/** The names that a thing goes by: those that reach their thresholds, or all where none does. */
export function told({ names }) {
  const reached = names.filter((name) => name.positive);
  return reached.length ? reached : names;
}

/** Names by look-alike group, best group first. */
export function groupsOf(names, { taxonomy }) {
  const found = new Map();
  for (const name of names) {
    const { group } = taxonomy[name.label];
    found.set(group, [...(found.get(group) ?? []), name]);
  }
  return [...found.values()];
}

/** The label of names that look alike: the group's, or the one name's own. */
export const labelOf = (group, { taxonomy }) => (group.length === 1 ? group[0].label : taxonomy[group[0].label].group);

function urgency({ names }, { taxonomy }) {
  const counted = names.filter((name) => name.positive && !name.experimental);
  return Math.max(0, ...counted.map((name) => taxonomy[name.label].urgency + probability(name)));
}

function byRank(one, other) {
  return other.positive - one.positive || one.experimental - other.experimental || probability(other) - probability(one);
}

/** What is said of a place, as a list of one; of none where all its names are hidden. */
function saidOf(place, { card, point, film: { width, height } }, { taxonomy }, film, hidden, tried) {
  const best = new Map();
  for (const finding of place.findings) {
    const { label } = finding;
    const reached = reaches(card, finding, point);
    if (hidden.has(label) || (best.has(label) && !(reached && !best.get(label).positive))) continue;
    const score = finding.judged ? finding.score : null;
    best.set(label, { label, score, film: film.get(label) ?? 0, positive: reached, experimental: tried.has(label) });
  }
  if (!best.size) return [];
  const unknown = place.side === null && taxonomy[place.label].paired;
  return [
    {
      names: [...best.values()].sort(byRank),
      place: place.number,
      box: place.box,
      side: place.side,
      zone: place.zone,
      pictureSide: unknown ? pictureSideOf(place.box, { width, height }) : null,
    },
  ];
}

/** What only the film's probability speaks for, look-alikes together. */
function wholeFilm({ card, findings, point }, facts, hidden, tried) {
  const names = findings
    .filter((each) => !each.box && !hidden.has(each.label) && reaches(card, each, point))
    .map(({ label, score }) => ({ label, score: null, film: score, positive: true, experimental: tried.has(label) }));
  const nowhere = { place: null, box: null, side: null, zone: null, pictureSide: null };
  return groupsOf(names, facts).map((group) => ({ names: group.sort(byRank), ...nowhere }));
}

export const whereOf = (said, { taxonomy }) => placeOf(taxonomy[said.names[0].label].organ, said.side, said.zone, said.pictureSide);

export const titleOf = (said, facts) =>
  joined(groupsOf(told(said), facts).map((group) => facts.taxonomy[labelOf(group, facts)].name), "and");

function headline(said, point, facts) {
  const counts = new Map();
  for (const each of said.map((one) => short(one, facts))) counts.set(each, (counts.get(each) ?? 0) + 1);
  const words = [...counts].map(([each, count]) => (count === 1 ? each : `${each} (${count} places)`));
  return words.join("; ") || `No finding at the ${point} operating point`;
}

function short(said, facts) {
  const words = joined(groupsOf(told(said), facts).map((group) => shortName(group, facts)), "and");
  if (!said.box) return words.endsWith(")") ? `${words.slice(0, -1)}, no box)` : `${words} (no box)`;
  return [words, whereOf(said, facts)].filter(Boolean).join(", ");
}

function shortName(group, facts) {
  const nameOf = (label) => facts.taxonomy[label].name;
  const inside = group.length > 1 ? [joined(group.map(({ label }) => nameOf(label)), "or")] : [];
  if (group.every(({ experimental }) => experimental)) inside.push("experimental");
  return nameOf(labelOf(group, facts)) + (inside.length ? ` (${inside.join(", ")})` : "");
}

export const percentage = (name) => percent(name.score ?? name.film);

function mark({ score, experimental }) {
  const marks = [...(score === null ? ["whole film"] : []), ...(experimental ? ["experimental"] : [])];
  return marks.length ? ` (${marks.join(", ")})` : "";
}

/** The whole sentence, with every name and what its percentage is of. */
export function textOf(said, facts) {
  const nameOf = (label) => facts.taxonomy[label].name;
  const where = whereOf(said, facts);
  const at = where ? `, ${where}` : "";
  const sentence = (group) => {
    if (group.length === 1) return `${nameOf(group[0].label)}${at}: ${percentage(group[0])}${mark(group[0])}`;
    const names = group.map((name) => `${nameOf(name.label)} ${percentage(name)}${mark(name)}`).join(", ");
    return `${nameOf(labelOf(group, facts))}${at}: ${NOT_TOLD_APART}: ${names}`;
  };
  return groupsOf(told(said), facts).map(sentence).join("; ");
}
