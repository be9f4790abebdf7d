"""How good: what was found against what is true, with intervals over patients (docs/reference/metrics.md)."""

from lungspot.evaluate.agreement import agreement_auroc
from lungspot.evaluate.classify import auroc, reliability
from lungspot.evaluate.detection import MatchedFilm, average_precision, match_film
from lungspot.evaluate.evaluation import evaluate_films, names_people
from lungspot.evaluate.fits import fit_isotonic, fit_platt
from lungspot.evaluate.folder import FILES, folder_of
from lungspot.evaluate.match import match, match_at
from lungspot.evaluate.matched import FilmBoxes, Matched, Pair, ScoreLimits, tabulate, tabulate_arrays
from lungspot.evaluate.metrics import (
    METRICS,
    Value,
    chosen_metrics,
    compare,
    counts,
    macro,
    metrics_of,
    rounded,
    select_films,
    values,
)
from lungspot.evaluate.pairing import (
    DIVISIONS,
    Paired,
    common_films,
    exhaustive,
    only_labels,
    pair_files,
    pair_up,
    people,
)
from lungspot.evaluate.plots import COLORS, figure_of, svg_of, words_in_figure
from lungspot.evaluate.predicted import Predicted, read_predicted
from lungspot.evaluate.resample import by_patient, interval, permutation_weights, unit_weights
from lungspot.evaluate.shortcuts import linear_probe, shortcuts
from lungspot.evaluate.summary import EvaluationSettings, Summary, notes, summarise
from lungspot.evaluate.truths import coco_truth, judged_cases, load_truth, truth_source, truths

__all__ = [
    "COLORS",
    "DIVISIONS",
    "FILES",
    "METRICS",
    "EvaluationSettings",
    "FilmBoxes",
    "Matched",
    "MatchedFilm",
    "Pair",
    "Paired",
    "Predicted",
    "ScoreLimits",
    "Summary",
    "Value",
    "agreement_auroc",
    "auroc",
    "average_precision",
    "by_patient",
    "chosen_metrics",
    "coco_truth",
    "common_films",
    "compare",
    "counts",
    "evaluate_films",
    "exhaustive",
    "figure_of",
    "fit_isotonic",
    "fit_platt",
    "folder_of",
    "interval",
    "judged_cases",
    "linear_probe",
    "load_truth",
    "macro",
    "match",
    "match_at",
    "match_film",
    "metrics_of",
    "names_people",
    "notes",
    "only_labels",
    "pair_files",
    "pair_up",
    "people",
    "permutation_weights",
    "read_predicted",
    "reliability",
    "rounded",
    "select_films",
    "shortcuts",
    "summarise",
    "svg_of",
    "tabulate",
    "tabulate_arrays",
    "truth_source",
    "truths",
    "unit_weights",
    "values",
    "words_in_figure",
]
