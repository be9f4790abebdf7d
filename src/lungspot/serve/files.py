"""Files as they lie on the disk, answered with an ETag, byte ranges, and 304 where the client has them already."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fastapi.responses import FileResponse, Response
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from lungspot.errors import RequestError
from lungspot.serve.problems import answer

__all__ = ["BINARY", "FILE_ANSWERS", "TYPES", "StoredFile", "has_it"]

_LOG = logging.getLogger("lungspot.serve")

#: The media type of a page's file by what its name ends with; no other ending is served.
TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "gz": "application/gzip",
    "html": "text/html; charset=utf-8",
    "ico": "image/x-icon",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "mjs": "text/javascript; charset=utf-8",
    "onnx": "application/octet-stream",
    "png": "image/png",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
    "webmanifest": "application/manifest+json",
    "woff2": "font/woff2",
}
# The content of a file, for the OpenAPI description.
BINARY: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary"}}

#: What a route of files may answer besides 200, for the OpenAPI description; 416 stands among the errors.
FILE_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    206: {
        "content": {"application/octet-stream": BINARY, "multipart/byteranges": BINARY},
        "description": "The bytes that Range asked for",
    },
    304: {"description": "The client has it already (If-None-Match)"},
}


class StoredFile(FileResponse):
    """The answer that a file is; ``Range``, ``If-Range`` and ``If-None-Match`` are honoured.

    ``etag``: a strong one of the content where the file's time and size do not tell its versions apart; else made of
    both. Raises FileNotFoundError at once where there is no such file.
    """

    def __init__(
        self, path: Path, media_type: str, *, etag: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        tagged = {**(headers or {}), **({} if etag is None else {"ETag": f'"{etag}"'})}
        super().__init__(path, headers=tagged, media_type=media_type, stat_result=os.stat(path))  # noqa: PTH116 - a result is wanted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, the parts asked for, or 304; refusals take the one shape of errors."""
        if has_it(Headers(scope=scope).get("if-none-match"), self.headers["etag"]):
            kept = {name: self.headers[name] for name in ("etag", "last-modified")}
            await Response(status_code=304, headers=kept)(scope, receive, send)
            return
        refused = False

        async def sending(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] in {400, 416}:
                refused = True
                size = {"Content-Range": f"bytes */{self.headers['content-length']}"}
                error = RequestError("WRONG_RANGE", "Range", "no bytes of the file are where Range says")
                await answer(error, size)(scope, receive, send)
            elif not refused:
                await send(message)

        try:
            await super().__call__(scope, receive, sending)
        except FileNotFoundError:  # the header is out: the connection is closed, and the client sees bytes missing
            _LOG.info("a film was deleted while it was sent")


def has_it(asked: str | None, etag: str) -> bool:
    """Say whether ``If-None-Match``, None where it was not sent, names this version of a file, weakly or not."""
    tags = [] if asked is None else [tag.strip().removeprefix("W/") for tag in asked.split(",")]
    return etag in tags or tags == ["*"]
