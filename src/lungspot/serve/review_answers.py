"""The JSON of answers about reviews as pydantic models, and what all answers share (:mod:`lungspot.serve.answers`)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lungspot.report import REVIEWS, Kind
from lungspot.serve.reviews import Action, Corners, Measurer

__all__ = ["Answer", "Marked", "ReadingValue", "ReviewAnswer", "ReviewsAnswer", "ReviewsFile"]


class Answer(BaseModel):
    """Any answer: keys that are not named pass through unchanged."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())


class Marked(Answer):
    """An answer that says of itself what it is not for."""

    not_for_clinical_use: Literal[True]


class Offered(Answer):
    """The candidate that a verdict speaks of, as the reader saw it."""

    label: str
    box: Corners | None
    score: float | None


class VerdictAnswer(Answer):
    """One verdict as it was kept: with label and box, and what the model had offered."""

    action: Action
    candidate: int | None = None
    offered: Offered | None = None
    label: str
    box: Corners | None


class ModelName(Answer):
    """Which model's boxes a reader saw."""

    name: str
    version: str
    sha256: str


class FindingAnswer(Answer):
    """One finding of a reading in the project's own form (``lungspot.findings.reading_to_json``)."""

    label: str
    box: Corners | None = None
    score: float | None = None
    side: str | None = None
    zone: str | None = None
    source: str | None = None
    crowd: bool = False


class ReadingValue(Answer):
    """A reader's findings, and what the reader looked for, in the project's own form."""

    reader: str
    frame: tuple[int, int] | None = None
    states: dict[str, Literal["boxed", "present", "absent"]]
    findings: list[FindingAnswer]
    rejected: list[FindingAnswer] = []
    created: str | None = None
    basis: str | None = None


class WidthsAnswer(Answer):
    """The two widths of a cardiothoracic ratio."""

    heart: float
    chest: float
    unit: Literal["mm", "px"]


class MeasurementAnswer(Answer):
    """One measurement as it was kept: its points, and what they come to."""

    kind: Kind
    points: list[tuple[float, float]]
    by: Measurer
    value: float
    unit: Literal["mm", "px", "mm2", "px2", "deg", "1"]
    greys: dict[str, float] | None = None
    widths: WidthsAnswer | None = None


class ReviewAnswer(Answer):
    """A review as it was kept; it is never changed."""

    id: int
    reading_id: str
    created: str
    reader: str
    note: str
    complete: bool
    verdicts: list[VerdictAnswer]
    absent: list[str]
    measurements: list[MeasurementAnswer] = []
    model: ModelName | None
    reading: ReadingValue


class ReviewsAnswer(Marked):
    """``GET /v1/readings/{id}/reviews``: oldest first."""

    reviews: list[ReviewAnswer]


class FilmReview(ReviewAnswer):
    """A review with the file of its film: its SHA-256, and its name where that is known."""

    film_sha256: str
    film_name: str | None


class ReviewsFile(Marked):
    """``/v1/reviews.json``: of each reader and film the last review, for ``lungspot detect --reviews``."""

    form: str = Field(alias="schema", json_schema_extra={"const": REVIEWS})
    reviews: list[FilmReview]
