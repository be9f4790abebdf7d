"""One film as a labelling tool shows it.

A tool's file describes the image file beside it, so the marks of an annotated image are in pixels of **that file**
(the *shown* frame), 0-based, half-open, floats. A case's boxes are in its *native* frame, which may be larger. What a
tool cannot say (native frame, readers, states, scores, patient, view …) travels in the *case JSON*, see
:mod:`lungspot.formats.case_json`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from lungspot.errors import DatasetError, InputError
from lungspot.findings import Box, Frame, Reading, State, in_taxonomy_order
from lungspot.formats.classes import NO_FINDING, SKIP, ClassMap

__all__ = [
    "DONE",
    "READER",
    "AnnotatedImage",
    "Mark",
    "around_turned",
    "as_shown",
    "ellipse_reach",
    "flagged",
    "flags_of",
    "labels_in",
    "marks_of",
    "rejected_marks_of",
    "said",
    "settled",
    "stated_box",
    "stated_size",
]

READER: Final = "annotator"  # who drew a box, where a file does not say
DONE: Final = "done"  # the flag, tag or key that says that a film was looked at
_SMALLEST, _FARTHEST = 1e-3, 1e7  # pixels: what every tool's numbers can say


@dataclass(frozen=True, slots=True)
class Mark:
    """One box of one label, in pixels of the shown film.

    ``reader`` and ``score`` where the tool says them; ``proposed``: the tool keeps it apart from what people drew.
    ``crowd``: it is around several instances that nobody boxed one by one.
    ``source``: who drew it, of a box that ``reader`` rejected. ``origin``: HUMAN, MODEL or EDITED, where the tool says
    it of a box that people gave back. ``facts``: what else a prediction says of it, as its
    ``standing``.
    """

    label: str
    box: Box
    reader: str | None = None
    score: float | None = None
    proposed: bool = False
    crowd: bool = False
    source: str | None = None
    origin: str | None = None
    facts: Mapping[str, str | float | bool] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """What a tool's file says about one film.

    ``film``: the image file's name as the tool writes it, POSIX, relative to the dataset's folder. ``size``: the
    shown frame, None where nothing says it. ``states``: labels said outright to be ``absent``, or ``present`` and not
    (all) boxed; None where the tool cannot say such things. ``readers``: who answered, also those who drew nothing;
    ``states_by``: what each of them said outright, where the tool keeps it apart. ``done``: somebody says that the
    film was looked at. ``case_json``: the case as JSON, None in a foreign file. ``facts``: fields of a
    :class:`~lungspot.formats.case.Case` that the tool says. ``where``: file and row, for errors. ``offered``: labels
    whose states the tool should let people choose. ``rejected``: boxes that readers were shown and call wrong; they
    are written beside the marks, never among them. ``normal``: the readers who call the film normal. ``created``: when
    each reader answered (RFC 3339), ``began_with``: the model's boxes that a reader began with, where the tool says it.
    """

    film: str
    size: Frame | None
    marks: tuple[Mark, ...] = ()
    states: Mapping[str, State] | None = None
    readers: tuple[str, ...] = ()
    states_by: Mapping[str, Mapping[str, State]] = field(default_factory=dict)
    done: bool = False
    case_json: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    where: str = ""
    offered: tuple[str, ...] = ()
    normal: tuple[str, ...] = ()
    rejected: tuple[Mark, ...] = ()
    created: Mapping[str, str] = field(default_factory=dict)
    began_with: Mapping[str, tuple[Mark, ...]] = field(default_factory=dict)


def as_shown(box: Box) -> Box | None:
    """Return the box where every tool's numbers can say it; None where a side is under a thousandth of a pixel."""
    lost = min(box.width, box.height) < _SMALLEST or max(map(abs, box.corners)) > _FARTHEST
    return None if lost else box


def marks_of(readings: Iterable[Reading], native: Frame | None, size: Frame | None) -> list[Mark | None]:
    """Return one mark a boxed finding, reading by reading, in pixels of the shown film; None where it has none."""
    marks: list[Mark | None] = []
    for reading in readings:
        for finding in reading.findings:
            if finding.box is None:
                continue
            shown = _shown(finding.box, native, size)
            who, crowd = reading.reader, finding.crowd
            marks.append(None if shown is None else Mark(finding.label, shown, who, finding.score, crowd=crowd))
    return marks


def rejected_marks_of(readings: Iterable[Reading], native: Frame | None, size: Frame | None) -> list[Mark]:
    """Return one mark a rejected box, in pixels of the shown film; those that it cannot say are left out."""
    marks = []
    for reading in readings:
        for finding in reading.rejected:
            shown = None if finding.box is None else _shown(finding.box, native, size)
            if shown is not None:
                mark = Mark(finding.label, shown, reading.reader, finding.score, source=finding.source)
                marks.append(mark)
    return marks


def _shown(box: Box, native: Frame | None, size: Frame | None) -> Box | None:
    try:
        return as_shown(box if native is None or size is None or size == native else box.move(native, size))
    except InputError:  # too thin to survive the scaling
        return None


def said(readings: Iterable[Reading]) -> dict[str, State]:
    """Return what LVIS can say of a film: ``present`` where a reader did not box all, ``absent`` where none saw it."""
    states: dict[str, set[State]] = {}
    for reading in readings:
        for label, state in reading.states.items():
            states.setdefault(label, set()).add(state)
    outright: dict[str, State] = {}
    for label, found in states.items():
        if State.PRESENT in found:
            outright[label] = State.PRESENT
        elif State.BOXED not in found:
            outright[label] = State.ABSENT
    return outright


def flags_of(annotated: AnnotatedImage) -> dict[str, bool]:
    """Return the states of a film as a tool's check boxes or tags: ``done``, ``absent:effusion`` …; on or off."""
    flags = {DONE: annotated.done} if annotated.offered or annotated.done else {}
    flags |= {f"{state}:{label}": False for label in annotated.offered for state in (State.ABSENT, State.PRESENT)}
    return flags | {f"{state}:{label}": True for label, state in (annotated.states or {}).items()}


def labels_in(annotated_images: Iterable[AnnotatedImage], first: Iterable[str] = ()) -> list[str]:
    """Return every label of the films: ``first``, then those of the taxonomy in its order, then the others."""
    used = {
        label
        for annotated in annotated_images
        for label in (*(mark.label for mark in annotated.marks), *(annotated.states or ()))
    }
    return list(dict.fromkeys([*first, *in_taxonomy_order(used)]))


def flagged(
    flags: Mapping[str, object], where: str, classes: ClassMap, drawn: Iterable[Mark] = (), *, ours: bool
) -> tuple[dict[str, State], bool, bool]:
    """Return the states, the ``done`` and the ``No Finding`` that a tool's flags say; others are the tool's own.

    A stranger's flag that is called just like a label says that it is present, where none of the ``drawn`` boxes does.
    """
    states: dict[str, State] = {}
    normal = False
    boxed = {mark.label for mark in drawn}
    for flag, on in flags.items():
        state, colon, label = flag.partition(":")
        if on is True and colon and state in {State.ABSENT, State.PRESENT}:
            identifier = classes.meaning(label, where, ours=ours)
            if identifier in {SKIP, NO_FINDING}:
                continue
            if states.setdefault(identifier, State(state)) != state:
                raise DatasetError("DATASET_ROW", where, f"{identifier} is flagged as present and as absent")
        elif on is True and not ours and classes.look_up(flag) == NO_FINDING:
            normal = classes.meaning(flag, where, ours=ours) == NO_FINDING
        elif on is True and not ours and (named := classes.named(flag)) not in {None, SKIP}:
            classes.meaning(flag, where, ours=ours)
            states |= {named: State.PRESENT} if named not in {*boxed, *states} else {}
    return states, flags.get(DONE) is True, normal and State.PRESENT not in states.values()


def settled(marks: Iterable[Mark], normal: Iterable[str] = ()) -> tuple[tuple[Mark, ...], tuple[str, ...]]:
    """Return the marks of labels, and who called the film normal: those of ``normal`` or of a mark that says so.

    Marks of classes that the caller leaves out are gone. A reader who marked something too did not call it normal.
    """
    kept = tuple(mark for mark in marks if mark.label not in {SKIP, NO_FINDING})
    who = [*normal, *(mark.reader or READER for mark in marks if mark.label == NO_FINDING and not mark.proposed)]
    drew = {mark.reader or READER for mark in kept if not mark.proposed}
    return kept, tuple(reader for reader in dict.fromkeys(who) if reader not in drew)


def around_turned(corners: Sequence[float], degrees: object) -> tuple[float, ...]:
    """Return the corners of the box around a box x0 y0 x1 y1 that is turned about its centre.

    ``degrees``: what CVAT writes as the attribute ``rotation`` beside an upright box; no number turns nothing.
    """
    try:
        turn = math.radians(float(degrees))  # type: ignore[arg-type]  # refused below
    except (TypeError, ValueError, OverflowError):
        return tuple(corners)
    if not math.isfinite(turn) or isinstance(degrees, bool) or turn == 0:
        return tuple(corners)
    x0, y0, x1, y1 = corners
    sine, cosine = abs(math.sin(turn)), abs(math.cos(turn))
    wide = ((x1 - x0) * cosine + (y1 - y0) * sine) / 2
    high = ((x1 - x0) * sine + (y1 - y0) * cosine) / 2
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return (x - wide, y - high, x + wide, y + high)


def ellipse_reach(across: float, down: float, turn: float) -> tuple[float, float]:
    """Return how far an ellipse of two half-axes, turned by ``turn`` radians, reaches from its centre: x, y."""
    sine, cosine = math.sin(turn), math.cos(turn)
    return math.hypot(across * cosine, down * sine), math.hypot(across * sine, down * cosine)


def stated_box(corners: Sequence[object], where: str) -> Box:
    """Return the box of four corners x0 y0 x1 y1 read from a file; raises :class:`DatasetError` ``DATASET_ROW``."""
    try:
        x0, y0, x1, y1 = (float(corner) for corner in corners)  # type: ignore[arg-type]  # refused below
        return Box(x0, y0, x1, y1)
    except InputError as error:
        raise DatasetError("DATASET_ROW", where, error.reason) from error
    except (TypeError, ValueError, OverflowError) as error:
        raise DatasetError("DATASET_ROW", where, f"{list(corners)!r} are not four numbers") from error


def stated_size(width: object, height: object, where: str) -> Frame | None:
    """Return the size that a file states, None where it states none; raises ``DATASET_ROW`` where it is no size."""
    nothing = (None, "", 0, "0")  # a tuple: a list, which has no hash, may be asked about
    if width in nothing and height in nothing:
        return None
    try:
        sides = [float(str(width)), float(str(height))]
        if any(side != int(side) for side in sides):
            raise DatasetError("DATASET_ROW", where, f"a film of {width!r} x {height!r} pixels")
        return Frame(int(sides[0]), int(sides[1]))
    except (InputError, ValueError, OverflowError) as error:
        raise DatasetError("DATASET_ROW", where, f"a film of {width!r} x {height!r} pixels") from error
