"""Label Studio's machine learning back end, and films of this server as its tasks (docs/how-to/label-studio.md).

Label Studio (1.13 and later) asks ``/health``, ``/setup`` and ``/predict``, tells ``/webhook``, and reads ``/metrics``
where somebody points Prometheus there. Its browser fetches the films of :func:`tasks` from an address that is signed:
who has it may see this one film, without the server's token, for a browser sends Label Studio's page none.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Final, Literal
from xml.etree.ElementTree import indent, tostring

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from lungspot.detect import DEFAULT_POINT
from lungspot.errors import LungspotError, RequestError
from lungspot.formats import LABELSTUDIO_PATIENT, labelstudio_config
from lungspot.labelling import GUIDED, drawing, instruction
from lungspot.report import Analysis, Refusal, pixels_of
from lungspot.serve.answers import ErrorParts, OperatingPoint, Probability
from lungspot.serve.app_state import AppState, StateDep, model_of
from lungspot.serve.exports import patient_of
from lungspot.serve.files import BINARY
from lungspot.serve.label_studio import (
    Rectangles,
    link_of,
    model_version,
    no_suggestion,
    rectangles_of,
    suggestion_of,
)
from lungspot.serve.pictures import draw, film_png
from lungspot.serve.problems import ERRORS
from lungspot.serve.record import at_point
from lungspot.serve.remote_films import RemoteFilms
from lungspot.serve.review_answers import Answer
from lungspot.serve.store import QueueState

__all__ = ["router"]

router = APIRouter(responses=ERRORS)

_SECONDS: Final = 80.0  # Label Studio waits 100 s for all tasks of one request, and then takes none
_FILM: Final = re.compile(r"/label-studio/(?P<signature>[0-9a-f]{32})/(?P<identifier>[0-9a-f]{16})\.png\Z")
_PNG: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"image/png": BINARY}, "description": "A PNG"}}
_XML: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/xml": {"schema": {"type": "string"}}}, "description": "A labelling interface"}
}

_HTML: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/html": {"schema": {"type": "string"}}}, "description": "Guidelines as a piece of HTML"}
}

_SVG: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"image/svg+xml": {"schema": {"type": "string"}}}, "description": "A drawing"}
}
_SHOWN_ELSEWHERE: Final = {"Cross-Origin-Resource-Policy": "cross-origin", "Cache-Control": "private, max-age=3600"}

Base = Annotated[str | None, Query(max_length=300, pattern=r"^https?://[^/?#\s]+$")]
Project = Annotated[str | None, Field(max_length=256)]


class Sent(BaseModel):
    """What Label Studio sends: keys that are not named are of no use here."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)


class Setup(Sent):
    """A project that the back end is to serve; ``access_token``: of the user who made it."""

    project: Project = None
    schema_: Annotated[str, Field(alias="schema", max_length=1 << 20)]
    access_token: Annotated[str | None, Field(max_length=4096)] = None


class Predict(Sent):
    """Tasks of a project to be suggested boxes for."""

    project: Project = None
    tasks: list[dict[str, Any]]
    label_config: Annotated[str, Field(max_length=1 << 20)]


class Event(Sent):
    """Something that happened in a project."""

    action: Annotated[str | None, Field(max_length=64)] = None


class StudioHealth(Answer):
    """``/health``: the back end answers."""

    status: str
    model_class: str


class StudioSetup(Answer):
    """``/setup`` and ``/versions``: what this model's suggestions are called."""

    model_version: str
    versions: list[str]


class StudioRectangle(Answer):
    """A box in per cent of the film's sides, from the top left, and its label as the project's interface has it."""

    x: float
    y: float
    width: float
    height: float
    rotation: int
    rectanglelabels: list[str]


class StudioRegion(Answer):
    """A box as a result of the project's control ``from_name`` over its image ``to_name``."""

    id: str
    type: Literal["rectanglelabels"]
    from_name: str
    to_name: str
    original_width: int
    original_height: int
    image_rotation: int
    value: StudioRectangle
    score: Probability


class StudioPrediction(Answer):
    """The boxes that the model suggests on a film, and the best of their scores."""

    result: list[StudioRegion]
    score: Probability
    model_version: str


class StudioRefusal(Answer):
    """Why a task has no suggestion."""

    error: ErrorParts


class StudioSuggestions(Answer):
    """``/predict``: one entry a task, in their order: ``result``, ``score``, ``model_version``; or ``error``."""

    results: list[StudioPrediction | StudioRefusal]
    model_version: str


class StudioEvent(Answer):
    """``/webhook``: what became of an event."""

    action: str | None
    trained: bool
    advice: str


class StudioTask(Answer):
    """One film of this server as a task to be imported."""

    data: dict[str, str]
    predictions: list[StudioPrediction]


@router.get("/health", response_model=StudioHealth)
async def health() -> dict[str, str]:
    """Say that the back end answers."""
    return {"status": "UP", "model_class": "lungspot"}


@router.get("/versions", response_model=StudioSetup)
async def versions(app: StateDep) -> dict[str, Any]:
    """Return what the suggestions of this server's model are called."""
    name = model_version(model_of(app.detector))
    return {"model_version": name, "versions": [name]}


@router.post("/setup", response_model=StudioSetup)
async def setup(app: StateDep, asked: Setup) -> dict[str, Any]:
    """Take a project on; refuses one whose labelling interface has no rectangles for what the model finds."""
    rectangles_of(asked.schema_, app.detector.card)
    films = _films(app)
    if asked.access_token:
        films.connect(asked.project, asked.access_token)
    return await versions(app)


@router.post("/predict", response_model=StudioSuggestions)
async def predict(app: StateDep, asked: Predict) -> dict[str, Any]:
    """Suggest boxes for tasks; a task that has none for a reason says which, and Label Studio stores nothing of it."""
    rectangles = rectangles_of(asked.label_config, app.detector.card)
    key = _films(app).key_of(asked.project)
    works = [partial(_suggest, app, task, rectangles, key) for task in asked.tasks]
    said = await app.suggester.all(works, _SECONDS)
    results = [no_suggestion(each) if isinstance(each, LungspotError) else each for each in said]
    for each in said:
        app.metrics.suggestions.labels(each.code if isinstance(each, LungspotError) else "made").inc()
    return {"results": results, "model_version": model_version(model_of(app.detector))}


@router.post("/webhook", response_model=StudioEvent)
async def webhook(asked: Event) -> dict[str, Any]:
    """Take note of an event; nothing is trained by it, for a model is judged before it is served."""
    advice = "export the project, then: lungspot labelling round"
    return {"action": asked.action, "trained": False, "advice": advice}


@router.get("/v1/label-studio/config.xml", response_class=Response, responses=_XML)
async def config(app: StateDep) -> Response:
    """Return a labelling interface for the model's labels, each in its colour."""
    view = labelstudio_config(app.detector.card.labels)
    indent(view)
    return Response(tostring(view, encoding="utf-8"), media_type="text/xml; charset=utf-8")


@router.get("/v1/label-studio/instruction.html", response_class=Response, responses=_HTML)
async def instructions(request: Request, app: StateDep, base: Base = None) -> Response:
    """Return guidelines for a project's instructions (``expert_instruction``), with drawings that this server gives."""
    html = instruction(app.detector.card.labels, f"{base or _base_of(request)}/label-studio/drawings/")
    return Response(html, media_type="text/html; charset=utf-8")


@router.get("/label-studio/drawings/{label}.svg", response_class=Response, responses=_SVG)
async def scheme(label: str) -> Response:
    """Return the drawing of a label: a scheme, of no film."""
    if label not in GUIDED:
        raise RequestError("NO_PICTURE", label[:64], "there is no drawing of this label")
    return Response(drawing(label), media_type="image/svg+xml", headers=_SHOWN_ELSEWHERE)


@router.get("/v1/label-studio/tasks.json", response_model=list[StudioTask])
async def tasks(
    request: Request,
    app: StateDep,
    point: OperatingPoint = DEFAULT_POINT,
    ids: Annotated[str | None, Query(max_length=20_000)] = None,
    base: Base = None,
) -> list[dict[str, Any]]:
    """Return films of this server, all that were read or those of ``ids``, as tasks with suggestions.

    ``base``: the server's address as Label Studio's users' browsers reach it, where that is not the one asked.
    """
    wanted = None if ids is None else frozenset(filter(None, ids.split(",")))
    return await asyncio.to_thread(_tasks, app, wanted, base or _base_of(request), point)


@router.get("/label-studio/{signature}/{identifier}.png", response_class=StreamingResponse, responses=_PNG)
async def film(app: StateDep, signature: str, identifier: str) -> StreamingResponse:
    """Return a film as a grey PNG of 8 bits, windowed as it is read, to a page of Label Studio."""
    if not hmac.compare_digest(signature.encode(), _signature(app, identifier).encode()):
        raise RequestError("NO_PICTURE", None, "the address is not one that this server signed")

    def picture() -> Image.Image:
        row = app.done(identifier)
        if row["width"] is None:
            raise RequestError("NO_PICTURE", identifier, "the film could not be read")
        return film_png(pixels_of(app.store.pixels(identifier), row["width"], row["height"]), 8, None)

    headers = _SHOWN_ELSEWHERE | {"Access-Control-Allow-Origin": str(app.settings.label_studio)}
    return StreamingResponse(await app.drawn(lambda: draw(picture)), media_type="image/png", headers=headers)


def _base_of(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def _films(app: AppState) -> RemoteFilms:
    if app.remote_films is None:
        raise RequestError("NO_ROUTE", None, "the server was started without --label-studio")
    return app.remote_films


def _suggest(app: AppState, task: Mapping[str, Any], rectangles: Rectangles, key: str | None) -> dict[str, Any]:
    link = link_of(task, rectangles)
    own = _own_film(app, link)
    result = own if own is not None else app.suggester.read(_films(app).fetch(link, task.get("id"), key), DEFAULT_POINT)
    return _suggestion(result, rectangles)


def _suggestion(result: Analysis, rectangles: Rectangles) -> dict[str, Any]:
    if not result.assessed:
        raise RequestError("NOT_ASSESSED", None, ", ".join(result.reasons), advice="label it without suggestions")
    return suggestion_of(result, rectangles)


def _own_film(app: AppState, link: str) -> Analysis | None:
    """Return the result of a film of this server, as :func:`tasks` names it; None of every other."""
    named = _FILM.search(link.partition("?")[0])
    if named is None or not hmac.compare_digest(named["signature"], _signature(app, named["identifier"])):
        return None
    row = app.done(named["identifier"])
    result = app.result(row, pictures=False)
    if isinstance(result, Refusal):
        raise result.error
    if row["model"] == model_of(app.detector).key:
        return at_point(result, DEFAULT_POINT)
    return app.suggester.read_again(row["id"], lambda: app.film(row["id"]), DEFAULT_POINT)


def _tasks(app: AppState, wanted: frozenset[str] | None, base: str, point: str) -> list[dict[str, Any]]:
    card = app.detector.card
    xml = tostring(labelstudio_config(card.labels), encoding="unicode")
    rectangles = rectangles_of(xml, card)
    rows = app.store.all(
        "SELECT * FROM readings WHERE state = ? AND width IS NOT NULL ORDER BY number", (QueueState.DONE,)
    )
    made = []
    for row in rows:
        if wanted is not None and row["id"] not in wanted:
            continue
        result = app.result(row, pictures=False)
        shown = isinstance(result, Analysis) and result.assessed
        link = f"{base}/label-studio/{_signature(app, row['id'])}/{row['id']}.png"
        said = [suggestion_of(at_point(result, point), rectangles)] if shown and isinstance(result, Analysis) else []
        data = {"image": link, "sha256": row["sha256"], LABELSTUDIO_PATIENT: patient_of(row)}
        made.append({"data": data, "predictions": said})
    return made


def _signature(app: AppState, identifier: str) -> str:
    return hmac.new(app.store.salt + b"label-studio", identifier.encode(), "sha256").hexdigest()[:32]
