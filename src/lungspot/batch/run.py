"""The driver: draws shards when a worker is free, gives them out, and sees to it that each is done, and done once.

It does not know what its workers are: processes here (:mod:`lungspot.batch.local`) or actors of Ray. A film that holds
up its worker for too long, and one at which workers died again and again, becomes a row that says so; whatever else
happens to a worker, its shard is done again by another.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Final, Literal, Protocol

from lungspot.batch.folder import BatchFolder
from lungspot.batch.ledger import Ledger
from lungspot.batch.settings import BatchSettings
from lungspot.batch.shards import Shard, ShardResult, Struck
from lungspot.errors import SetupError

__all__ = ["RunEvent", "WorkerPool", "run_batch"]

_LOOK: Final = 0.5  # seconds between two looks at the clock
_DEATHS: Final = 3  # of workers, at one film, until it is not tried again
_ENDLESS: Final = 20  # of workers, at films of one shard of which none is to blame
_STARTS: Final = 3  # workers in a row that die before they are ready


@dataclass(frozen=True, slots=True)
class RunEvent:
    """What a worker says, or what became of it.

    ``ready``: it waits for a shard. ``film``: ``value`` is the key of a
    shard and the place in it of a film whose row is made. ``shard``: ``value``
    is a :class:`ShardResult`. ``failed``: ``value`` is an error that every film would meet. ``died``.
    """

    kind: Literal["ready", "film", "shard", "failed", "died"]
    worker: int
    value: Any = None


class WorkerPool(Protocol):
    """Workers, so many at a time, each by its own number.

    ``wait`` gives what they said, after so many seconds at most; the dead are started anew.
    """

    number: int

    def give(self, worker: int, shard: Shard) -> None:
        """Have a worker that is ready read a shard."""

    def wait(self, seconds: float) -> list[RunEvent]:
        """Return what was said since."""

    def kill(self, worker: int) -> None:
        """End a worker; its death is said by :meth:`wait`."""

    def close(self) -> None:
        """End all workers."""


@dataclass(slots=True)
class _Held:
    """The shard that a worker holds, how many of its films have their row, and since when.

    ``late``: the place of the film that took too long, for which the worker was ended.
    """

    shard: Shard
    key: str
    films: int = 0
    since: float = field(default_factory=time.monotonic)
    late: int | None = None


@dataclass(slots=True)
class _Run:
    pool: WorkerPool
    folder: BatchFolder
    ledger: Ledger
    shards: Iterator[Shard]
    timeout: float
    tell: Callable[[dict[str, Any]], None]
    again: deque[Shard] = field(default_factory=deque)
    ready: set[int] = field(default_factory=set)
    held: dict[int, _Held] = field(default_factory=dict)
    deaths: Counter[tuple[str, int]] = field(default_factory=Counter)
    in_vain: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    over: bool = False

    def to_the_end(self) -> None:
        while True:
            while self.ready and (shard := self._next()) is not None:
                worker = self.ready.pop()
                self.held[worker] = _Held(shard, shard.key)
                self.pool.give(worker, shard)
            if self.over and not self.held and not self.again:
                return
            for event in self.pool.wait(_LOOK):
                self._take(event)
            self._end_the_late()

    def _next(self) -> Shard | None:
        if self.again:
            return self.again.popleft()
        with self._at_work():
            shard = None if self.over else next(self.shards, None)
        self.over = shard is None
        return shard

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Do what takes the driver a while: workers may wait for its answer, and it is not their time."""
        began = time.monotonic()
        yield
        for held in self.held.values():
            held.since += time.monotonic() - began

    def _take(self, event: RunEvent) -> None:
        held = self.held.get(event.worker)
        if event.kind == "ready":
            self.starts = 0
            self.ready.add(event.worker)
        elif event.kind == "failed":
            raise event.value
        elif event.kind == "film" and held is not None:
            key, at = event.value
            if key == held.key:  # else it is late news of the shard before
                held.films, held.since = at + 1, time.monotonic()
                self.tell({"event": "film"})
        elif event.kind == "shard" and held is not None:
            self._done(event.worker, event.value)
        elif event.kind == "died":
            self._dead(event.worker, held)

    def _done(self, worker: int, result: ShardResult) -> None:
        with self._at_work():
            self.folder.commit(result)
        del self.held[worker]
        self.ready.add(worker)
        told = {"shard": result.key, "films": result.films, "statuses": dict(result.statuses)}
        self.tell({"event": "shard", **told, "codes": dict(result.codes), "notes": list(result.notes)})

    def _dead(self, worker: int, held: _Held | None) -> None:
        self.ready.discard(worker)
        if held is None:
            self.starts += 1
            if self.starts >= _STARTS:
                raise SetupError("WORKERS", None, f"{self.starts} workers in a row ended before they were ready")
            return
        del self.held[worker]
        shard, at = held.shard, held.films
        blamed = at if held.late is None else held.late
        film = shard.entries[blamed].name if blamed < len(shard.entries) else None
        struck = None
        if held.late == at:
            struck = Struck("TIMED_OUT", f"not read within {self.timeout:g} s", self.ledger.sha256_of(held.key, at))
        elif held.late is None and film is not None:  # else its row came when its worker was being ended
            self.deaths[held.key, at] += 1
            if self.deaths[held.key, at] >= _DEATHS:
                words = f"{_DEATHS} workers died while it was read"
                struck = Struck("CRASHED", words, self.ledger.sha256_of(held.key, at))
        self.tell({"event": "timed_out" if held.late == at else "worker_died", "film": film, "back": at})
        self.in_vain[held.key] = 0 if struck else self.in_vain[held.key] + 1
        if self.in_vain[held.key] >= _ENDLESS:
            reason = f"{_ENDLESS} workers in a row died over the shard {held.key}, at films of which none is to blame"
            raise SetupError("WORKERS", film, reason, advice="look for memory that runs out; then --resume")
        self.again.append(shard if struck is None else replace(shard, struck={**shard.struck, at: struck}))

    def _end_the_late(self) -> None:
        now = time.monotonic()
        for worker, held in self.held.items():
            if held.late is None and held.films < len(held.shard.entries) and now - held.since > self.timeout:
                held.late = held.films
                self.pool.kill(worker)


def run_batch(  # noqa: PLR0913 - what is read, by whom, where to
    shards: Iterator[Shard],
    pool_of: Callable[[], WorkerPool],
    *,
    folder: BatchFolder,
    ledger: Ledger,
    settings: BatchSettings,
    tell: Callable[[dict[str, Any]], None],
) -> int:
    """Have every shard read and written; ``tell`` hears of each film, shard, death and film that was given up.

    ``pool_of`` makes the workers, where there is anything to do; returns how many there were. Raises what one says of
    this machine or the model, and ``WORKERS`` where none comes to life.
    """
    first = next(shards, None)
    if first is None:
        return 0
    pool = pool_of()
    try:
        _Run(pool, folder, ledger, chain([first], shards), settings.timeout, tell).to_the_end()
    finally:
        pool.close()
    return pool.number
