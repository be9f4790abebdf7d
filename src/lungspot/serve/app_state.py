"""The state of one running server, which every route gets: store, detector, metrics, and who waits for which film."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Annotated, Final, TypeVar

from fastapi import Depends, Request

from lungspot.detect import Detector
from lungspot.errors import RequestError
from lungspot.report import Aligned, Analysis, Model, Refusal, from_record
from lungspot.serve.metrics import Metrics
from lungspot.serve.record import past_model
from lungspot.serve.remote_films import RemoteFilms
from lungspot.serve.settings import Settings
from lungspot.serve.store import QueueState, Store
from lungspot.serve.suggester import Suggester
from lungspot.serve.worklist import Worklist, row_of

__all__ = ["AppState", "StateDep", "model_of", "state_of", "unless_deleted"]

T = TypeVar("T")
K = TypeVar("K")

_DRAWING_THREADS: Final = 2
_REMEMBERED: Final = 64  # pairs of films, and films, of which it is kept what takes their pixels to work out


class AppState:
    """Store, detector, settings, metrics and threads of one server, and events that tell of finished films.

    Made on the event loop's thread, when the application starts; ``film_done`` may be called from any thread.
    """

    def __init__(self, settings: Settings, store: Store, detector: Detector, metrics: Metrics) -> None:
        self.settings = settings
        self.store = store
        self.worklist = Worklist(store)
        self.detector = detector
        self.metrics = metrics
        self.suggester = Suggester(detector, model_of(detector), settings.workers, settings.queue)
        self.remote_films = _remote_films(settings)
        self.stopping = False
        self._past: dict[str, Model] = {}
        self._laid: dict[tuple[str, str], Aligned | None] = {}
        self._remembering = threading.Lock()
        self._uids: dict[tuple[str, str, bool], dict[int, str]] = {}
        self._drawing = ThreadPoolExecutor(_DRAWING_THREADS, thread_name_prefix="lungspot-draw")
        self._completion_events: dict[str, list[asyncio.Event]] = {}
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """Stop the threads that draw and that read for others; what waits or is being fetched is cancelled."""
        self.suggester.close()
        if self.remote_films is not None:
            self.remote_films.close()
        self._drawing.shutdown(cancel_futures=True)

    async def drawn(self, picture: Callable[[], T]) -> T:
        """Run ``picture`` in one of two drawing threads and return its value; two, because a film takes much memory."""
        with unless_deleted():
            return await self._loop.run_in_executor(self._drawing, picture)

    def full(self, size: int = 0) -> str | None:
        """Return why no upload of ``size`` bytes can be accepted now, as a sentence; None where it can."""
        if not self.stopping and self.store.waiting >= self.settings.queue:
            return f"{self.store.waiting} films wait; {self.settings.queue} may"
        return self.closed_to(size)

    def closed_to(self, size: int = 0) -> str | None:
        """Return why not even a film of ``size`` bytes that is not kept can arrive now, as a sentence; None: it can."""
        if self.stopping:
            return "the server is stopping"
        return "the disk is nearly full" if self.disk_nearly_full(size) else None

    def disk_nearly_full(self, size: int = 0) -> bool:
        """Say whether ``size`` more bytes would leave less than ``Settings.least_free`` on the disk."""
        return self.store.free() < self.settings.least_free + size

    def film_done(self, identifier: str, status: str, seconds: float) -> None:
        """Count a finished film and set the events of requests that wait for it; called from a worker's thread."""
        self.metrics.film(status, seconds)
        self._loop.call_soon_threadsafe(self._set_completion_events, identifier)

    def _set_completion_events(self, identifier: str) -> None:
        for event in self._completion_events.pop(identifier, ()):
            event.set()

    @contextmanager
    def completion(self, identifier: str) -> Iterator[asyncio.Event]:
        """Yield an event that is set when the film is done; use it on the event loop's thread."""
        event = asyncio.Event()
        self._completion_events.setdefault(identifier, []).append(event)
        try:
            yield event
        finally:
            waiting = self._completion_events.get(identifier, [])
            if event in waiting:
                waiting.remove(event)
            if not waiting:
                self._completion_events.pop(identifier, None)

    def result(self, row: sqlite3.Row, *, pictures: bool) -> Analysis | Refusal:
        """Return the result of a row that is done; without ``pictures`` it holds neither pixels nor maps."""
        name = row["name"] or f"film {row['number']}"
        paths = (self.store.pixels(row["id"]), self.store.maps(row["id"])) if pictures else (None, None)
        return from_record(json.loads(row["record"]), self._model(row["model"]), name, *paths)

    def laid(self, pair: tuple[str, str], found: Callable[[], Aligned | None]) -> Aligned | None:
        """Return how one film lies on another, by their ids: worked out once (``found``), kept for a while.

        Any thread may ask; two that ask for one pair at once may both work it out.
        """
        return self._remembered(self._laid, pair, found)

    def uids(self, asked: tuple[str, str, bool], found: Callable[[], dict[int, str]]) -> dict[int, str]:
        """Return the UIDs of a film's places, by its id, operating point and whether experimental labels count.

        They are worked out once (``found``, which reads its pixels) and kept for a while. Any thread may ask.
        """
        return self._remembered(self._uids, asked, found)

    def _remembered(self, kept: dict[K, T], asked: K, found: Callable[[], T]) -> T:
        with self._remembering:
            if asked in kept:
                return kept[asked]
        made = found()  # not under the lock: it reads films
        with self._remembering:
            kept[asked] = made
            while len(kept) > _REMEMBERED:
                del kept[next(iter(kept))]
        return made

    def film(self, identifier: str) -> Analysis:
        """Return a film with pixels; raises ``NO_READING``, ``NOT_DONE`` or ``NO_PICTURE``."""
        row = self.done(identifier)
        result = self.result(row, pictures=True)
        if isinstance(result, Refusal):
            raise RequestError("NO_PICTURE", identifier, "the film could not be read")
        return result

    def done(self, identifier: str) -> sqlite3.Row:
        """Return the row of a film that is done; raises ``NO_READING`` or ``NOT_DONE``."""
        row = row_of(self.store, identifier)
        if row["state"] != QueueState.DONE:
            raise RequestError("NOT_DONE", identifier, f"the film is {row['state']}")
        return row

    def _model(self, key: str | None) -> Model:
        mine = model_of(self.detector)
        if key is None or key == mine.key:
            return mine
        if key not in self._past:
            row = self.store.one("SELECT card, runtime FROM models WHERE sha256 = ?", (key,))
            self._past[key] = past_model(row["card"], key, row["runtime"], self.detector.card)
        return self._past[key]


def model_of(detector: Detector) -> Model:
    """Return who reads films on this server: the network, and whose thresholds."""
    return Model(detector.card, detector.sha256, detector.runtime)


def _remote_films(settings: Settings) -> RemoteFilms | None:
    if settings.label_studio is None:
        return None
    others, key = settings.label_studio_hosts, settings.label_studio_key
    return RemoteFilms(settings.label_studio, others, key, settings.upload_bytes)


def state_of(request: Request) -> AppState:
    """Return the state of the server that got a request."""
    server: AppState = request.app.state.server
    return server


StateDep = Annotated[AppState, Depends(state_of)]


@contextmanager
def unless_deleted(identifier: str | None = None) -> Iterator[None]:
    """Turn FileNotFoundError into ``NO_READING``: a film's files are there unless it was deleted meanwhile."""
    try:
        yield
    except FileNotFoundError:
        raise RequestError("NO_READING", identifier, "the film was deleted meanwhile") from None
