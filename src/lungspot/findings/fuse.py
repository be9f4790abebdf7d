"""Several readers of one film become one reading, and it stays known who agreed.

Four ways, all from the same readings: :func:`one_reader`, :func:`majority`, :func:`weighted` (weighted boxes fusion)
and :func:`union`. Each works label by label, and only with the readers who looked for that label: a reader who did not
look is no vote against it. The order of the readings never matters.

Weighted boxes fusion is that of Solovyev, Wang and Gabruseva, "Weighted boxes fusion: Ensembling boxes from different
object detection models", Image and Vision Computing 107 (2021) 104117; docs/adr/0010 says why it is written out here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from lungspot.errors import InputError
from lungspot.findings.boxes import Box, Frame
from lungspot.findings.reading import Finding, Reading, State

__all__ = ["majority", "one_reader", "union", "weighted"]

IOU = 0.4  # two readers mean the same spot above this; at .5 readers who agree are counted apart (docs/explanation)

Corners = tuple[float, float, float, float]


def one_reader(readings: Sequence[Reading], reader: str | Sequence[str]) -> Reading:
    """Return the reading of one true reader with **all** of that reader's boxes.

    ``reader``: a reader's name, or names in order of preference: the first of them who read this film is taken. Raises
    ``BAD_VALUE`` where none of them did, or where one reader is given twice.
    """
    wanted = [reader] if isinstance(reader, str) else list(reader)
    named = {reading.reader: reading for reading in _distinct(readings)}
    for name in wanted:
        if name in named:
            return named[name]
    raise InputError("BAD_VALUE", None, f"read by {', '.join(named) or 'nobody'}, not by {', '.join(wanted)}")


def union(readings: Sequence[Reading], *, name: str = "union") -> Reading:
    """Return everything that any reader marked, box by box; ``source`` says who.

    A label is boxed where a reader boxed every instance of it, else present where a reader says so, else absent where
    somebody looked for it.
    """
    readings = _distinct(readings)
    findings = tuple(replace(f, source=f.said_by(reading.reader)) for reading in readings for f in reading.findings)
    states = {}
    for label in _labels(readings):
        said = {reading.state(label) for reading in readings}
        states[label] = next(state for state in (State.BOXED, State.PRESENT, State.ABSENT) if state in said)
    return Reading(name, findings, states, _frame(readings))


def weighted(readings: Sequence[Reading], *, iou: float = IOU, name: str = "wbf") -> Reading:
    """Return one box for each spot that readers marked, its score the share of readers who marked it.

    ``iou``: a box joins the fused box that it overlaps most, where that is above ``iou``. The fused corners are the
    mean of the members', weighted by their scores (1 for people; a box scored 0 is left out). The score is the mean of
    the members' scores, times the number of **readers** among them, divided by the number who looked for the label: two
    boxes of one reader are one vote. ``source`` names them, joined by ``+``. Where readers say that a label is present
    and nobody drew a box, a finding without a box keeps their share. States are those of :func:`union`.
    """
    return _fuse(readings, iou, None, name)


def majority(
    readings: Sequence[Reading], *, least: int | None = None, iou: float = IOU, name: str = "majority"
) -> Reading:
    """Return the spots that at least ``least`` readers marked, each with its fused box, score and readers.

    ``least``: None asks for more than half of those who looked for the label. A label is boxed where they agree on a
    spot, present where they agree that it is there and on no spot, absent where as many say so, and undecided (not
    among the states, like a label nobody looked for) where neither side has that many. Raises ``BAD_VALUE`` for a
    ``least`` below 1.
    """
    if least is not None and least < 1:
        raise InputError("BAD_VALUE", None, f"a majority of at least {least} readers")
    return _fuse(readings, iou, least or 0, name)


@dataclass(slots=True)
class _Spot:
    """Boxes that mean one spot: the members with their weights and readings, and the fused corners."""

    members: list[tuple[Corners, float, int, Finding]]
    corners: Corners

    def add(self, member: tuple[Corners, float, int, Finding]) -> None:
        self.members.append(member)
        total = sum(weight for _, weight, _, _ in self.members)
        x0, y0, x1, y1 = (sum(w * c[side] for c, w, _, _ in self.members) / total for side in range(4))
        self.corners = (x0, y0, x1, y1)

    @property
    def readers(self) -> set[int]:
        return {reading for _, _, reading, _ in self.members}


def _fuse(readings: Sequence[Reading], iou: float, least: int | None, name: str) -> Reading:
    """Fuse label by label; ``least``: None keeps every spot, 0 asks for more than half, else for that many readers."""
    if not 0 <= iou < 1:
        raise InputError("BAD_VALUE", None, f"an IoU threshold of {iou}, not within 0 and 1")
    readings = _distinct(readings)
    frame = _frame(readings)
    findings: list[Finding] = []
    states: dict[str, State] = {}
    for label in _labels(readings):
        looked = [reading for reading in readings if reading.state(label) is not State.NOT_LOOKED_FOR]
        positive = [reading for reading in looked if reading.state(label).is_positive]
        needed = 1 if least is None else least or len(looked) // 2 + 1
        if len(positive) >= needed:
            spots = [spot for spot in _spots(label, looked, iou) if len(spot.readers) >= needed]
            fused = [_finding(label, spot, looked) for spot in spots]
            if not fused:
                who = "+".join(reading.reader for reading in positive)
                fused = [Finding(label, None, len(positive) / len(looked), source=who)]
                states[label] = State.PRESENT
            else:
                boxed = least is not None or any(reading.state(label) is State.BOXED for reading in positive)
                states[label] = State.BOXED if boxed else State.PRESENT
            findings += sorted(fused, key=lambda finding: -(finding.score or 0.0))
        elif len(looked) - len(positive) >= needed:
            states[label] = State.ABSENT
    return Reading(name, tuple(findings), states, frame)


def _spots(label: str, readings: Sequence[Reading], iou: float) -> list[_Spot]:
    """Cluster the boxes of one label, surest first, as weighted boxes fusion does."""
    queue = [
        (finding.box.corners, _weight(finding), index, finding)
        for index, reading in enumerate(readings)
        for finding in reading.of(label)
        if finding.box is not None and _weight(finding) and not finding.crowd
    ]
    spots: list[_Spot] = []
    for member in sorted(queue, key=lambda member: (-member[1], member[2], member[0])):
        overlaps = [_iou(spot.corners, member[0]) for spot in spots]
        best = max(range(len(spots)), key=overlaps.__getitem__, default=None)
        if best is not None and overlaps[best] > iou:
            spots[best].add(member)
        else:
            spots.append(_Spot([member], member[0]))
    return spots


def _weight(finding: Finding) -> float:
    """Return how much a box weighs: its score; 1 for people, who answer wholly for a box that they took of a model."""
    return 1.0 if finding.score is None or finding.of_a_person else finding.score


def _finding(label: str, spot: _Spot, looked: Sequence[Reading]) -> Finding:
    findings = [finding for _, _, _, finding in spot.members]
    sides = {finding.side for finding in findings}
    zones = {finding.zone for finding in findings}
    who = {f.said_by(looked[index].reader) for _, _, index, f in spot.members}
    mean = sum(weight for _, weight, _, _ in spot.members) / len(spot.members)
    return Finding(
        label,
        Box(*spot.corners),
        score=min(1.0, mean * len(spot.readers) / len(looked)),
        side=sides.pop() if len(sides) == 1 else None,
        zone=zones.pop() if len(zones) == 1 else None,
        source="+".join(sorted(who, key=_natural)),
    )


def _iou(first: Corners, second: Corners) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(corners[2] - corners[0]) * (corners[3] - corners[1]) for corners in (first, second)]
    return width * height / (sum(areas) - width * height)


def _distinct(readings: Sequence[Reading]) -> list[Reading]:
    """Return the readings in the natural order of their readers (R2 before R10); refuse one reader given twice."""
    ordered = sorted(readings, key=lambda reading: _natural(reading.reader))
    for first, second in pairwise(ordered):
        if first.reader == second.reader:
            raise InputError("BAD_VALUE", None, f"two readings of one film by {first.reader}")
    return ordered


def _natural(name: str) -> tuple[tuple[str, int], ...]:
    """Return a key that sorts digits as numbers; no two names share one."""
    parts = enumerate(re.split("([0-9]+)", name))
    return (*(("", int(part)) if index % 2 else (part, 0) for index, part in parts), (name, 0))


def _labels(readings: Iterable[Reading]) -> list[str]:
    return list(dict.fromkeys(label for reading in readings for label in reading.states))


def _frame(readings: Sequence[Reading]) -> Frame | None:
    frames = {reading.frame for reading in readings if reading.frame is not None}
    if len(frames) > 1:
        sizes = ", ".join(f"{frame.width} x {frame.height}" for frame in frames)
        raise InputError("BAD_VALUE", None, f"readings of one film in several frames ({sizes})")
    return next(iter(frames), None)
