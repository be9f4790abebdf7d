"""The middleware around every route: who may ask, how large and how slow a body may be, and every answer's headers.

Host names guard against a page whose name was pointed at this machine (DNS rebinding), Origin against pages of other
sites, the token against everyone else. A body is counted and timed as it arrives, whatever its Content-Length says.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import ipaddress
import logging
import os
import re
import time
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lungspot.errors import LungspotError, RequestError
from lungspot.serve.metrics import Metrics
from lungspot.serve.problems import answer
from lungspot.serve.settings import Settings

__all__ = ["COOKIE", "RequestGuard", "session_of"]

_LOG = logging.getLogger("lungspot.serve")

COOKIE: Final = "lungspot"
# All that is answered without the token: these, the viewer's files and, with Label Studio, what a page of its shows:
# drawings, of no film, and films whose address is signed. Every other path, known or not, wants the token.
_PUBLIC: Final = frozenset({"/", "/healthz", "/readyz", "/v1/session"})
_PUBLIC_FOLDER: Final = "/viewer/"
_SHOWN_ELSEWHERE: Final = re.compile(r"/label-studio/(?:drawings/[a-z0-9_]+\.svg|[^/]+/[0-9a-f]{16}\.png)\Z")
_STUDIO: Final = frozenset({"/health", "/setup", "/predict", "/webhook", "/versions"})  # it knows Basic, not Bearer
_UPLOADS: Final = frozenset({"/v1/readings", "/v1/suggestions"})
_MOST_JSON: Final = 1 << 20
_MOST_TASKS: Final = 32 << 20
_SILENCE: Final = 10.0  # seconds without a byte
_GRACE, _SLOWEST = 10.0, 10_000  # seconds after which a body must have arrived at so many bytes a second

_CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


class RequestGuard:
    """ASGI middleware: checks host, origin and token, bounds the body's size and time, adds headers, counts answers."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics
        self._hosts = frozenset({"localhost", *(name.lower() for name in settings.allow_hosts)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request to the application, or refuse it in the one shape of errors."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = _with_head_as_get(scope)
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store" if scope["path"].startswith("/v1/") else "no-cache")
                self._metrics.answered(scope, message["status"])
                route = getattr(scope.get("route"), "path", "?")  # its pattern: no id, no query
                _LOG.debug("%s %s: %d", scope["method"], route, message["status"])
            await send(message)

        try:
            self._admit(scope, Headers(scope=scope))
            await self._app(scope, self._guarded(scope, receive), sending)
        except LungspotError as error:
            if not started:
                await answer(error)(scope, receive, sending)
        except ClientDisconnect:
            _LOG.info("a client left in the middle of its body")
        except Exception as error:  # whatever it is: one shape, and no value of a film in the log
            debug = bool(os.environ.get("LUNGSPOT_DEBUG"))
            route = getattr(scope.get("route"), "path", "?")
            _LOG.error("bug: %s at %s %s", type(error).__name__, scope["method"], route, exc_info=debug)
            if started:
                raise
            await answer(RequestError("BUG", None, "the server failed on this request"))(scope, receive, sending)

    def _admit(self, scope: Scope, headers: Headers) -> None:
        host = headers.get("host", "")
        if not self._is_ours(host):
            raise RequestError("WRONG_HOST", "Host", f"{host[:100]!r} is not a name of this server")
        studio = self._settings.label_studio is not None
        if studio and scope["method"] == "GET" and _SHOWN_ELSEWHERE.match(scope["path"]):
            return  # from a page of another site; the route looks at the signature
        origin = headers.get("origin")
        site = headers.get("sec-fetch-site", "none")
        foreign = origin is not None and urlsplit(origin).netloc.lower() != host.lower()
        opening = headers.get("sec-fetch-mode") == "navigate" and scope["method"] in {"GET", "HEAD"}
        if foreign or (site not in {"same-origin", "none"} and not opening):
            raise RequestError("WRONG_ORIGIN", "Origin", "the request comes from a page of another site")
        token = self._settings.token
        basic = studio and scope["path"] in _STUDIO
        if token is not None and not _is_public(scope["path"]) and not _shows_token(headers, token, basic=basic):
            raise RequestError("NO_TOKEN", "Authorization", "no token, or not the right one")
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise RequestError("BAD_REQUEST", "Content-Encoding", "bodies are taken as they are, never unpacked")

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
            urlsplit(f"//{host}").port  # noqa: B018 - raises for a port that is none
        except ValueError:
            return False
        if name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _guarded(self, scope: Scope, receive: Receive) -> Receive:
        """Return ``receive`` with the limits on size and time."""
        upload = scope["path"] in _UPLOADS and scope["method"] == "POST"
        of_tasks = self._settings.label_studio is not None and scope["path"] in _STUDIO
        most = self._settings.upload_bytes if upload else _MOST_TASKS if of_tasks else _MOST_JSON
        too_large = RequestError("TOO_LARGE", "body", f"more than {most} bytes", advice="send fewer films at a time")
        said = Headers(scope=scope).get("content-length", "0")
        if said.isdigit() and int(said) > most:
            raise too_large
        start = time.monotonic()
        seen = 0
        whole = False

        async def guarded() -> Message:
            nonlocal seen, whole
            if whole:  # what remains to be heard is that the client left, for which no limit holds
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), _SILENCE)
            except TimeoutError:
                raise RequestError("TOO_SLOW", "body", f"nothing arrived for {_SILENCE:.0f} s") from None
            seen += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if seen > most:
                raise too_large
            past = time.monotonic() - start
            if not whole and past > _GRACE and seen < past * _SLOWEST:
                raise RequestError("TOO_SLOW", "body", f"{seen} bytes in {past:.0f} s")
            return message

        return guarded


def session_of(token: str) -> str:
    """Return the value of the cookie that stands for a token, from which the token cannot be told."""
    return hmac.new(token.encode(), b"lungspot session", "sha256").hexdigest()


def _is_public(path: str) -> bool:
    """Say whether a path is answered without the token: the viewer's files, health, and where the token is given."""
    return path in _PUBLIC or path.startswith(_PUBLIC_FOLDER)


def _with_head_as_get(scope: Scope) -> Scope:
    """Return the request with HEAD as GET; uvicorn, which knows better, keeps the body back."""
    return {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope


def _shows_token(headers: Headers, token: str, *, basic: bool) -> bool:
    """Say whether a request shows the token: as Bearer, as the session's cookie or, with ``basic``, as a password."""
    scheme, _, shown = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic" and basic:
        try:
            shown = base64.b64decode(shown, validate=True).decode().partition(":")[2]
        except ValueError:
            return False
        return hmac.compare_digest(shown.encode(), token.encode())
    if scheme.lower() == "bearer" and hmac.compare_digest(shown.strip().encode(), token.encode()):
        return True
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return False
    return morsel is not None and hmac.compare_digest(morsel.value.encode(), session_of(token).encode())
