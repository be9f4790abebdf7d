"""What is marked on a film and was not on an earlier one of the same person, and the other way round."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lungspot.findings import Side, taxonomy
from lungspot.report.observations import Observation

__all__ = ["Before", "Changes", "changes"]


@dataclass(frozen=True, slots=True)
class Before:
    """An earlier film of the person, to compare with: how many ``days`` earlier (None: not known), and what it shows.

    ``lines``: of its report (:func:`~lungspot.report.observations.observations`), or None where it cannot be compared:
    it was not assessed, or by another model.
    """

    days: int | None
    lines: tuple[Observation, ...] | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What stands on the newer film alone, on the older alone, and on both; each line as its own film has it."""

    new: tuple[Observation, ...]
    gone: tuple[Observation, ...]
    both: tuple[Observation, ...]


def changes(now: Iterable[Observation], before: Iterable[Observation]) -> Changes:
    """Compare the lines of two films' reports.

    Two lines speak of the same where their names are of one look-alike group and their sides may be the same: equal,
    or one of them not known, or one of the film as a whole. Size and probability are not compared: both hang on how the
    film was taken.
    """
    now, before = tuple(now), tuple(before)
    met = {id(line) for line in now if any(_same(line, other) for other in before)}
    return Changes(
        tuple(line for line in now if id(line) not in met),
        tuple(line for line in before if not any(_same(line, other) for other in now)),
        tuple(line for line in now if id(line) in met),
    )


def _same(one: Observation, other: Observation) -> bool:
    if taxonomy()[one.labels[0]].group != taxonomy()[other.labels[0]].group:
        return False
    return _may_be(one.side, other.side) and _may_be(one.picture_side, other.picture_side)


def _may_be(one: Side | None, other: Side | None) -> bool:
    return one is None or other is None or one == other or Side.BILATERAL in {one, other}
