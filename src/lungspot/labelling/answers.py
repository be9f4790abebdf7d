"""Read the answers to labelling tasks back: each case with one more reading an annotator.

A finding's ``source`` says whether a person drew the box (``human``), took a model's as it was (``model``) or changed
it (``edited``): by what the pool's model proposed, and by what the tool says of boxes that a model drew there.

An answer says of a label asked for: boxed, where it has boxes; what its flag says, where one is set (``present:``
there, not all boxed; ``absent:``); and only where the film is flagged ``done`` (Label Studio: handed in) that no box
means absent. A film that nobody touched is pending, not normal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from lungspot.errors import DatasetError, InputError
from lungspot.findings import (
    EDITED,
    HUMAN,
    MODEL,
    Finding,
    Frame,
    Reading,
    State,
)
from lungspot.formats import (
    ANNOTATION_FORMATS,
    READER,
    AnnotatedImage,
    Case,
    ClassMap,
    Mark,
    file_key,
    marks_of,
    nearest,
)
from lungspot.labelling.tasks import TASKS_FILE, LabellingTask, proposed, read_tasks

__all__ = ["EDITED", "HUMAN", "MODEL", "Answers", "collect"]

_SAME: Final = 0.5  # IoU from which on a drawn box is the model's box moved


@dataclass(frozen=True, slots=True)
class Answers:
    """``cases``: the films answered, each with one more reading an annotator. ``pending``: the films not answered."""

    cases: tuple[Case, ...]
    pending: tuple[Case, ...]


def collect(
    folder: Path,
    answers: Path | None = None,
    *,
    reader: str = READER,
    complete: bool = False,
    classes: ClassMap | None = None,
) -> Answers:
    """Return the answers to the pool in ``folder``.

    ``answers``: the tool's export, where it is not in the folder itself. ``reader``: who answered, where the tool
    does not say. ``complete``: every film was looked at, flagged or not. ``classes``: what names mean that people gave
    beside the pool's labels; it remembers what became of them. The cases are those that went in, with their readings
    and the answer's. Raises :class:`DatasetError`, also for an answer about a film that is not of the pool.
    """
    path = folder / TASKS_FILE
    tool, labels, tasks, sizes = read_tasks(path, folder)
    known = (classes or ClassMap()).knowing(labels)
    annotated_images: dict[str, AnnotatedImage] = {}
    for annotated in ANNOTATION_FORMATS[tool].annotated_images(folder if answers is None else answers, known):
        key = file_key(annotated.film)
        if key not in tasks or key in annotated_images:
            reason = "two answers for one film" if key in annotated_images else f"no film {key!r} in {path}"
            raise DatasetError("DATASET_ROW", annotated.where, reason, advice="collect the answers to this pool only")
        annotated_images[key] = annotated
    if classes is not None:
        classes.take_over(known)
    answered, pending = [], []
    for key, task in tasks.items():
        found = annotated_images.get(key)
        try:
            readings = [] if found is None else _answers(task, found, sizes[key], reader, complete=complete)
        except InputError as error:
            raise DatasetError("DATASET_ROW", found.where if found else key, error.reason) from error
        if not readings:
            pending.append(task.case)
            continue
        taken = {reading.reader for reading in task.case.readings} & {reading.reader for reading in readings}
        if taken:
            advice = "name another with `reader`"
            raise InputError("BAD_VALUE", key, f"the film already has a reading of {min(taken)!r}", advice=advice)
        frame = task.case.frame or next((reading.frame for reading in readings), None)
        answered.append(replace(task.case, readings=(*task.case.readings, *readings), frame=frame))
    return Answers(tuple(answered), tuple(pending))


def _answers(
    task: LabellingTask, annotated: AnnotatedImage, shown: Frame | None, reader: str, *, complete: bool
) -> list[Reading]:
    """Return one reading an annotator; none where nobody touched the film."""
    annotated = replace(annotated, size=annotated.size or shown)
    if annotated.readers:  # the tool keeps people, and the model, apart
        readings = []
        for person in dict.fromkeys(annotated.readers):
            marks = tuple(mark for mark in annotated.marks if mark.reader == person and not mark.proposed)
            hers = replace(annotated, marks=marks, states=annotated.states_by.get(person, {}))
            answer, _ = _answer(task, hers, person, done=True)
            readings.append(replace(answer, created=annotated.created.get(person)))
        return readings
    answer, left_alone = _answer(task, annotated, reader, done=annotated.done or complete)
    start = () if task.proposal is None else proposed(task.proposal, task.case.frame, annotated.size)
    untouched = left_alone >= len(start) and all(finding.source == MODEL for finding in answer.findings)
    return [] if untouched and not annotated.states and not annotated.done and not complete else [answer]


def _answer(task: LabellingTask, annotated: AnnotatedImage, reader: str, *, done: bool) -> tuple[Reading, int]:
    """Return what one annotator says, in the case's frame, and how many boxes of the model are as they were."""
    size, marks = annotated.size, annotated.marks
    frame = task.case.frame or size
    start = list(annotated.began_with.get(reader, ())) if task.proposal is None else _start(task.proposal, frame, size)
    boxed = [] if task.proposal is None else [finding for finding in task.proposal.findings if finding.box is not None]
    findings: list[Finding | None] = [None] * len(marks)
    taken: set[int] = set()
    for number, mark in enumerate(marks):
        if task.proposal is None and mark.origin is not None:
            continue  # the tool says it
        index = nearest(replace(mark, reader=None), start, taken)
        other = None if index is None else start[index]
        if index is None or other is None:
            continue
        taken.add(index)
        if task.proposal is None:
            findings[number] = _finding(replace(mark, score=other.score), size, frame, MODEL)
        elif frame is not None:
            kept = Reading(reader, (boxed[index],), {mark.label: State.PRESENT}, task.proposal.frame or frame)
            findings[number] = replace(kept.to_frame(frame).findings[0], source=MODEL)
    pairs = sorted(
        (
            (mark.label != other.label, -mark.box.iou(other.box), number, index)
            for number, mark in enumerate(marks)
            for index, other in enumerate(start)
            if findings[number] is None and other is not None and mark.box.iou(other.box) >= _SAME
            if task.proposal is not None or mark.origin is None
        ),
    )
    left_alone, edited = len(taken), set[int]()
    for *_, number, index in pairs:
        if number not in edited and index not in taken:
            edited.add(number)
            taken.add(index)
    for number, mark in enumerate(marks):
        if findings[number] is None:
            origin = EDITED if number in edited else mark.origin or HUMAN
            findings[number] = _finding(mark, size, frame, origin)
    drawn = tuple(finding for finding in findings if finding is not None)
    boxes = {finding.label for finding in drawn}
    states = dict.fromkeys(task.asked, State.ABSENT) if done else {}
    states |= {label: State.BOXED if label in task.asked else State.PRESENT for label in boxes}
    return Reading(reader, drawn, states | dict(annotated.states or {}), frame), left_alone


def _start(proposal: Reading, frame: Frame | None, size: Frame | None) -> list[Mark | None]:
    """Return the model's boxes as the tool shows them, nobody's; None where the tool cannot say one."""
    marks = marks_of([proposal], proposal.frame or frame, size)
    return [None if mark is None else replace(mark, reader=None) for mark in marks]


def _finding(mark: Mark, size: Frame | None, frame: Frame | None, origin: str) -> Finding:
    """Return a drawn box in the case's frame; a model's keeps its score, where it is one of ours."""
    box = mark.box if size is None or frame is None else mark.box.move(size, frame)
    known = origin == MODEL and mark.score is not None and 0 <= mark.score <= 1
    return Finding(mark.label, box, mark.score if known else None, source=origin)
