"""Screening over HTTP: a decision a person in, the programme's register out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from lungspot.report import register_text
from lungspot.serve.answers import Decided
from lungspot.serve.app_state import AppState, StateDep
from lungspot.serve.downloads import CSV, csv_download
from lungspot.serve.problems import ERRORS
from lungspot.serve.reviews import FilmNames
from lungspot.serve.routes import Identifier
from lungspot.serve.screening import Decision, decide, decisions_of, register_rows, require_screening
from lungspot.serve.worklist import row_of

__all__ = ["router"]

router = APIRouter(prefix="/v1", responses=ERRORS)


class DecisionAnswer(BaseModel):
    """One decision, as it was kept."""

    reading_id: str
    created: str
    reader: str
    decision: Decided
    why: str


class DecisionsAnswer(BaseModel):
    """``GET /v1/readings/{id}/decisions``: oldest first; the last counts."""

    decisions: list[DecisionAnswer]
    not_for_clinical_use: Literal[True]


@router.post("/readings/{identifier}/decision", status_code=201, response_model=DecisionAnswer)
def decision(app: StateDep, identifier: Identifier, decision: Decision) -> dict[str, Any]:
    """Keep what a reader decided of the person on a film."""
    require_screening(app)
    return decide(app.store, app.done(identifier), decision)


@router.get("/readings/{identifier}/decisions", response_model=DecisionsAnswer)
def decisions(app: StateDep, identifier: Identifier) -> dict[str, Any]:
    """List what was decided by a film, oldest first."""
    return {"decisions": decisions_of(app.store, row_of(app.store, identifier)), "not_for_clinical_use": True}


@router.get("/register.csv", response_class=Response, responses=CSV)
def register(app: StateDep) -> Response:
    """Return the programme's register: one row a person."""
    return _register(app, {})


@router.post("/register.csv", response_class=Response, responses=CSV)
def register_named(app: StateDep, names: FilmNames) -> Response:
    """Return the same with the file names that the caller knows; the server keeps none of them."""
    return _register(app, names.names)


def _register(app: AppState, names: Mapping[str, str]) -> Response:
    return csv_download(register_text(register_rows(app, names)), "register.csv")
