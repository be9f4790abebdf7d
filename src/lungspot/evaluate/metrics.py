"""All numbers of one label, and their means over labels, with intervals over patients and in parts of the films.

A metric's name is a key of :data:`METRICS`; docs/reference/metrics.md defines each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungspot.evaluate.classify import area_under, precision_recall, weighted_shortfall
from lungspot.evaluate.froc import RATES, ThresholdSweep, coco_precision, sensitivities, voc_precision, wafroc
from lungspot.evaluate.matched import Matched, level
from lungspot.evaluate.resample import interval, p_value, unit_weights
from lungspot.findings import ABSENT, PRESENT, UNKNOWN

__all__ = [
    "METRICS",
    "Value",
    "chosen_metrics",
    "compare",
    "counts",
    "macro",
    "metrics_of",
    "rounded",
    "select_films",
    "values",
]

Array = NDArray[np.float64]
Integers = NDArray[np.integer]

_IOU: Final = 0.4  # of everything that is told at one threshold
_WANG: Final = (0.1, 0.25, 0.3, 0.4, 0.5, 0.7, 0.75, 0.9)
_RSNA: Final = (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75)
_COCO: Final = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))
_BLOCK: Final = 128  # resamples at a time: bounds the memory

# metric → what it is, in a table's words
METRICS: Final[dict[str, str]] = {
    "ap0.1": "AP at IoU 0.1",
    "ap0.3": "AP at IoU 0.3",
    "ap0.4": "AP at IoU 0.4",
    "ap0.5": "AP at IoU 0.5",
    "ap0.5:0.95": "AP, mean over IoU 0.50 to 0.95",
    "voc0.4": "VOC 2010 AP at IoU 0.4 (VinBigData)",
    "rsna": "RSNA 2018 score",
    **{f"t_iou{t}": f"T(IoU) {t}: share of true boxes found" for t in _WANG},
    **{f"t_iobb{t}": f"T(IoBB) {t}: share of true boxes found" for t in _WANG},
    **{f"afp_iou{t}": f"T(IoU) {t}: false boxes a film" for t in _WANG},
    **{f"afp_iobb{t}": f"T(IoBB) {t}: false boxes a film" for t in _WANG},
    **{f"froc{rate:g}": f"sensitivity at {rate:g} false positives a film" for rate in RATES},
    "cpm": "CPM: mean of the seven sensitivities",
    "wafroc": "wAFROC figure of merit",
    "hit_rate": "hit rate: the best box's centre is in a true box",
    "false_on_normals": "boxes a film without the finding",
    "auroc": "AUROC of films",
    "auprc": "AUPRC of films",
    "sensitivity": "sensitivity of films at the threshold",
    "specificity": "specificity of films at the threshold",
    "brier_film": "Brier score of films",
    "ece_film": "expected calibration error of films",
    "brier_box": "Brier score of boxes",
    "ece_box": "expected calibration error of boxes",
}


@dataclass(frozen=True, slots=True)
class Value:
    """A number with its interval; NaN where it does not exist."""

    value: float
    interval: tuple[float, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return rounded JSON values, None for what does not exist."""
        low_high = None if self.interval is None else [round(side, 6) for side in self.interval]
        return {"value": round(self.value, 6) if np.isfinite(self.value) else None, "interval": low_high}


def rounded(value: float) -> float | None:
    """Return ``value`` to four decimals for a report; None where it does not exist."""
    return round(value, 4) if np.isfinite(value) else None


def metrics_of(matched: Matched, weights: Integers) -> dict[str, Array]:
    """Return every metric of one label under each row of ``weights``, (R, F); each is (R,)."""
    blocks = [_measure(matched, weights[i : i + _BLOCK]) for i in range(0, len(weights), _BLOCK)]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def chosen_metrics(matched: Matched, weights: Integers, names: Sequence[str] = ("ap0.4", "auroc")) -> dict[str, Array]:
    """Return only ``names`` of AP, ``wafroc``, ``cpm`` and ``auroc``: for many small parts, and for permutations."""
    found: dict[str, list[Array]] = {name: [] for name in names}
    for start in range(0, len(weights), _BLOCK):
        rows = weights[start : start + _BLOCK]
        sweep = ThresholdSweep(matched, rows)
        for name in names:
            if name == "auroc":
                known = matched.known
                positive = matched.state[known] >= PRESENT
                value = area_under(matched.probability[known], positive, rows[:, known])
            elif name == "wafroc":
                value = wafroc(matched, rows, _IOU)
            elif name == "cpm":
                value = sensitivities(sweep, _IOU).mean(1)
            else:
                value = coco_precision(sweep.counts(float(name.removeprefix("ap"))))
            found[name].append(value)
    return {name: np.concatenate(blocks) for name, blocks in found.items()}


def values(
    matched: Mapping[str, Matched], weights: Integers, level: float = 95.0
) -> Iterator[tuple[str, dict[str, Value]]]:
    """Yield per label each metric on all films with its interval over the resamples, and last the means as ``mean``."""
    sums: dict[str, list[tuple[Array, Array]]] = {}
    for label, of in matched.items():
        point, spread = metrics_of(of, unit_weights(len(of.state))), metrics_of(of, weights)
        for name in point:
            sums.setdefault(name, []).append((point[name], spread[name]))
        yield label, {name: Value(float(point[name][0]), interval(spread[name], level)) for name in point}
    yield (
        "mean",
        {
            name: Value(float(macro([p for p, _ in of])[0]), interval(macro([s for _, s in of]), level))
            for name, of in sums.items()
        },
    )


def macro(of_labels: Sequence[Array]) -> Array:
    """Return the mean over labels, row by row, of those that exist."""
    stacked = np.stack(of_labels)
    known = np.isfinite(stacked)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(known, stacked, 0).sum(0) / known.sum(0), dtype=np.float64)


def compare(  # noqa: PLR0913, PLR0917 - two models, two kinds of chance, what and how surely
    one: Mapping[str, Matched],
    other: Mapping[str, Matched],
    weights: Integers,
    swapped: Integers,
    names: Sequence[str] = ("ap0.4", "wafroc", "auroc"),
    level: float = 95.0,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return per label and as ``mean`` the paired difference of two models on the same films, one less the other.

    ``interval``: over the same resamples of patients. ``p``: two-sided, of a permutation test in which whole patients
    change models (``swapped``, rows of 0 and 1).
    """
    films = next(iter(one.values())).state.size
    ones = unit_weights(films)
    table: dict[str, dict[str, dict[str, Any]]] = {}
    sums: dict[str, list[tuple[Array, ...]]] = {name: [] for name in names}
    for label in (label for label in one if label in other):
        both = _both(one[label], other[label])
        pairs = [_pair(ones), _pair(weights), (_halves(swapped), _halves(1 - swapped))]
        measured = [(chosen_metrics(both, a, names), chosen_metrics(both, b, names)) for a, b in pairs]
        row = {}
        for name in names:
            parts = tuple(side[name] for pair in measured for side in pair)
            sums[name].append(parts)
            row[name] = _difference(parts, level)
        table[label] = row
    table["mean"] = {
        name: _difference(tuple(macro([parts[i] for parts in of]) for i in range(6)), level)
        for name, of in sums.items()
    }
    return table


def select_films(matched: Matched, films: NDArray[np.bool_]) -> Matched:
    """Return what is known of a part of the films, (F,); the others become films that nobody looked at."""
    mine, theirs = films[matched.film], films[matched.true_film]
    place = np.append(np.cumsum(mine) - 1, -1)
    return replace(
        matched,
        state=np.where(films, matched.state, UNKNOWN).astype(np.int8),
        film=matched.film[mine],
        score=matched.score[mine],
        right=matched.right[:, mine],
        iou=matched.iou[mine],
        iobb=matched.iobb[mine],
        centred=matched.centred[mine],
        area=matched.area[mine],
        order=matched.order[mine],
        crowd=matched.crowd[mine],
        true_film=matched.true_film[theirs],
        true_area=matched.true_area[theirs],
        taken_by=place[matched.taken_by[:, theirs]],
        true_iou=matched.true_iou[theirs],
        true_iobb=matched.true_iobb[theirs],
    )


def counts(matched: Matched) -> dict[str, int]:
    """Return how many films show the label, do not, or nobody says so, and how many true and found boxes there are."""
    return {
        "positive": int((matched.state >= PRESENT).sum()),
        "negative": int((matched.state == ABSENT).sum()),
        "unknown": int((matched.state == UNKNOWN).sum()),
        "boxes": len(matched.true_film),
        "found": len(matched.film),
    }


def _measure(m: Matched, weights: Integers) -> dict[str, Array]:
    sweep = ThresholdSweep(m, weights)
    found: dict[str, Array] = {}
    at = {iou: sweep.counts(iou) for iou in (0.1, 0.3, 0.4, *_COCO)}
    precisions = {iou: coco_precision(each) for iou, each in at.items()}
    for iou in (0.1, 0.3, 0.4, 0.5):
        found[f"ap{iou}"] = precisions[iou]
    found["ap0.5:0.95"] = np.mean([precisions[iou] for iou in _COCO], axis=0)
    found["voc0.4"] = voc_precision(at[_IOU])
    at_rates = sensitivities(sweep, _IOU)
    found |= {f"froc{rate:g}": at_rates[:, i] for i, rate in enumerate(RATES)}
    found["cpm"] = at_rates.mean(1)
    found["wafroc"] = wafroc(m, weights, _IOU)
    known = m.known
    rows, probability, positive = weights[:, known], m.probability[known], m.state[known] >= PRESENT
    found["auroc"] = area_under(probability, positive, rows)
    found["auprc"] = precision_recall(probability, positive, rows)
    found["ece_film"] = weighted_shortfall(probability, positive, rows)
    shares = _shares(m)
    sums = weights.astype(np.float64) @ np.stack([side for share in shares.values() for side in share], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found |= {name: sums[:, 2 * i] / sums[:, 2 * i + 1] for i, name in enumerate(shares)}
    sure = m.judged(_IOU)
    found["ece_box"] = weighted_shortfall(m.score[sure], m.right[level(_IOU)][sure], weights[:, m.film[sure]])
    return {name: found[name] for name in METRICS}


def _shares(m: Matched) -> dict[str, tuple[Array, Array]]:
    """Return the metrics that are a sum over films divided by another, as the two values of each film, (F,)."""
    films, shown = len(m.state), m.score >= m.limits.box

    def each(index: NDArray[np.int64], share: NDArray[Any] | None = None) -> Array:
        return np.bincount(index, weights=share, minlength=films).astype(np.float64)

    true = each(m.true_film)
    with_truth, absent, positive, known = (
        one.astype(np.float64) for one in (true > 0, m.state == ABSENT, m.state >= PRESENT, m.known)
    )
    found: dict[str, tuple[Array, Array]] = {"rsna": _rsna(m)}
    for kind, reached, mine in (("iou", m.true_iou, m.iou), ("iobb", m.true_iobb, m.iobb)):
        for limit in _WANG:
            found[f"t_{kind}{limit}"] = each(m.true_film[reached >= limit]), true
            false = shown & (mine < limit) & (m.crowd < limit)
            found[f"afp_{kind}{limit}"] = each(m.film[false]) * with_truth, with_truth
    best = np.zeros(films)
    best[m.film[::-1]] = m.centred[::-1]  # the last written, the best, stays
    found["hit_rate"] = best * with_truth, with_truth
    found["false_on_normals"] = each(m.film[shown]) * absent, absent
    called = (m.probability >= m.limits.film).astype(np.float64)
    found["sensitivity"] = called * positive, positive
    found["specificity"] = (1 - called) * absent, absent
    found["brier_film"] = (m.probability - positive) ** 2 * known, known
    sure = m.judged(_IOU)
    gap = (m.score - m.right[level(_IOU)]) ** 2
    found["brier_box"] = each(m.film[sure], gap[sure]), each(m.film[sure])
    return found


def _rsna(m: Matched) -> tuple[Array, Array]:
    """Return per film the mean over IoUs of TP / (TP + FP + FN), and whether it counts: it shows or is given a box."""
    films = len(m.state)
    shown = m.score >= m.limits.box
    true = np.bincount(m.true_film, minlength=films)
    said = np.bincount(m.film[shown & m.judged(_RSNA[0])], minlength=films)
    counted = m.sure & (said + true > 0)
    total = np.zeros(films)
    for iou in _RSNA:
        given = np.bincount(m.film[shown & m.judged(iou)], minlength=films)
        hits = np.bincount(m.film[shown & m.right[level(iou)]], minlength=films)
        total += hits / np.maximum(given + true - hits, 1)
    return np.where(counted, total / len(_RSNA), 0.0), counted.astype(np.float64)


def _both(one: Matched, other: Matched) -> Matched:
    """Return two models' boxes on the same films as one: the second's films stand behind the first's."""
    films, boxes = len(one.state), len(one.film)
    score = np.concatenate((one.score, other.score))
    order = np.argsort(-score, kind="stable")
    place = np.append(np.empty_like(order), -1)
    place[order] = np.arange(len(order))

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate((getattr(one, name), getattr(other, name)))

    taken = np.concatenate((one.taken_by, np.where(other.taken_by >= 0, other.taken_by + boxes, -1)), axis=1)
    return Matched(
        label=one.label,
        limits=one.limits,
        state=joined("state"),
        probability=joined("probability"),
        film=np.concatenate((one.film, other.film + films))[order],
        score=score[order],
        right=np.concatenate((one.right, other.right), axis=1)[:, order],
        iou=joined("iou")[order],
        iobb=joined("iobb")[order],
        centred=joined("centred")[order],
        area=joined("area")[order],
        order=joined("order")[order],
        crowd=joined("crowd")[order],
        true_film=np.concatenate((one.true_film, other.true_film + films)),
        true_area=joined("true_area"),
        taken_by=place[taken],
        true_iou=joined("true_iou"),
        true_iobb=joined("true_iobb"),
    )


def _pair(weights: Integers) -> tuple[Integers, Integers]:
    none = np.zeros_like(weights)
    return np.concatenate((weights, none), axis=1), np.concatenate((none, weights), axis=1)


def _halves(swapped: Integers) -> Integers:
    return np.concatenate((1 - swapped, swapped), axis=1)


def _difference(parts: tuple[Array, ...], level: float) -> dict[str, Any]:
    one, other, many_one, many_other, permuted_one, permuted_other = parts
    difference = float(one[0] - other[0])
    p = p_value(difference, permuted_one - permuted_other)
    found = Value(difference, interval(many_one - many_other, level)).to_json()
    return found | {
        "one": Value(float(one[0])).to_json()["value"],
        "other": Value(float(other[0])).to_json()["value"],
        "p": p,
    }
