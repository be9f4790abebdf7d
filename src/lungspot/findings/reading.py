"""What one reader said about one film, and what that reader looked for.

A radiologist's annotation, a model's output, a fused consensus and a parsed DICOM SR are all a :class:`Reading`.
The state of a label says what the absence of a box means (docs/conventions.md, "Not looked for is not absent"):

===============  ==========================================================  ==================
state            what the reader says                                        boxes of the label
===============  ==========================================================  ==================
``boxed``        it is there, and every instance has its box                 at least one
                 or is in a box of a crowd
``present``      it is there, and not (all) boxed                            any number
``absent``       it was looked for and is not there                          none
not looked for   nothing                                                     none
===============  ==========================================================  ==================

In arrays a state is its code, :attr:`State.code`: :data:`UNKNOWN`, :data:`ABSENT`, :data:`PRESENT` or :data:`BOXED`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Self

from lungspot.errors import InputError
from lungspot.findings.boxes import Box, Frame
from lungspot.findings.labels import is_label_id

__all__ = [
    "ABSENT",
    "BOXED",
    "EDITED",
    "HUMAN",
    "MODEL",
    "PRESENT",
    "UNKNOWN",
    "Finding",
    "Reading",
    "Side",
    "State",
    "Zone",
]

HUMAN: Final = "human"  # whence a person's box comes: she drew it
MODEL: Final = "model"  # whence a person's box comes: it is a model's, taken as it was
EDITED: Final = "edited"  # whence a person's box comes: it is a model's, changed


class State(StrEnum):
    """What a reader says about one label on one film."""

    BOXED = "boxed"
    PRESENT = "present"
    ABSENT = "absent"
    NOT_LOOKED_FOR = "not_looked_for"

    @property
    def is_positive(self) -> bool:
        """The reader says that it is there."""
        return self in {State.BOXED, State.PRESENT}

    @property
    def code(self) -> int:
        """0 not looked for, 1 absent, 2 present, 3 boxed: what stands for it in arrays, and how strongly it speaks."""
        return _CODED.index(self)

    @classmethod
    def of_code(cls, code: int) -> State:
        """Return the state that a code stands for; raises KeyError where it is none of the four."""
        return dict(enumerate(_CODED))[code]


_CODED: Final = (State.NOT_LOOKED_FOR, State.ABSENT, State.PRESENT, State.BOXED)
# The code of a state in arrays: 0 not looked for, 1 absent, 2 present, 3 boxed.
UNKNOWN, ABSENT, PRESENT, BOXED = (state.code for state in _CODED)


class Side(StrEnum):
    """The patient's side, not the picture's."""

    LEFT = "left"
    RIGHT = "right"
    BILATERAL = "bilateral"


class Zone(StrEnum):
    """A third of the lung's height (SNOMED CT zones of lung, DICOM CID 6124)."""

    UPPER = "upper"
    MIDDLE = "middle"
    LOWER = "lower"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing seen: a label id, perhaps where, perhaps how surely (0 to 1), and who says so.

    ``box`` is in the frame of the :class:`Reading` that holds the finding. ``source`` names the reader when it differs
    from the reading's (a fused reading keeps who agreed, joined by ``+``), or says whence the reader has it: HUMAN,
    MODEL, EDITED. ``judged``: False where nobody judged this box by itself, so that its score is the film's, not the
    box's. ``crowd``: the box is around several instances that nobody boxed one by one (COCO's ``iscrowd``): no box to
    find, and what is found in it is not wrong.
    """

    label: str
    box: Box | None = None
    score: float | None = None
    side: Side | None = None
    zone: Zone | None = None
    source: str | None = None
    judged: bool = True
    crowd: bool = False

    def __post_init__(self) -> None:
        """Refuse ids that are not lower-case words, scores outside [0, 1], and a crowd without a box."""
        if self.crowd and self.box is None:
            raise InputError("BAD_VALUE", None, f"a crowd of {self.label} without a box")
        if not is_label_id(self.label):
            raise InputError("UNKNOWN_LABEL", None, f"label id {self.label!r} is not a lower-case word")
        if self.score is not None and not (math.isfinite(self.score) and 0 <= self.score <= 1):
            raise InputError("BAD_VALUE", None, f"score {self.score} of {self.label} is not within 0 and 1")
        if self.score is not None:
            object.__setattr__(self, "score", float(self.score))  # a NumPy number is not JSON

    @property
    def of_a_person(self) -> bool:
        """A person answered for this box, wherever it comes from."""
        return self.source in {HUMAN, MODEL, EDITED}

    def said_by(self, reader: str) -> str:
        """Return who says it, of a finding in the reading of ``reader``: whence the box comes is nobody's name.

        A reader who is called as an origin is (a tool's unnamed ``model``) is named so that nobody takes it for one.
        """
        who = reader if self.source is None or self.of_a_person else self.source
        return f"reader {who}" if who in {HUMAN, MODEL, EDITED} else who


@dataclass(frozen=True, slots=True)
class Reading:
    """One reader's findings on one film, with what was looked for.

    ``frame`` is the size of the original film that the boxes are in; None only where there are no boxes. ``states``
    holds the labels that were looked for; :meth:`state` answers ``not_looked_for`` for every other one. ``rejected``:
    boxes that this reader was shown (by ``source``) and calls wrong; they are no findings, and they do not say that
    their label is absent. ``created``: when it was said (RFC 3339), ``basis``: which model's boxes the reader was shown
    (name, version and SHA-256); None where nobody kept it.
    """

    reader: str
    findings: tuple[Finding, ...] = ()
    states: Mapping[str, State] = field(default_factory=dict)
    frame: Frame | None = None
    rejected: tuple[Finding, ...] = ()
    created: str | None = None
    basis: str | None = None

    def __post_init__(self) -> None:
        """Refuse readings that contradict themselves (``BAD_VALUE``)."""
        states = {label: State(state) for label, state in self.states.items() if state != State.NOT_LOOKED_FOR}
        object.__setattr__(self, "findings", tuple(self.findings))
        object.__setattr__(self, "rejected", tuple(self.rejected))
        object.__setattr__(self, "states", MappingProxyType(states))
        if not self.reader:
            self._refuse("no reader is named")
        if any(finding.box is None for finding in self.rejected):
            self._refuse("a rejected finding has no box")
        if self.frame is None and any(finding.box for finding in (*self.findings, *self.rejected)):
            self._refuse("boxes without the frame they are in")
        boxed = {finding.label for finding in self.findings if finding.box}
        for label, state in states.items():
            if not is_label_id(label):
                self._refuse(f"label id {label!r} is not a lower-case word")
            if state is State.BOXED and label not in boxed:
                self._refuse(f"{label} is said to be boxed but has no box")
            if state is State.ABSENT and label in boxed:
                self._refuse(f"{label} is said to be absent but has a box")
        for finding in self.findings:
            if finding.label not in states:
                self._refuse(f"{finding.label} was found but is not among the labels looked for")

    def _refuse(self, reason: str) -> None:
        raise InputError("BAD_VALUE", f"reading of {self.reader!r}", reason)

    def __reduce__(self) -> tuple[object, ...]:  # a mapping proxy cannot be pickled
        said = (self.reader, self.findings, dict(self.states), self.frame, self.rejected)
        return type(self), (*said, self.created, self.basis)

    def __hash__(self) -> int:
        """Equal readings hash alike (the states are a mapping, which cannot hash itself)."""
        said = (self.reader, self.findings, frozenset(self.states.items()), self.frame, self.rejected)
        return hash((*said, self.created, self.basis))

    @classmethod
    def of_boxes(cls, reader: str, frame: Frame, boxes: Iterable[tuple[str, Box]], looked_for: Iterable[str]) -> Self:
        """Make the reading of someone who boxed every instance of ``looked_for``: labels without a box are absent."""
        findings = tuple(Finding(label, box) for label, box in boxes)
        found = {finding.label for finding in findings}
        states = dict.fromkeys(looked_for, State.ABSENT) | dict.fromkeys(found, State.BOXED)
        return cls(reader, findings, states, frame)

    def state(self, label: str) -> State:
        """Return what this reader says about ``label``."""
        return self.states.get(label, State.NOT_LOOKED_FOR)

    def of(self, label: str) -> tuple[Finding, ...]:
        """Return the findings of one label, in their order."""
        return tuple(finding for finding in self.findings if finding.label == label)

    def boxes(self, label: str | None = None) -> tuple[Box, ...]:
        """Return the boxes of single instances of one label, or of all, in their order."""
        return tuple(f.box for f in self.findings if f.box is not None and not f.crowd and label in {None, f.label})

    def crowds(self, label: str) -> tuple[Box, ...]:
        """Return the boxes around several instances of one label, in their order."""
        return tuple(f.box for f in self.findings if f.box is not None and f.crowd and f.label == label)

    def to_frame(self, target: Frame) -> Reading:
        """Return the same reading on the same picture at another size."""
        if self.frame is None or self.frame == target:
            return replace(self, frame=target)
        source = self.frame
        findings, rejected = (
            tuple(f if f.box is None else replace(f, box=f.box.move(source, target)) for f in found)
            for found in (self.findings, self.rejected)
        )
        return replace(self, findings=findings, frame=target, rejected=rejected)

    def only(self, labels: Iterable[str]) -> Reading:
        """Return the part of the reading that is about ``labels``."""
        kept = set(labels)
        findings, rejected = (
            tuple(finding for finding in found if finding.label in kept) for found in (self.findings, self.rejected)
        )
        states = {label: state for label, state in self.states.items() if label in kept}
        return replace(self, findings=findings, states=states, rejected=rejected)
