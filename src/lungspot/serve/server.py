"""The process: one listening socket, uvicorn around the application, and no connection that idles for free."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any, Final

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from lungspot.errors import RequestError, SetupError
from lungspot.serve.app import create_app
from lungspot.serve.problems import problem
from lungspot.serve.settings import Settings

__all__ = ["serve"]

_HEADER_SECONDS: Final = 10.0
_MOST_HEADER: Final = 16 << 10
_STOP_SECONDS: Final = 10


class _Protocol(H11Protocol):
    """uvicorn's protocol, which waits for ever for a header, with a limit: from the connection, and from each answer.

    What is left of a body that was answered early (413, 503) must end within the same time.
    """

    _watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self._arm()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP in the one shape of errors."""
        error = RequestError("BAD_REQUEST", None, msg)
        body = json.dumps({"error": problem(error)}).encode()
        headers = [("content-type", "application/json"), ("content-length", str(len(body))), ("connection", "close")]
        with contextlib.suppress(h11.LocalProtocolError):  # an answer is already on its way
            for event in (h11.Response(status_code=400, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _arm(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._watch = self.loop.call_later(_HEADER_SECONDS, self._expire)

    def _expire(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()


def serve(settings: Settings, ready: Callable[[str], Any] | None = None) -> None:
    """Serve until the process is told to stop (SIGINT, SIGTERM); ``ready`` is called with the address once it answers.

    Raises SetupError ``PORT`` or ``IN_USE`` where the port or the folder is taken, and what loading the model raises.
    """
    _allow_many_connections()
    app = create_app(settings)
    listener = _listen(settings.host, settings.port)
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="on",
        access_log=False,  # addresses hold what people ask for; /metrics counts instead
        log_level="critical",
        server_header=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=_STOP_SECONDS,
        h11_max_incomplete_event_size=_MOST_HEADER,
        proxy_headers=False,
    )
    server = _Server(config, lambda: None if ready is None else ready(_address(settings, listener)))
    try:
        server.run(sockets=[listener])
    except SystemExit:  # how uvicorn says that the application did not start
        if app.state.failure is None:
            raise
        raise app.state.failure from None
    finally:
        listener.close()


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it answers and why it did not start."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], Any]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop in peace on SIGINT and SIGTERM; uvicorn's own would end the process with the signal after all."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._ready()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SetupError("PORT", f"{host}:{port}", error.strerror or "cannot be bound") from error
    listener.set_inheritable(False)
    return listener


def _address(settings: Settings, listener: socket.socket) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{listener.getsockname()[1]}/"


def _allow_many_connections() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # a system may have a lower limit of its own
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536) if hard > 0 else 65536, hard))
