"""Routes about the server itself: the model's card, health, Prometheus metrics, and signing in with the token."""

from __future__ import annotations

import hmac
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from lungspot import BANNER, __version__
from lungspot.detect import OPERATING_POINTS, REASONS, ModelCard
from lungspot.errors import CODES, RequestError
from lungspot.findings import taxonomy
from lungspot.images import WARNINGS
from lungspot.report import LANGUAGES, color_of, language_name, thresholds_of
from lungspot.serve.answers import Health, ModelAnswer
from lungspot.serve.app_state import AppState, StateDep
from lungspot.serve.intake import MOST_PARTS
from lungspot.serve.problems import ERRORS
from lungspot.serve.record import floor_of
from lungspot.serve.request_guard import COOKIE, session_of
from lungspot.serve.screening import screening_of

__all__ = ["router"]

router = APIRouter(responses=ERRORS)


class Session(BaseModel):
    """The body of ``POST /v1/session``: the server's token."""

    model_config = ConfigDict(extra="forbid")
    token: Annotated[str, Field(max_length=1024)]


@router.get("/v1/model", response_model=ModelAnswer)
def model(app: StateDep) -> dict[str, Any]:
    """Return the model's card, in the words that a page needs."""
    detector = app.detector
    card = detector.card
    return {
        "name": card.name,
        "version": card.version,
        "sha256": detector.sha256,
        "card_sha256": card.sealed_sha256,
        "site": None if card.site is None else _site(card),
        "software": {"lungspot": __version__, "onnxruntime": detector.runtime},
        "labels": [_label(app, label) for label in card.labels],
        "operating_points": list(OPERATING_POINTS),
        "default_point": "balanced",
        "floor": round(floor_of(card), 4),
        "training_data": list(card.training_data),
        "licence": card.licence,
        "terms": card.terms,
        "intended_use": card.intended_use,
        "notes": list(card.notes),
        "metrics": _plain(card.metrics),
        "gate": None if card.gate is None else {"tested_on": _plain(card.gate.tested_on)},
        "reasons": {**CODES, **REASONS},
        "warnings": dict(WARNINGS),
        "taxonomy": [
            {"id": each.id, "name": each.name, "disease": each.disease, "group": each.group} for each in taxonomy()
        ],
        "limits": {
            "upload_bytes": app.settings.upload_bytes,
            "films": app.settings.queue,
            "parts": MOST_PARTS,
            "queue": app.settings.queue,
        },
        "teaching_cases": len(app.settings.teach),
        "screening": None if app.settings.screen is None else screening_of(card, app.settings.screen),
        "keeps_identifiers": app.settings.keep_identifiers,
        "report_languages": {language: language_name(language) for language in LANGUAGES},
        "banner": BANNER,
        "not_for_clinical_use": True,
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


def _site(card: ModelCard) -> dict[str, Any]:
    site = card.site
    assert site is not None  # noqa: S101 - as the caller has seen
    told = {name: _plain(getattr(site, name)) for name in ("name", "made", "films", "sha256", "coverage")}
    return told | {
        "thresholds": {label: list(levels) for label, levels in site.thresholds.items()},
        "probabilities": list(site.probabilities),
        "words": thresholds_of(card),
    }


def _label(app: AppState, label: str) -> dict[str, Any]:
    card = app.detector.card
    limits = {point: card.threshold(label, point) for point in OPERATING_POINTS}
    return {
        "id": label,
        "name": taxonomy()[label].name,
        "color": color_of(label),
        "codes": {code.scheme: code.value for code in taxonomy()[label].codes},
        "thresholds": {p: {"box": round(t.box, 4), "image": round(t.image, 4)} for p, t in limits.items()},
        "reliability": _plain(card.reliability.get(label, {})),
        "standing": "reported" if card.is_reported(label) else "experimental",
        "evidence": _plain(_evidence(card, label)),
    }


def _evidence(card: ModelCard, label: str) -> Any:  # noqa: ANN401 - whatever a card may hold
    """Return the numbers that the label's standing rests on (docs/explanation/standing.md); empty where none are."""
    of = card.metrics.get("standing", {})
    return of.get(label, {}) if hasattr(of, "get") else {}


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a card may hold
    if hasattr(value, "items"):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
