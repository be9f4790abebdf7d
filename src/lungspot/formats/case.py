"""One film of a dataset with everything people said about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from lungspot.errors import InputError
from lungspot.findings import Frame, Reading, State, taxonomy
from lungspot.images import Sex, View

__all__ = ["Case", "Split", "everything_absent", "without_crowds"]


class Split(StrEnum):
    """The part of a dataset that a film belongs to."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"

    @classmethod
    def named(cls, word: str) -> Split | None:
        """Return the split that tools call by a word in any capitals (``valid``, ``Validation``, ``dev``), or None."""
        return next((split for split in cls if word.strip().lower() in _CALLED[split]), None)


_CALLED: Final = {
    Split.TRAIN: ("train", "training"),
    Split.VAL: ("val", "valid", "validation", "dev"),
    Split.TEST: ("test", "testing"),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One film: its id within the dataset, where its file is, whose it is, and the readings of it.

    ``image``: the file, or None where the download holds the annotations only. ``frame``: the native size that the
    boxes of all ``readings`` are in; the file may be stored at another size (scale with ``reading.to_frame``).
    ``patient`` is unique over all datasets (``nih_00000001``), and equal for films of one person in sets that share
    films. ``split``: the publisher's, if any. ``source_name``, ``source_sha256``: name and digest of the film's own
    file, where a service read it and ``image`` is none or another file.
    """

    id: str
    dataset: str
    patient: str
    readings: tuple[Reading, ...]
    image: Path | None = None
    frame: Frame | None = None
    split: Split | None = None
    view: View = View.UNKNOWN
    age_years: float | None = None
    sex: Sex = Sex.UNKNOWN
    source_name: str | None = None
    source_sha256: str | None = None

    def __post_init__(self) -> None:
        """Refuse readings in another frame than the case's."""
        for reading in self.readings:
            if reading.frame is not None and reading.frame != self.frame:
                raise InputError("BAD_VALUE", f"{self.dataset}/{self.id}", f"{reading.reader!r} reads in another frame")


def without_crowds(cases: Iterable[Case]) -> tuple[list[Case], int]:
    """Return the cases without boxes around several instances, for tools that cannot say them, and how many went.

    A label that lost one is present and no longer boxed exhaustively.
    """
    kept, gone = [], 0
    for case in cases:
        readings = []
        for reading in case.readings:
            crowds = [finding for finding in reading.findings if finding.crowd]
            gone += len(crowds)
            states = dict(reading.states) | dict.fromkeys((finding.label for finding in crowds), State.PRESENT)
            findings = tuple(finding for finding in reading.findings if not finding.crowd)
            readings.append(replace(reading, findings=findings, states=states) if crowds else reading)
        kept.append(replace(case, readings=tuple(readings)))
    return kept, gone


def everything_absent(reader: str, frame: Frame | None = None) -> Reading:
    """Return the reading of someone who calls the film normal: every label of the taxonomy is absent."""
    return Reading(reader, (), {label.id: State.ABSENT for label in taxonomy()}, frame)
