"""Thresholds that a programme may want, each by a rule that is said; a person chooses among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from lungspot.adapt.tb.table import ThresholdRow
from lungspot.adapt.tb.targets import TargetProfile

__all__ = ["Meets", "ThresholdChoice", "choices", "meets"]

Meets = Literal["yes", "perhaps", "no", "not known"]


@dataclass(frozen=True, slots=True)
class ThresholdChoice:
    """``rule``: its name for programs; ``words``: for people; ``row``: its index in the table, None where none is."""

    rule: str
    words: str
    row: int | None


def choices(rows: Sequence[ThresholdRow], target: TargetProfile) -> list[ThresholdChoice]:
    """Return the thresholds that rules about a target's sensitivity and specificity lead to."""
    found = []
    if (least := target.sensitivity) is not None:
        share = f"{100 * least:g} %"
        found += [
            ThresholdChoice(
                "sensitivity",
                f"the highest threshold with a sensitivity of at least {share}",
                _last(rows, lambda row: _value(row, "sensitivity") >= least),
            ),
            ThresholdChoice(
                "sensitivity_assured",
                f"the highest threshold at which even the lower limit of the sensitivity is at least {share}",
                _last(rows, lambda row: _low(row, "sensitivity") >= least),
            ),
        ]
    if (wanted := target.specificity) is not None:
        found.append(
            ThresholdChoice(
                "specificity",
                f"the lowest threshold with a specificity of at least {100 * wanted:g} %",
                _first(rows, lambda row: _value(row, "specificity") >= wanted),
            )
        )
    best = max(
        (at for at in range(len(rows)) if _value(rows[at], "sensitivity") + _value(rows[at], "specificity") > 0),
        key=lambda at: (_value(rows[at], "sensitivity") + _value(rows[at], "specificity"), -at),
        default=None,
    )
    words = "the threshold with the largest sum of sensitivity and specificity (Youden 1950)"
    return [*found, ThresholdChoice("youden", words, best)]


def meets(row: ThresholdRow, target: TargetProfile) -> Meets:
    """Say whether a row keeps a target: ``yes`` if the whole intervals do, ``perhaps`` if the numbers themselves do."""
    asked = [
        (row.measures[name], least)
        for name, least in (("sensitivity", target.sensitivity), ("specificity", target.specificity))
        if least is not None
    ]
    if not asked or any(of.value is None for of, _ in asked):
        return "not known"
    if all((of.low if of.low is not None else of.value or 0) >= least for of, least in asked):
        return "yes"
    return "perhaps" if all((of.value or 0) >= least for of, least in asked) else "no"


def _value(row: ThresholdRow, name: str) -> float:
    value = row.measures[name].value
    return -1.0 if value is None else value


def _low(row: ThresholdRow, name: str) -> float:
    low = row.measures[name].low
    return -1.0 if low is None else low


def _last(rows: Sequence[ThresholdRow], holds: Callable[[ThresholdRow], bool]) -> int | None:
    return max((at for at, row in enumerate(rows) if holds(row)), default=None)


def _first(rows: Sequence[ThresholdRow], holds: Callable[[ThresholdRow], bool]) -> int | None:
    return min((at for at, row in enumerate(rows) if holds(row)), default=None)
