"""``/local/``: the page that needs no server, where this lungspot was built with its runtime (``make web``)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from lungspot.errors import RequestError, SetupError
from lungspot.serve.app_state import StateDep
from lungspot.serve.files import TYPES, has_it
from lungspot.web import POLICY, build_page

__all__ = ["router"]

router = APIRouter()

_HEADERS: Final = {
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
    "Cross-Origin-Embedder-Policy": "require-corp",  # with it the network may use several threads
}


@router.get("/local", include_in_schema=False)
def without_slash() -> RedirectResponse:
    """Lead to the page: its own addresses are relative."""
    return RedirectResponse("local/")


@router.get("/local/{name:path}", include_in_schema=False)
def local(app: StateDep, request: Request, name: str) -> Response:
    """Return one of the page's files; its model is the server's, without a site's thresholds."""
    try:
        content, etag = _files(app.settings.model)[name or "index.html"]
    except SetupError as error:
        raise RequestError("NO_ROUTE", "local", error.reason, advice="build lungspot after `make web`") from error
    except KeyError:
        raise RequestError("NO_ROUTE", name[:100], "the page has no such file") from None
    headers = _HEADERS | {"ETag": etag}
    if has_it(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    kind = TYPES[(name or "index.html").rpartition(".")[2]]
    return Response(content, media_type=kind, headers=headers)


@lru_cache(maxsize=1)
def _files(model: str) -> Mapping[str, tuple[bytes, str]]:
    """Return by path what a file of the page holds, and its ETag."""
    return {name: (data, f'"{sha256(data).hexdigest()[:32]}"') for name, data in build_page(model).items()}
