"""``POST /v1/suggestions``: a film in, boxes out, nothing kept: for labelling tools of any kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from pydantic import Field

from lungspot.detect import DEFAULT_POINT
from lungspot.errors import FilmError, LungspotError, RequestError
from lungspot.findings import taxonomy
from lungspot.report import Analysis
from lungspot.serve.answers import OperatingPoint, Probability, Status
from lungspot.serve.app_state import StateDep
from lungspot.serve.files import BINARY
from lungspot.serve.intake import Upload, receive
from lungspot.serve.problems import ERRORS
from lungspot.serve.review_answers import Answer, Marked, ModelName
from lungspot.serve.reviews import Corners

__all__ = ["router"]

router = APIRouter(prefix="/v1", responses=ERRORS)

_SECONDS: Final = 60.0  # for one film, with those that wait before it


class Suggestion(Answer):
    """One box that a person may keep, move or delete; ``threshold``: what its score reached."""

    label: str
    name: str
    color: Annotated[str, Field(pattern="^#[0-9a-f]{6}$")]
    score: Probability
    threshold: Probability
    box: Corners
    side: str | None
    zone: str | None


class ImageSize(Answer):
    """The film's size in pixels, as its file stores it: the frame of the boxes."""

    width: int
    height: int


class SuggestionsAnswer(Marked):
    """``POST /v1/suggestions``: best first; ``reasons``: why a film was not assessed, and so has no suggestions."""

    status: Status
    reasons: list[str]
    image: ImageSize
    point: OperatingPoint
    suggestions: list[Suggestion]
    model: ModelName


@router.post(
    "/suggestions",
    response_model=SuggestionsAnswer,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": {"type": "object", "properties": {"film": BINARY["schema"]}}},
                "application/dicom": BINARY,
                "application/octet-stream": BINARY,
                "image/png": BINARY,
            },
        }
    },
)
async def suggestions(
    request: Request,
    app: StateDep,
    point: OperatingPoint = DEFAULT_POINT,
    label: Annotated[list[str] | None, Query(max_length=64)] = None,
) -> dict[str, Any]:
    """Return boxes of one film, of these labels or of all, in pixels of the film; nothing of it is kept."""
    wanted = None if label is None else _known(label, app.detector.card.labels)
    size = request.headers.get("content-length", "0")
    if why := app.closed_to(int(size) if size.isdigit() else 0):
        raise RequestError("BUSY", None, why)
    kind, incoming = request.headers.get("content-type", ""), app.store.folder / "incoming"
    arrived = await receive(request.stream(), kind, "film", incoming, 1, app.closed_to)
    try:
        path = _film_of(arrived)
        (said,) = await app.suggester.all([lambda: app.suggester.read(path.read_bytes(), point)], _SECONDS)
    finally:
        arrived.discard()
    if isinstance(said, LungspotError):
        raise said
    return _answer(said, wanted)


def _known(asked: Sequence[str], labels: Sequence[str]) -> frozenset[str]:
    """Return the labels asked for; refuses one that the model does not know: no box of it would read as none there."""
    strange = next((one for one in asked if one not in labels), None)
    if strange is not None:
        reason, advice = f"the model knows no label {strange[:64]!r}", f"use of {', '.join(labels)}"
        raise RequestError("BAD_VALUE", "label", reason, advice=advice)
    return frozenset(asked)


def _film_of(arrived: Upload) -> Path:
    """Return the one film that a request brought; raises what refused it."""
    if arrived.films:
        return arrived.films[0].path
    raise arrived.refused[0][1] if arrived.refused else FilmError("NOT_AN_IMAGE", "film", "the archive holds no film")


def _answer(result: Analysis, labels: frozenset[str] | None) -> dict[str, Any]:
    card, known = result.model.card, taxonomy()
    found = []
    for finding in result.boxed:
        if (
            finding.box is None
            or not result.is_positive(finding)
            or (labels is not None and finding.label not in labels)
        ):
            continue
        label = known[finding.label]
        told = {"label": label.id, "name": label.name, "color": label.color, "score": round(finding.score or 0.0, 4)}
        told["threshold"] = round(card.threshold(label.id, result.point).box, 4)
        told["box"] = [round(corner, 2) for corner in finding.box.corners]
        found.append(told | {"side": finding.side, "zone": finding.zone})
    frame = result.radiograph.frame
    return {
        "status": result.status,
        "reasons": list(result.reasons),
        "image": {"width": frame.width, "height": frame.height},
        "point": result.point,
        "suggestions": found,
        "model": {"name": card.name, "version": card.version, "sha256": result.model.sha256},
        "not_for_clinical_use": True,
    }
