"""Routes about the server itself: the model's card, health, Prometheus metrics, and signing in with the token."""

from __future__ import annotations

import hmac
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from lungspot.errors import RequestError
from lungspot.serve.answers import Health
from lungspot.serve.app_state import StateDep
from lungspot.serve.intake import MOST_PARTS
from lungspot.serve.model_answers import ModelAnswer
from lungspot.serve.problems import ERRORS
from lungspot.serve.request_guard import COOKIE, session_of
from lungspot.serve.screening import screening_of
from lungspot.web import model_facts

__all__ = ["router"]

router = APIRouter(responses=ERRORS)


class Session(BaseModel):
    """The body of ``POST /v1/session``: the server's token."""

    model_config = ConfigDict(extra="forbid")
    token: Annotated[str, Field(max_length=1024)]


@router.get("/v1/model", response_model=ModelAnswer, response_model_exclude_unset=True)
def model(app: StateDep) -> dict[str, Any]:
    """Return the model's card, in the words that a page needs."""
    card = app.detector.card
    return model_facts(app.detector) | {
        "limits": {
            "upload_bytes": app.settings.upload_bytes,
            "films": app.settings.queue,
            "parts": MOST_PARTS,
            "queue": app.settings.queue,
        },
        "teaching_cases": len(app.settings.teach),
        "screening": None if app.settings.screen is None else screening_of(card, app.settings.screen),
        "keeps_identifiers": app.settings.keep_identifiers,
    }


@router.post("/v1/session", status_code=204)
async def sign_in(app: StateDep, session: Session) -> Response:
    """Give a browser the cookie that stands for the token."""
    token = app.settings.token
    answer = Response(status_code=204)
    if token is not None:
        if not hmac.compare_digest(session.token.encode(), token.encode()):
            raise RequestError("NO_TOKEN", "token", "this is not the token")
        answer.set_cookie(COOKIE, session_of(token), httponly=True, samesite="strict", path="/")
    return answer


@router.delete("/v1/session", status_code=204)
async def sign_out() -> Response:
    """Take the cookie away."""
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict", path="/")
    return answer


@router.get("/healthz", response_model=Health)
async def healthz() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "ok"}


@router.get("/readyz", response_model=Health)
async def readyz(request: Request, app: StateDep) -> dict[str, str]:
    """Say whether films are accepted."""
    if why := app.full() or (None if request.app.state.workers.alive else "no film is read any more"):
        raise RequestError("BUSY", None, why)
    return {"status": "ready"}


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus text"}},
)
async def metrics(app: StateDep) -> Response:
    """Return the counters and gauges as Prometheus text."""
    app.metrics.waiting.set(app.store.waiting)
    return Response(app.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
