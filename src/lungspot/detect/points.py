"""Operating points: which threshold a finding is held to, whether it reaches it, and what a film then shows.

Written once, here: a decoded film, a served one that is looked at again, and every form of a result agree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final

from lungspot.detect.card import OPERATING_POINTS, ModelCard
from lungspot.findings import Finding, Reading, State

__all__ = ["at_point", "floor_of", "in_order", "limit_of", "reaches", "states_of"]

_FLOOR: Final = 0.05  # no box below this is worth a page's while, unless a threshold lies lower


def floor_of(card: ModelCard) -> float:
    """Return the lowest score that a box is kept from: that of the lowest threshold, at most 0.05."""
    limits = [card.threshold(label, point).box for label in card.labels for point in OPERATING_POINTS]
    return min(_FLOOR, *limits)


def in_order(limits: Mapping[str, float], fixed: Collection[str] = ("balanced",)) -> dict[str, float]:
    """Return thresholds by operating point, in the points' order, each at or above the one before.

    Those of the ``fixed`` points stay where they are, and must themselves be in order; before one, others only fall,
    and after it they only rise: what a sensitive or a specific threshold promises holds all the more. Where none of the
    fixed points is there, a later point rises to an earlier one.
    """
    found = {point: limits[point] for point in OPERATING_POINTS if point in limits}
    points = tuple(found)
    kept = [point for point in points if point in fixed] or points[:1]
    for index, point in enumerate(points):
        if point in kept:
            for other in set(points[:index]) - {*kept}:
                found[other] = min(found[other], found[point])
            for other in set(points[index + 1 :]) - {*kept}:
                found[other] = max(found[other], found[point])
    return found


def limit_of(card: ModelCard, finding: Finding, point: str) -> float:
    """Return the threshold, 0 to 1, of a box, or of the whole film where the finding has none."""
    limits = card.threshold(finding.label, point)
    return limits.image if finding.box is None else limits.box


def reaches(card: ModelCard, finding: Finding, point: str) -> bool:
    """Say whether a finding's score is at or above its threshold; a finding without a score is not."""
    return (finding.score or 0.0) >= limit_of(card, finding, point)


def states_of(card: ModelCard, boxed: Iterable[Finding], whole: Iterable[Finding], point: str) -> dict[str, State]:
    """Return the state of each label of ``whole``, the findings about whole films, in their order.

    ``boxed`` where a box of the label is among those shown, ``present`` where only the film reaches its threshold,
    else ``absent``.
    """
    shown = {finding.label for finding in boxed}
    return {
        finding.label: State.BOXED
        if finding.label in shown
        else State.PRESENT
        if reaches(card, finding, point)
        else State.ABSENT
        for finding in whole
    }


def at_point(card: ModelCard, reading: Reading, point: str) -> tuple[Reading, tuple[bool, ...]]:
    """Return a model's reading as an operating point has it, and for each of its boxed findings whether it is shown.

    ``reading``: of a film that was decoded down to a score at or below the point's thresholds.
    """
    boxed = [finding for finding in reading.findings if finding.box is not None]
    whole = [finding for finding in reading.findings if finding.box is None]
    kept = tuple(reaches(card, finding, point) for finding in boxed)
    shown = [finding for finding, keep in zip(boxed, kept, strict=True) if keep]
    states = states_of(card, shown, whole, point)
    return replace(reading, findings=(*shown, *whole), states=states), kept
