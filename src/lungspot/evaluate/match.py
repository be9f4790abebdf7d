"""Which found box is which true box: greedy by score, as COCO does it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lungspot.errors import InputError
from lungspot.findings import iou_matrix

__all__ = ["match"]

Array = NDArray[np.float64]


def match(found: Array, scores: Array, true: Array, iou: float) -> NDArray[np.int64]:
    """Return for each found box the index of the true box that it takes, or -1.

    ``found``: (P, 4), ``scores``: (P,), ``true``: (M, 4), x0 y0 x1 y1 in one frame. From the highest score down (ties:
    first comes first) a box takes, of the true boxes still free, the one it overlaps most, if by at least ``iou``.
    """
    if found.shape != (len(scores), 4) or true.ndim != 2 or true.shape[1] != 4 or not 0 < iou <= 1:
        raise InputError("BAD_VALUE", None, f"boxes {found.shape}, scores {scores.shape}, true {true.shape}, {iou}")
    taken = np.full(len(found), -1, dtype=np.int64)
    if not len(found) or not len(true):
        return taken
    overlap = iou_matrix(found, true)
    for i in np.argsort(-scores, kind="stable"):
        best = int(np.argmax(overlap[i]))
        if overlap[i, best] >= iou:
            taken[i] = best
            overlap[:, best] = -1
    return taken
