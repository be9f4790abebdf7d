"""Everything that is said about a prediction, as JSON values: schema ``lungspot-eval/1``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungspot import __version__
from lungspot.errors import DatasetError
from lungspot.evaluate.agreement import agreement_auroc
from lungspot.evaluate.classify import reliability
from lungspot.evaluate.froc import RATES, ThresholdSweep
from lungspot.evaluate.matched import Matched, Pair, ScoreLimits, level, tabulate
from lungspot.evaluate.metrics import METRICS, Value, chosen_metrics, compare, counts, macro, select_films, values
from lungspot.evaluate.mistakes import Mistakes, mistakes
from lungspot.evaluate.resample import by_patient, interval, permutation_weights, unit_weights
from lungspot.findings import PRESENT, in_taxonomy_order

__all__ = ["SCHEMA", "EvaluationSettings", "Summary", "notes", "summarise"]

Array = NDArray[np.float64]

SCHEMA: Final = "lungspot-eval/1"
_PART: Final = ("ap0.4", "wafroc", "cpm", "auroc")  # what is told of every part of the films
_SIZES: Final = (("small (under 1 % of the film)", 0.0, 0.01), ("medium", 0.01, 0.05), ("large (over 5 %)", 0.05, 9e9))
_POINTS: Final = 200  # of a curve, at most


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """How it is judged. ``by``: divisions of the films; ``ci``: per cent; ``resamples`` of patients, from ``seed``."""

    by: tuple[str, ...] = ("source",)
    ci: float = 95.0
    resamples: int = 1000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """The JSON values, and what pictures are made from."""

    document: dict[str, Any]
    pairs: tuple[Pair, ...]
    mistakes: Mistakes


def summarise(
    pairs: Sequence[Pair],
    limits: Mapping[str, ScoreLimits],
    settings: EvaluationSettings | None = None,
    other: tuple[Sequence[Pair], Mapping[str, ScoreLimits]] | None = None,
) -> Summary:
    """Judge predictions on films, in the labels that both sides looked for; ``other``: another model's on the same.

    Raises ``DATASET_INCOMPLETE`` where there is no such label.
    """
    settings = settings or EvaluationSettings()
    labels = [label for label in _order(pairs) if any(pair.found.state(label) != "not_looked_for" for pair in pairs)]
    if not labels:
        reason = "truth and prediction looked for no label in common"
        raise DatasetError("DATASET_INCOMPLETE", None, reason, advice="`lungspot info --labels` has the ids of labels")
    matched = {label: tabulate(pairs, label, limits.get(label, ScoreLimits())) for label in labels}
    patients = [pair.patient for pair in pairs]
    weights = by_patient(patients, settings.resamples, settings.seed)
    table = dict(values(matched, weights, settings.ci))
    wrong = mistakes(pairs, matched)
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "software": {"lungspot": __version__},
        "settings": {
            "ci": settings.ci,
            "resamples": settings.resamples,
            "seed": settings.seed,
            "by": list(settings.by),
        },
        "films": len(pairs),
        "patients": len(set(patients)),
        "sources": {name: sum(p.groups["source"] == name for p in pairs) for name in _parts(pairs, "source")},
        "metrics": dict(METRICS),
        "labels": {
            label: {
                "counts": counts(of),
                "limits": {"box": of.limits.box, "film": of.limits.film},
                "metrics": {name: value.to_json() for name, value in table[label].items()},
                "curves": _curves(of),
            }
            for label, of in matched.items()
        },
        "mean": {name: value.to_json() for name, value in table["mean"].items()},
        "by": {name: _by(pairs, matched, weights, name, settings.ci) for name in _divisions(pairs, settings.by)},
        "mistakes": {label: dict(row) for label, row in wrong.table.items()},
        "confusion": {label: dict(row) for label, row in wrong.confusion.items()},
        "agreement": agreement_auroc(pairs, matched, weights, settings.ci),
        "not_judged": _not_judged(pairs, labels),
        "not_for_clinical_use": True,
    }
    document["by"]["size"] = _by_size(matched, weights, settings.ci)
    if other is not None:
        said = {label for pair in other[0] for label in pair.found.states}
        theirs = {
            label: tabulate(other[0], label, other[1].get(label, ScoreLimits())) for label in labels if label in said
        }
        swapped = permutation_weights(patients, settings.resamples, settings.seed + 1)
        document["compare"] = compare(matched, theirs, weights, swapped, level=settings.ci) if theirs else {}
        document["not_judged"]["not_compared"] = sorted(set(_order(pairs)) & (said ^ set(labels)))
    return Summary(document, tuple(pairs), wrong)


def notes(document: Mapping[str, Any]) -> list[str]:
    """Return sentences on what the numbers leave out: labels of one side only, and labels without a negative film."""
    gone = document["not_judged"]
    words = {
        "only_true": "Not judged, for the prediction did not look for them",
        "only_found": "Not judged, for the truth did not look for them",
        "not_compared": "Not compared, for only one of the two models looked for them",
    }
    found = [f"{words[key]}: {', '.join(gone[key])}." for key in words if gone.get(key)]
    if never := [label for label, row in document["labels"].items() if not row["counts"]["negative"]]:
        found.append(
            f"No film of the truth says that it is without {', '.join(never)}: false boxes on other films are not "
            "counted (--exhaustive, if people looked for every label on every film)."
        )
    return found


def _order(pairs: Sequence[Pair]) -> list[str]:
    """Return the labels that somebody looked for, in the order of the taxonomy."""
    return in_taxonomy_order(label for pair in pairs for label in pair.true.states)


def _not_judged(pairs: Sequence[Pair], judged: Sequence[str]) -> dict[str, list[str]]:
    """Return the labels of one side only: nothing is said about them, and nobody should think otherwise."""
    true = {label for pair in pairs for label in pair.true.states}
    found = {label for pair in pairs for label in pair.found.states}
    return {"only_true": sorted(true - set(judged)), "only_found": sorted(found - set(judged))}


def _divisions(pairs: Sequence[Pair], by: Sequence[str]) -> list[str]:
    wanted = [name for name in by if name != "size"]
    return list(dict.fromkeys(["source", *wanted])) if len(_parts(pairs, "source")) > 1 else wanted


def _parts(pairs: Sequence[Pair], division: str) -> list[str]:
    return sorted({pair.groups.get(division, "unknown") for pair in pairs})


def _by(
    pairs: Sequence[Pair], matched: Mapping[str, Matched], weights: NDArray[np.uint8], division: str, ci: float
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in _parts(pairs, division):
        films = np.array([pair.groups.get(division, "unknown") == name for pair in pairs], dtype=np.bool_)
        mine = {label: select_films(of, films) for label, of in matched.items()}
        found[name] = {"films": int(films.sum()), **_small_table(mine, weights, ci)}
    return found


def _by_size(matched: Mapping[str, Matched], weights: NDArray[np.uint8], ci: float) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, least, most in _SIZES:
        mine = {label: _of_size(of, least, most) for label, of in matched.items()}
        of_size = {label: of for label, of in mine.items() if len(of.true_film)}
        found[name] = _small_table(of_size, weights, ci, ("ap0.4", "cpm"))
    return found


def _of_size(m: Matched, least: float, most: float) -> Matched:
    """Return one size only: true boxes of it, the boxes that hit them, and wrong boxes that are of it themselves."""
    true = (m.true_area >= least) & (m.true_area < most)
    t = level(0.4)
    hits = np.zeros(len(m.film), dtype=np.bool_)
    takers = m.taken_by[t, true]
    hits[takers[takers >= 0]] = True
    wrong = ~m.right[t] & (m.area >= least) & (m.area < most)
    kept = hits | wrong
    place = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1)
    names = ("film", "score", "iou", "iobb", "centred", "area", "order", "crowd")
    return replace(
        m,
        **{name: getattr(m, name)[kept] for name in names},
        right=m.right[:, kept],
        **{name: getattr(m, name)[true] for name in ("true_film", "true_area", "true_iou", "true_iobb")},
        taken_by=place[m.taken_by[:, true]],
    )


def _small_table(
    matched: Mapping[str, Matched], weights: NDArray[np.uint8], ci: float, names: Sequence[str] = _PART
) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    sums: dict[str, list[tuple[Array, Array]]] = {name: [] for name in names}
    for label, of in matched.items():
        if not of.known.any():
            continue
        point, spread = chosen_metrics(of, unit_weights(len(of.state)), names), chosen_metrics(of, weights, names)
        rows[label] = {"counts": counts(of)} | {
            name: Value(float(point[name][0]), interval(spread[name], ci)).to_json() for name in names
        }
        for name in names:
            sums[name].append((point[name], spread[name]))
    mean = {
        name: Value(float(macro([p for p, _ in of])[0]), interval(macro([s for _, s in of]), ci)).to_json()
        for name, of in sums.items()
        if of
    }
    return {"labels": rows, "mean": mean}


def _curves(m: Matched) -> dict[str, Any]:
    """Return FROC and precision over recall at IoU .4, and reliability, as lists of rounded numbers."""
    sweep = ThresholdSweep(m, unit_weights(len(m.state)))
    _, hits, false = sweep.froc(0.4)
    at = sweep.counts(0.4)
    known = m.known
    probability, positive = m.probability[known], m.state[known] >= PRESENT
    sure = m.judged(0.4)
    true, films = max(float(sweep.true[0]), 1.0), max(float(sweep.films[0]), 1.0)
    precision = at.hits[0] / np.maximum(at.found[0], 1)
    return {
        "froc": _thinned(false[0] / films, hits[0] / true, until=RATES[-1]),
        "precision_recall": _thinned(at.hits[0] / true, precision),
        "reliability_film": reliability(probability, positive) if len(positive) else None,
        "reliability_box": reliability(m.score[sure], m.right[level(0.4)][sure]) if sure.any() else None,
    }


def _thinned(x: Array, y: Array, until: float = 9e9) -> list[list[float]]:
    kept = np.flatnonzero(x <= until)
    if len(kept) > _POINTS:
        kept = kept[np.unique(np.linspace(0, len(kept) - 1, _POINTS).astype(int))]
    return [[round(float(x[i]), 5), round(float(y[i]), 5)] for i in kept]
