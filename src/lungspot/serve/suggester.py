"""Films read at once for other programs: labelling tools that ask for boxes, and get them, and leave nothing here.

A film lives in memory while it is read. What is kept, in memory too and of the last films only, is what was said of
each by its SHA-256, so that who gave up waiting finds the answer when it asks again.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from lungspot.detect import Detector, floor_of
from lungspot.errors import LungspotError, RequestError
from lungspot.pipeline import analyze, assess
from lungspot.report import Analysis, Model, Refusal, from_record, to_record
from lungspot.serve.record import at_point

__all__ = ["Suggester"]

_LOG = logging.getLogger("lungspot.serve")

T = TypeVar("T")

_REMEMBERED: Final = 1000  # films; a record has a few kilobytes


class Suggester:
    """``workers`` threads that read films with one detector; ``most``: films that may wait for them."""

    def __init__(self, detector: Detector, model: Model, workers: int, most: int) -> None:
        self._detector = detector
        self._model = model
        self._most = most
        self._waiting = 0
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="lungspot-suggest")
        self._lock = threading.Lock()
        self._records: OrderedDict[str, Mapping[str, Any]] = OrderedDict()

    def close(self) -> None:
        """Stop the threads, each when its film is read, for which nobody waits; films that wait are not read."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def read(self, data: bytes, point: str) -> Analysis:
        """Return what is said of the film of these bytes, without pixels and maps; raises FilmError."""
        least = floor_of(self._detector.card)
        key = hashlib.sha256(data).hexdigest()
        return self._said(key, lambda: analyze(data, self._detector, min_score=least), point)

    def read_again(self, identifier: str, film: Callable[[], Analysis], point: str) -> Analysis:
        """Return what this model says of a film that another one has read; ``film`` gives that result with its pixels.

        ``identifier``: what it is called here. Raises what ``film`` raises.
        """
        least = floor_of(self._detector.card)
        return self._said(identifier, lambda: assess(film().radiograph, self._detector, min_score=least), point)

    def _said(self, key: str, read: Callable[[], Analysis], point: str) -> Analysis:
        """Return what is remembered of a film, else what reading it gives."""
        with self._lock:
            record = self._records.get(key)
        if record is None:
            record = to_record(read(), keep_identifiers=False)
        with self._lock:
            self._records[key] = record
            self._records.move_to_end(key)
            while len(self._records) > _REMEMBERED:
                self._records.popitem(last=False)
        said = from_record(record, self._model, "film", None, None)
        if isinstance(said, Refusal):
            raise said.error
        return at_point(said, point)

    async def all(self, works: Sequence[Callable[[], T]], seconds: float) -> list[T | LungspotError]:
        """Do each piece of work in the threads; return its value, or what refused it, in the order given.

        What is not done after ``seconds`` is answered ``BUSY``, and what of it was not begun is dropped. Raises
        ``BUSY`` where more would wait than may.
        """
        if self._waiting + len(works) > self._most:
            raise RequestError("BUSY", None, f"{self._waiting} films wait; {self._most} may")
        self._waiting += len(works)
        loop = asyncio.get_running_loop()
        futures = [loop.run_in_executor(self._pool, _settled, work) for work in works]
        for future in futures:
            future.add_done_callback(self._one_less)
        try:
            if futures:
                await asyncio.wait(futures, timeout=seconds)
        finally:  # who asked may be gone, too
            for future in futures:
                future.cancel()
        late = RequestError("BUSY", None, f"{seconds:.0f} s were not enough for this film and those before it")
        return [late if future.cancelled() else future.result() for future in futures]

    def _one_less(self, _: object) -> None:
        self._waiting -= 1


def _settled(work: Callable[[], T]) -> T | LungspotError:
    try:
        return work()
    except LungspotError as error:
        return error
    except Exception as error:  # noqa: BLE001 - one film's bug leaves the others their answers
        _LOG.error("bug: %s while a film was read for another program", type(error).__name__)
        return RequestError("BUG", None, "the server failed on this film")
