"""The words that every form of a result shares: names, places, reasons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lungspot.detect import REASONS
from lungspot.errors import CODES
from lungspot.findings import Box, Frame, Organ, Side, Zone, taxonomy

__all__ = [
    "NOT_ASSESSED",
    "NOT_COMPARED_WITH",
    "NOT_TOLD_APART",
    "joined",
    "percent",
    "picture_side_of",
    "place_of",
    "refused_because",
    "why",
]

# What is said of a film that was not judged, in every form; never "normal".
NOT_ASSESSED: Final = "Not assessed"
# Why nothing is compared with an earlier film that was not judged.
NOT_COMPARED_WITH: Final = f"it is {NOT_ASSESSED.lower()}"
# What is said of labels that look alike (a ``group`` of the taxonomy) at one place.
NOT_TOLD_APART: Final = "cannot be told apart on a film"


def percent(probability: float) -> str:
    """Return a probability in whole percent; never 0 or 100, which nobody can be."""
    return "> 99 %" if probability > 0.994 else "< 1 %" if probability < 0.006 else f"{100 * probability:.0f} %"


def joined(words: Sequence[str], last: str) -> str:
    """Return ``a, b or c``; each word once."""
    each = list(dict.fromkeys(words))
    return f" {last} ".join(filter(None, (", ".join(each[:-1]), *each[-1:])))


def place_of(label: str, side: Side | None, zone: Zone | None = None, picture_side: Side | None = None) -> str:
    """Return where a finding is, in words: ``right lower zone``, ``left of the picture``; empty where nobody knows.

    ``side``: the patient's; ``picture_side``: the picture's, for films whose sides are not known.
    """
    words = f"{zone} zone" if zone else ""
    if Side.BILATERAL in {side, picture_side}:
        return ", ".join(filter(None, ("both sides", words)))
    if side is not None:
        lung = "lung" if taxonomy()[label].organ is Organ.LUNG else ""
        return f"{side} {words or lung}".strip()
    return ", ".join(filter(None, (f"{picture_side} of the picture" if picture_side else "", words)))


def picture_side_of(box: Box, frame: Frame) -> Side:
    """Return in which half of the picture a box lies; ``bilateral`` where it reaches far into both."""
    if box.x0 / frame.width < 0.35 and box.x1 / frame.width > 0.65:
        return Side.BILATERAL
    return Side.LEFT if box.center[0] < frame.width / 2 else Side.RIGHT


def why(code: str) -> str:
    """Return what a reason code says to a person."""
    return REASONS.get(code) or CODES.get(code) or code


def refused_because(reason: str) -> str:
    """Return the sentence of a film that was not assessed; ``reason`` is in words."""
    return f"{NOT_ASSESSED}: {reason}"
