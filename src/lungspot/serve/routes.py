"""Films in and results out: ``/v1/readings`` and what hangs below it, reviews apart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from PIL import Image

from lungspot.detect import DEFAULT_POINT, OPERATING_POINTS, floor_of
from lungspot.errors import LungspotError, RequestError
from lungspot.report import Refusal, document, edge_letters, overlay, pixels_of, why_repeat
from lungspot.serve.answers import OperatingPoint, ReadingAnswer, UploadAnswer
from lungspot.serve.app_state import AppState, StateDep, unless_deleted
from lungspot.serve.files import BINARY, FILE_ANSWERS, StoredFile
from lungspot.serve.intake import receive
from lungspot.serve.pictures import draw, film_png, heat_png
from lungspot.serve.priors import before_of, priors_of, priors_to_json
from lungspot.serve.problems import ERRORS, problem
from lungspot.serve.record import at_point, candidates, statements
from lungspot.serve.reviews import reviews_of, truth_of
from lungspot.serve.store import QueueState
from lungspot.serve.worklist import row_of, row_to_json

__all__ = ["Identifier", "router"]

router = APIRouter(prefix="/v1", responses=ERRORS)


Identifier = str
_PNG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": BINARY}, "description": "A PNG"}}


@router.post(
    "/readings",
    status_code=202,
    response_model=UploadAnswer,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {"type": "object", "properties": {"film": {"type": "array", "items": BINARY["schema"]}}}
                },
                "application/octet-stream": BINARY,
                "application/dicom": BINARY,
                "application/zip": BINARY,
                "image/png": BINARY,
            },
        }
    },
)
async def upload(request: Request, app: StateDep, name: Annotated[str, Query(max_length=255)] = "") -> dict[str, Any]:
    """Accept films: they are on disk and in the database before the answer goes out."""
    size = request.headers.get("content-length", "0")
    try:
        if why := app.full(int(size) if size.isdigit() else 0):
            raise RequestError("BUSY", None, why)
        kind = request.headers.get("content-type", "")
        incoming = app.store.folder / "incoming"
        arrived = await receive(_body(request), kind, name, incoming, app.settings.queue, app.full)
        try:
            accepted = await asyncio.to_thread(app.store.accept, arrived.films)
        finally:
            arrived.discard()
    except LungspotError as error:
        app.metrics.refused.labels(error.code).inc()
        raise
    if not accepted and arrived.refused:
        raise arrived.refused[0][1]
    app.metrics.accepted.inc(sum(not each.duplicate for each in accepted))
    app.metrics.duplicates.inc(sum(each.duplicate for each in accepted))
    request.app.state.workers.wake()
    films = [{"id": a.id, "name": a.name, "state": a.state, "duplicate": a.duplicate} for a in accepted]
    refused = [{"name": given, "error": problem(error)} for given, error in arrived.refused]
    return {"readings": films, "refused": refused, "not_for_clinical_use": True}


async def _body(request: Request) -> Any:  # noqa: ANN401 - an async iterator of bytes
    async for chunk in request.stream():
        yield chunk


@router.get("/readings/{identifier}", response_model=ReadingAnswer, response_model_exclude_unset=True)
async def reading(
    app: StateDep,
    identifier: Identifier,
    point: OperatingPoint = DEFAULT_POINT,
    wait: Annotated[float, Query(ge=0, le=30, allow_inf_nan=False)] = 0,
    learner: Annotated[str | None, Query(max_length=64)] = None,
) -> dict[str, Any]:
    """Return everything about one film; with ``wait``, when it is done or the seconds are over."""
    with app.completion(identifier) as done:
        row = await asyncio.to_thread(row_of, app.store, identifier)
        if wait and row["state"] != QueueState.DONE:
            with suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), wait)
    return await asyncio.to_thread(_whole, app, identifier, point, learner)


def _whole(app: AppState, identifier: str, point: str, learner: str | None) -> dict[str, Any]:
    row = row_of(app.store, identifier)
    value = row_to_json(row) | {"result": None, "candidates": [], "statements": {}, "edges": {}, "heatmaps": []}
    card, priors = app.detector.card, priors_of(app.store, row)
    if row["state"] == QueueState.DONE:
        result = app.result(row, pictures=False)
        if not isinstance(result, Refusal):
            card = result.model.card
            value["candidates"] = candidates(result)
            value["statements"] = statements(result)
            value["edges"] = edge_letters(result)
            swapped = any(notice.code == "GREYS_SWAPPED" for notice in result.notices)
            value["correction"] = {"quarter_turns": result.quarter_turns, "invert": swapped}
            value["heatmaps"] = list(card.labels) if result.assessed else []
            result = at_point(result, point)
        value["result"] = document(result, before=before_of(app, row, result, point, priors=priors))
    value["floor"] = round(floor_of(card), 4)
    value["image_thresholds"] = {
        label: {point: round(card.threshold(label, point).image, 4) for point in OPERATING_POINTS}
        for label in card.labels
    }
    value["why_repeat"] = "" if row["status"] != "not_assessed" else why_repeat(value["result"]["reasons"])
    value["identity"] = None if row["identity"] is None else json.loads(row["identity"])
    value["priors"] = priors_to_json(priors)
    value["reviews"] = reviews_of(app.store, row)
    value["truth"] = truth_of(app.store, row, learner)
    value["not_for_clinical_use"] = True
    return value


@router.delete("/readings/{identifier}", status_code=204)
def delete(app: StateDep, identifier: Identifier) -> Response:
    """Remove a film and everything about it."""
    app.store.delete(identifier)
    return Response(status_code=204)


@router.get("/readings/{identifier}/image", response_class=StreamingResponse, responses=_PNG)
async def image(
    app: StateDep,
    identifier: Identifier,
    bits: Literal["8", "16"] = "8",
    max_side: Annotated[int | None, Query(ge=64, le=4096)] = None,
) -> StreamingResponse:
    """Return the film as a grey PNG."""

    def picture() -> Image.Image:
        row = _pictured(app, identifier)
        pixels = pixels_of(app.store.pixels(identifier), row["width"], row["height"])
        result = app.result(row, pictures=False)
        high, wide = (1, 1) if isinstance(result, Refusal) else result.radiograph.pixel_aspect
        return film_png(pixels, int(bits), max_side, high / wide)

    return await _png(app, picture)


@router.get(
    "/readings/{identifier}/image.raw16",
    response_class=FileResponse,
    responses={200: {"content": {"application/octet-stream": BINARY}, "description": "Pixels"}, **FILE_ANSWERS},
)
def raw16(app: StateDep, identifier: Identifier) -> StoredFile:
    """Return the film's pixels, 16 bits each, little-endian, row by row; byte ranges may be asked for."""
    row = _pictured(app, identifier)
    size = {"X-Image-Width": str(row["width"]), "X-Image-Height": str(row["height"])}
    with unless_deleted(identifier):
        return StoredFile(app.store.pixels(identifier), "application/octet-stream", headers=size)


@router.get("/readings/{identifier}/overlay.png", response_class=StreamingResponse, responses=_PNG)
async def overlay_png(
    app: StateDep, identifier: Identifier, point: OperatingPoint = DEFAULT_POINT, *, heatmap: bool = False
) -> StreamingResponse:
    """Return the film with its boxes as one picture."""
    return await _png(app, lambda: overlay(at_point(app.film(identifier), point), heatmap=heatmap))


@router.get("/readings/{identifier}/heatmap/{label}", response_class=StreamingResponse, responses=_PNG)
async def heatmap(
    app: StateDep, identifier: Identifier, label: str, style: Literal["colour", "grey"] = "colour"
) -> StreamingResponse:
    """Return the activation map of one label."""

    def picture() -> Image.Image:
        result = app.film(identifier)
        if label not in result.heat:
            raise RequestError("NO_PICTURE", label[:64], "the film has no map of this label")
        return heat_png(result, label, style)

    return await _png(app, picture)


def _pictured(app: AppState, identifier: str) -> Any:  # noqa: ANN401 - a row
    row = app.done(identifier)
    if row["width"] is None:
        raise RequestError("NO_PICTURE", identifier, "the film could not be read")
    return row


async def _png(app: AppState, picture: Callable[[], Image.Image]) -> StreamingResponse:
    return StreamingResponse(await app.drawn(lambda: draw(picture)), media_type="image/png")
