"""Routes for what readers say: reviews, the truth for teaching, and both as training data."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from lungspot.errors import RequestError
from lungspot.report import Analysis
from lungspot.serve.answers import ReviewAnswer, ReviewsAnswer
from lungspot.serve.app_state import AppState, StateDep
from lungspot.serve.exports import bytes_of, coco_json, csv_text, folder_zip
from lungspot.serve.pictures import pieces
from lungspot.serve.problems import ERRORS
from lungspot.serve.record import candidates
from lungspot.serve.reviews import Offered, Review, Truth, add_review, reviews_of, set_truth
from lungspot.serve.routes import Identifier
from lungspot.serve.worklist import row_of

__all__ = ["router"]

router = APIRouter(prefix="/v1", responses=ERRORS)

_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}


@router.post(
    "/readings/{identifier}/review",
    status_code=201,
    response_model=ReviewAnswer,
    response_model_exclude_unset=True,
)
def review(app: StateDep, identifier: Identifier, review: Review) -> dict[str, Any]:
    """Keep what a reader says about a film."""
    row = app.done(identifier)
    result = app.result(row, pictures=False)
    model, labels = None, list(app.detector.card.labels)
    if isinstance(result, Analysis):
        card = result.model.card
        labels = list(card.labels)
        model = {"name": card.name, "version": card.version, "sha256": result.model.sha256}
    return add_review(app.store, row, review, Offered(candidates(result), model, labels))


@router.get("/readings/{identifier}/reviews", response_model=ReviewsAnswer, response_model_exclude_unset=True)
def reviews(app: StateDep, identifier: Identifier) -> dict[str, Any]:
    """List the reviews of a film, oldest first."""
    return {"reviews": reviews_of(app.store, row_of(app.store, identifier)), "not_for_clinical_use": True}


@router.delete("/readings/{identifier}/reviews/{number}", status_code=204)
def delete_review(app: StateDep, identifier: Identifier, number: int) -> Response:
    """Take one review back."""
    row = row_of(app.store, identifier)
    with app.store.writing() as db:
        query = "DELETE FROM reviews WHERE number = ? AND reading = ?"
        gone = db.execute(query, (number, row["number"])).rowcount if abs(number) < 1 << 63 else 0
    if not gone:
        raise RequestError("NO_READING", str(number)[:32], "the film has no such review")
    return Response(status_code=204)


@router.post("/readings/{identifier}/truth", status_code=204)
def truth(app: StateDep, identifier: Identifier, truth: Truth) -> Response:
    """Keep what a dataset says of a film, for teaching."""
    set_truth(app.store, app.done(identifier), truth)
    return Response(status_code=204)


@router.get(
    "/reviews.coco",
    response_class=Response,
    responses={200: {"content": {"application/json": {}, "application/zip": _BINARY}, "description": "COCO"}},
)
def reviews_coco(app: StateDep, *, films: bool = False) -> Response:
    """Return the last review of each reader and film as COCO JSON, or with films as a zip."""
    if films:
        return _folder(app, "coco", films=True)
    return Response(
        json.dumps(coco_json(app.store)), media_type="application/json", headers=_saved("reviews.coco.json")
    )


@router.get(
    "/reviews.labelme",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/zip": _BINARY}, "description": "LabelMe"}},
)
def reviews_labelme(app: StateDep, *, films: bool = False) -> StreamingResponse:
    """Return the same as a zip of LabelMe files."""
    return _folder(app, "labelme", films=films)


@router.get(
    "/reviews.csv",
    response_class=Response,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "CSV"}},
)
def reviews_csv(app: StateDep) -> Response:
    """Return one row a verdict."""
    return Response(csv_text(app.store), media_type="text/csv; charset=utf-8", headers=_saved("reviews.csv"))


def _folder(app: AppState, kind: str, *, films: bool) -> StreamingResponse:
    if films and app.disk_nearly_full(bytes_of(app.store)):
        raise RequestError("BUSY", None, "the disk has no room to pack the films", advice="free disk space first")
    content = pieces(folder_zip(app.store, kind, films=films))
    return StreamingResponse(content, media_type="application/zip", headers=_saved(f"reviews-{kind}.zip"))


def _saved(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}
