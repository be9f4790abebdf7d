"""The table that WHO/TDR's toolkit for the local calibration of CAD asks for: what each threshold would mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from lungspot.adapt.tb.chance import Confusion, Estimate, confusion_of, estimate, ratio
from lungspot.adapt.tb.costs import Costs
from lungspot.adapt.tb.verification import Verification

__all__ = ["COST_MEASURES", "COUNTS", "MEASURES", "NotAssessed", "ThresholdRow", "screening_table"]

Floats = NDArray[np.float64]
NotAssessed = Literal["refer", "leave-out", "not-refer"]

# What a row counts, and what it measures; each in plain words.
COUNTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "tested": "people referred to the confirmatory test",
        "saved": "confirmatory tests saved against testing everybody",
        "tp": "people with the disease who are referred (true positives)",
        "fp": "people without it who are referred (false positives)",
        "tn": "people without it who are not referred (true negatives)",
        "fn": "cases missed: people with it who are not referred (false negatives)",
    }
)
MEASURES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "sensitivity": "of those with the disease, the share that is referred",
        "specificity": "of those without it, the share that is not",
        "ppv": "of those referred, the share that has it (positive predictive value)",
        "npv": "of those not referred, the share that does not have it (negative predictive value)",
        "missed": "cases missed in as many people",
        "yield_1000": "cases found a thousand people screened",
        "nns": "people to be screened for one case found (number needed to screen)",
        "tests_per_case": "confirmatory tests for one case found",
    }
)
COST_MEASURES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "cost": "cost in all",
        "cost_per_person": "cost a person screened",
        "cost_per_case": "cost a case found",
    }
)


@dataclass(frozen=True, slots=True)
class ThresholdRow:
    """What one threshold means: people who score at or above it are referred. Counts may be weighted, or not known."""

    threshold: float
    counts: Mapping[str, float | None]
    measures: Mapping[str, Estimate]


def screening_table(  # noqa: PLR0913 - what decides a table, by name
    score: Floats,
    reference: NDArray[np.int8],
    verification: Verification,
    thresholds: Floats,
    *,
    not_assessed: NotAssessed = "refer",
    costs: Costs | None = None,
    level: float = 95.0,
    seed: int = 0,
) -> list[ThresholdRow]:
    """Return one row a threshold for N people; shapes and codes as in :class:`~lungspot.adapt.tb.people.People`.

    ``not_assessed``: what becomes of people without a score: they are referred (and count among those tested), or not;
    ``leave-out`` must have left them out before. ``level``: per cent of the intervals. Equal arguments give equal rows.
    """
    count = len(thresholds)
    place = np.searchsorted(thresholds, score, side="right").astype(np.int64)  # NaN sorts behind all: it reaches all
    if not_assessed == "not-refer":
        place[np.isnan(score)] = 0
    cells = confusion_of(place, reference, verification, count, np.random.default_rng(seed))
    people = len(score)
    tested = people - np.cumsum(np.bincount(place, minlength=count + 1))[:count].astype(np.float64)
    measures = _measures(cells, tested, people, costs, level)
    rows = []
    for at, threshold in enumerate(thresholds.tolist()):
        counted = {
            "tested": tested[at],
            "saved": people - tested[at],
            "tp": cells.tp[at],
            "fp": cells.fp[at],
            "tn": cells.tn[at],
            "fn": cells.fn[at],
        }
        counts = {name: float(value) if np.isfinite(value) else None for name, value in counted.items()}
        rows.append(ThresholdRow(threshold, counts, {name: values[at] for name, values in measures.items()}))
    return rows


def _measures(
    cells: Confusion, tested: Floats, people: int, costs: Costs | None, level: float
) -> dict[str, list[Estimate]]:
    """Return every measure at every threshold."""
    exact = (cells.tp, cells.fp, cells.fn, cells.tn)
    tp, _, fn, _ = exact
    drawn = cells.drawn
    found = {}
    for name, (part, other) in {"sensitivity": (0, 2), "specificity": (3, 1), "ppv": (0, 1), "npv": (3, 2)}.items():
        found[name] = estimate(
            ratio(exact[part], exact[part] + exact[other]),
            ratio(drawn[part], drawn[part] + drawn[other]),
            level,
            least=_none(exact[part]),
            most=_none(exact[other]),
        )
    found["missed"] = estimate(fn, drawn[2], level, least=_none(fn))
    found["yield_1000"] = estimate(tp * 1000 / people, drawn[0] * 1000 / people, level, least=_none(tp))
    tests = drawn[0] + drawn[1]
    found["nns"] = estimate(ratio(np.full_like(tp, people), tp), ratio(np.full_like(tests, people), drawn[0]), level)
    found["tests_per_case"] = estimate(ratio(tested, tp), ratio(tests, drawn[0]), level)
    if costs is not None:
        cost = costs.of_triage(people, tested)
        found["cost"] = [Estimate(value) for value in cost.tolist()]
        found["cost_per_person"] = [Estimate(value / people) for value in cost.tolist()]
        found["cost_per_case"] = estimate(ratio(cost, tp), ratio(costs.of_triage(people, tests), drawn[0]), level)
    return found


def _none(share: Floats) -> Sequence[bool]:
    return [bool(value <= 0) for value in share.tolist()]
