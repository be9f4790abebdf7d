"""The JSON of answers about films as pydantic models, from which the OpenAPI description is made.

Those about the model stand in :mod:`.model_answers`, those about reviews in :mod:`.review_answers`, and other groups of
routes hold their own (docs/reference/http.md). Keys that are not named here pass through unchanged: a later version may
add some. Boxes are ``[x0, y0, x1, y1]`` in pixels of the film as its file stores it; times are RFC 3339 in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from lungspot.detect import OPERATING_POINTS
from lungspot.report import DECISIONS, schema
from lungspot.serve.review_answers import Answer, Marked, ReadingValue, ReviewAnswer
from lungspot.serve.reviews import Corners

__all__ = [
    "Accepted",
    "ChangesValue",
    "Decided",
    "ErrorParts",
    "Health",
    "OperatingPoint",
    "Probability",
    "QueueState",
    "ReadingAnswer",
    "Standing",
    "Status",
    "UploadAnswer",
    "WorklistAnswer",
    "WorklistRow",
]

OperatingPoint = Literal[OPERATING_POINTS]  # type: ignore[valid-type] # of the names that the detector has
QueueState = Literal["queued", "reading", "done"]
Status = Literal["assessed", "not_assessed"]
Standing = Literal["reported", "experimental"]
Probability = Annotated[float, Field(ge=0, le=1)]
Decided = Literal[DECISIONS]  # type: ignore[valid-type] # and those of the register
ByPoint = dict[OperatingPoint, Probability]


def _inlined(part: Any, definitions: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a JSON Schema's parts
    """Return a JSON Schema without ``$ref``, which could not be resolved inside the OpenAPI document."""
    if isinstance(part, dict):
        target = definitions[part["$ref"].rpartition("/")[2]] if "$ref" in part else {}
        merged = {**target, **{key: value for key, value in part.items() if key not in {"$ref", "$defs"}}}
        return {key: _inlined(value, definitions) for key, value in merged.items() if key not in {"$schema", "$id"}}
    return [_inlined(each, definitions) for each in part] if isinstance(part, list) else part


_DEFINITIONS = schema()["$defs"]
StatementValue = Annotated[dict[str, Any], WithJsonSchema(_inlined(_DEFINITIONS["statement"], _DEFINITIONS))]
ChangesValue = Annotated[
    dict[str, Any],
    WithJsonSchema(
        _inlined(_DEFINITIONS["report"]["properties"]["changes"]["oneOf"][1], _DEFINITIONS),
    ),
]
Result = Annotated[dict[str, Any], WithJsonSchema(_inlined(schema(), schema()["$defs"]))]


class Health(Answer):
    """``/healthz`` and ``/readyz``."""

    status: Literal["ok", "ready"]


class ErrorParts(Answer):
    """What was refused: branch on ``code``; ``where`` is a parameter, a header, a part of the upload, or null."""

    code: str
    where: str | None
    reason: str
    advice: str


class Accepted(Answer):
    """One film of an upload; ``duplicate``: the same bytes were here before."""

    id: str
    name: str
    state: QueueState
    duplicate: bool


class RefusedFile(Answer):
    """One file of an upload that is no film, and why."""

    name: str
    error: ErrorParts


class UploadAnswer(Marked):
    """``POST /v1/readings``: films in the order of the upload."""

    readings: list[Accepted]
    refused: list[RefusedFile]


class Top(Answer):
    """The surest of what is said of a film, as it is said; where nothing is, the likeliest label."""

    label: str
    name: str
    score: Probability


class WorklistRow(Answer):
    """One film in the worklist; what a reading says is null until ``state`` is ``done``."""

    id: str
    number: int
    name: str
    state: QueueState
    status: Status | None
    reasons: list[str]
    created: str
    study_date: str | None
    finished: str | None
    headline: str | None
    labels: list[str]
    top: Top | None
    urgency: float
    reviewed: bool
    model: str | None
    width: int | None
    height: int | None
    view: str | None
    patient: str | None
    screened: Probability | None
    decision: Decided | None


class Counts(Answer):
    """How many films are in each state, were reviewed by anybody, and were not assessed."""

    queued: int
    reading: int
    done: int
    reviewed: int
    not_assessed: int


class Beside(Answer):
    """Where one film stands in the whole list, and which films that are done are beside it.

    ``position``: from 0; null where it is not in the list. ``next_unread``: the next that nobody reviewed; after the
    last comes the first.
    """

    id: str
    position: int | None
    previous: str | None
    next: str | None
    next_unread: str | None


class WorklistAnswer(Marked):
    """``GET /v1/readings``: one page of the worklist."""

    readings: list[WorklistRow]
    total: int
    page: int
    per_page: int
    counts: Counts
    beside: Beside | None = None


class HeatMapAgreement(Answer):
    """How a box and the heat map of its label agree (docs/reference/json.md)."""

    energy_in_box: Probability
    peak_in_box: bool
    iou: Probability
    area: Probability


class Candidate(Answer):
    """One box from the lowest score that a page may show; positive at a point where ``score >= thresholds[point]``."""

    label: str
    name: str
    score: Probability
    box: Corners
    side: str | None
    zone: str | None
    codes: dict[str, str]
    standing: Standing
    place: int
    judged: bool
    thresholds: ByPoint
    agreement: HeatMapAgreement | None = None


class Statements(Answer):
    """What is said of a film at one operating point: of reported labels, and with experimental ones.

    ``places``: by the number of a place, which candidates show it.
    """

    reported: StatementValue
    experimental: StatementValue
    places: dict[str, list[int]]


class Correction(Answer):
    """What a film needed to be read: quarter turns against the clock, and whether its greys were swapped."""

    quarter_turns: int
    invert: bool


class Identity(Answer):
    """The patient, with ``--keep-identifiers``."""

    patient_name: str | None
    patient_id: str | None
    birth_date: str | None
    study_date: str | None
    accession: str | None = None
    age_years: float | None = None


class Prior(Answer):
    """Another film of the same patient; ``days_earlier`` is negative for a later one and null where unknown."""

    id: str
    number: int
    name: str
    created: str
    days_earlier: int | None
    status: Status | None
    headline: str | None


class ReadingAnswer(WorklistRow, Marked):
    """``GET /v1/readings/{id}``: everything about one film; ``result`` is the document of docs/reference/json.md."""

    result: Result | None
    floor: Probability
    candidates: list[Candidate]
    statements: dict[OperatingPoint, Statements]
    edges: dict[Literal["left", "right", "top", "bottom"], Literal["L", "R"]]
    correction: Correction | None = None
    heatmaps: list[str]
    image_thresholds: dict[str, ByPoint]
    why_repeat: str
    identity: Identity | None
    priors: list[Prior]
    reviews: list[ReviewAnswer]
    truth: ReadingValue | None
