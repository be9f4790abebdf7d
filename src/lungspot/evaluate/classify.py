"""How well a probability tells films with a finding from films without, and whether it keeps its promise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["area_under", "auroc", "precision_recall", "reliability", "shortfall", "weighted_shortfall"]

Array = NDArray[np.float64]
Integers = NDArray[np.integer]


def auroc(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Return the chance that a positive film scores above a negative one, ties counting half; NaN without both."""
    count = int(positive.sum())
    if count in {0, len(positive)}:
        return float("nan")
    values, where, often = np.unique(scores, return_inverse=True, return_counts=True)
    del values
    ranks = (np.cumsum(often) - (often - 1) / 2)[where]
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(positive) - count)))


def area_under(scores: Array, positive: NDArray[np.bool_], weights: Integers) -> Array:
    """Return :func:`auroc` under each row of ``weights``, (R, N); (R,)."""
    order = np.argsort(scores, kind="stable")
    ranked, yes = scores[order], positive[order]
    negatives = weights[:, order[~yes]]
    sums = np.concatenate((np.zeros((len(weights), 1)), np.cumsum(negatives, axis=1, dtype=np.float64)), axis=1)
    below = np.searchsorted(ranked[~yes], ranked[yes], side="left")
    to = np.searchsorted(ranked[~yes], ranked[yes], side="right")
    mine = weights[:, order[yes]].astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        won = ((sums[:, below] + sums[:, to]) / 2 * mine).sum(1)
        return np.asarray(won / (mine.sum(1) * sums[:, -1]), dtype=np.float64)


def precision_recall(scores: Array, positive: NDArray[np.bool_], weights: Integers) -> Array:
    """Return the area under precision and recall (average precision, as scikit-learn's) under each row; (R,)."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    if not len(ranked):
        return np.full(len(weights), np.nan)
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    mine = weights[:, order]
    seen = np.cumsum(mine, axis=1, dtype=np.float64)[:, last]
    hits = np.cumsum(mine * positive[order], axis=1, dtype=np.float64)[:, last]
    gained = np.diff(hits, axis=1, prepend=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = (gained * np.where(seen > 0, hits / np.maximum(seen, 1), 0)).sum(1) / hits[:, -1]
    return np.asarray(total, dtype=np.float64)


def reliability(probability: Array, positive: NDArray[np.bool_], bins: int = 10) -> dict[str, list[float]]:
    """Return per bin of equal width what was promised (``score``), what came true (``observed``), and ``count``."""
    where = np.minimum((probability * bins).astype(int), bins - 1)
    filled = [i for i in range(bins) if (where == i).any()]
    return {
        "score": [round(float(probability[where == i].mean()), 4) for i in filled],
        "observed": [round(float(positive[where == i].mean()), 4) for i in filled],
        "count": [float((where == i).sum()) for i in filled],
    }


def shortfall(probability: Array, positive: NDArray[np.bool_], bins: int = 10) -> float:
    """Return the expected calibration error: the mean gap between promise and truth over bins, by their size."""
    return float(weighted_shortfall(probability, positive, np.ones((1, len(probability)), dtype=np.int32), bins)[0])


def weighted_shortfall(probability: Array, positive: NDArray[np.bool_], weights: Integers, bins: int = 10) -> Array:
    """Return :func:`shortfall` under each row of weights, (R,)."""
    where = np.minimum((probability * bins).astype(int), bins - 1)
    gap = np.zeros((len(probability), bins))
    gap[np.arange(len(probability)), where] = probability - positive
    total = weights.sum(1, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.abs(weights.astype(np.float64) @ gap).sum(1) / total, dtype=np.float64)
