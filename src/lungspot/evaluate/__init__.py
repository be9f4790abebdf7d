"""How good: what was found against what is true, with intervals over patients (docs/reference/metrics.md)."""

from lungspot.evaluate.classify import auroc, reliability
from lungspot.evaluate.detection import Judged, average_precision, judge
from lungspot.evaluate.match import match, match_at
from lungspot.evaluate.matched import Limits, Matched, Pair, tabulate
from lungspot.evaluate.measure import METRICS, Value, compare, measure, values
from lungspot.evaluate.resample import by_patient, permutation_weights, unit_weights

__all__ = [
    "METRICS",
    "Judged",
    "Limits",
    "Matched",
    "Pair",
    "Value",
    "auroc",
    "average_precision",
    "by_patient",
    "compare",
    "judge",
    "match",
    "match_at",
    "measure",
    "permutation_weights",
    "reliability",
    "tabulate",
    "unit_weights",
    "values",
]
