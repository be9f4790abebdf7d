"""Two or more readers of a film: how far they agree, since when, and about which films somebody must decide.

Boxes are compared by :func:`~lungspot.datasets.reader_agreement`; here is what is said of whole films (kappa), the list
to adjudicate, and both over time, by the day on which the last of a film's readings was made. Readers are people:
labels that a set mined from reports, or lists, are no opinion of this film (:func:`lungspot.datasets.of_people`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from lungspot.datasets.agreement import reader_agreement
from lungspot.datasets.truth import of_people
from lungspot.errors import InputError
from lungspot.findings import Box, Reading, State, majority
from lungspot.formats import Case
from lungspot.outputs import escape_formula

__all__ = [
    "PERIODS",
    "Dispute",
    "LabelAgreement",
    "PeriodAgreement",
    "disputes",
    "disputes_csv",
    "label_agreement",
    "label_kappa",
    "over_time",
]

PERIODS: Final = ("week", "month", "year")  # over which the agreement of readers is followed


@dataclass(frozen=True, slots=True)
class Dispute:
    """A film about which its readers disagree.

    ``kind``: ``presence``, some say that ``label`` is there and some that it is not; ``place``, all say that it is, and
    some box where nobody else does. ``for_it``: who says that it is there; ``against``: who says that it is not or,
    where the place is disputed, whose box no other meets. ``settled``: the readers' majority decides.
    """

    dataset: str
    film: str
    label: str
    kind: str
    for_it: tuple[str, ...]
    against: tuple[str, ...]
    settled: bool


@dataclass(frozen=True, slots=True)
class LabelAgreement:
    """How readers agreed about one label: ``films`` that two or more judged, ``kappa`` of what they say of them.

    ``match``: the share of boxes that another reader's meets. None where there is nothing to count.
    """

    label: str
    films: int
    kappa: float | None
    match: float | None


@dataclass(frozen=True, slots=True)
class PeriodAgreement:
    """How readers agreed in one period, over all labels that somebody saw.

    ``period``: ``2026-W48``, ``2026-11``, ``2026`` or, where no reading says when it was made, ``undated``. ``films``:
    those with two readers or more. ``kappa``: of whole films, pooled over the labels. ``match``: the share of boxes
    that another reader's meets. None where there is nothing to count.
    """

    period: str
    films: int
    kappa: float | None
    match: float | None


def label_kappa(cases: Iterable[Case], label: str | None = None) -> tuple[int, float | None]:
    """Return on how many films two readers or more judged a label, and Fleiss' kappa of what they say of them.

    ``label`` None: all labels that anybody found on any of these films, pooled; a film counts once for each. A label is
    there (``boxed`` or ``present``) or not (``absent``); who did not look for it does not count. Kappa is 1 where all
    agree, 0 where they agree as often as chance would have it; None where there is no film, or where everybody always
    says the same. (Fleiss, Measuring nominal scale agreement among many raters, Psychological Bulletin 1971; the number
    of readers may differ.)
    """
    cases = [of_people(case) for case in cases]
    asked = [label] if label is not None else list(dict.fromkeys(one for case in cases for one in _labels(case)))
    said = [votes for case in cases for one in asked if len(votes := _votes(case, one)) > 1]
    if not said:
        return 0, None
    share = sum(sum(votes) for votes in said) / sum(len(votes) for votes in said)
    expected = share**2 + (1 - share) ** 2
    observed = sum(_equal_pairs(votes) for votes in said) / len(said)
    return len(said), None if expected == 1 else (observed - expected) / (1 - expected)


def label_agreement(cases: Iterable[Case], *, iou: float = 0.4) -> tuple[LabelAgreement, ...]:
    """Return how readers agreed about each label that two or more judged on a film, by label.

    ``iou``: from which overlap on boxes are of one place.
    """
    shared = [case for case in map(of_people, cases) if len(case.readings) > 1]
    boxes = {row.label: row.match for row in reader_agreement(shared, iou=iou)}
    rows = []
    for label in sorted({label for case in shared for reading in case.readings for label in reading.states}):
        films, kappa = label_kappa(shared, label)
        if films:
            rows.append(LabelAgreement(label, films, kappa, boxes.get(label)))
    return tuple(rows)


def disputes(cases: Iterable[Case], *, iou: float = 0.4) -> tuple[Dispute, ...]:
    """Return what readers of one film say differently: undecided ones first, then the films with most disputes.

    ``iou``: from which overlap on two boxes are of one place. Raises ``BAD_VALUE`` for one outside (0, 1].
    """
    if not 0 < iou <= 1:
        raise InputError("BAD_VALUE", None, f"an IoU threshold of {iou}, not above 0 and at most 1")
    found: dict[tuple[str, str], list[Dispute]] = {}
    for case in map(of_people, cases):
        for label in _labels(case):
            dispute = _dispute(case, label, iou)
            if dispute is not None:
                found.setdefault((case.dataset, case.id), []).append(dispute)
    every = [dispute for of_film in found.values() for dispute in of_film]
    open_ones = {key: sum(not dispute.settled for dispute in of_film) for key, of_film in found.items()}

    def order(dispute: Dispute) -> tuple[int, int, str, str, str]:
        key = (dispute.dataset, dispute.film)
        return -open_ones[key], -len(found[key]), *key, dispute.label

    return tuple(sorted(every, key=order))


def disputes_csv(found: Sequence[Dispute]) -> str:
    """Return disputes as a table; readers are joined by ``+``, as in a fused finding's source."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("dataset", "film", "label", "kind", "for", "against", "settled"))
    for each in found:
        sides = ("+".join(each.for_it), "+".join(each.against))
        row = (each.dataset, each.film, each.label, each.kind, *sides, "yes" if each.settled else "no")
        table.writerow(map(escape_formula, row))
    return text.getvalue()


def over_time(cases: Iterable[Case], *, by: str = "month", iou: float = 0.4) -> tuple[PeriodAgreement, ...]:
    """Return how readers agreed in each period, the first first; films whose readings say no time come last.

    ``by``: one of :data:`PERIODS`. Raises ``BAD_VALUE``.
    """
    if by not in PERIODS:
        raise InputError("BAD_VALUE", None, f"no period {by!r}", advice=f"use one of {', '.join(PERIODS)}")
    periods: dict[str, list[Case]] = {}
    for case in map(of_people, cases):
        if len(case.readings) > 1:
            periods.setdefault(_period(case, by), []).append(case)
    rows = []
    for period in sorted(periods, key=lambda name: (name == "undated", name)):
        inside = periods[period]
        boxes = [row for row in reader_agreement(inside, iou=iou) if row.match is not None]
        weight = sum(row.boxes for row in boxes)
        match = sum((row.match or 0.0) * row.boxes for row in boxes) / weight if weight else None
        rows.append(PeriodAgreement(period, len(inside), label_kappa(inside)[1], match))
    return tuple(rows)


def _labels(case: Case) -> list[str]:
    """Return the labels that any reader of the film found."""
    found = (one for reading in case.readings for one, state in reading.states.items() if state.is_positive)
    return list(dict.fromkeys(found))


def _votes(case: Case, label: str) -> list[bool]:
    """Return, of each reader who looked for a label, whether it is there."""
    states = (reading.state(label) for reading in case.readings)
    return [state.is_positive for state in states if state is not State.NOT_LOOKED_FOR]


def _equal_pairs(votes: Sequence[bool]) -> float:
    """Return the share of the pairs of readers who say the same."""
    number, yes = len(votes), sum(votes)
    return (yes * (yes - 1) + (number - yes) * (number - yes - 1)) / (number * (number - 1))


def _dispute(case: Case, label: str, iou: float) -> Dispute | None:
    looked = [reading for reading in case.readings if reading.state(label) is not State.NOT_LOOKED_FOR]
    there = [reading for reading in looked if reading.state(label).is_positive]
    if len(looked) < 2:
        return None
    agreed = majority(looked, iou=min(iou, 0.999)).state(label)
    if len(there) < len(looked):
        against = tuple(reading.reader for reading in looked if reading not in there)
        settled = agreed is not State.NOT_LOOKED_FOR
        return Dispute(case.dataset, case.id, label, "presence", _names(there), against, settled)
    drawn = [reading for reading in there if reading.boxes(label)]
    alone = [reading for reading in drawn if not _met(reading, drawn, label, iou)]
    if not alone or len(drawn) < 2:
        return None
    return Dispute(case.dataset, case.id, label, "place", _names(there), _names(alone), agreed is State.BOXED)


def _met(reading: Reading, drawn: Sequence[Reading], label: str, iou: float) -> bool:
    """Say whether each of a reader's boxes overlaps one of another reader's."""
    others: list[Box] = [box for other in drawn if other is not reading for box in other.boxes(label)]
    return all(any(box.iou(other) >= iou for other in others) for box in reading.boxes(label))


def _names(readings: Iterable[Reading]) -> tuple[str, ...]:
    return tuple(reading.reader for reading in readings)


def _period(case: Case, by: str) -> str:
    days = [day for reading in case.readings if (day := _day(reading.created)) is not None]
    if not days:
        return "undated"
    last = max(days)
    year, week, _ = last.isocalendar()
    return {"week": f"{year}-W{week:02d}", "month": f"{last:%Y-%m}", "year": f"{last:%Y}"}[by]


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else datetime.fromisoformat(text).date()
    except ValueError:
        return None
