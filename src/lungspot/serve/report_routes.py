"""A film's report, with a reader's word in it: in words to copy, as a page, and as a FHIR bundle."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict

from lungspot.errors import FilmError, RequestError
from lungspot.images import read_header
from lungspot.report import (
    LANGUAGES,
    Analysis,
    Before,
    Refusal,
    ReportText,
    Review,
    dicom_bytes,
    dicom_results,
    fhir_bundle,
    observations,
    page,
    report_text,
    report_to_json,
    review_from_json,
    statement,
)
from lungspot.serve.answers import OperatingPoint
from lungspot.serve.app_state import AppState, StateDep, unless_deleted
from lungspot.serve.priors import priors_of
from lungspot.serve.problems import ERRORS
from lungspot.serve.record import at_point, candidates, pixels_of
from lungspot.serve.reviews import Draft, measured, reviews_of, settled
from lungspot.serve.routes import Identifier

__all__ = ["router"]

router = APIRouter(prefix="/v1", responses=ERRORS)

Language = Literal[LANGUAGES]  # type: ignore[valid-type] # a language is a file
_TEXT: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "A report to copy"}
}
_PAGE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/html": {"schema": {"type": "string"}}}, "description": "A page"}
}
_SR: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/dicom": {"schema": {"type": "string", "format": "binary"}}}, "description": "An SR"}
}
_NO_HEADER: Final = (
    "start it with --keep-identifiers, or give the film to `lungspot detect --reviews` with v1/reviews.json"
)
_FHIR: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/fhir+json": {"schema": {"type": "object"}}}, "description": "A FHIR R4 bundle"}
}


class RegionAnswer(BaseModel):
    """What a report says of one region of the chest."""

    region: str
    text: str


class ReportAnswer(BaseModel):
    """A report to copy: its sections and, as ``text``, the whole."""

    model_config = ConfigDict(extra="allow")
    language: str
    head: str
    technique: str
    comparison: str
    findings: list[RegionAnswer]
    measurements: str
    impression: list[str]
    note: str
    text: str
    not_for_clinical_use: Literal[True]


@dataclass(frozen=True)
class Wording:
    """How a report is asked for: language, operating point, whether experimental labels are said, what to compare with.

    ``prior``: the id of another film of the patient; without it the nearest earlier one that was assessed.
    """

    language: Annotated[Language, Query()] = "en"
    point: Annotated[OperatingPoint, Query()] = "balanced"
    experimental: Annotated[bool, Query()] = False
    prior: Annotated[str | None, Query(max_length=64)] = None


Asked = Annotated[Wording, Depends()]
Reader = Annotated[str | None, Query(max_length=64)]


@router.post("/readings/{identifier}/report", response_model=ReportAnswer)
def draft(app: StateDep, identifier: Identifier, review: Draft, asked: Asked) -> dict[str, Any]:
    """Return the report to copy as a review that is not saved would have it; nothing is kept."""
    row = app.done(identifier)
    result = app.result(row, pictures=False)
    film = result.radiograph if isinstance(result, Analysis) else None
    with unless_deleted(identifier):
        pixels = None if film is None else pixels_of(app.store.pixels(identifier), row["width"], row["height"])
    verdicts = settled(review, candidates(result), None if film is None else film.frame)
    value = review.model_dump() | {"verdicts": verdicts, "measurements": measured(review, film, pixels)}
    said = review_from_json(value)
    begun = verdicts or review.absent or review.complete or review.note or said.measurements
    return _answer(_words(app, row, said if begun else None, asked))


@router.get("/readings/{identifier}/report", response_model=ReportAnswer)
def report(app: StateDep, identifier: Identifier, asked: Asked, reader: Reader = None) -> dict[str, Any]:
    """Return the report to copy, with the last saved review of a reader, or of anybody."""
    row = app.done(identifier)
    return _answer(_words(app, row, last_review(app, row, reader), asked))


@router.get("/readings/{identifier}/report.txt", response_class=Response, responses=_TEXT)
def report_txt(app: StateDep, identifier: Identifier, asked: Asked, reader: Reader = None) -> Response:
    """Return the same as plain text."""
    row = app.done(identifier)
    words = _words(app, row, last_review(app, row, reader), asked)
    return Response(words.text, media_type="text/plain; charset=utf-8")


@router.get("/readings/{identifier}/report.html", response_class=Response, responses=_PAGE)
async def report_html(app: StateDep, identifier: Identifier, asked: Asked, reader: Reader = None) -> Response:
    """Return the film's result as one page, with the last saved review of a reader, or of anybody."""

    def made() -> str:
        row = app.done(identifier)
        review = last_review(app, row, reader)
        result = at_point(app.film(identifier), asked.point)
        before = _before(app, row, result, asked)
        return page(result, experimental=asked.experimental, review=review, language=asked.language, before=before)

    policy = {"Content-Security-Policy": "sandbox allow-scripts; frame-ancestors 'none'"}  # the rest stands in the page
    return Response(await app.drawn(made), media_type="text/html", headers=policy)


@router.get("/readings/{identifier}/fhir", response_class=Response, responses=_FHIR)
async def fhir(app: StateDep, identifier: Identifier, asked: Asked, reader: Reader = None) -> Response:
    """Return the film's result as a FHIR R4 bundle without the patient, with the last saved review."""

    def bundle() -> str:
        row = app.done(identifier)
        result = app.result(row, pictures=row["width"] is not None)
        result = at_point(result, asked.point) if isinstance(result, Analysis) else result
        review = last_review(app, row, reader)
        before = _before(app, row, result, asked)
        value = fhir_bundle(
            result, experimental=asked.experimental, language=asked.language, review=review, before=before
        )
        return json.dumps(value, ensure_ascii=False, allow_nan=False)

    return Response(await app.drawn(bundle), media_type="application/fhir+json")


@router.get("/readings/{identifier}/sr", response_class=Response, responses=_SR)
async def sr(app: StateDep, identifier: Identifier, asked: Asked, reader: Reader = None) -> Response:
    """Return the film's result as a structured report of its study, with the measurements of the last saved review."""

    def made() -> bytes:
        result = at_point(app.film(identifier), asked.point)
        original = app.store.original(identifier)
        if not original.is_file():
            raise FilmError("NO_STUDY", identifier, "the server keeps no film's header", advice=_NO_HEADER)
        review = last_review(app, app.done(identifier), reader)
        header = read_header(original)
        return dicom_bytes(dicom_results(header, result, experimental=asked.experimental, review=review)[0])

    return Response(await app.drawn(made), media_type="application/dicom")


def last_review(app: AppState, row: Any, reader: str | None) -> Review | None:  # noqa: ANN401 - a row
    """Return the last saved review of a film by ``reader``, or by anybody (None); None where nobody has reviewed it."""
    mine = [each for each in reviews_of(app.store, row) if reader is None or each["reader"] == reader]
    return review_from_json(mine[-1]) if mine else None


def _words(app: AppState, row: Any, review: Review | None, asked: Wording) -> ReportText:  # noqa: ANN401 - a row
    result = app.result(row, pictures=False)
    result = at_point(result, asked.point) if isinstance(result, Analysis) else result
    before = _before(app, row, result, asked)
    return report_text(result, language=asked.language, experimental=asked.experimental, review=review, before=before)


def _before(app: AppState, row: Any, result: Analysis | Refusal, asked: Wording) -> Before | None:  # noqa: ANN401 - a row
    """Return the patient's film that the report compares with: the chosen one, else the nearest earlier one."""
    found = priors_of(app.store, row)
    if asked.prior is not None:
        mine = [each for each in found if each["id"] == asked.prior]
        if not mine:
            raise RequestError("NO_READING", asked.prior, "no other film of this patient has that id")
    else:
        earlier = [each for each in found if each["days_earlier"] is not None and each["days_earlier"] >= 0]
        undated = [each for each in found if each["days_earlier"] is None]
        mine = sorted(earlier or undated, key=lambda each: each["status"] != "assessed")  # stable: the nearest first
    if not mine:
        return None
    other = app.done(mine[0]["id"])
    then = app.result(other, pictures=False)
    if isinstance(result, Refusal) or isinstance(then, Refusal) or then.model.key != result.model.key:
        return Before(mine[0]["days_earlier"])
    then, review = at_point(then, asked.point), last_review(app, other, None)
    if not then.assessed and not (review and review.verdicts):
        return Before(mine[0]["days_earlier"])
    told = statement(then, experimental=asked.experimental)
    return Before(mine[0]["days_earlier"], observations(then, told, review))


def _answer(words: ReportText) -> dict[str, Any]:
    return {**report_to_json(words), "text": words.text, "not_for_clinical_use": True}
