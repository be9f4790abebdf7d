"""Everything known about one film: what it is, whether it could be judged, what was seen, where, and how surely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lungspot.detect import DEFAULT_POINT, Anatomy, ModelCard, Place, find_places, left_side, reaches
from lungspot.errors import InputError, LungspotError
from lungspot.findings import Finding, Reading, Side
from lungspot.images import ImageStatistics, Notice, Radiograph

__all__ = ["Analysis", "Model", "Refusal", "Status"]


class Status(StrEnum):
    """Whether a film was judged at all, in the words of the JSON document."""

    ASSESSED = "assessed"
    NOT_ASSESSED = "not_assessed"


@dataclass(frozen=True, slots=True)
class Model:
    """Which model read the film, with the SHA-256 of its file, and by which onnxruntime."""

    card: ModelCard
    sha256: str
    runtime: str

    @property
    def key(self) -> str:
        """What names it together with the site whose thresholds its card holds: ``SHA256`` or ``SHA256+SITE``."""
        return self.sha256 if self.card.site is None else f"{self.sha256}+{self.card.site.sha256}"

    @classmethod
    def of_key(cls, key: str, card: ModelCard, runtime: str) -> Self:
        """Return the model that a :attr:`key` names."""
        return cls(card, key.partition("+")[0], runtime)


@dataclass(frozen=True)
class Analysis:
    """One film's result; PNG, HTML, JSON and table are views of this.

    ``reading`` is None where the film was not assessed; ``reasons`` (codes) then say why, and no score is held
    anywhere. Boxes of the reading and ``heat``, maps by label of shape (h, w) over the whole film, lie in the film as
    its file stores it. ``agreement``: for each boxed finding, in order, how box and map agree. ``point``: the operating
    point that decides what is positive. ``timings``: milliseconds by step. ``min_score``: what boxes had to reach,
    where the caller chose it; else the operating point's thresholds. ``quarter_turns``: those, against the clock, that
    set the film upright for reading. ``anatomy``: heart and lungs, in the film as its file stores it; None where the
    model knows none. ``statistics``: how the picture looks. ``features``: the network's, made small
    (:func:`lungspot.detect.compact_features`). ``made``: when, ISO 8601 in UTC.
    """

    radiograph: Radiograph
    model: Model
    reading: Reading | None = None
    reasons: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()
    heat: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    agreement: tuple[Mapping[str, float | bool], ...] = ()
    point: str = DEFAULT_POINT
    timings: Mapping[str, float] = field(default_factory=dict)
    min_score: float | None = None
    quarter_turns: int = 0
    anatomy: Anatomy | None = None
    statistics: ImageStatistics | None = None
    features: tuple[float, ...] = ()
    made: str | None = None

    def __post_init__(self) -> None:
        """Refuse results that say both yes and no; make the mappings read-only."""
        object.__setattr__(self, "heat", MappingProxyType(dict(self.heat)))
        object.__setattr__(self, "timings", MappingProxyType(dict(self.timings)))
        where = self.radiograph.origin.path
        if (self.reading is None) != bool(self.reasons):
            raise InputError("BAD_VALUE", where, "a film is either read or refused with a reason")
        if self.reading is None and (self.heat or self.agreement or self.anatomy or self.features):
            raise InputError("BAD_VALUE", where, "a film that is not assessed has no maps, no anatomy, no features")
        if self.agreement and len(self.agreement) != len(self.boxed):
            raise InputError("BAD_VALUE", where, f"{len(self.agreement)} agreements of {len(self.boxed)} boxes")

    def __reduce__(self) -> tuple[object, ...]:  # a mapping proxy cannot be pickled
        values = (getattr(self, each.name) for each in fields(self))
        return type(self), tuple(dict(each) if isinstance(each, MappingProxyType) else each for each in values)

    @property
    def assessed(self) -> bool:
        """Whether the film was judged at all."""
        return self.reading is not None

    @property
    def status(self) -> Status:
        """``assessed`` or ``not_assessed``."""
        return Status.ASSESSED if self.assessed else Status.NOT_ASSESSED

    @property
    def boxed(self) -> tuple[Finding, ...]:
        """The findings that have a box, best score first."""
        return () if self.reading is None else tuple(each for each in self.reading.findings if each.box is not None)

    @property
    def left_side(self) -> Side | None:
        """The patient's side at the left edge of the upright film; None where the file does not say, or wrongly."""
        return left_side(self.radiograph.orientation.upright_left_side(self.quarter_turns), self.anatomy)

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """The places that the boxes show, best first; their ``members`` are indices of :attr:`boxed`."""
        return find_places(self.boxed, self.model.card)

    @property
    def probabilities(self) -> Mapping[str, float]:
        """By label, the calibrated probability that the film shows it at all."""
        findings = () if self.reading is None else self.reading.findings
        return {each.label: each.score or 0.0 for each in findings if each.box is None}

    def is_positive(self, finding: Finding) -> bool:
        """Say whether a finding reaches its threshold at the operating point (of boxes, or of whole films)."""
        return reaches(self.model.card, finding, self.point)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that could not even be read: its name as the caller knows it, the error, and when that was (UTC)."""

    path: str
    error: LungspotError
    made: str | None = None

    @property
    def assessed(self) -> bool:
        """Never."""
        return False

    @property
    def status(self) -> Status:
        """``not_assessed``."""
        return Status.NOT_ASSESSED

    @property
    def reasons(self) -> tuple[str, ...]:
        """The error's code."""
        return (self.error.code,)
