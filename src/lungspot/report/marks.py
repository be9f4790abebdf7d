"""What is drawn on a film, whatever draws it: one frame and one label a place, and which side is which."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lungspot.findings import Box, name_of
from lungspot.report.analysis import Analysis
from lungspot.report.statement import Name, Said, Statement, label_of
from lungspot.report.style import color_of
from lungspot.report.words import NOT_TOLD_APART

__all__ = ["MOST_BELOW", "PlaceMark", "edge_letters", "marks_of"]

_LONGEST: Final = 48  # letters of a line
MOST_BELOW: Final = 40  # places below their thresholds that are drawn, best first


@dataclass(frozen=True, slots=True)
class PlaceMark:
    """One place as it is drawn: its number, its frame in pixels of the film, the colour, the lines of its label.

    ``lines``: a line a group of names; of look-alikes the group's name first. ``solid``: it reaches its threshold.
    """

    place: int
    box: Box
    color: str
    lines: tuple[str, ...]
    solid: bool


def marks_of(told: Statement) -> tuple[PlaceMark, ...]:
    """Return the marks of a film, in the order of what is said."""
    below = [each for each in told.below if each.box is not None][:MOST_BELOW]
    return tuple(mark for said in (*told.said, *below) if (mark := _mark(said)) is not None)


def edge_letters(result: Analysis) -> dict[str, str]:
    """Return by edge of the picture (``left``, ``right``, ``top``, ``bottom``) the side of the patient there, L or R.

    Empty where it is not known, also where the film was turned for reading and its file says otherwise.
    """
    return {} if result.left_side is None else result.radiograph.orientation.letters


def _mark(said: Said) -> PlaceMark | None:
    if said.box is None or said.place is None:
        return None
    lines = tuple(line for group in said.groups for line in _lines(group))
    return PlaceMark(said.place, said.box, color_of(said.names[0].label), lines, said.positive)


def _lines(group: tuple[Name, ...]) -> Iterator[str]:
    """Yield the lines of names that look alike: the group's name, then the names; of one name, that."""
    if len(group) > 1:
        yield f"{name_of(label_of(group))}: {NOT_TOLD_APART}"
    line = ""
    for name in group:
        if line and len(line) + len(name.words) > _LONGEST:
            yield f"{line},"
            line = ""
        line = f"{line}, {name.words}" if line else name.words
    yield line
