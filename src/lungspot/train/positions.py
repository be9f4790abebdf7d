"""Where boxes of each label lie on the training films: what :mod:`lungspot.detect.positions` keeps boxes within."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungspot.detect import Positions, confine
from lungspot.findings import Box, Frame, taxonomy
from lungspot.train.data import FilmTruth

__all__ = ["least_inside", "positions"]

GRID: Final = 32
OWN, POOLED = 0.97, 0.95  # of the area of all boxes, that the cells must hold: the label's own, and all lung labels'
_FEW: Final = 50  # boxes of a label: with fewer it has no cells of its own
KEPT: Final = 0.99  # of the boxes that people drew on val, that must be kept
_SHARES: Final = tuple(round(0.5 + 0.05 * step, 2) for step in range(9))  # of a box's area, 0.5 to 0.9
_UNIT: Final = Frame(1000, 1000)  # boxes are compared in thousandths of the film
_LEAST: Final = 200  # boxes in all: with fewer nothing is known about lungs

Array = NDArray[np.float64]


def positions(films: Iterable[FilmTruth], labels: Sequence[str]) -> dict[str, Positions]:
    """Return for each label in the lungs the cells in which its boxes may lie; empty where too few boxes are known.

    The cells are the fewest that hold 97 % of the area of the label's own boxes, and those that hold 95 % of all lung
    labels' (each label counting alike), which are all that a label without boxes has. ``films``: those of train.
    """
    drawn: dict[str, list[NDArray[np.float32]]] = {label: [] for label in labels if taxonomy()[label].in_lungs}
    for film in films:
        for label, mine in drawn.items():
            mine.append(film.boxes[film.labels == labels.index(label)])
    covered = {label: _covered(np.concatenate(boxes)) for label, boxes in drawn.items() if any(map(len, boxes))}
    count = {label: sum(map(len, boxes)) for label, boxes in drawn.items()}
    if sum(count.values()) < _LEAST:
        return {}
    everywhere = _fewest(sum((each / each.sum() for each in covered.values()), np.zeros((GRID, GRID))), POOLED)
    return {
        label: Positions.of(everywhere | _fewest(covered[label], OWN) if count[label] >= _FEW else everywhere)
        for label in drawn
    }


def least_inside(
    films: Iterable[FilmTruth], labels: Sequence[str], cells: Mapping[str, Positions]
) -> tuple[float, dict[str, float]]:
    """Return how much of a box must lie in its label's ``cells``, and by share how many of people's boxes that keeps.

    The largest of the shares .5, .55 … .9 at which at least 99 % of the boxes of ``films``, those of val, are kept; .5
    where none does, or nobody drew one.
    """
    inside = []
    for film in films:
        for corners, column in zip(film.boxes, film.labels, strict=True):
            if (net := cells.get(labels[column])) is not None:
                box = Box(*(float(value) * _UNIT.width for value in corners))
                inside.append([confine(box, _UNIT, net, least=share) is not None for share in _SHARES])
    if not inside:
        return _SHARES[0], {}
    kept = {share: round(float(each), 4) for share, each in zip(_SHARES, np.mean(inside, axis=0), strict=True)}
    return max((share for share, each in kept.items() if each >= KEPT), default=_SHARES[0]), {
        f"{share:g}": each for share, each in kept.items()
    }


def _covered(boxes: NDArray[np.float32]) -> Array:
    """Return how often boxes, (N, 4) fractions of the film, cover each cell; a part of a cell counts in part."""
    low = np.arange(GRID) / GRID

    def cover(start: NDArray[np.float32], end: NDArray[np.float32]) -> Array:
        part = np.minimum(low + 1 / GRID, end[:, None]) - np.maximum(low, start[:, None])
        return np.asarray(np.clip(part * GRID, 0, None), dtype=np.float64)

    return cover(boxes[:, 1], boxes[:, 3]).T @ cover(boxes[:, 0], boxes[:, 2])


def _fewest(covered: Array, share: float) -> NDArray[np.bool_]:
    """Return the fewest cells that hold ``share`` of the sum of all."""
    falling = np.sort(covered, axis=None)[::-1]
    needed = int(np.searchsorted(np.cumsum(falling), share * falling.sum()))
    return np.asarray(covered >= falling[min(needed, len(falling) - 1)], dtype=np.bool_)
