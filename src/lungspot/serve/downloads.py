"""Answers that a browser saves as a file."""

from __future__ import annotations

from typing import Any, Final

from fastapi import Response

__all__ = ["CSV", "csv_download", "saved_as"]

# What OpenAPI says of a route that answers with a table.
CSV: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "CSV"}
}


def saved_as(name: str) -> dict[str, str]:
    """Return the headers that make a browser save an answer under ``name``."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def csv_download(text: str, name: str) -> Response:
    """Return a table to be saved under ``name``."""
    return Response(text, media_type="text/csv; charset=utf-8", headers=saved_as(name))
