"""How a threshold does on a site's films, with intervals over people; and how many more films would say it better."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungspot.adapt.proportion import by_person, clopper_pearson, rate_by_person
from lungspot.adapt.site.goals import Goal, GoalKind
from lungspot.adapt.site.sample import Level, Sample
from lungspot.evaluate import Value

__all__ = ["Performance", "performance_at", "performance_of_choice", "predictive", "targets_needed"]

_MOST: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Performance:
    """What a threshold does on the films: shares from 0 to 1, or false boxes a film, each with its interval."""

    sensitivity: Value
    specificity: Value | None
    false_per_film: Value | None

    def to_json(self) -> dict[str, Any]:
        """Return JSON values; what there is not is left out."""
        named = {name: getattr(self, name) for name in ("sensitivity", "specificity", "false_per_film")}
        return {name: each.to_json() for name, each in named.items() if each is not None}


def performance_at(sample: Sample, threshold: float, ci: float) -> Performance:
    """Return how a threshold, on the scale of the scores, does on all films; ``ci``: per cent of the intervals."""
    called, false = sample.target >= threshold, sample.false >= threshold
    sensitivity = _value(called, sample.target_person, ci)
    if sample.level is Level.FILM:
        return Performance(sensitivity, _value(~false, sample.false_person, ci), None)
    films = len(sample.film_person)
    rate = int(false.sum()) / films if films else math.nan
    spread = rate_by_person(sample.false_person[false], sample.film_person, ci) if films else None
    return Performance(sensitivity, None, Value(rate, spread))


def performance_of_choice(sample: Sample, goal: Goal, threshold: float, ci: float) -> Performance:
    """Return :func:`performance_at` of the threshold that was chosen for a goal on the same films.

    A goal of sensitivity, specificity or false positives chooses by the targets, or by the false calls, alone; the
    exact interval of an order statistic is Clopper and Pearson's (Wilks 1941), so that choosing costs nothing. A cost
    is weighed on both, and fits its own films a little too well: its intervals are taken at half the error.
    """
    return performance_at(sample, threshold, (100 + ci) / 2 if goal.kind is GoalKind.COST else ci)


def predictive(measured: Performance, wider: Performance, prevalence: float) -> dict[str, Value]:
    """Return positive and negative predictive value and calls a film, at a prevalence.

    ``wider``: the same with intervals of half the error. An end of an interval here is where both sensitivity and
    specificity are at an end of theirs, so that half the error on each makes at most the whole.
    """
    if measured.specificity is None or wider.specificity is None:
        return {}

    def each(sensitivity: float, specificity: float) -> tuple[float, float, float]:
        true, false = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
        passed, missed = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
        return _share(true, false), _share(passed, missed), true + false

    (low, high), (worst, best) = _ends(wider.sensitivity), _ends(wider.specificity)
    ppv, npv, calls = each(measured.sensitivity.value, measured.specificity.value)
    return {
        "ppv": Value(ppv, (each(low, worst)[0], each(high, best)[0])),
        "npv": Value(npv, (each(low, worst)[1], each(high, best)[1])),
        "calls_per_film": Value(calls, (each(low, best)[2], each(high, worst)[2])),
    }


def targets_needed(share: float, width: float, ci: float) -> int:
    """Return how many people make the exact interval about a ``share`` as narrow as ``width``; ``ci``: per cent."""
    low, high = 1, 2
    while _width(share, high, ci) > width and high < _MOST:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _width(share, middle, ci) <= width else (middle, high)
    return high


def _width(share: float, of: int, ci: float) -> float:
    low, high = clopper_pearson(share * of, of, ci)
    return float(high - low)


def _value(hit: NDArray[np.bool_], person: NDArray[np.int64], ci: float) -> Value:
    return Value(float(hit.mean()), by_person(hit, person, ci)) if len(hit) else Value(math.nan)


def _ends(value: Value) -> tuple[float, float]:
    return (0.0, 1.0) if value.interval is None else value.interval


def _share(some: float, others: float) -> float:
    return some / (some + others) if some + others > 0 else math.nan
