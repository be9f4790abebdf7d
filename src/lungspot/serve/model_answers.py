"""The JSON of answers about the model and the server as pydantic models (:mod:`lungspot.serve.answers`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel, StrictFloat, StrictInt, WithJsonSchema

from lungspot.serve.answers import OperatingPoint, Probability, Standing
from lungspot.serve.review_answers import Answer, Marked

__all__ = ["LabelAnswer", "ModelAnswer"]


class Software(Answer):
    """The versions that read films."""

    lungspot: str
    onnxruntime: str


class PointThresholds(Answer):
    """What a box and a whole film must reach to be positive at one operating point."""

    box: Probability
    image: Probability


# As a model card has it: a whole number stays one.
CardNumber = Annotated[StrictInt | StrictFloat, WithJsonSchema({"type": "number"})]
CardCount = Annotated[StrictInt | StrictFloat, WithJsonSchema({"type": "integer"})]


class CardValue(RootModel[CardNumber | str | bool | list["CardValue"] | dict[str, "CardValue"] | None]):
    """What a model card says for people, under names of its own: a number, a word, or several of these."""


class ReliabilityBins(Answer):
    """How often a score came true on the validation films: in each bin the mean score, the share, and how many."""

    count: list[CardNumber]
    observed: list[CardNumber]
    score: list[CardNumber]


class Evidence(Answer):
    """The numbers that a label's standing rests on (docs/explanation/standing.md); empty where the card has none.

    ``source``: whose films they are of. ``positive``, ``called``, ``shown``: films that show the label, films that it
    was called on, boxes of it. ``calls_right``, ``boxes_right``: the shares of those that were right; null of none.
    """

    auroc: CardNumber | None = None
    boxes_right: CardNumber | None = None
    called: CardCount | None = None
    calls_right: CardNumber | None = None
    positive: CardCount | None = None
    shown: CardCount | None = None
    source: str | None = None


# What lungspot's own cards hold, or else whatever another's may.
_OURS_FIRST = Field(union_mode="left_to_right")


class LabelAnswer(Answer):
    """One label that the model looks for."""

    id: str
    name: str
    color: Annotated[str, Field(pattern="^#[0-9a-f]{6}$")]
    codes: dict[str, str]
    thresholds: dict[OperatingPoint, PointThresholds]
    reliability: Annotated[dict[str, ReliabilityBins] | CardValue, _OURS_FIRST]
    standing: Standing
    evidence: Annotated[Evidence | CardValue, _OURS_FIRST]


class Word(Answer):
    """One label of the taxonomy, which a reader may use whether the model knows it or not."""

    id: str
    name: str
    disease: bool
    group: str
    color: str


class UploadLimits(Answer):
    """What one upload may bring, and how many films may wait."""

    upload_bytes: int
    films: int
    parts: int
    queue: int


class GateAnswer(Answer):
    """On which films the gate was tested."""

    tested_on: dict[str, CardValue]


class SiteAnswer(Answer):
    """Whose thresholds and probabilities the server judges by, where they are not the model's own."""

    name: str
    made: str
    films: int
    sha256: str
    coverage: float | None
    thresholds: dict[str, list[Literal["film", "box"]]]
    probabilities: list[str]
    words: str


class Screening(Answer):
    """What people are screened for, and whose threshold decides what is advised."""

    label: str
    name: str
    threshold: Probability
    thresholds_of: str


class ModelAnswer(Marked):
    """``GET /v1/model``: the model's card, limits of the server, and what codes mean in words."""

    name: str
    version: str
    sha256: str
    card_sha256: str
    site: SiteAnswer | None
    software: Software
    labels: list[LabelAnswer]
    operating_points: list[OperatingPoint]
    default_point: OperatingPoint
    floor: Probability
    training_data: list[str]
    licence: str
    terms: str
    intended_use: str
    notes: list[str]
    metrics: dict[str, CardValue]
    gate: GateAnswer | None
    reasons: dict[str, str]
    warnings: dict[str, str]
    taxonomy: list[Word]
    limits: UploadLimits
    teaching_cases: int
    screening: Screening | None
    keeps_identifiers: bool
    report_languages: dict[str, str]
    banner: str
    not_assessed: str
