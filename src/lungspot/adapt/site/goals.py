"""What a site wants of its thresholds, as it is typed, and which threshold on its films gives that."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungspot.adapt.site.risk import effective, fewest, on_average, risks, with_confidence
from lungspot.adapt.site.sample import Level, Sample
from lungspot.detect import OPERATING_POINTS
from lungspot.errors import DatasetError, InputError
from lungspot.findings import label_id, taxonomy

__all__ = ["DEFAULTS", "Goal", "GoalKind", "goals_of", "parse_goal", "parse_prevalence", "threshold_for"]

Array = NDArray[np.float64]

_COST_PEOPLE: Final = 10  # with fewer on either side a cost is not weighed


class GoalKind(StrEnum):
    """What is asked of a threshold."""

    SENSITIVITY = "sensitivity"  # this share of the targets is called
    SPECIFICITY = "specificity"  # this share of the films without the label is not called
    FALSE_POSITIVES = "fp"  # at most so many false boxes a film
    COST = "cost"  # least cost, where a miss costs so many times what a false call does


@dataclass(frozen=True, slots=True)
class Goal:
    """What a threshold is to reach: ``value`` is a share, boxes a film, or how many false calls a miss is worth.

    ``confidence``: per cent with which it must hold on the site's films to come; None: in the mean over such sites.
    """

    kind: GoalKind
    value: float
    confidence: float | None = None

    def __post_init__(self) -> None:
        """Refuse values that mean nothing (``BAD_VALUE``)."""
        share = self.kind in {GoalKind.SENSITIVITY, GoalKind.SPECIFICITY}
        if not math.isfinite(self.value) or self.value <= 0 or (share and self.value >= 1):
            raise InputError("BAD_VALUE", "--goal", f"{self.kind}={self.value:g}", advice=_SYNTAX)
        if self.confidence is not None and not (share and 50 <= self.confidence < 100):
            reason = f"{self}: a confidence is from 50 to 99.9, of a sensitivity or a specificity"
            raise InputError("BAD_VALUE", "--goal", reason, advice=_SYNTAX)

    def __str__(self) -> str:
        """Return it as it is typed: ``sensitivity=0.9@90``."""
        return f"{self.kind}={self.value:g}" + ("" if self.confidence is None else f"@{self.confidence:g}")


_SYNTAX: Final = "write LEVEL:POINT:WISH=VALUE, as film:balanced:sensitivity=0.9 or box:balanced:fp=0.25"
# What is asked where nothing else is: level → operating point → goal. False boxes of all labels add up on a film.
DEFAULTS: Final[Mapping[Level, Mapping[str, Goal]]] = {
    Level.FILM: {
        "sensitive": Goal(GoalKind.SENSITIVITY, 0.95),
        "balanced": Goal(GoalKind.SENSITIVITY, 0.9),
        "specific": Goal(GoalKind.SPECIFICITY, 0.95),
    },
    Level.BOX: {
        "sensitive": Goal(GoalKind.FALSE_POSITIVES, 0.25),
        "balanced": Goal(GoalKind.FALSE_POSITIVES, 0.05),
        "specific": Goal(GoalKind.FALSE_POSITIVES, 0.02),
    },
}

PlacedGoal = tuple[str | None, Level, str, Goal]


def parse_goal(text: str) -> PlacedGoal:
    """Return label (None: all), level, operating point and goal of ``[LABEL:]LEVEL:POINT:WISH=VALUE[@PER CENT]``.

    Raises ``BAD_VALUE`` or ``UNKNOWN_LABEL``.
    """
    *place, asked = text.strip().split(":")
    word, equals, number = asked.partition("=")
    value, at, confidence = number.partition("@")
    if len(place) not in {2, 3} or not equals:
        raise InputError("BAD_VALUE", "--goal", f"{text!r} is no goal", advice=_SYNTAX)
    level, point = place[-2:]
    if level not in set(Level) or point not in OPERATING_POINTS or word not in set(GoalKind):
        levels, points, wishes = (", ".join(words) for words in (Level, OPERATING_POINTS, GoalKind))
        reason = f"{text!r}: a level is one of {levels}; a point of {points}; a wish of {wishes}"
        raise InputError("BAD_VALUE", "--goal", reason, advice=_SYNTAX)
    label = place[0] if len(place) == 3 else None
    if label is not None and (known := taxonomy().named(label)) is None:
        raise InputError("UNKNOWN_LABEL", "--goal", f"no label is called {label!r}")
    if (word, level) in {(GoalKind.FALSE_POSITIVES, Level.FILM), (GoalKind.SPECIFICITY, Level.BOX)}:
        reason = f"{text!r}: films have a specificity and boxes false positives (fp), not the other way round"
        raise InputError("BAD_VALUE", "--goal", reason, advice=_SYNTAX)
    try:
        goal = Goal(GoalKind(word), float(value), float(confidence) if at else None)
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError("BAD_VALUE", "--goal", f"{text!r}: not a number", advice=_SYNTAX) from error
    return (known.id if label is not None and known is not None else None), Level(level), point, goal


def parse_prevalence(text: str) -> tuple[str, float]:
    """Return a label's id and its share of the films to come, between 0 and 1, of ``LABEL=SHARE``.

    Raises ``BAD_VALUE`` or ``UNKNOWN_LABEL``.
    """
    name, equals, number = text.rpartition("=")
    try:
        share = float(number)
    except ValueError:
        share = 0.0
    if not equals or not 0 < share < 1:
        raise InputError("BAD_VALUE", "--prevalence", f"{text!r}", advice="write tuberculosis=0.02")
    return label_id(name), share


def goals_of(label: str, level: Level, given: Iterable[PlacedGoal]) -> dict[str, Goal]:
    """Return by operating point what is asked of a label at a level: its own goals, else those of every label."""
    found = dict(DEFAULTS[level])
    for name in (None, label):
        found |= {point: goal for of, at, point, goal in given if at is level and of == name}
    return found


def threshold_for(sample: Sample, goal: Goal, prevalence: float | None = None) -> float:
    """Return the threshold, on the scale of the scores, that meets a goal: the highest, or of false calls the lowest.

    ``prevalence``: of targets among people, for a cost; that of the sample where None. A threshold of infinity calls
    nothing. Raises ``TOO_FEW`` where so few people can promise nothing, and ``NOT_REACHED`` where no threshold does it.
    """
    if goal.kind is GoalKind.COST:
        return _least_cost(sample, goal, prevalence)
    if goal.kind is GoalKind.SENSITIVITY:
        steps = _kept(sample.target, sample.target_person, goal, "with a film that shows it")
        if not np.isfinite(steps):
            missed = float(np.mean(sample.target == -np.inf))
            reason = f"no threshold gives {goal}: {100 * missed:.0f} % of the boxes are not found at any score"
            raise DatasetError("NOT_REACHED", None, reason)
        return steps
    if goal.kind is GoalKind.SPECIFICITY:
        most = -_kept(-sample.false, sample.false_person, goal, "with a film without it")
        return _above(sample, most)
    films = len(sample.film_person)
    allowed = math.floor(goal.value * films + 1e-9) - 1  # one more may come: the mean of what is drawn anew
    if allowed < 0:
        raise _too_few(goal, films, math.ceil(1 / goal.value), "films whose false boxes are known")
    ranked = -np.sort(-sample.false)
    if len(ranked) <= allowed:  # even the lowest score that there is brings no more
        return float(min(sample.floor, sample.target[np.isfinite(sample.target)].min(initial=np.inf)))
    return _above(sample, float(ranked[allowed]))


def _kept(score: Array, person: NDArray[np.int64], goal: Goal, who: str) -> float:
    """Return the highest step whose risk is small enough."""
    most = 1 - goal.value
    steps, risk = risks(score)
    people, least = effective(score, person, most), fewest(most, goal.confidence)
    if goal.confidence is None:
        good = on_average(risk, people, most)
    else:
        good = with_confidence(risk, people, most, goal.confidence)
    if not len(good) or not good[0]:
        raise _too_few(goal, math.floor(people), least, f"people {who}")
    return float(steps[np.flatnonzero(good)[-1]])


def _least_cost(sample: Sample, goal: Goal, prevalence: float | None) -> float:
    """Return the threshold of least cost a film: ``value`` for each miss, 1 for each false call."""
    with_target, without = sample.people
    if min(with_target, without) < _COST_PEOPLE:
        raise _too_few(goal, min(with_target, without), _COST_PEOPLE, "people with it, and people without,")
    steps = np.append(sample.scores, np.inf)
    missed = np.searchsorted(np.sort(sample.target), steps, side="left") / len(sample.target)
    called = len(sample.false) - np.searchsorted(np.sort(sample.false), steps, side="left")
    if sample.level is Level.FILM:
        films = len(sample.target) + len(sample.film_person)
        share = len(sample.target) / films if prevalence is None else prevalence
        cost = goal.value * share * missed + (1 - share) * called / len(sample.film_person)
    else:
        cost = (goal.value * len(sample.target) * missed + called) / len(sample.film_person)
    return float(steps[np.flatnonzero(cost <= cost.min() + 1e-12)[0]])  # of equals the one that misses least


def _above(sample: Sample, score: float) -> float:
    """Return the lowest score that there is above ``score``; infinity where there is none."""
    higher = sample.scores[sample.scores > score]
    return float(higher[0]) if len(higher) else math.inf


def _too_few(goal: Goal, have: int, need: int, who: str) -> DatasetError:
    reason = f"{goal} cannot be promised from {have} {who}: {need} are the fewest"
    return DatasetError("TOO_FEW", None, reason)
