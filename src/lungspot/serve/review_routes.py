"""Routes for what readers say: reviews, the truth for teaching, and both as training data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from lungspot.errors import RequestError
from lungspot.report import Analysis, pixels_of
from lungspot.serve.app_state import AppState, StateDep, unless_deleted
from lungspot.serve.downloads import CSV, csv_download, saved_as
from lungspot.serve.exports import bytes_of, coco_json, csv_text, folder_zip, reviews_json
from lungspot.serve.files import BINARY
from lungspot.serve.pictures import pieces
from lungspot.serve.problems import ERRORS
from lungspot.serve.record import candidates
from lungspot.serve.review_answers import ReviewAnswer, ReviewsAnswer, ReviewsFile
from lungspot.serve.reviews import FilmNames, FilmShown, Review, Truth, add_review, reviews_of, set_truth
from lungspot.serve.routes import Identifier
from lungspot.serve.worklist import row_of

__all__ = ["router"]

router = APIRouter(prefix="/v1", responses=ERRORS)


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
    assessed = isinstance(result, Analysis) and result.assessed
    if isinstance(result, Analysis):
        card = result.model.card
        labels = list(card.labels)
        model = {"name": card.name, "version": card.version, "sha256": result.model.sha256}
    film = result.radiograph if isinstance(result, Analysis) else None
    with unless_deleted(identifier):
        pixels = None if film is None else pixels_of(app.store.pixels(identifier), row["width"], row["height"])
    offered = FilmShown(candidates(result), model, labels, assessed, film, pixels)
    return add_review(app.store, row, review, offered)


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


_COCO: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {}, "application/zip": BINARY}, "description": "COCO"}
}
_ZIP: dict[int | str, dict[str, Any]] = {200: {"content": {"application/zip": BINARY}, "description": "LabelMe"}}
_JSON: dict[int | str, dict[str, Any]] = {200: {"model": ReviewsFile, "description": "Reviews"}}


@router.get("/reviews.coco", response_class=Response, responses=_COCO)
def reviews_coco(app: StateDep, *, films: bool = False) -> Response:
    """Return the last review of each reader and film as COCO JSON, or with films as a zip."""
    return _coco(app, {}, films=films)


@router.post("/reviews.coco", response_class=Response, responses=_COCO)
def reviews_coco_named(app: StateDep, names: FilmNames, *, films: bool = False) -> Response:
    """Return the same with the file names that the caller knows; the server keeps none of them."""
    return _coco(app, names.names, films=films)


@router.get("/reviews.labelme", response_class=StreamingResponse, responses=_ZIP)
def reviews_labelme(app: StateDep, *, films: bool = False) -> StreamingResponse:
    """Return the last review of each reader and film as a zip of LabelMe files."""
    return _folder(app, "labelme", {}, films=films)


@router.post("/reviews.labelme", response_class=StreamingResponse, responses=_ZIP)
def reviews_labelme_named(app: StateDep, names: FilmNames, *, films: bool = False) -> StreamingResponse:
    """Return the same with the file names that the caller knows; the server keeps none of them."""
    return _folder(app, "labelme", names.names, films=films)


@router.get("/reviews.json", response_class=Response, responses=_JSON)
def reviews_as_json(app: StateDep) -> Response:
    """Return the last review of each reader and film as it was kept, for `lungspot detect --reviews`."""
    return _json(app, {})


@router.post("/reviews.json", response_class=Response, responses=_JSON)
def reviews_as_json_named(app: StateDep, names: FilmNames) -> Response:
    """Return the same with the file names that the caller knows; the server keeps none of them."""
    return _json(app, names.names)


@router.get("/reviews.csv", response_class=Response, responses=CSV)
def reviews_csv(app: StateDep) -> Response:
    """Return one row a verdict."""
    return _csv(app, {})


@router.post("/reviews.csv", response_class=Response, responses=CSV)
def reviews_csv_named(app: StateDep, names: FilmNames) -> Response:
    """Return the same with the file names that the caller knows; the server keeps none of them."""
    return _csv(app, names.names)


def _coco(app: AppState, names: Mapping[str, str], *, films: bool) -> Response:
    if films:
        return _folder(app, "coco", names, films=True)
    text = json.dumps(coco_json(app.store, names))
    return Response(text, media_type="application/json", headers=saved_as("reviews.coco.json"))


def _json(app: AppState, names: Mapping[str, str]) -> Response:
    text = json.dumps(reviews_json(app.store, names), ensure_ascii=False)
    return Response(text, media_type="application/json", headers=saved_as("reviews.json"))


def _csv(app: AppState, names: Mapping[str, str]) -> Response:
    text = csv_text(app.store, names)
    return csv_download(text, "reviews.csv")


def _folder(app: AppState, kind: str, names: Mapping[str, str], *, films: bool) -> StreamingResponse:
    if films and app.disk_nearly_full(bytes_of(app.store)):
        raise RequestError("BUSY", None, "the disk has no room to pack the films", advice="free disk space first")
    content = pieces(folder_zip(app.store, kind, names, films=films))
    return StreamingResponse(content, media_type="application/zip", headers=saved_as(f"reviews-{kind}.zip"))
