// One film's result as JSON, schema `lungspot/1` (docs/reference/json.md): the keys and digits of lungspot.report.document.

import { lungsOf } from "./anatomy.js";
import { isReported, limitOf, reaches } from "./card.js";
import { reportText } from "./report_text.js";
import { labelOf, statement, textOf, titleOf, told, groupsOf, whereOf } from "./statement.js";

const rounded = (value, digits = 4) => (value === null || value === undefined ? null : Number(value.toFixed(digits)));
const corners = (box) => (box ? box.map((each) => rounded(each, 2)) : null);

/** The document of an analysis at its point, or of a film that was refused ({refused: {code, reason, advice}}). */
export function document(analysis, facts) {
  const { film, card, findings, point } = analysis;
  const words = reportText(analysis, facts, { language: "en" });
  const { text, headings, ...report } = words;
  return {
    schema: "lungspot/1",
    status: findings ? "assessed" : "not_assessed",
    reasons: analysis.reasons,
    image: imageOf(analysis),
    findings: findingsJson(analysis, facts),
    image_scores: (findings ?? []).filter(({ box }) => !box).map((each) => scoreOf(each, analysis)),
    statement: statementJson(statement(analysis, facts), analysis, facts),
    report: { ...report, findings: report.findings.map(([region, said]) => ({ region, text: said })) },
    operating_point: film ? point : null,
    features: null, // only `lungspot watch` reads them, and it reads no page
    made: analysis.made,
    model: film ? { name: card.name, version: card.version, sha256: facts.model.sha256, card_sha256: facts.model.card_sha256 } : null,
    site: null,
    software: { lungspot: facts.model.software.lungspot, onnxruntime: film ? analysis.runtime : null },
    timing_ms: Object.fromEntries(Object.entries(analysis.timings ?? {}).map(([step, each]) => [step, rounded(each, 1)])),
    warnings: film ? [...film.notices, ...analysis.notices] : [],
    not_for_clinical_use: true,
    ...(analysis.anatomy && { anatomy: anatomyJson(analysis.anatomy) }),
  };
}

/** An analysis's boxes, best first, as the document's key `findings` has them. */
export const findingsJson = (analysis, facts) =>
  (analysis.findings ?? []).filter(({ box }) => box).map((each, at) => findingOf(each, at, analysis, facts));

function imageOf({ film, name, statistics = null }) {
  const none = ["sha256", "width", "height", "kind", "format", "view", "pixel_spacing_mm", "pixel_aspect", "sop_instance_uid", "bits", "device", "statistics"];
  if (!film) return { path: name, ...Object.fromEntries(none.map((key) => [key, null])) };
  return {
    path: name,
    sha256: film.sha256,
    width: film.width,
    height: film.height,
    kind: film.kind === "dicom" ? "dicom" : "raster",
    format: film.kind,
    view: film.view,
    pixel_spacing_mm: film.pixel_spacing_mm,
    pixel_aspect: film.pixel_aspect,
    sop_instance_uid: film.sop_instance_uid,
    bits: film.bits,
    device: film.device,
    statistics,
  };
}

function findingOf(finding, at, { card, point, places, agreement }, facts) {
  const { name, codes } = facts.taxonomy[finding.label];
  const { energy_in_box: energy, peak_in_box, iou, area } = agreement[at];
  return {
    label: finding.label,
    name,
    score: rounded(finding.score),
    threshold: rounded(limitOf(card, finding, point)),
    positive: reaches(card, finding, point),
    standing: standingOf(card, finding.label),
    place: places.find(({ members }) => members.includes(at)).number,
    judged: finding.judged,
    box: corners(finding.box),
    side: finding.side,
    zone: finding.zone,
    codes,
    agreement: { energy_in_box: rounded(energy, 3), peak_in_box, iou: rounded(iou, 3), area: rounded(area, 3) },
  };
}

const standingOf = (card, label) => (isReported(card, label) ? "reported" : "experimental");

const scoreOf = (finding, { card, point }) => ({
  label: finding.label,
  probability: rounded(finding.score),
  threshold: rounded(limitOf(card, finding, point)),
  positive: reaches(card, finding, point),
  standing: standingOf(card, finding.label),
});

const anatomyJson = (seen) => ({
  heart: corners(seen.heart),
  left_lung: corners(seen.left_lung),
  right_lung: corners(seen.right_lung),
  lungs: lungsOf(seen).map(corners),
  cardiothoracic_ratio: rounded(seen.cardiothoracic_ratio, 3),
  mirrored: seen.mirrored,
});

/** A statement as the document's key `statement` has it. */
export function statementJson(said, { findings }, facts) {
  return {
    headline: said.headline,
    urgency: rounded(said.urgency),
    said: said.said.map((each) => ({
      place: each.place,
      label: labelOf(groupsOf(told(each), facts)[0], facts),
      name: titleOf(each, facts),
      text: textOf(each, facts),
      names: told(each).map(({ label, score, film }) => ({ label, score: rounded(score), probability: rounded(film) })),
      box: corners(each.box),
      side: each.side,
      zone: each.zone,
      where: whereOf(each, facts),
    })),
    experimental: said.unsaid,
    not_looked_for: said.notLookedFor,
    percentages: findings ? said.percentages : null,
    thresholds: null,
  };
}
