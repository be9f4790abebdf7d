"""Before a study: how many people to screen and to confirm, for a sensitivity and specificity known well enough.

Sensitivity is the one that decides: few people have the disease. Where people below the triage threshold are confirmed
only in part (a share f of them, at random), the variance of the sensitivity S grows by 1 + S (1 - q) (1 - f) / f, with
q the share of them who have the disease: the two-phase variance of the weighted estimate that
:mod:`lungspot.adapt.tb.table` makes. The same holds for the specificity C with 1 + C q (1 - f) / f.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

from lungspot.errors import InputError

__all__ = ["Plan", "StudyAim", "plan_study"]

_MOST: Final = 100_000_000


@dataclass(frozen=True, slots=True)
class StudyAim:
    """What is expected and wanted: shares from 0 to 1, ``level`` in per cent.

    ``half_width``: how far the limits of the sensitivity may lie from it on the average side; the same of the
    specificity. ``not_assessed``: share of films that give no score. ``design_effect``: by how much people of one place
    being alike widens everything (1: not at all).
    """

    sensitivity: float = 0.90
    specificity: float = 0.70
    prevalence: float = 0.01
    half_width: float = 0.05
    level: float = 95.0
    not_assessed: float = 0.02
    design_effect: float = 1.0

    def __post_init__(self) -> None:
        """Refuse shares that are none (``BAD_VALUE``)."""
        inside = {
            "sensitivity": self.sensitivity,
            "specificity": self.specificity,
            "prevalence": self.prevalence,
            "half width": self.half_width,
            "share without a score": self.not_assessed,
        }
        for name, value in inside.items():
            if not (0 < value < 1 or (name == "share without a score" and value == 0)):
                raise InputError("BAD_VALUE", name, f"{value}: a share between 0 and 1 is wanted")
        if not (50 <= self.level < 100 and self.design_effect >= 1 and math.isfinite(self.design_effect)):
            raise InputError("BAD_VALUE", None, f"{self.level} per cent, a design effect of {self.design_effect}")


@dataclass(frozen=True, slots=True)
class Plan:
    """One design: people to screen, confirmatory tests, and how many cases and missed cases that is expected to show.

    ``confirmed_below``: the share of people below the threshold who are confirmed. ``decided_by``: which of the two,
    sensitivity or specificity, needs so many.
    """

    confirmed_below: float
    people: int
    tests: int
    cases: float
    cases_below_confirmed: float
    decided_by: str


def plan_study(aim: StudyAim, confirmed_below: Sequence[float] = (1.0, 0.5, 0.25, 0.1, 0.05)) -> list[Plan]:
    """Return a plan for each share of people below the threshold who are confirmed.

    Raises InputError ``BAD_VALUE`` for a share that is none, or an aim that no study of 100 million reaches.
    """
    if wrong := [share for share in confirmed_below if not 0 < share <= 1]:
        raise InputError("BAD_VALUE", "share confirmed", f"{wrong[0]}: above 0, at most 1")
    return [_plan(aim, share) for share in confirmed_below]


def _plan(aim: StudyAim, confirmed: float) -> Plan:
    sick, well = aim.prevalence, 1 - aim.prevalence
    missed, cleared = sick * (1 - aim.sensitivity), well * aim.specificity
    below = missed + cleared
    case_below = missed / below
    unseen = (1 - confirmed) / confirmed
    growth = {
        "sensitivity": 1 + aim.sensitivity * (1 - case_below) * unseen,
        "specificity": 1 + aim.specificity * case_below * unseen,
    }
    needed = {
        name: _least(share, aim.half_width, aim.level) * growth[name] / of
        for name, share, of in (("sensitivity", aim.sensitivity, sick), ("specificity", aim.specificity, well))
    }
    decided = max(needed, key=lambda name: needed[name])
    assessed = needed[decided] * aim.design_effect
    people = math.ceil(round(assessed / (1 - aim.not_assessed), 6))
    if people > _MOST:
        raise InputError(
            "BAD_VALUE", "half width", f"{people} people would be needed", advice="ask for a wider interval"
        )
    with_score = people * (1 - aim.not_assessed)
    tests = with_score * (1 - below + confirmed * below) + people * aim.not_assessed
    return Plan(confirmed, people, math.ceil(round(tests, 6)), people * sick, with_score * missed * confirmed, decided)


def _least(share: float, half_width: float, level: float) -> int:
    """Return the fewest people of whom Wilson's interval around ``share`` has limits ``half_width`` apart from it.

    On the mean of both sides; from the closed form of its width.
    """
    z = NormalDist().inv_cdf(0.5 + level / 200)

    def half(n: float) -> float:
        return z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))

    low, high = 1, 1
    while half(high) > half_width:
        high *= 2
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if half(middle) <= half_width else (middle + 1, high)
    return low
