"""What was done to a film before it could be read, and how to undo it for boxes and maps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungspot.errors import InputError
from lungspot.findings import Box, Frame, Reading

__all__ = ["Correction"]


@dataclass(frozen=True, slots=True)
class Correction:
    """Quarter turns against the clock that set the film upright (0 to 3), and whether its greys had to be swapped.

    *File* is the film as it is stored and displayed, *upright* the film as the network read it.
    """

    quarter_turns: int = 0
    invert: bool = False

    def __post_init__(self) -> None:
        """Refuse more turns than there are."""
        if self.quarter_turns not in {0, 1, 2, 3}:
            raise InputError("BAD_VALUE", None, f"{self.quarter_turns} quarter turns")

    def __bool__(self) -> bool:
        """Say whether anything is to be done."""
        return self.quarter_turns != 0 or self.invert

    def then(self, other: Correction) -> Correction:
        """Return both, one after the other, as one."""
        return Correction((self.quarter_turns + other.quarter_turns) % 4, self.invert != other.invert)

    def pixels(self, file: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (height, width) pixels of the file as upright pixels, 0 to 1, white dense."""
        upright = np.rot90(file, self.quarter_turns)
        return np.ascontiguousarray(1 - upright if self.invert else upright, dtype=np.float32)

    def frame(self, upright: Frame) -> Frame:
        """Return the file's frame for the upright one."""
        return Frame(upright.height, upright.width) if self.quarter_turns % 2 else upright

    def box(self, box: Box, upright: Frame) -> Box:
        """Return a box of the ``upright`` frame in the file's frame."""
        for _ in range(self.quarter_turns):
            # One turn against the clock took the file's (x, y) to (y, file's width - x).
            box = Box(upright.height - box.y1, box.x0, upright.height - box.y0, box.x1)
            upright = Frame(upright.height, upright.width)
        return box

    def maps(self, maps: NDArray[Any]) -> NDArray[Any]:
        """Return maps, shape (…, h, w) over the upright film, as they lie over the file."""
        return np.rot90(maps, -self.quarter_turns, axes=(-2, -1))

    def reading(self, reading: Reading) -> Reading:
        """Return a reading of the upright film with its boxes in the file's frame; sides and zones stay true."""
        if self.quarter_turns == 0 or reading.frame is None:
            return reading
        upright = reading.frame
        findings = tuple(
            finding if finding.box is None else replace(finding, box=self.box(finding.box, upright))
            for finding in reading.findings
        )
        return replace(reading, findings=findings, frame=self.frame(upright))
