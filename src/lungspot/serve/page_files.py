"""The viewer's files, read from the package and from nowhere else."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import Final

from fastapi import APIRouter

from lungspot.errors import RequestError
from lungspot.serve.files import TYPES, StoredFile

__all__ = ["router"]

router = APIRouter()

_FOLDER: Final = Path(__file__).parent / "viewer"
_NAME: Final = re.compile(r"(?:[a-z0-9][a-z0-9_-]*/)?[a-z0-9][a-z0-9_.-]*\.([a-z0-9]+)")


@router.get("/", include_in_schema=False)
def index() -> StoredFile:
    """Return the viewer's page."""
    return _file("index.html")


@router.get("/viewer/{name:path}", include_in_schema=False)
def viewer(name: str) -> StoredFile:
    """Return one of the viewer's files."""
    return _file(name)


def _file(name: str) -> StoredFile:
    found = _NAME.fullmatch(name)
    if found is None or found[1] not in TYPES:
        raise RequestError("NO_ROUTE", name[:100], "the viewer has no such file")
    path = _FOLDER.joinpath(*name.split("/"))
    if not path.is_file():
        raise RequestError("NO_ROUTE", name[:100], "the viewer has no such file")
    # Of the content: an installed package may give every file of every version the same time.
    return StoredFile(path, TYPES[found[1]], etag=sha256(path.read_bytes()).hexdigest()[:32])
