"""What a reader of a programme's numbers must know beside them: short sentences, only those that hold here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungspot.adapt.tb.bands import Division

__all__ = ["percent", "remarks", "screening_short"]

_FEW_CASES: Final = 50
_KEPT: Final = {
    "yes": "kept",
    "perhaps": "kept, but not by the whole intervals",
    "no": "not kept",
    "not known": "not known",
}
_FEW_CONFIRMED: Final = 30
_FEW_PEOPLE: Final = 20


def remarks(document: Mapping[str, Any], score: NDArray[np.float64], divisions: Mapping[str, Division]) -> list[str]:
    """Return the doubts about a summary; ``score`` (N,) and ``divisions`` are those that it was made from."""
    found = []
    cases = document["cases_confirmed"]
    if cases < _FEW_CASES:
        few = "1 case is" if cases == 1 else f"{cases} cases are"
        found.append(f"Only {few} confirmed: look at the intervals, not at the numbers alone.")
    found += _about_confirmation(document)
    if (without := document["without_score"]) > 0:
        what = {
            "refer": "they are referred, and count among the tests, at every threshold",
            "not-refer": "they are not referred at any threshold; cases among them are missed",
            "leave-out": "they were left out of everything here, which flatters a tool that fails on difficult films",
        }[document["settings"]["not_assessed"]]
        whole = document["people"] + (without if document["settings"]["not_assessed"] == "leave-out" else 0)
        found.append(f"Without a score: {without} of {whole} people; {what}.")
    if document["in_use"] is not None and document["in_use"]["why"] in {of["words"] for of in document["choices"]}:
        found.append(
            "The threshold was chosen on these very people, so that its numbers are a little too good: judge it on "
            "people who come after."
        )
    found += _two_scales(score, divisions)
    if any("below 15" in division.names for division in divisions.values()):
        found.append("Some people are younger than 15: WHO recommends CAD from 15 years on.")
    found.append(
        "The reference test is taken for the truth, and people for independent of one another: cases that the test "
        "misses are in no number here, and people of one place may be more alike than the intervals suppose."
    )
    return found


def _about_confirmation(document: Mapping[str, Any]) -> list[str]:
    of = document["verification"]
    if of["complete"]:
        return []
    words = (
        f"{document['confirmed']} of {document['people']} people are confirmed. Within each group below, the confirmed "
        "are taken for a random sample of it; where they were chosen otherwise (the sicker ones, say), the numbers are "
        "wrong."
    )
    found = [words]
    for group in of["groups"]:
        if not group["confirmed"]:
            found.append(
                f"Nobody of the group “{group['name']}” ({group['people']} people) is confirmed: how many cases are "
                "missed there is not known, and so neither is sensitivity. Confirm a random sample of them."
            )
        elif group["confirmed"] < min(_FEW_CONFIRMED, group["people"]):
            found.append(
                f"Of the group “{group['name']}” only {group['confirmed']} of {group['people']} people are confirmed."
            )
    return found


def _two_scales(score: NDArray[np.float64], divisions: Mapping[str, Division]) -> list[str]:
    """Return a doubt where one part's scores end at 1 and another's go far beyond."""
    for name, division in divisions.items():
        highest = {}
        for code, part in enumerate(division.names):
            mine = score[(division.member == code) & np.isfinite(score)]
            if len(mine) >= _FEW_PEOPLE:
                highest[part] = float(mine.max())
        low = [part for part, most in highest.items() if most <= 1]
        high = [part for part, most in highest.items() if most > 10]
        if low and high:
            ends = [f"{part} {highest[part]:g}" for part in (low[0], high[0])]
            return [f"Are these scores of one scale? By {name}, the highest are: {', '.join(ends)}."]
    return []


def screening_short(document: Mapping[str, Any]) -> list[str]:
    """Return what the threshold in use means, in a few sentences for a programme officer."""
    used = document["in_use"]
    if used is None:
        return ["No threshold can be suggested from these people; see the remarks."]
    row = document["thresholds"][used["row"]]
    people, tested = document["people"], row["tested"]
    referred = (
        f"Of {people:,} people screened, {tested:,} ({percent(tested / people)}) would have the confirmatory test; "
        f"{row['saved']:,} tests are saved against testing everybody."
    )
    lines = [f"Threshold {used['threshold']:g} ({used['why']}).", referred]
    if row["tp"] is not None and row["fn"] is not None:
        lines.append(
            f"{_count(row['tp'])} of {_count(row['tp'] + row['fn'])} people with the disease would be found "
            f"(sensitivity {with_interval(row['sensitivity'])}), and {_count(row['fn'])} missed{_range(row['missed'])}."
        )
    if row["specificity"]["value"] is not None:
        lines.append(f"Specificity {with_interval(row['specificity'])}.")
    if row["ppv"]["value"] is not None and row["tp"]:
        lines.append(
            f"Of those tested {with_interval(row['ppv'])} have the disease: {row['tests_per_case']['value']:.1f} tests "
            f"for one case found, and {row['nns']['value']:.0f} people screened."
        )
    for target in document["targets"]:
        asked = [
            f"{name} {percent(target[name])}" for name in ("sensitivity", "specificity") if target[name] is not None
        ]
        if asked:
            lines.append(f"{target['name']} ({' and '.join(asked)} at least): {_KEPT[target['in_use']]}.")
    everybody = document["testing_everybody"]
    if (costs := document["settings"]["costs"]) is not None and row.get("cost_per_case", {}).get("value") is not None:
        lines.append(
            f"Cost: {row['cost_per_person']['value']:.2f} {costs['currency']} a person and "
            f"{row['cost_per_case']['value']:.2f} a case found; testing everybody without films: "
            f"{everybody['cost_per_person']:.2f} a person"
            + (f" and {everybody['cost_per_case']:.2f} a case." if everybody["cost_per_case"] else ".")
        )
    return lines


def percent(share: float) -> str:
    """Return a share as per cent."""
    return f"{100 * share:.1f} %"


def with_interval(cell: Mapping[str, Any]) -> str:
    """Return a share with its interval."""
    if cell["value"] is None:
        return "not known"
    between = (
        "" if cell["interval"] is None else " ({:.1f} to {:.1f})".format(*(100 * each for each in cell["interval"]))
    )
    return percent(cell["value"]) + between


def _range(cell: Mapping[str, Any]) -> str:
    return "" if cell["interval"] is None else " ({} to {})".format(*map(_count, cell["interval"]))


def _count(value: float) -> str:
    """Return a number of people: whole, or where it is weighted and small, to one digit."""
    return f"{value:,.0f}" if abs(value - round(value)) < 0.05 or value >= 10 else f"{value:,.1f}"
