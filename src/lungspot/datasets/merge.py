"""Unite the readings of one film that several datasets hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from lungspot.findings import Frame, Reading
from lungspot.formats import Case
from lungspot.images import Sex, View

__all__ = ["merge", "repeated_boxes"]


def merge(cases: Iterable[Case]) -> list[Case]:
    """Return one case a film, in the order in which films first come.

    Films are the same where id and patient are (an NIH film's case has the NIH name as id, whichever dataset it is of).
    Every reading is kept as it is, in the frame of the first case that has one: what a dataset did not look for stays
    not looked for. Facts of the first case that knows them count; put the film's own dataset (``nih``) first, for the
    official split is that of the first case alone: another set's is about its own part of the films.
    """
    films: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        films.setdefault((case.patient, case.id), []).append(case)
    return [group[0] if len(group) == 1 else _unite(group) for group in films.values()]


def repeated_boxes(cases: Iterable[Case], merged: Iterable[Case]) -> int:
    """Return how many boxes of ``cases`` are not in ``merged``: those that an equal reading of the same film holds."""
    return _boxes(cases) - _boxes(merged)


def _boxes(cases: Iterable[Case]) -> int:
    findings = (finding for case in cases for reading in case.readings for finding in reading.findings)
    return sum(finding.box is not None for finding in findings)


def _unite(group: list[Case]) -> Case:
    first = group[0]
    frame = next((case.frame for case in group if case.frame is not None), None)
    readings: list[Reading] = []
    for case in group:
        readings.extend(moved for reading in case.readings if (moved := _in_frame(reading, frame)) not in readings)
    return replace(
        first,
        readings=tuple(readings),
        frame=frame,
        image=next((case.image for case in group if case.image is not None), None),
        view=next((case.view for case in group if case.view is not View.UNKNOWN), View.UNKNOWN),
        age_years=next((case.age_years for case in group if case.age_years is not None), None),
        sex=next((case.sex for case in group if case.sex is not Sex.UNKNOWN), Sex.UNKNOWN),
    )


def _in_frame(reading: Reading, frame: Frame | None) -> Reading:
    return reading if frame is None or reading.frame is None else reading.to_frame(frame)
