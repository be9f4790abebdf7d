"""Which side of the patient lies at which edge of a film's picture, as the file says (docs/conventions.md, "Sides").

DICOM names two directions: where a row of pixels leads (from the left to the right edge) and where a column leads (from
the top to the bottom), each by the letters L, R (left, right), A, P (front, back), H, F (head, feet): PS3.3
C.7.6.1.1.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from lungspot.errors import InputError
from lungspot.findings import Side

__all__ = ["AXES", "UNKNOWN_ORIENTATION", "Orientation"]

_OPPOSITE: Final = {"L": "R", "R": "L", "A": "P", "P": "A", "H": "F", "F": "H"}
# The axis of each direction: left and right, front and back, head and feet.
AXES: Final = {"L": 0, "R": 0, "A": 1, "P": 1, "H": 2, "F": 2}
_SIDE: Final = {"L": Side.LEFT, "R": Side.RIGHT}


def _axis(letter: str | None) -> int | None:
    return None if letter is None else AXES[letter]


@dataclass(frozen=True, slots=True)
class Orientation:
    """What lies at the ``right`` edge of a picture, and at its ``bottom``: one of L, R, A, P, H, F; None: not known.

    An upright frontal film as people read it is ``Orientation("L", "F")``: the patient's left at the right edge.
    """

    right: str | None = None
    bottom: str | None = None

    def __post_init__(self) -> None:
        """Refuse (``BAD_VALUE``) letters that are no direction, and two of one axis."""
        if {self.right, self.bottom} - {None, *AXES} or (self.right and _axis(self.right) == _axis(self.bottom)):
            raise InputError("BAD_VALUE", None, f"an orientation {self.right}, {self.bottom}")

    @classmethod
    def of_words(cls, row: str, column: str) -> Self | None:
        """Return the orientation that two DICOM values mean, None for nonsense.

        Of several letters (``"FP"``) the first is the direction, the others refine it. An empty value is a direction
        that is not known.
        """
        for word in (row, column):
            axes = [AXES.get(letter) for letter in word]
            if None in axes or len(set(axes)) < len(axes):
                return None
        right, bottom = row[:1] or None, column[:1] or None
        return None if right and _axis(right) == _axis(bottom) else cls(right, bottom)

    def __bool__(self) -> bool:
        """Say whether any edge is known."""
        return self.right is not None or self.bottom is not None

    @property
    def left(self) -> str | None:
        """The letter of what lies at the left edge."""
        return None if self.right is None else _OPPOSITE[self.right]

    @property
    def top(self) -> str | None:
        """The letter of what lies at the top."""
        return None if self.bottom is None else _OPPOSITE[self.bottom]

    @property
    def left_side(self) -> Side | None:
        """The patient's side at the left edge of the picture; None where that is not known, or is no side."""
        return None if self.left is None else _SIDE.get(self.left)

    @property
    def right_side(self) -> Side | None:
        """The patient's side at the right edge of the picture; None where that is not known, or is no side."""
        return None if self.right is None else _SIDE.get(self.right)

    @property
    def letters(self) -> dict[str, str]:
        """By edge of the picture (``left``, ``right``, ``top``, ``bottom``) the side there, L or R, where it is one."""
        edges = {"left": self.left, "right": self.right, "top": self.top, "bottom": self.bottom}
        return {edge: letter for edge, letter in edges.items() if letter in _SIDE}

    @property
    def quarter_turns(self) -> int | None:
        """Quarter turns against the clock that bring the feet to the bottom; None where that is not known."""
        edges = {"bottom": self.bottom, "left": self.left, "top": self.top, "right": self.right}
        return next((turns for turns, edge in zip((0, 1, 2, 3), edges.values(), strict=True) if edge == "F"), None)

    @property
    def mirrored(self) -> bool | None:
        """Whether the picture, set upright, has the patient's left at its left edge; None where that is not known."""
        turns = self.quarter_turns
        side = None if turns is None else self.turned(turns).left_side
        return None if side is None else side is Side.LEFT

    def turned(self, quarter_turns: int) -> Orientation:
        """Return the orientation of the picture turned by so many quarter turns against the clock."""
        made = self
        for _ in range(quarter_turns % 4):  # right goes to the top, bottom to the right, left to the bottom
            made = Orientation(made.bottom, made.left)
        return made

    def upright_left_side(self, quarter_turns: int = 0) -> Side | None:
        """Return the patient's side at the left edge once the picture was turned upright; None where it is not known.

        ``quarter_turns``: against the clock, as many as it took. None also where the file contradicts that (it says
        that the feet are at another edge than the one that became the bottom): then it is not believed about sides.
        """
        upright = self.turned(quarter_turns)
        return upright.left_side if upright.bottom in {None, "F"} else None


UNKNOWN_ORIENTATION: Final = Orientation()  # of films that do not say where the patient's sides are
