"""From a network's many boxes of one label to few: non-maximum suppression, then a vote on where the borders lie.

The best box drops those that overlap it, but those that saw the same place know its borders too: the corners that stay
are the mean of all boxes that overlap the best one well, weighted by score (box voting; Gidaris and Komodakis, ICCV
2015). On val that raised AP at IoU 0.4 more than 100 further minutes of training (docs/explanation/training-log.md).
Training and serving both call this.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lungspot.findings import iou_matrix

__all__ = ["FLOOR", "most_likely", "nms_with_voting"]

FLOOR = 1e-3  # raw scores below neither count nor vote
_CANDIDATES = 100  # boxes that count and vote, best first

Array = NDArray[np.float64]


def most_likely(scores: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return which of the (P,) raw scores of one label count and vote, best first: at most 100, none near 0."""
    above = np.flatnonzero(scores > FLOOR)  # a few of thousands: sorting all would take longer than the rest
    return above[np.argsort(-scores[above], kind="stable")[:_CANDIDATES]]


def nms_with_voting(  # noqa: PLR0913 - what counts, what votes, what stays
    corners: NDArray[np.floating],
    scores: NDArray[np.floating],
    nms_iou: float,
    vote_iou: float,
    *,
    least: float = 0.0,
    most: int = 50,
) -> tuple[Array, NDArray[np.int64]]:
    """Return the boxes that stay, (K, 4), best first, and which of the given ones they were, (K,).

    ``corners``: (P, 4), x0 y0 x1 y1 in one frame; ``scores``: (P,) raw scores of one label. A box loses to a better one
    that it overlaps by more than ``nms_iou``; boxes that overlap the winner by at least ``vote_iou`` vote on its
    corners (1: it alone does). At most ``most`` stay, none with a score below ``least``; that changes no vote.
    """
    order = most_likely(scores)
    pool = corners[order].astype(np.float64)
    solid = (pool[:, 2:] > pool[:, :2]).all(axis=1)
    order, pool = order[solid], pool[solid]
    weight = scores[order].astype(np.float64)
    free = weight >= least
    overlaps = iou_matrix(pool, pool)
    kept: list[int] = []
    found: list[Array] = []
    for index, overlap in enumerate(overlaps):
        if not free[index]:
            continue
        voters = overlap >= vote_iou
        voters[index] = True
        kept.append(index)
        found.append(weight[voters] @ pool[voters] / weight[voters].sum())
        free &= overlap <= nms_iou
        if len(kept) == most:
            break
    return np.array(found, dtype=np.float64).reshape(-1, 4), order[kept]
