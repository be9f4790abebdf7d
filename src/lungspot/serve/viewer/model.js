// What is said of the model and of refusals, in the shape that the page uses, whoever answers it.

/** What went wrong, as the answer says it: `code`, `reason`, `advice`. */
export class Refused extends Error {
  constructor(status, error) {
    super(error.advice ? `${error.reason}; ${error.advice}` : error.reason);
    Object.assign(this, { status, code: error.code, reason: error.reason, advice: error.advice });
  }
}

/** The model as the page uses it: labels by id, thresholds by point and label, and `why(code)` in words. */
export function inShape(value) {
  const thresholds = {};
  for (const label of value.labels)
    for (const [point, both] of Object.entries(label.thresholds)) (thresholds[point] ??= {})[label.id] = both;
  const labels = new Map(value.taxonomy.map((each) => [each.id, each]));
  for (const label of value.labels) labels.set(label.id, { ...labels.get(label.id), ...label });
  const why = (code) => value.reasons[code] ?? value.warnings[code] ?? code;
  return { ...value, known: value.labels.map((each) => each.id), labels, thresholds, why };
}
