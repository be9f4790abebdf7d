"""A film's report, with a reader's word in it: in words to copy, as a page, and as a FHIR bundle."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict

from lungspot.detect import DEFAULT_POINT
from lungspot.errors import FilmError
from lungspot.images import read_header
from lungspot.report import (
    LANGUAGES,
    Analysis,
    ReportText,
    Review,
    dicom_bytes,
    dicom_results,
    fhir_bundle,
    page,
    pixels_of,
    report_text,
    report_to_json,
    review_from_json,
)
from lungspot.serve.answers import ChangesValue, OperatingPoint
from lungspot.serve.app_state import AppState, StateDep, unless_deleted
from lungspot.serve.files import BINARY
from lungspot.serve.priors import before_of, followed
from lungspot.serve.problems import ERRORS
from lungspot.serve.record import at_point, candidates
from lungspot.serve.reviews import Draft, last_review, measured, settled
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
_SR: dict[int | str, dict[str, Any]] = {200: {"content": {"application/dicom": BINARY}, "description": "An SR"}}
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
    changes: ChangesValue | None
    text: str
    not_for_clinical_use: Literal[True]


@dataclass(frozen=True)
class Wording:
    """How a report is asked for: language, operating point, whether experimental labels are said, what to compare with.

    ``prior``: the id of another film of the patient; without it the nearest earlier one that was assessed.
    """

    language: Annotated[Language, Query()] = "en"
    point: Annotated[OperatingPoint, Query()] = DEFAULT_POINT
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
    return _answer(_words(app, row, last_review(app.store, row, reader), asked))


@router.get("/readings/{identifier}/report.txt", response_class=Response, responses=_TEXT)
def report_txt(app: StateDep, identifier: Identifier, asked: Asked, reader: Reader = None) -> Response:
    """Return the same as plain text."""
    row = app.done(identifier)
    words = _words(app, row, last_review(app.store, row, reader), asked)
    return Response(words.text, media_type="text/plain; charset=utf-8")


@router.get("/readings/{identifier}/report.html", response_class=Response, responses=_PAGE)
async def report_html(app: StateDep, identifier: Identifier, asked: Asked, reader: Reader = None) -> Response:
    """Return the film's result as one page, with the last saved review of a reader, or of anybody."""

    def made() -> str:
        row = app.done(identifier)
        review = last_review(app.store, row, reader)
        result = at_point(app.film(identifier), asked.point)
        before = before_of(app, row, result, asked.point, experimental=asked.experimental, prior=asked.prior)
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
        review = last_review(app.store, row, reader)
        before = before_of(app, row, result, asked.point, experimental=asked.experimental, prior=asked.prior)
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
        row = app.done(identifier)
        review = last_review(app.store, row, reader)
        header, said = read_header(original), asked.experimental
        before = followed(app, row, result, asked.point, experimental=said, prior=asked.prior)
        return dicom_bytes(dicom_results(header, result, experimental=said, review=review, before=before)[0])

    return Response(await app.drawn(made), media_type="application/dicom")


def _words(app: AppState, row: Any, review: Review | None, asked: Wording) -> ReportText:  # noqa: ANN401 - a row
    result = app.result(row, pictures=False)
    result = at_point(result, asked.point) if isinstance(result, Analysis) else result
    before = before_of(app, row, result, asked.point, experimental=asked.experimental, prior=asked.prior)
    return report_text(result, language=asked.language, experimental=asked.experimental, review=review, before=before)


def _answer(words: ReportText) -> dict[str, Any]:
    return {**report_to_json(words), "text": words.text, "not_for_clinical_use": True}
