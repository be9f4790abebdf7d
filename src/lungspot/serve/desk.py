"""What every route needs at hand: the store, the readers, the model, the numbers, and who waits for which film."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import BinaryIO, Final, TypeVar

from lungspot.detect import Detector, ModelCard
from lungspot.errors import RequestError
from lungspot.report import Analysis, Model, Refusal
from lungspot.serve.metrics import Metrics
from lungspot.serve.record import revive
from lungspot.serve.settings import Settings
from lungspot.serve.store import Store
from lungspot.serve.worklist import row_of

__all__ = ["Desk"]

T = TypeVar("T")

_DRAWERS: Final = 2


class Desk:
    """One running server's state."""

    def __init__(self, settings: Settings, store: Store, detector: Detector, metrics: Metrics) -> None:
        self.settings = settings
        self.store = store
        self.detector = detector
        self.metrics = metrics
        self.stopping = False
        self._drawers = ThreadPoolExecutor(_DRAWERS, thread_name_prefix="lungspot-draw")
        self._bells: dict[str, list[asyncio.Event]] = {}
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """End the threads that draw."""
        self._drawers.shutdown(cancel_futures=True)

    async def drawn(self, picture: Callable[[], T]) -> T:
        """Return what ``picture`` makes, in one of few threads: a film's pixels take much memory, and a crowd waits."""
        with _unless_deleted():
            return await self._loop.run_in_executor(self._drawers, picture)

    def full(self, size: int = 0) -> str | None:
        """Say why no film can be accepted now; None where one can."""
        if self.stopping:
            return "the server is stopping"
        if self.store.waiting >= self.settings.queue:
            return f"{self.store.waiting} films wait; {self.settings.queue} may"
        return "the disk is nearly full" if self.tight(size) else None

    def tight(self, size: int = 0) -> bool:
        """Say whether ``size`` more bytes would leave the disk less than always stays free."""
        return self.store.free() < self.settings.least_free + size

    def ring(self, identifier: str, status: str, seconds: float) -> None:
        """Say, from a reader's thread, that a film is done."""
        self.metrics.film(status, seconds)
        self._loop.call_soon_threadsafe(self._ring, identifier)

    def _ring(self, identifier: str) -> None:
        for bell in self._bells.pop(identifier, ()):
            bell.set()

    @contextmanager
    def bell(self, identifier: str) -> Iterator[asyncio.Event]:
        """Give an event that is set when a film is done; on the event loop's thread."""
        bell = asyncio.Event()
        self._bells.setdefault(identifier, []).append(bell)
        try:
            yield bell
        finally:
            waiting = self._bells.get(identifier, [])
            if bell in waiting:
                waiting.remove(bell)
            if not waiting:
                self._bells.pop(identifier, None)

    def result(self, row: sqlite3.Row, *, pictures: bool) -> Analysis | Refusal:
        """Return the result of a row that is done; without ``pictures`` it holds neither pixels nor maps."""
        name = row["name"] or f"film {row['number']}"
        paths = (self.store.pixels(row["id"]), self.store.maps(row["id"])) if pictures else (None, None)
        return revive(json.loads(row["record"]), self._model(row["model"]), name, *paths)

    def film(self, identifier: str) -> Analysis:
        """Return a film with pixels; raises ``NO_READING``, ``NOT_DONE`` or ``NO_PICTURE``."""
        row = self.done(identifier)
        result = self.result(row, pictures=True)
        if isinstance(result, Refusal):
            raise RequestError("NO_PICTURE", identifier, "the film could not be read")
        return result

    def open_pixels(self, identifier: str) -> BinaryIO:
        """Return the open file of a film's pixels; raises ``NO_READING`` where it was deleted meanwhile."""
        with _unless_deleted(identifier):
            return self.store.pixels(identifier).open("rb")

    def done(self, identifier: str) -> sqlite3.Row:
        """Return the row of a film that is done; raises ``NO_READING`` or ``NOT_DONE``."""
        row = row_of(self.store, identifier)
        if row["state"] != "done":
            raise RequestError("NOT_DONE", identifier, f"the film is {row['state']}")
        return row

    def _model(self, sha256: str | None) -> Model:
        if sha256 is None or sha256 == self.detector.sha256:
            return Model(self.detector.card, self.detector.sha256, self.detector.runtime)
        row = self.store.one("SELECT card, runtime FROM models WHERE sha256 = ?", (sha256,))
        return Model(_card(row["card"]), sha256, row["runtime"])


@contextmanager
def _unless_deleted(identifier: str | None = None) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise RequestError("NO_READING", identifier, "the film was deleted meanwhile") from None


@lru_cache(maxsize=8)
def _card(text: str) -> ModelCard:
    return ModelCard.from_json(text)
