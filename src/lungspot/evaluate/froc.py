"""Counting matched boxes under weights: average precision, FROC, wAFROC; one value for each row of weights.

A metric over a thousand resamples is one pass of cumulative sums over the boxes, which stay sorted: only how often each
counts changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungspot.evaluate.matched import Matched, level
from lungspot.findings import ABSENT, BOXED

__all__ = ["RATES", "SweepCounts", "ThresholdSweep", "coco_precision", "sensitivities", "voc_precision", "wafroc"]

Array = NDArray[np.float64]
Integers = NDArray[np.integer]

RATES: Final = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # false positives a film; CPM is the mean over these
_RECALLS: Final = np.linspace(0, 1, 101)


@dataclass(frozen=True, slots=True)
class SweepCounts:
    """Going down in score, at each of the H right boxes: ``hits`` so far and boxes ``found`` so far, (R, H).

    ``true``: (R,) how many true boxes there are.
    """

    hits: Array
    found: Array
    true: Array


@dataclass(frozen=True, slots=True)
class _Judged:
    """Boxes that are right or wrong for sure, (K,); how many down to and with each box; sums of their weights."""

    sure: NDArray[np.bool_]
    rank: NDArray[np.int64]
    sums: NDArray[np.int32]


class ThresholdSweep:
    """One label's boxes under R rows of weights, (R, F); the sums that all thresholds share are made once."""

    def __init__(self, matched: Matched, weights: Integers) -> None:
        self.matched = matched
        self.weights = weights
        self.films = weights[:, matched.sure].sum(1, dtype=np.float64)
        self.true = weights[:, matched.true_film].sum(1, dtype=np.float64)
        self._crowded = bool((matched.crowd > 0).any())
        self._made: dict[float, _Judged] = {}

    def _judged(self, iou: float) -> _Judged:
        """Return the boxes that count at a threshold, and their sums; without a crowd all thresholds share them."""
        key = iou if self._crowded else 0.0
        if key not in self._made:
            sure = self.matched.judged(iou)
            sums = np.cumsum(self.weights[:, self.matched.film[sure]], axis=1, dtype=np.int32)
            none = np.zeros((len(self.weights), 1), dtype=np.int32)
            self._made[key] = _Judged(sure, np.cumsum(sure), np.concatenate((none, sums), axis=1))
        return self._made[key]

    def counts(self, iou: float) -> SweepCounts:
        """Return the counts at each right box, as the order of the boxes stands (COCO's rule for equal scores)."""
        at = np.flatnonzero(self.matched.right[level(iou)])
        mine = self.weights[:, self.matched.film[at]]
        of = self._judged(iou)
        unsure = np.cumsum(mine * ~of.sure[at], axis=1, dtype=np.float64)
        hits = np.cumsum(mine, axis=1, dtype=np.float64)
        return SweepCounts(hits, of.sums[:, of.rank[at]] + unsure, self.true)

    def froc(self, iou: float) -> tuple[Array, Array, Array]:
        """Return thresholds (G,), true and false positives (R, G) where boxes from each threshold on are counted.

        Boxes of equal score come together; thresholds at which no true box is found are left out.
        """
        score = self.matched.score
        at = np.flatnonzero(self.matched.right[level(iou)])
        mine = self.weights[:, self.matched.film[at]]
        hits = np.cumsum(mine, axis=1, dtype=np.float64)
        of = self._judged(iou)
        sure_hits = np.cumsum(mine * of.sure[at], axis=1, dtype=np.float64)
        last = np.flatnonzero(np.append(score[at][1:] != score[at][:-1], True)) if len(at) else at
        end = np.searchsorted(-score, -score[at[last]], side="right") - 1
        false = of.sums[:, of.rank[end]] - sure_hits[:, last]
        return score[at[last]], hits[:, last], false


def coco_precision(counts: SweepCounts) -> Array:
    """Return COCO's average precision, (R,): the precision envelope at 101 recalls; NaN without a true box."""
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = counts.hits / counts.true[:, None]
        passed = np.searchsorted(_RECALLS, recall.ravel(), side="right").reshape(recall.shape)
        steps = np.diff(passed, axis=1, prepend=0)
        total = (_envelope(counts) * steps).sum(1) / len(_RECALLS)
    return np.where(counts.true > 0, total, np.nan)


def voc_precision(counts: SweepCounts) -> Array:
    """Return PASCAL VOC 2010's average precision, (R,): the area under the precision envelope, all points."""
    with np.errstate(invalid="ignore", divide="ignore"):
        gained = np.diff(counts.hits, axis=1, prepend=0)
        total = (_envelope(counts) * gained).sum(1) / counts.true
    return np.where(counts.true > 0, total, np.nan)


def _envelope(counts: SweepCounts) -> Array:
    precision = np.where(counts.found > 0, counts.hits / np.maximum(counts.found, 1), 0.0)
    return np.asarray(np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1], dtype=np.float64)


def sensitivities(sweep: ThresholdSweep, iou: float, rates: tuple[float, ...] = RATES) -> Array:
    """Return the largest share of true boxes found at no more than each rate of false positives a film, (R, len).

    Films: those where a wrong box is known to be wrong, with the finding or without. A second box on one true box is
    a false positive.
    """
    _, hits, false = sweep.froc(iou)
    found = np.zeros((len(hits), len(rates)))
    rows = np.arange(len(hits))
    padded = np.concatenate((np.zeros((len(hits), 1)), hits), axis=1)
    for column, rate in enumerate(rates):
        within = (false <= rate * sweep.films[:, None] + 1e-9).sum(1)
        found[:, column] = padded[rows, within]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(sweep.true[:, None] > 0, found / sweep.true[:, None], np.nan)


def wafroc(matched: Matched, weights: Integers, iou: float) -> Array:
    """Return the weighted AFROC figure of merit, (R,), as RJafroc defines it (FOM = "wAFROC").

    The chance that a lesion is rated above the surest mark on a film without the disease, ties counting half; lesions
    of one film share its weight of 1 equally; what is not marked is rated minus infinity. Chakraborty and Zhai, On the
    meaning of the weighted alternative free-response operating characteristic figure of merit, Med Phys 43 (2016) 2548.
    Only films that are boxed exhaustively are diseased cases, only those where the label is absent are normal ones.
    """
    t = level(iou)
    highest = np.full(len(matched.state), -np.inf)
    np.maximum.at(highest, matched.film, matched.score)
    normal = np.flatnonzero(matched.state == ABSENT)
    normal = normal[np.argsort(highest[normal], kind="stable")]
    lesions = np.bincount(matched.true_film, minlength=len(matched.state))
    diseased = (matched.state == BOXED) & (lesions > 0)  # a crowd alone is no lesion to rate
    lesion = np.flatnonzero(diseased[matched.true_film])
    film = matched.true_film[lesion]
    taker = matched.taken_by[t, lesion]
    rating = np.where(taker >= 0, np.append(matched.score, -np.inf)[taker], -np.inf)
    share = 1 / np.bincount(film, minlength=len(matched.state))[film] if len(film) else np.zeros(0)
    sums = np.concatenate((np.zeros((len(weights), 1)), np.cumsum(weights[:, normal], axis=1, dtype=np.float64)), 1)
    below = np.searchsorted(highest[normal], rating, side="left")
    to = np.searchsorted(highest[normal], rating, side="right")
    won = (sums[:, below] + sums[:, to]) / 2
    total = (won * weights[:, film] * share).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(total / (sums[:, -1] * weights[:, diseased].sum(1, dtype=np.float64)), dtype=np.float64)
