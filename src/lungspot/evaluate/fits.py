"""Calibration curves fitted to scores and what came true: a level, Platt's two numbers, or an isotonic curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lungspot.detect import Knots, Platt

__all__ = ["fit_isotonic", "fit_platt"]

Array = NDArray[np.float64]

_BLOCK = 5  # examples, the fewest behind a knot


def fit_platt(scores: Array, positive: NDArray[np.bool_], *, slope: bool = True) -> Platt:
    """Return the calibration sigmoid(a * logit(score) + b) of least cross-entropy (Platt 1999, with his targets).

    ``scores``: (N,), 0 to 1. The identity where one of the two classes has no example; ``a`` is kept above 0.05, and
    is 1 unless ``slope``.
    """
    yes = int(positive.sum())
    no = len(positive) - yes
    if not yes or not no:
        return Platt()
    x = _logit(scores)
    target = np.where(positive, (yes + 1) / (yes + 2), 1 / (no + 2))
    a, b = 1.0, 0.0
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(a * x + b, -30, 30)))
        gap, spread = p - target, np.maximum(p * (1 - p), 1e-9)
        if slope:
            gradient = np.array([(gap * x).sum(), gap.sum()])
            cross = (spread * x).sum()
            curve = np.array([[(spread * x * x).sum() + 1e-3, cross], [cross, spread.sum() + 1e-3]])
            move = np.clip(np.linalg.solve(curve, gradient), -1, 1)
        else:
            move = np.array([0.0, np.clip(gap.sum() / spread.sum(), -1, 1)])
        a, b = a - move[0], b - move[1]
        if np.abs(move).max() < 1e-9:
            break
    return Platt(round(float(max(a, 0.05)), 6), round(float(b), 6))


def fit_isotonic(scores: Array, positive: NDArray[np.bool_]) -> Knots | Platt:
    """Return the isotonic curve of scores, (N,), 0 to 1, through the middles of its level parts.

    Between middles log odds are linear (centred isotonic regression, Oron & Flournoy 2017), so that no two scores
    become equal and the order stays; a part of fewer than five examples is joined to its neighbour.
    :func:`fit_platt`'s where no part stands above another.
    """
    values, where, often = np.unique(scores, return_inverse=True, return_counts=True)
    hits = np.bincount(where, weights=positive.astype(np.float64))
    parts: list[tuple[float, float, float]] = []  # hits, examples, sum of scores
    for one in zip(hits.tolist(), often.tolist(), (values * often).tolist(), strict=True):
        parts.append(one)
        while len(parts) > 1 and (_share(parts[-2]) >= _share(parts[-1]) or parts[-2][1] < _BLOCK):
            _join_last(parts)
    while len(parts) > 1 and parts[-1][1] < _BLOCK:
        _join_last(parts)
    while len(parts) > 1 and parts[-1][0] == parts[-1][1]:  # all of them hits: nobody is as sure as that
        _join_last(parts)
    first = 0
    while first < len(parts) - 1 and parts[first][0] == 0:
        parts[first + 1] = _joined(parts[first], parts[first + 1])
        first += 1
    x, y = (_logit(np.array(side)) for side in zip(*((of / n, hits / n) for hits, n, of in parts[first:]), strict=True))
    apart = np.concatenate(([True], np.diff(x) > 0))  # scores of nearly 0, or 1, are one
    if apart.sum() < 2:
        return fit_platt(scores, positive)
    return Knots(tuple(x[apart].tolist()), tuple(y[apart].tolist()))


def _share(part: tuple[float, float, float]) -> float:
    return part[0] / part[1]


def _join_last(parts: list[tuple[float, float, float]]) -> None:
    top, low = parts.pop(), parts.pop()
    parts.append(_joined(low, top))


def _joined(low: tuple[float, float, float], top: tuple[float, float, float]) -> tuple[float, float, float]:
    return low[0] + top[0], low[1] + top[1], low[2] + top[2]


def _logit(scores: Array) -> Array:
    inner = np.clip(scores, 1e-7, 1 - 1e-7)
    return np.asarray(np.log(inner / (1 - inner)), dtype=np.float64)
