"""Where on a film a finding of the lungs can lie: no box is reported where no lung is.

While a network does not know where the lungs of a film are, the boxes that people drew on the training films say where
lungs lie on films in general: cells of a net over the upright film (:class:`Positions`, one a label, in the card). If
the lungs of the film itself are known, the box around both takes its place: lungs lie behind the heart, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from lungspot.errors import InputError
from lungspot.findings import Box, Frame, enclosing

__all__ = ["LEAST_INSIDE", "Positions", "confine"]

LEAST_INSIDE: Final = 0.5  # of a box's area that must lie where lungs are, where nothing else was chosen

_ROUNDING: Final = 1e-9

Cells = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Positions:
    """The cells of a ``grid`` x ``grid`` net over an upright film in which boxes of a label may lie.

    ``cells``: hexadecimal digits, the bits of the cells row by row from the top left, first bit highest; the last byte
    is filled up with zeros.
    """

    grid: int
    cells: str

    def __post_init__(self) -> None:
        """Refuse nets that are not whole, and those without a cell."""
        try:
            bits = bytes.fromhex(self.cells)
        except (TypeError, ValueError):
            bits = b""
        if not (1 <= self.grid <= 256) or len(bits) != (self.grid**2 + 7) // 8 or not any(bits):
            raise InputError("BAD_VALUE", "card", f"positions on a grid of {self.grid}, {len(bits)} bytes")

    @classmethod
    def of(cls, cells: Cells) -> Self:
        """Return the value of a square bool array, True where boxes may lie."""
        return cls(len(cells), np.packbits(cells).tobytes().hex())

    @property
    def array(self) -> Cells:
        """The cells, bool, shape (grid, grid), read-only."""
        return _cells(self.grid, self.cells)


def confine(
    box: Box,
    frame: Frame,
    positions: Positions | None,
    lungs: Sequence[Box] | None = None,
    *,
    least: float = LEAST_INSIDE,
) -> Box | None:
    """Return the part of a box that lies where lungs are, or None where too little of it does.

    ``box`` and ``lungs`` are in pixels of the upright film, ``frame`` is its size. ``lungs``: the boxes of the film's
    own lungs, of which the box around all counts; where they are None ``positions`` says where lungs are, and where
    that is None too the box stays as it is. What is cut off are the margins of the box beyond them. ``least``: of its
    area that must lie in the cells of ``positions``; of lungs that are known it is a half.
    """
    if lungs is not None:
        inside = _overlap(box, enclosing(lungs)) if lungs else None
        return inside if inside is not None and inside.area >= LEAST_INSIDE * box.area - _ROUNDING else None
    if positions is None:
        return box
    down, across = _cover(box, frame, positions.grid)
    weight = np.outer(down, across)
    cells = positions.array & (weight > 0)
    rows, columns = np.nonzero(cells)
    if float(weight[cells].sum() / max(weight.sum(), 1e-12)) < least - _ROUNDING or not len(rows):
        return None
    wide, high = frame.width / positions.grid, frame.height / positions.grid
    around = Box(
        float(columns.min() * wide),
        float(rows.min() * high),
        float((columns.max() + 1) * wide),
        float((rows.max() + 1) * high),
    )
    return _overlap(box, around)


def _cover(box: Box, frame: Frame, grid: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how much of each row and of each column of the net a box covers, in cells."""
    edges = np.arange(grid + 1)
    rows, columns = edges * frame.height / grid, edges * frame.width / grid
    down = np.clip(np.minimum(rows[1:], box.y1) - np.maximum(rows[:-1], box.y0), 0, None)
    across = np.clip(np.minimum(columns[1:], box.x1) - np.maximum(columns[:-1], box.x0), 0, None)
    return down * grid / frame.height, across * grid / frame.width


def _overlap(box: Box, other: Box) -> Box | None:
    x0, y0, x1, y1 = max(box.x0, other.x0), max(box.y0, other.y0), min(box.x1, other.x1), min(box.y1, other.y1)
    return Box(x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


@lru_cache(maxsize=64)
def _cells(grid: int, cells: str) -> Cells:
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(cells), dtype=np.uint8))[: grid * grid]
    found = bits.reshape(grid, grid).astype(np.bool_)
    found.flags.writeable = False
    return found
