"""The viewer's files, read from the package and from nowhere else."""

from __future__ import annotations

import re
from importlib import resources
from typing import Final

from fastapi import APIRouter, Response

from lungspot.errors import RequestError

__all__ = ["router"]

router = APIRouter()

_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "ico": "image/x-icon",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "png": "image/png",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
    "woff2": "font/woff2",
}
_NAME: Final = re.compile(r"(?:[a-z0-9][a-z0-9_-]*/)?[a-z0-9][a-z0-9_.-]*\.([a-z0-9]+)")


@router.get("/", include_in_schema=False)
def index() -> Response:
    """Return the viewer's page."""
    return _file("index.html")


@router.get("/viewer/{name:path}", include_in_schema=False)
def viewer(name: str) -> Response:
    """Return one of the viewer's files."""
    return _file(name)


def _file(name: str) -> Response:
    found = _NAME.fullmatch(name)
    if found is None or found[1] not in _TYPES:
        raise RequestError("NO_ROUTE", name[:100], "the viewer has no such file")
    try:
        data = resources.files("lungspot.serve").joinpath("viewer", *name.split("/")).read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise RequestError("NO_ROUTE", name[:100], "the viewer has no such file") from None
    return Response(data, media_type=_TYPES[found[1]])
