"""Heart and lungs as they are shown on request: only where they lie as in a chest, the lungs by the patient's sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lungspot.findings import Box, Side, enclosing
from lungspot.report.analysis import Analysis

__all__ = ["ORGAN_COLOR", "OrganMark", "organ_marks", "ratio_points"]

ORGAN_COLOR: Final = "#b8f0ff"  # no label's: what is shown is no finding
_CHEST_LEVEL: Final = 0.8  # of the lungs' height, from their top, where the chest is widest on most films


@dataclass(frozen=True, slots=True)
class OrganMark:
    """The heart or a lung (``organ``: ``heart``, ``lung``) and its box in pixels of the film as its file stores it.

    ``side``: the lung's, the patient's; None where sides are not said.
    """

    organ: str
    box: Box
    side: Side | None = None

    @property
    def name(self) -> str:
        """Return what it is called: ``heart``, ``left lung``, or ``lung`` where its side is not said."""
        return self.organ if self.side is None else f"{self.side} {self.organ}"


def organ_marks(result: Analysis) -> tuple[OrganMark, ...]:
    """Return heart and lungs of a film; nothing where they do not lie as in a chest, or the model knows none."""
    seen = result.anatomy
    if seen is None or not seen.plausible or seen.heart is None:
        return ()
    sided = ((seen.left_lung, Side.LEFT), (seen.right_lung, Side.RIGHT), *((lung, None) for lung in seen.unsided))
    return (
        OrganMark("heart", seen.heart),
        *(OrganMark("lung", lung, side) for lung, side in sided if lung is not None),
    )


def ratio_points(result: Analysis) -> Sequence[tuple[float, float]]:
    """Return the ends of the cardiothoracic ratio's two widths, the heart's and then the chest's; empty without."""
    organs = [mark.box for mark in organ_marks(result)]
    if not organs:
        return ()
    heart, chest = organs[0], enclosing(organs[1:])
    if result.quarter_turns % 2:  # the film lies on its side, and widths run from top to bottom
        middle, level = (heart.x0 + heart.x1) / 2, chest.x0 + _CHEST_LEVEL * chest.width
        return (middle, heart.y0), (middle, heart.y1), (level, chest.y0), (level, chest.y1)
    middle, level = (heart.y0 + heart.y1) / 2, chest.y0 + _CHEST_LEVEL * chest.height
    return (heart.x0, middle), (heart.x1, middle), (chest.x0, level), (chest.x1, level)
