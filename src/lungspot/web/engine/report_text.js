// A report to copy, in words of a template and no others (lungspot.report.text): `facts.templates` has each language's.

import { observations } from "./observations.js";
import { ratioOf } from "./ratio.js";
import { diseasesBut, labelOf, percentage, statement } from "./statement.js";

const REGIONS = {
  lung: ["lung"],
  pleura: ["pleura"],
  heart: ["heart", "mediastinum"],
  bone: ["bone"],
  chest: ["chest"],
};

const filled = (template, values) => template.replace(/\{(\w+)\}/g, (_, key) => String(values[key]));
const capital = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);
const clean = (text) => text.replace(/[^\P{C}\n]/gu, " ").trim();

/**
 * {language, head, technique, comparison, findings: [[region, sentences]], measurements, impression, note, changes, headings,
 * text}.
 * `review`: null, or {reader, note, complete, absent, verdicts, measurements: [{kind, value, unit, by, greys}]}.
 */
export function reportText(analysis, facts, { language = "en", experimental = false, review = null } = {}) {
  const words = new Words(facts, language);
  const { film, card } = analysis;
  const said = statement(analysis, facts, experimental);
  const model = card && film ? `${card.name} ${card.version}` : "lungspot";
  const reviewed = film ? review : null;
  const report =
    !film || (!analysis.findings && !reviewed?.verdicts.length)
      ? words.refused(model, analysis.reasons, reviewed)
      : words.whole(model, analysis, said, reviewed);
  return { ...report, changes: null, text: wholeText(report) }; // the page knows no earlier film
}

function wholeText({ head, headings, technique, comparison, findings, measurements, impression, note }) {
  const lines = [
    ...[head, "", `${headings.technique}: ${technique}`, `${headings.comparison}: ${comparison}`],
    ...(findings.length ? ["", `${headings.findings}:`] : []),
    ...findings.map(([region, sentences]) => `${region}: ${sentences}`),
    ...(measurements ? [`${headings.measurements}: ${measurements}`] : []),
    ...["", `${headings.impression}:`],
    ...(impression.length > 1 ? impression.map((each, at) => `${at + 1}. ${each}`) : impression),
    ...(note ? ["", `${headings.note}: ${note}`] : []),
  ];
  return `${lines.join("\n")}\n`;
}

class Words {
  constructor(facts, language) {
    Object.assign(this, { facts, language, own: facts.templates[language] });
  }

  whole(model, analysis, said, review) {
    const lines = observations(analysis, said, this.facts, review);
    return {
      language: this.language,
      head: this.head(model, review),
      technique: this.technique(analysis, model),
      comparison: this.own.comparison.none,
      findings: this.regions(analysis, said, lines, review),
      impression: this.impression(analysis, lines, review),
      note: this.note(lines, review),
      headings: this.own.headings,
      measurements: this.measurements(review),
    };
  }

  refused(model, reasons, review) {
    return {
      language: this.language,
      head: this.head(model, review),
      technique: this.own.view.refused,
      comparison: this.own.comparison.none,
      findings: [],
      impression: [this.notAssessed(reasons)],
      note: this.note([], review),
      headings: this.own.headings,
      measurements: this.measurements(review),
    };
  }

  head(model, review) {
    const { by } = this.own;
    const reader = clean(review?.reader ?? "").split(/\s+/).join(" ");
    const who = review === null ? by.nobody : review.reader ? filled(by.reader, { reader }) : by.unnamed;
    return filled(this.own.head, { model, by: who });
  }

  technique({ film, findings, notices, point, leftSide }, model) {
    const { own } = this;
    const words = findings ? [own.view[film.view], filled(own.point, { model, point: own.points[point] })] : [own.view.refused];
    const codes = [...new Set([...film.notices, ...notices].map(({ code }) => code))];
    words.push(...codes.filter((code) => own.notices[code]).map((code) => own.notices[code]));
    if (findings && leftSide === null) words.push(own.sides_unknown);
    return words.join(" ");
  }

  regions(analysis, said, lines, review) {
    const { taxonomy } = this.facts;
    return Object.entries(REGIONS).flatMap(([region, organs]) => {
      const mine = lines.filter(({ names }) => organs.includes(taxonomy[names[0].label].organ));
      const words = mine.map((line) => `${capital(this.line(line))}.`);
      if (region === "heart") words.push(...this.ratio(analysis, review));
      words.push(...this.rest(analysis, said, lines, review, organs));
      return words.length || region !== "chest" ? [[this.own.regions[region], words.join(" ") || this.own.nothing_assessed]] : [];
    });
  }

  impression({ reasons, point }, lines, review) {
    const found = lines.map((line) => `${capital(this.line(line, true))}.`);
    if (reasons.length) return [...found, this.notAssessed(reasons)];
    if (lines.length) return found;
    const key = review === null ? "model" : review.complete ? "complete" : "partial";
    return [filled(this.own.no_findings[key], { point: this.own.points[point] })];
  }

  note(lines, review) {
    const words = review ? [clean(review.note)] : [];
    if (!lines.every(({ judged }) => judged)) words.push(this.own.percentages);
    return words.filter(Boolean).join(" ");
  }

  notAssessed(reasons) {
    const { reasons: known } = this.own;
    const why = (code) => this.facts.model.reasons[code] ?? code;
    const words = reasons.map((code) => known[code] || filled(known[""] ?? why(code), { code }));
    return filled(this.own.not_assessed, { reasons: words.join("; ") });
  }

  line(line, short = false) {
    const words = this.named(line);
    if (line.judged) return words;
    return words + (short ? this.own.open_short : this.open(line.names));
  }

  named(line) {
    const where = this.where(line);
    const names = line.names.map(({ label }) => this.name(label));
    if (names.length === 1) return filled(this.own.single, { name: names[0], where });
    return filled(this.own.alike, { group: this.name(labelOf(line.names, this.facts)), where, names: this.joined(names) });
  }

  open(names) {
    const numbers = names.map((each) => (names.length === 1 ? percentage(each) : `${this.name(each.label)} ${percentage(each)}`));
    const tried = names.every(({ experimental }) => experimental);
    return filled(tried ? this.own.open_experimental : this.own.open, { numbers: numbers.join(", ") });
  }

  where({ boxed, side: own, pictureSide, zone, names }) {
    const { where } = this.own;
    if (!boxed) return where.whole;
    const [side, prefix] = own ? [own, ""] : [pictureSide, "picture "];
    if (!side) return where.nowhere[zone ?? ""];
    const lung = this.facts.taxonomy[names[0].label].organ === "lung";
    return where[side === "bilateral" ? side : prefix + side][zone ?? (lung ? "lung" : "")];
  }

  /** What is said of the labels of a region that no line speaks of: not seen, not marked, not assessed. */
  rest({ card, findings }, { unsaid }, lines, review, organs) {
    const { taxonomy } = this.facts;
    const found = new Set(lines.flatMap(({ names }) => names.map(({ label }) => label)));
    const states = findings ? card.labels : [];
    const looked = states.filter((label) => !found.has(label));
    const absent = review?.complete ? [...looked] : [];
    absent.push(...(review?.absent ?? []).filter((label) => !absent.includes(label) && !found.has(label)));
    const unmarked = looked.filter((label) => !absent.includes(label) && !unsaid.includes(label));
    const known = [...unsaid, ...diseasesBut(this.facts, states)].filter((label) => !found.has(label));
    const unassessed = known.filter((label) => !absent.includes(label));
    return Object.entries({ absent, unmarked, unassessed }).flatMap(([key, labels]) => {
      const mine = labels.filter((label) => organs.includes(taxonomy[label].organ)).map((label) => this.name(label));
      return mine.length ? [filled(this.own[key], { names: mine.join(", ") })] : [];
    });
  }

  measurements(review) {
    const counts = {};
    const words = [];
    for (const { kind, value, unit, greys } of review?.measurements ?? []) {
      if (kind === "cardiothoracic_ratio") continue;
      counts[kind] = (counts[kind] ?? 0) + 1;
      const said = this.quantity(value, unit);
      const parts = Object.fromEntries(Object.entries(greys ?? {}).map(([name, each]) => [name, this.number(each, 1)]));
      words.push(filled(this.own.measurement[kind], { number: counts[kind], value: said, area: said, ...parts }));
    }
    return words.join(" ");
  }

  quantity(value, unit) {
    if (unit === "deg") return `${this.number(value, 1)}°`;
    if (unit === "mm2") return `${this.number(value / 100, 1)} cm²`;
    return `${this.number(value, unit === "mm" && value < 100 ? 1 : 0)} ${unit.replace("2", "²")}`;
  }

  ratio(analysis, review) {
    const said = ratioOf(analysis, this.facts, review);
    if (!said) return [];
    const own = this.own.ratio;
    const words = filled(own[said.key], { ratio: said.value === null ? "" : this.number(said.value, 2) });
    return [words, ...said.notes.map((note) => own[note])];
  }

  number(value, digits) {
    return value.toFixed(digits).replace(".", this.own.decimal);
  }

  /** A label's name as it stands inside a sentence. */
  name(label) {
    const name = this.own.labels[label] || this.facts.taxonomy[label].name;
    const second = name.slice(1, 2);
    const shouted = second !== second.toLowerCase(); // COVID-19
    return this.own.lower_case && !shouted ? name.slice(0, 1).toLowerCase() + name.slice(1) : name;
  }

  joined(names) {
    const [comma, last] = this.own.list;
    return [names.slice(0, -1).join(comma), ...names.slice(-1)].filter(Boolean).join(last);
  }
}
