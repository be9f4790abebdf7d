"""Which found box is which true box: greedy by score, as COCO does it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lungspot.errors import InputError
from lungspot.findings import iou_matrix

__all__ = ["match", "match_at"]

Array = NDArray[np.float64]


def match(found: Array, scores: Array, true: Array, iou: float) -> NDArray[np.int64]:
    """Return for each found box the index of the true box that it takes, or -1.

    ``found``: (P, 4), ``scores``: (P,), ``true``: (M, 4), x0 y0 x1 y1 in one frame. From the highest score down (ties:
    first comes first) a box takes, of the true boxes still free, the one it overlaps most, if by at least ``iou``.
    """
    taken: NDArray[np.int64] = match_at(found, scores, true, (iou,))[0]
    return taken


def match_at(found: Array, scores: Array, true: Array, ious: Sequence[float]) -> NDArray[np.int64]:
    """Return :func:`match` at each of ``ious``, shape (T, P); the overlaps are computed once.

    Raises ``BAD_VALUE`` where the shapes do not go together, or a limit is not above 0 and at most 1.
    """
    limits = np.asarray(ious, dtype=np.float64)
    if (
        found.shape != (len(scores), 4)
        or true.ndim != 2
        or true.shape[1] != 4
        or not ((limits > 0) & (limits <= 1)).all()
    ):
        raise InputError("BAD_VALUE", None, f"boxes {found.shape}, scores {scores.shape}, true {true.shape}, {ious}")
    taken = np.full((len(limits), len(found)), -1, dtype=np.int64)
    if not len(found) or not len(true):
        return taken
    overlap = iou_matrix(found, true)
    free = np.ones((len(limits), len(true)), dtype=np.bool_)
    rows = np.arange(len(limits))
    for i in np.argsort(-scores, kind="stable"):
        if overlap[i].max() < limits.min():
            continue
        open_to = np.where(free, overlap[i], -1.0)
        best = open_to.argmax(1)
        hit = open_to[rows, best] >= limits
        taken[hit, i] = best[hit]
        free[rows[hit], best[hit]] = False
    return taken
