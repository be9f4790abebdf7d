"""Teaching over HTTP: answers in, the truth and the score out, and how each learner does as CSV."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict

from lungspot.findings import reading_to_json
from lungspot.serve.app_state import AppState, StateDep
from lungspot.serve.downloads import CSV, csv_download
from lungspot.serve.lessons import LessonAnswer, answers_csv, give_answer, learners_of, session_of, sessions_csv
from lungspot.serve.problems import ERRORS
from lungspot.serve.record import candidates
from lungspot.serve.review_answers import Answer, ReadingValue
from lungspot.serve.reviews import Corners, known_truth
from lungspot.serve.routes import Identifier
from lungspot.serve.store import QueueState

__all__ = ["router"]

router = APIRouter(prefix="/v1", responses=ERRORS)

Learner = Annotated[str, Query(min_length=1, max_length=64)]


class ScoreAnswer(BaseModel):
    """One answer against the truth."""

    places: int
    found: int
    extra: int
    uncounted: int
    findings: int
    named: int
    overlap: float


class SessionAnswer(BaseModel):
    """A learner's answers together, and the model on the same films."""

    model_config = ConfigDict(protected_namespaces=())
    learner: str
    films: int
    places: int
    found: int
    sensitivity: float | None
    extra: int
    extra_per_film: float
    findings: int
    named: int
    mean_overlap: float | None
    seconds_per_film: float | None
    model_sensitivity: float | None
    model_extra_per_film: float | None
    first: str
    last: str


class MarkAnswer(Answer):
    """One thing that a learner marked, as it was kept; without a box: somewhere on the film."""

    label: str
    box: Corners | None = None


class AnswerGiven(BaseModel):
    """A learner's first answer about a film, its score, the truth, and the session so far."""

    learner: str
    created: str
    marks: list[MarkAnswer]
    seconds: float | None
    score: ScoreAnswer
    truth: ReadingValue
    session: SessionAnswer
    not_for_clinical_use: Literal[True]


class SessionsAnswer(BaseModel):
    """``GET /v1/lessons``: one session a learner."""

    sessions: list[SessionAnswer]
    not_for_clinical_use: Literal[True]


@router.post(
    "/readings/{identifier}/answer",
    status_code=201,
    response_model=AnswerGiven,
    response_model_exclude_unset=True,
)
def answer(app: StateDep, identifier: Identifier, answer: LessonAnswer) -> dict[str, Any]:
    """Keep a learner's first answer about a film whose truth is known, and tell the truth."""
    row = app.done(identifier)
    truth = known_truth(app.store, row)
    kept = give_answer(app.store, row, answer, truth)
    told = None if truth is None else reading_to_json(truth)
    return kept | {"truth": told, "session": _session(app, answer.learner), "not_for_clinical_use": True}


@router.get("/lessons", response_model=SessionsAnswer)
def lessons(app: StateDep, learner: Learner | None = None) -> dict[str, Any]:
    """List how learners do, or how one does."""
    names = learners_of(app.store) if learner is None else [learner]
    found = [_session(app, name) for name in names]
    return {"sessions": [each for each in found if each is not None], "not_for_clinical_use": True}


@router.get("/lessons.csv", response_class=Response, responses=CSV)
def lessons_csv(app: StateDep, by: Literal["learner", "film"] = "learner") -> Response:
    """Return one row a learner, or one row an answer."""
    text = sessions_csv(app.store, _offers(app)) if by == "learner" else answers_csv(app.store)
    return csv_download(text, f"lessons-by-{by}.csv")


def _session(app: AppState, learner: str) -> dict[str, Any] | None:
    session = session_of(app.store, learner, _offers(app))
    return None if session is None else asdict(session)


def _offers(app: AppState) -> Callable[[int], Sequence[Mapping[str, Any]]]:
    """Return what gives the model's candidates on a film, by its number."""

    def of(number: int) -> Sequence[Mapping[str, Any]]:
        rows = app.store.all("SELECT * FROM readings WHERE number = ?", (number,))
        done = bool(rows) and rows[0]["state"] == QueueState.DONE
        return candidates(app.result(rows[0], pictures=False)) if done else ()

    return of
