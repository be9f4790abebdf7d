"""Do map and box speak of the same place? Three numbers a finding; where they are low, doubt the finding.

``energy_in_box``: the part of the map's activation that lies inside the box (1: all of it). ``peak_in_box``: whether
the map's highest point does (the pointing game). ``iou``: intersection over union of the box and the map's hottest
pixels, as many of them as the box has area, so that no threshold is chosen. A small box cannot reach much of the first
number, so ``area``, the box's part of the film, stands beside it: by chance energy_in_box would equal it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from lungspot.explain.cam import in_pixels
from lungspot.findings import Box, Frame

__all__ = ["Agreement", "agree", "agree_all"]

_GRID = 64  # cells each way on which both are compared; the box counts by the part of a cell it covers


@dataclass(frozen=True, slots=True)
class Agreement:
    """How one finding's box and its label's map agree; all but ``peak_in_box`` from 0 to 1."""

    energy_in_box: float
    peak_in_box: bool
    iou: float
    area: float

    def to_json(self) -> dict[str, float | bool]:
        """Return the numbers as JSON values."""
        return asdict(self)


def agree(heat: NDArray[np.float32], box: Box, frame: Frame) -> Agreement:
    """Return the agreement of a map, shape (h, w), over the whole of ``frame``, and a box in that frame."""
    return agree_all(heat, [box], frame)[0]


def agree_all(heat: NDArray[np.float32], boxes: Sequence[Box], frame: Frame) -> list[Agreement]:
    """Return the agreement of one map with each of several boxes, the map being brought to the grid once."""
    grid = Frame(_GRID, _GRID)
    fine = in_pixels(heat, grid).astype(np.float64)
    hot_rows, hot_columns = np.divmod(_hottest_first(fine.reshape(-1)), _GRID)
    total = float(fine.sum())
    found = []
    for box in boxes:
        moved = box.move(frame, grid)
        down, across = _cover(moved.y0, moved.y1), _cover(moved.x0, moved.x1)
        size = float(down.sum() * across.sum())  # in cells
        count = max(round(size), 1)
        overlap = float(down[hot_rows[:count]] @ across[hot_columns[:count]])
        found.append(
            Agreement(
                energy_in_box=min(float(down @ fine @ across) / total, 1.0) if total > 0 else 0.0,
                peak_in_box=bool(total > 0 and down[hot_rows[0]] * across[hot_columns[0]] >= 0.5),
                iou=overlap / (count + size - overlap) if total > 0 else 0.0,
                area=size / fine.size,
            )
        )
    return found


def _hottest_first(cells: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the numbers of all cells; cells of one value, as the many of value 0, in the order of their numbers."""
    lit = np.flatnonzero(cells > 0)
    return np.concatenate((lit[np.argsort(-cells[lit], kind="stable")], np.flatnonzero(cells <= 0)))


def _cover(low: float, high: float) -> NDArray[np.float64]:
    """Return how much of each row (or column) of the grid lies between two heights (or breadths), 0 to 1."""
    cells = np.arange(_GRID)
    return np.asarray(np.clip(np.minimum(cells + 1, high) - np.maximum(cells, low), 0, 1), dtype=np.float64)
