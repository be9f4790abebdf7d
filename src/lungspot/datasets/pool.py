"""Films to label: choose those that are positive and have no boxes, hand them to a tool, read the answers back.

``choose`` picks films; ``make`` writes a folder for LabelMe, CVAT, Label Studio or COCO tools with the films, a
model's boxes as a start where there is a model, ``GUIDELINES.md`` (docs/how-to/label.md) and ``pool.json``, which
keeps what the tool cannot. ``collect`` reads the folder, or an export from the tool, back: each case with one more
reading, whose findings say in ``source`` whether a person drew the box (``human``), took the model's as it was
(``model``) or changed it (``edited``).

An answer says of a label asked for: boxed, where it has boxes; what its flag says, where one is set (``present:``
there, not all boxed; ``absent:``); and only where the film is flagged ``done`` (Label Studio: handed in) that no box
means absent. A film that nobody touched is pending, not normal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, Final

from lungspot.datasets.case import Case
from lungspot.datasets.extension import case_from_json, case_to_json, load_json, write_json
from lungspot.datasets.formats import FORMATS
from lungspot.datasets.image_files import Films, Progress, new_folder, sheets_of
from lungspot.datasets.reconcile import nearest
from lungspot.datasets.sheet import READER, Mark, Sheet, marks_of, sheet_frame
from lungspot.datasets.sidecar import file_key
from lungspot.datasets.truth import truth
from lungspot.errors import DatasetError, InputError
from lungspot.findings import (
    DISEASES,
    Finding,
    Frame,
    Reading,
    State,
    is_label_id,
    reading_from_json,
    reading_to_json,
    taxonomy,
)

__all__ = ["EDITED", "HUMAN", "MODEL", "TOOLS", "Answers", "Pick", "choose", "collect", "make"]

# Tool → the folder of its films.
TOOLS: Final[dict[str, str]] = {"coco": "images", "cvat": "images", "labelme": "", "labelstudio": "images"}
HUMAN: Final = "human"
MODEL: Final = "model"
EDITED: Final = "edited"

_SCHEMA: Final = "lungspot-pool/1"
_FILE: Final = "pool.json"
_SAME: Final = 0.5  # IoU from which on a drawn box is the model's box moved


@dataclass(frozen=True, slots=True)
class Pick:
    """A film of the pool, the labels that people are asked about, and what a model proposes."""

    case: Case
    asked: tuple[str, ...]
    proposal: Reading | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """``cases``: the films answered, each with one more reading an annotator. ``pending``: the films not answered."""

    cases: tuple[Case, ...]
    pending: tuple[Case, ...]


def choose(cases: Iterable[Case], labels: Sequence[str] = DISEASES, count: int = 50, seed: int = 0) -> list[Pick]:
    """Return at least ``count`` films a label, or all there are, that show it and have no box of it.

    The films of a label are spread over datasets, then over patients. Their order comes from a digest of ``seed``,
    label and film, so that the choice is the same on every machine and hardly changes when films are added. A film is
    asked about every one of ``labels`` that it shows without a box, and counts for each.
    """
    wanted = {case: asked for case in cases if case.image is not None and (asked := _unboxed(case, labels))}
    chosen: dict[Case, tuple[str, ...]] = {}
    for label in labels:
        missing = count - sum(label in asked for asked in chosen.values())
        left = [case for case, asked in wanted.items() if label in asked and case not in chosen]
        for case in _spread(left, label, seed)[: max(missing, 0)]:
            chosen[case] = wanted[case]
    return [Pick(case, chosen[case]) for case in wanted if case in chosen]


def make(  # noqa: PLR0913 - what is asked, where to, and how it is told
    picks: Sequence[Pick],
    out: Path,
    *,
    tool: str = "labelme",
    films: Films = Films.VIEW,
    propose: Callable[[Case], Reading | None] | None = None,
    progress: Progress = iter,
) -> None:
    """Write the films of :func:`choose` as tasks for ``tool`` into the new folder ``out``.

    ``propose`` gives a model's reading of a film, in the case's frame or its own, or None; its boxes of the labels
    asked about anywhere in the pool are drawn for people to correct. ``progress`` draws a bar, once for the proposals
    and once for the films. Raises :class:`InputError` for an unknown tool
    and an empty pool.
    """
    if tool not in TOOLS:
        raise InputError("BAD_VALUE", None, f"no pool for {tool!r}", advice=f"use one of {', '.join(TOOLS)}")
    if not picks:
        reason = "no film shows one of the labels and has no box of it"
        raise InputError("BAD_VALUE", None, reason, advice="give cases with films and image labels")
    if films == Films.NONE:
        raise InputError("BAD_VALUE", None, "a pool without its films", advice="copy or link them")
    labels = [label.id for label in taxonomy() if any(label.id in pick.asked for pick in picks)]
    labels += sorted({label for pick in picks for label in pick.asked} - set(labels))
    if propose is not None:
        given = zip(picks, progress([pick.case for pick in picks]), strict=True)
        picks = [replace(pick, proposal=_proposal(propose(case), labels)) for pick, case in given]
    with new_folder(Path(out)) as folder:
        drawn: list[Sheet] = []
        entries: list[dict[str, Any]] = []
        bare = [replace(pick.case, readings=()) for pick in picks]
        plain = sheets_of(bare, folder, Films(films), lambda _: TOOLS[tool], progress=progress)
        for order, (pick, sheet) in enumerate(zip(picks, plain, strict=True)):
            marks = () if pick.proposal is None else _proposed(pick.proposal, pick.case.frame, sheet.size)
            drawn.append(Sheet(sheet.film, sheet.size, marks, {}, offered=pick.asked))
            entry = {
                "film": file_key(sheet.film),
                "shown": None if sheet.size is None else [sheet.size.width, sheet.size.height],
                "asked": list(pick.asked),
                "case": case_to_json(pick.case, folder, pick.case.image, order),
                "proposal": None if pick.proposal is None else reading_to_json(pick.proposal),
            }
            entries.append(entry)
        FORMATS[tool].draft(drawn, folder, labels)
        write_json(folder / _FILE, {"schema": _SCHEMA, "tool": tool, "labels": labels, "films": entries}, 1)
        guidelines = resources.files("lungspot.datasets").joinpath("guidelines.md").read_text(encoding="utf-8")
        (folder / "GUIDELINES.md").write_text(guidelines, encoding="utf-8")


def collect(folder: Path, answers: Path | None = None, *, reader: str = READER, complete: bool = False) -> Answers:
    """Return the answers to the pool in ``folder``.

    ``answers``: the tool's export, where it is not in the folder itself. ``reader``: who answered, where the tool
    does not say. ``complete``: every film was looked at, flagged or not. The cases are those that went in, with their
    readings and the answer's. Raises :class:`DatasetError`, also for an answer about a film that is not of the pool.
    """
    path = folder / _FILE
    tool, labels, picks, sizes = _manifest(path, folder)
    names = {label: label for label in labels}
    sheets: dict[str, Sheet] = {}
    for sheet in FORMATS[tool].sheets(folder if answers is None else answers, names):
        key = file_key(sheet.film)
        if key not in picks or key in sheets:
            reason = "two answers for one film" if key in sheets else f"no film {key!r} in {path}"
            raise DatasetError("DATASET_ROW", sheet.where, reason, advice="collect the answers to this pool only")
        sheets[key] = sheet
    answered, pending = [], []
    for key, pick in picks.items():
        found = sheets.get(key)
        try:
            readings = [] if found is None else _answers(pick, found, sizes[key], reader, complete=complete)
        except InputError as error:
            raise DatasetError("DATASET_ROW", found.where if found else key, error.reason) from error
        if not readings:
            pending.append(pick.case)
            continue
        taken = {reading.reader for reading in pick.case.readings} & {reading.reader for reading in readings}
        if taken:
            advice = "name another with `reader`"
            raise InputError("BAD_VALUE", key, f"the film already has a reading of {min(taken)!r}", advice=advice)
        frame = pick.case.frame or next((reading.frame for reading in readings), None)
        answered.append(replace(pick.case, readings=(*pick.case.readings, *readings), frame=frame))
    return Answers(tuple(answered), tuple(pending))


def _unboxed(case: Case, labels: Sequence[str]) -> tuple[str, ...]:
    """Return the labels that a film shows without a box of theirs, by :func:`truth` for the ten diseases."""
    try:
        settled = [truth(case)]
    except InputError:  # several readers of one set: each counts
        settled = list(case.readings)
    found = []
    for label in labels:
        readings = settled if label in DISEASES else case.readings
        if any(reading.boxes(label) for reading in (*readings, *case.readings)):
            continue
        if any(reading.state(label) is State.PRESENT for reading in readings):
            found.append(label)
    return tuple(found)


def _spread(cases: Iterable[Case], label: str, seed: int) -> list[Case]:
    """Return the cases in the order of choice: datasets take turns; a patient's second film waits for the others'."""
    patients: dict[str, int] = {}
    turns: dict[str, list[tuple[int, bytes, Case]]] = {}
    for digest, case in sorted(((_digest(case, label, seed), case) for case in cases), key=lambda pair: pair[0]):
        rank = patients[case.patient] = patients.get(case.patient, -1) + 1
        turns.setdefault(case.dataset, []).append((rank, digest, case))
    ordered = []
    for dataset, queue in turns.items():
        queue.sort(key=lambda entry: entry[:2])
        ordered += [(rank, place, dataset, case) for place, (rank, _, case) in enumerate(queue)]
    ordered.sort(key=lambda entry: entry[1:3])
    return [case for *_, case in ordered]


def _digest(case: Case, label: str, seed: int) -> bytes:
    text = "\0".join((str(seed), label, case.dataset, case.id))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _proposal(reading: Reading | None, labels: Sequence[str]) -> Reading | None:
    if reading is None:
        return None
    boxed = tuple(finding for finding in reading.findings if finding.box is not None and finding.label in labels)
    states = dict.fromkeys((finding.label for finding in boxed), State.PRESENT)
    return Reading(reading.reader, boxed, states, reading.frame) if boxed else None


def _proposed(proposal: Reading, native: Frame | None, size: Frame | None) -> tuple[Mark, ...]:
    marks = marks_of([proposal], proposal.frame or native, size)
    return tuple(replace(mark, proposed=True) for mark in marks if mark is not None)


def _manifest(path: Path, folder: Path) -> tuple[str, list[str], dict[str, Pick], dict[str, Frame | None]]:
    value = load_json(path)
    try:
        if value["schema"] != _SCHEMA or value["tool"] not in TOOLS:
            raise DatasetError("DATASET_FORMAT", path, f"schema {value['schema']!r}, tool {value['tool']!r}")
        picks: dict[str, Pick] = {}
        sizes: dict[str, Frame | None] = {}
        for row, entry in enumerate(value["films"]):
            proposal: Mapping[str, Any] | None = entry["proposal"]
            reading = None if proposal is None else reading_from_json(proposal)
            if not all(isinstance(label, str) and is_label_id(label) for label in entry["asked"]):
                raise DatasetError("DATASET_FORMAT", f"{path}: films[{row}]", f"asked {entry['asked']!r} are no labels")
            picks[entry["film"]] = Pick(case_from_json(entry["case"], folder), tuple(entry["asked"]), reading)
            shown = entry["shown"]
            sizes[entry["film"]] = None if shown is None else sheet_frame(shown[0], shown[1], f"{path}: films[{row}]")
        return str(value["tool"]), [str(label) for label in value["labels"]], picks, sizes
    except (KeyError, IndexError, TypeError, ValueError) as error:
        reason = error.reason if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        raise DatasetError("DATASET_FORMAT", path, f"not a pool's list ({reason})") from error


def _answers(pick: Pick, sheet: Sheet, shown: Frame | None, reader: str, *, complete: bool) -> list[Reading]:
    """Return one reading an annotator; none where nobody touched the film."""
    sheet = replace(sheet, size=sheet.size or shown)
    if sheet.readers:  # the tool keeps people, and the model, apart
        readings = []
        for person in dict.fromkeys(sheet.readers):
            marks = tuple(mark for mark in sheet.marks if mark.reader == person and not mark.proposed)
            hers = replace(sheet, marks=marks, states=sheet.states_by.get(person, {}))
            readings.append(_answer(pick, hers, person, done=True))
        return readings
    answer = _answer(pick, sheet, reader, done=sheet.done or complete)
    start = () if pick.proposal is None else _proposed(pick.proposal, pick.case.frame, sheet.size)
    untouched = len(answer.findings) == len(start) and all(finding.source == MODEL for finding in answer.findings)
    return [] if untouched and not sheet.states and not sheet.done and not complete else [answer]


def _answer(pick: Pick, sheet: Sheet, reader: str, *, done: bool) -> Reading:
    """Return what one annotator's sheet says, each box with its provenance, in the case's frame."""
    size, marks = sheet.size, sheet.marks
    frame = pick.case.frame or size
    start = [] if pick.proposal is None else marks_of([pick.proposal], pick.proposal.frame or frame, size)
    start = [None if mark is None else replace(mark, reader=None) for mark in start]
    boxed = [] if pick.proposal is None else [finding for finding in pick.proposal.findings if finding.box is not None]
    findings: list[Finding | None] = [None] * len(marks)
    taken: set[int] = set()
    for number, mark in enumerate(marks):
        index = nearest(replace(mark, reader=None), start, taken)
        if index is not None and pick.proposal is not None and frame is not None:
            taken.add(index)
            kept = Reading(reader, (boxed[index],), {mark.label: State.PRESENT}, pick.proposal.frame or frame)
            findings[number] = replace(kept.to_frame(frame).findings[0], source=MODEL)
    pairs = sorted(
        (
            (mark.label != other.label, -mark.box.iou(other.box), number, index)
            for number, mark in enumerate(marks)
            for index, other in enumerate(start)
            if findings[number] is None and other is not None and mark.box.iou(other.box) >= _SAME
        ),
    )
    edited: set[int] = set()
    for *_, number, index in pairs:
        if number not in edited and index not in taken:
            edited.add(number)
            taken.add(index)
    for number, mark in enumerate(marks):
        if findings[number] is None:
            box = mark.box if size is None or frame is None else mark.box.move(size, frame)
            findings[number] = Finding(mark.label, box, source=EDITED if number in edited else HUMAN)
    drawn = tuple(finding for finding in findings if finding is not None)
    boxes = {finding.label for finding in drawn}
    states = dict.fromkeys(pick.asked, State.ABSENT) if done else {}
    states |= {label: State.BOXED if label in pick.asked else State.PRESENT for label in boxes}
    return Reading(reader, drawn, states | dict(sheet.states or {}), frame)
