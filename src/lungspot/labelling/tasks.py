"""Labelling tasks: choose films that are positive and have no boxes, and hand them to a tool.

:func:`select_tasks` picks films; :func:`make` writes a folder for LabelMe, CVAT, Label Studio or COCO tools with the
films, a model's boxes as a start where there is a model, ``GUIDELINES.md`` (docs/how-to/label.md), a guide with
drawings, ``pool.json``, which keeps what the tool cannot, and ``croissant.jsonld``, which says what is in the folder.
:mod:`lungspot.labelling.answers` reads it back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, Final

from lungspot.datasets import truth
from lungspot.errors import DatasetError, InputError
from lungspot.findings import (
    DISEASES,
    Frame,
    Reading,
    State,
    is_label_id,
    reading_from_json,
    reading_to_json,
    taxonomy,
)
from lungspot.formats import (
    ANNOTATION_FORMATS,
    AnnotatedImage,
    Case,
    Column,
    CroissantTable,
    FilmTransfer,
    Mark,
    Progress,
    annotated_images_of,
    case_from_json,
    case_to_json,
    file_key,
    load_json,
    marks_of,
    stated_size,
    write_croissant,
    write_json,
)
from lungspot.labelling.guide import GUIDED, guide_markdown, guide_page, instruction
from lungspot.outputs import Outputs

__all__ = ["TASKS_FILE", "TOOLS", "LabellingTask", "make", "proposed", "read_tasks", "select_tasks"]

# The formats whose tools people label in.
TOOLS: Final = tuple(name for name, form in ANNOTATION_FORMATS.items() if form.for_people)
TASKS_FILE: Final = "pool.json"
_GUIDELINES: Final = "GUIDELINES.md"

_SCHEMA: Final = "lungspot-pool/1"
_COLUMNS: Final = (  # of what is no patient's
    Column("film", "the film's file in this folder, as the tool names it", at="$.films[*].film"),
    Column("asked", "the labels that people are asked about", at="$.films[*].asked", repeated=True),
    Column("dataset", "the set that the film is from", at="$.films[*].case.dataset"),
)


@dataclass(frozen=True, slots=True)
class LabellingTask:
    """A film of the pool, the labels that people are asked about, and what a model proposes."""

    case: Case
    asked: tuple[str, ...]
    proposal: Reading | None = None


def select_tasks(
    cases: Iterable[Case], labels: Sequence[str] = DISEASES, count: int = 50, seed: int = 0
) -> list[LabellingTask]:
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
    return [LabellingTask(case, chosen[case]) for case in wanted if case in chosen]


def make(  # noqa: PLR0913 - what is asked, where to, and how it is told
    tasks: Sequence[LabellingTask],
    out: Path,
    *,
    tool: str = "labelme",
    films: FilmTransfer = FilmTransfer.VIEW,
    propose: Callable[[Case], Reading | None] | None = None,
    progress: Progress = iter,
    outputs: Outputs | None = None,
) -> None:
    """Write the films of :func:`select_tasks` as tasks for ``tool`` into the new folder ``out``.

    ``propose`` gives a model's reading of a film, in the case's frame or its own, or None; its boxes of the labels
    asked about anywhere in the pool are drawn for people to correct. ``progress`` draws a bar, once for the proposals
    and once for the films. Raises :class:`InputError` for an unknown tool
    and an empty pool.
    """
    if tool not in TOOLS:
        raise InputError("BAD_VALUE", None, f"no pool for {tool!r}", advice=f"use one of {', '.join(TOOLS)}")
    if not tasks:
        reason = "no film shows one of the labels and has no box of it"
        raise InputError("BAD_VALUE", None, reason, advice="give cases with films and image labels")
    if films == FilmTransfer.NONE:
        raise InputError("BAD_VALUE", None, "a pool without its films", advice="copy or link them")
    labels = [label.id for label in taxonomy() if any(label.id in task.asked for task in tasks)]
    labels += sorted({label for task in tasks for label in task.asked} - set(labels))
    with (outputs or Outputs()).folder(Path(out)) as folder:
        if propose is not None:
            given = zip(tasks, progress([task.case for task in tasks]), strict=True)
            tasks = [replace(task, proposal=_proposal(propose(case), labels)) for task, case in given]
        drawn: list[AnnotatedImage] = []
        entries: list[dict[str, Any]] = []
        bare = [replace(task.case, readings=()) for task in tasks]
        layout = replace(ANNOTATION_FORMATS[tool].layout, own_names=False)
        plain = annotated_images_of(bare, folder, FilmTransfer(films), layout, progress=progress)
        for order, (task, annotated) in enumerate(zip(tasks, plain, strict=True)):
            marks = () if task.proposal is None else proposed(task.proposal, task.case.frame, annotated.size)
            drawn.append(AnnotatedImage(annotated.film, annotated.size, marks, {}, offered=task.asked))
            entry = {
                "film": file_key(annotated.film),
                "shown": None if annotated.size is None else [annotated.size.width, annotated.size.height],
                "asked": list(task.asked),
                "case": case_to_json(task.case, folder, task.case.image, order),
                "proposal": None if task.proposal is None else reading_to_json(task.proposal),
            }
            entries.append(entry)
        ANNOTATION_FORMATS[tool].draft(drawn, folder, labels)
        write_json(folder / TASKS_FILE, {"schema": _SCHEMA, "tool": tool, "labels": labels, "films": entries}, 1)
        guidelines = resources.files("lungspot.labelling").joinpath("guidelines.md").read_text(encoding="utf-8")
        (folder / _GUIDELINES).write_text(guidelines, encoding="utf-8")
        write_croissant(
            folder,
            "lungspot-labelling-pool",
            f"{len(entries)} films for people to draw {', '.join(labels)} on, with {tool}.",
            licence="that of the sets that the films are from",
            files=(TASKS_FILE, _GUIDELINES),
            tables=(CroissantTable("films", TASKS_FILE, "One film a row.", _COLUMNS),),
        )
        _write_guides(folder, tool, labels)


def _write_guides(folder: Path, tool: str, labels: Sequence[str]) -> None:
    """Write the guides with drawings of what is asked about: a page, and what goes into the tool's own field."""
    if not set(labels) & set(GUIDED):
        return
    written = {"guide.html": guide_page(labels)}
    if tool == "labelstudio":
        written["instruction.html"] = instruction(labels, "")  # it keeps no pictures but from a server
    if tool == "cvat":
        written["guide.md"] = guide_markdown(labels)
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")


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


def proposed(proposal: Reading, native: Frame | None, size: Frame | None) -> tuple[Mark, ...]:
    """Return the boxes of a model as marks to be corrected; frames as in a case: native, and the shown film's."""
    marks = marks_of([proposal], proposal.frame or native, size)
    return tuple(replace(mark, proposed=True) for mark in marks if mark is not None)


def read_tasks(path: Path, folder: Path) -> tuple[str, list[str], dict[str, LabellingTask], dict[str, Frame | None]]:
    """Return the tool, the labels, and by film name the tasks and the shown sizes, of the file that :func:`make` wrote.

    Raises :class:`DatasetError` ``DATASET_FORMAT``.
    """
    value = load_json(path)
    try:
        if value["schema"] != _SCHEMA or value["tool"] not in TOOLS:
            raise DatasetError("DATASET_FORMAT", path, f"schema {value['schema']!r}, tool {value['tool']!r}")
        tasks: dict[str, LabellingTask] = {}
        sizes: dict[str, Frame | None] = {}
        for row, entry in enumerate(value["films"]):
            proposal: Mapping[str, Any] | None = entry["proposal"]
            reading = None if proposal is None else reading_from_json(proposal)
            if not all(isinstance(label, str) and is_label_id(label) for label in entry["asked"]):
                raise DatasetError("DATASET_FORMAT", f"{path}: films[{row}]", f"asked {entry['asked']!r} are no labels")
            tasks[entry["film"]] = LabellingTask(case_from_json(entry["case"], folder), tuple(entry["asked"]), reading)
            shown = entry["shown"]
            sizes[entry["film"]] = None if shown is None else stated_size(shown[0], shown[1], f"{path}: films[{row}]")
        return str(value["tool"]), [str(label) for label in value["labels"]], tasks, sizes
    except (KeyError, IndexError, TypeError, ValueError) as error:
        reason = error.reason if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        raise DatasetError("DATASET_FORMAT", path, f"not a pool's list ({reason})") from error
