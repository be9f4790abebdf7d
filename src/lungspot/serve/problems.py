"""One error shape for every answer that is a refusal, and which status each code has."""

from __future__ import annotations

import logging
import sqlite3
from typing import Any, Final

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from lungspot.errors import LungspotError, RequestError

__all__ = ["ERRORS", "answer", "install", "problem", "status_of"]

_LOG = logging.getLogger("lungspot.serve")

_STATUS: Final = {
    "BAD_REQUEST": 400,
    "NO_TOKEN": 401,
    "WRONG_ORIGIN": 403,
    "NO_READING": 404,
    "NO_ROUTE": 404,
    "NO_PICTURE": 404,
    "NO_SCREENING": 404,
    "NO_TRUTH": 404,
    "WRONG_METHOD": 405,
    "TOO_SLOW": 408,
    "NOT_DONE": 409,
    "TOO_LARGE": 413,
    "WRONG_RANGE": 416,
    "WRONG_HOST": 421,
    "BUG": 500,
    "BUSY": 503,
}
_RETRY: Final = {"BUSY": "2", "NOT_DONE": "1"}
_BY_STATUS: Final = {404: "NO_ROUTE", 405: "WRONG_METHOD", 413: "TOO_LARGE"}


def _schema() -> dict[str, Any]:
    text = {"type": "string"}
    fields = {"code": text, "where": {"type": ["string", "null"]}, "reason": text, "advice": text}
    inner = {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
    return {"type": "object", "properties": {"error": inner}, "required": ["error"]}


def _documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    said = {
        "description": "Refused; docs/reference/http.md, Errors",
        "content": {"application/json": {"schema": _schema()}},
    }
    return dict.fromkeys(statuses, said)


# What any route may answer besides its own; 421 and 403 come from the request guard.
ERRORS: Final[dict[int | str, dict[str, Any]]] = _documented(400, 401, 403, 404, 405, 408, 409, 413, 416, 421, 422, 503)


def problem(error: LungspotError) -> dict[str, Any]:
    """Return an error as JSON values."""
    return {"code": error.code, "where": error.where or None, "reason": error.reason, "advice": error.advice}


def status_of(error: LungspotError) -> int:
    """Return the HTTP status of an error; 422 where a code is not one of HTTP's own."""
    return _STATUS.get(error.code, 500 if error.exit_code == 4 else 422)


def answer(error: LungspotError, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return the answer that an error is."""
    extra = dict(headers or {})
    if error.code in _RETRY:
        extra.setdefault("Retry-After", _RETRY[error.code])
    if error.code == "NO_TOKEN":
        extra["WWW-Authenticate"] = "Bearer"
    if error.code == "TOO_SLOW":
        extra["Connection"] = "close"
    return JSONResponse({"error": problem(error)}, status_of(error), extra)


def install(app: FastAPI) -> None:
    """Make every refusal of the framework take the one shape."""

    @app.exception_handler(LungspotError)
    async def refused(_: Request, error: LungspotError) -> JSONResponse:
        return answer(error)

    @app.exception_handler(OSError)
    @app.exception_handler(sqlite3.OperationalError)
    async def failing(_: Request, error: Exception) -> JSONResponse:
        _LOG.error("%s: the disk is full or fails", type(error).__name__)
        return answer(RequestError("BUSY", None, "the disk is full or fails"))

    @app.exception_handler(StarletteHTTPException)
    async def framework(request: Request, error: HTTPException) -> JSONResponse:
        if isinstance(error.__cause__, LungspotError):  # raised while the framework read a body
            return answer(error.__cause__)
        code = _BY_STATUS.get(error.status_code, "BAD_REQUEST")
        where = request.method if code == "WRONG_METHOD" else None
        return answer(RequestError(code, where, str(error.detail)), dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        broken = first["type"] == "json_invalid"
        return answer(RequestError("BAD_REQUEST" if broken else "BAD_VALUE", where, str(first["msg"])[:300]))
