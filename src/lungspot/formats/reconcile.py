"""From what a tool says of a film back to a case.

Each mark that still is where it was written stands for the exact finding of the case JSON, to the last bit; a mark that
moved or is new is the tool's; a mark that is gone is gone. So an untouched file gives back an equal case, and an edited
one gives the edit and nothing else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final

from lungspot.errors import DatasetError, InputError
from lungspot.findings import Box, Finding, Frame, Reading, State, taxonomy
from lungspot.formats.annotated_image import READER, AnnotatedImage, Mark, marks_of, said
from lungspot.formats.case import Case
from lungspot.formats.case_json import case_from_json

__all__ = ["Rounding", "case_of", "nearest", "patient_in"]

# How a format rounds a box of the shown frame; None where it cannot say the box.
Rounding = Callable[[Box, Frame | None], Box | None]

_PATIENT: Final = re.compile(r"patient\d+|p\d{8}")  # a folder of CheXpert, of MIMIC-CXR
_ROOTED: Final = re.compile(r"/|[A-Za-z]:|[a-z0-9]+:/")
_TOLERANCE: Final = 0.02  # shown pixels: CVAT writes two decimals, YOLO nine digits


def case_of(
    annotated: AnnotatedImage,
    folder: Path,
    film: Path | None = None,
    *,
    looked_for: Iterable[str] = (),
    rounding: Rounding = lambda box, _: box,
) -> Case:
    """Return the case of an annotated image; raises :class:`DatasetError` naming its place.

    ``folder``: the dataset's. ``film``: the image file, used where no case JSON is beside it. ``looked_for``:
    labels that the people who drew looked for on every film, so that no box means absent; in a foreign file nothing
    else but an outright statement makes a label absent.
    """
    try:
        if annotated.case_json is None:
            return _foreign(annotated, folder, film, tuple(looked_for))
        return _reconciled(annotated, case_from_json(annotated.case_json, folder), rounding)
    except InputError as error:
        raise DatasetError("DATASET_ROW", annotated.where, error.reason) from error


def nearest(mark: Mark, written: Sequence[Mark | None], taken: Iterable[int]) -> int | None:
    """Return which mark of ``written``, not ``taken``, is the same box of the same label, or None."""
    best, index = _TOLERANCE, None
    for number, other in enumerate(written):
        if other is None or number in taken or other.label != mark.label or mark.reader not in {None, other.reader}:
            continue
        distance = max(abs(a - b) for a, b in zip(mark.box.corners, other.box.corners, strict=True))
        if distance < best:
            best, index = distance, number
    return index


def _foreign(annotated: AnnotatedImage, folder: Path, film: Path | None, looked_for: tuple[str, ...]) -> Case:
    drew = (mark.reader or READER for mark in annotated.marks if not _is_prediction(mark))
    readers = list(dict.fromkeys([*annotated.readers, *annotated.normal, *drew])) or [READER]
    readings = []
    for reader in readers:
        findings = [
            Finding(mark.label, mark.box, mark.score, crowd=mark.crowd)
            for mark in annotated.marks
            if (mark.reader or READER) == reader and not _is_prediction(mark)
        ]
        found = dict.fromkeys((finding.label for finding in findings), State.BOXED)
        clear = {label.id: State.ABSENT for label in taxonomy()} if reader in annotated.normal and not findings else {}
        states = clear | dict.fromkeys(looked_for, State.ABSENT) | found | dict(annotated.states or {})
        when = annotated.created.get(reader)
        readings.append(Reading(reader, tuple(findings), states, annotated.size, created=when))
    facts = dict(annotated.facts)
    identifier = facts.pop("id", None) or _stem(annotated.film, folder, film)
    dataset = facts.pop("dataset", None) or folder.resolve().name
    patient = facts.pop("patient", None) or f"{dataset}_{patient_in(annotated.film) or identifier}"
    return Case(identifier, dataset, patient, tuple(readings), film, annotated.size, **facts)


def _is_prediction(mark: Mark) -> bool:
    """Say whether a mark is a named model's, which its tool keeps apart from what people drew: a proposal, no truth."""
    return mark.proposed and mark.reader is not None


def patient_in(path: str) -> str:
    """Return the patient that a film's path names, as CheXpert's and MIMIC-CXR's folders do; empty where none does."""
    parts = PurePosixPath(path.replace("\\", "/")).parts
    return next((part for part in parts[-2::-1] if _PATIENT.fullmatch(part)), "")


def _stem(name: str, folder: Path, film: Path | None) -> str:
    """Return a film's name without its suffix, folders kept: films of one stem in two folders are two films.

    A path or an address from the root is another machine's: of a film in the folder, its place there is the name.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    home = Path(os.path.normpath(folder))
    if film is not None and _ROOTED.match(str(path)) and film.is_relative_to(home):
        path = PurePosixPath(film.relative_to(home).as_posix())
    return str(path.with_suffix("") if path.name else path)


def _reconciled(annotated: AnnotatedImage, case: Case, rounding: Rounding) -> Case:
    written: list[Mark | None] = []
    for mark in marks_of(case.readings, case.frame, annotated.size):
        box = None if mark is None else rounding(mark.box, annotated.size)
        written.append(None if mark is None or box is None else replace(mark, box=box))
    taken: set[int] = set()
    added: list[Mark] = []
    for mark in annotated.marks:
        if _is_prediction(mark):
            continue
        index = nearest(mark, written, taken)
        if index is None:
            added.append(mark)
        else:
            taken.add(index)
    gone = {index for index, mark in enumerate(written) if mark is not None and index not in taken}
    before = said(case.readings)
    after = before if annotated.states is None else annotated.states
    changed = {label: after.get(label) for label in {**before, **after} if before.get(label) != after.get(label)}
    return _edited(case, annotated.size, gone, added, changed) if added or gone or changed else case


def _edited(
    case: Case, size: Frame | None, gone: set[int], added: list[Mark], changed: Mapping[str, State | None]
) -> Case:
    """Return the case with some boxes gone, some added and some states said anew, each by the right reader."""
    names = [reading.reader for reading in case.readings]
    if len(set(names)) < len(names):
        raise InputError("BAD_VALUE", None, "two readings of one reader; an edit cannot be given to one of them")
    findings: dict[str, list[Finding]] = {name: [] for name in names}
    states = {reading.reader: dict(reading.states) for reading in case.readings}
    number = -1
    for reading in case.readings:
        for finding in reading.findings:
            number += finding.box is not None
            if finding.box is None or number not in gone:
                findings[reading.reader].append(finding)
    editor = names[0] if len(names) == 1 else READER
    frame = case.frame or size
    for mark in added:
        box = mark.box if size is None or frame is None else mark.box.move(size, frame)
        findings.setdefault(mark.reader or editor, []).append(Finding(mark.label, box, mark.score, crowd=mark.crowd))
    for label, state in changed.items():
        if state is None:  # nothing is said outright any more
            for of_reader in states.values():
                of_reader.pop(label, None)
        else:
            states.setdefault(editor, {})[label] = state
            findings.setdefault(editor, [])
    rejected = {reading.reader: reading.rejected for reading in case.readings}
    readings = [
        replace(_reading(reader, found, states.get(reader, {}), frame), rejected=rejected.get(reader, ()))
        for reader, found in findings.items()
    ]
    return replace(case, readings=tuple(readings), frame=frame)


def _reading(reader: str, findings: Sequence[Finding], states: Mapping[str, State], frame: Frame | None) -> Reading:
    """Return a reading whose states fit its findings: a first box makes its label boxed, a last box gone unsays it."""
    boxed = {finding.label for finding in findings if finding.box is not None}
    named = {finding.label for finding in findings}
    fitting: dict[str, State] = {label: state for label, state in states.items() if state is not State.BOXED}
    for label in sorted(named):
        if label in boxed and states.get(label) is not State.PRESENT:
            fitting[label] = State.BOXED
        else:
            fitting.setdefault(label, State.PRESENT)
    ordered = {label: fitting.pop(label) for label in states if label in fitting}
    return Reading(reader, tuple(findings), ordered | fitting, frame)
