"""Workers as processes of this machine, each with the network loaded once and a small process that forks for it."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from lungspot.batch.read import ClaimFilm, detector_for, read_shard
from lungspot.batch.run import RunEvent
from lungspot.batch.settings import BatchSettings
from lungspot.batch.shards import Shard
from lungspot.errors import LungspotError
from lungspot.images import use_fork_server
from lungspot.logs import service_log

__all__ = ["LocalPool", "usable_processors"]


def usable_processors() -> int:
    """Return how many processors this process may use; at least 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_LOG = logging.getLogger("lungspot.batch")


class LocalPool:
    """So many processes; ``claim`` is asked, here, whether a film is a worker's to read."""

    def __init__(self, number: int, settings: BatchSettings, out: Path, claim: ClaimFilm) -> None:
        self.number, self._settings, self._out, self._claim = number, settings, out, claim
        self._context = multiprocessing.get_context("spawn")
        self._workers: dict[int, tuple[multiprocessing.process.BaseProcess, Connection]] = {}
        self._next = 0
        for _ in range(number):
            self._start()

    def give(self, worker: int, shard: Shard) -> None:
        """Send a shard; where the worker has just died, its death is said by :meth:`wait`."""
        with contextlib.suppress(OSError):
            self._workers[worker][1].send(shard)

    def wait(self, seconds: float) -> list[RunEvent]:
        """Return what workers said; claims are answered meanwhile."""
        by_pipe: dict[object, int] = {pipe: worker for worker, (_, pipe) in self._workers.items()}
        found: list[RunEvent] = []
        for worker in [by_pipe[pipe] for pipe in wait([pipe for _, pipe in self._workers.values()], seconds)]:
            if not self._listen(worker, found):
                self._bury(worker)
                found.append(RunEvent("died", worker))
        return found

    def kill(self, worker: int) -> None:
        """End a worker at once; its death is said by :meth:`wait`."""
        self._workers[worker][0].kill()

    def close(self) -> None:
        """End all workers; one that waits ends by itself."""
        for _, pipe in self._workers.values():
            pipe.close()
        for process, _ in self._workers.values():
            process.join(1)
            process.kill()
            process.join()
        self._workers.clear()

    def _listen(self, worker: int, found: list[RunEvent]) -> bool:
        """Take what a worker said; False where it is gone."""
        pipe = self._workers[worker][1]
        try:
            while pipe.poll():
                kind, value = pipe.recv()
                if kind == "claim":
                    pipe.send(self._claim(*value))
                else:
                    found.append(RunEvent(kind, worker, value))
        except (EOFError, OSError):
            return False
        return True

    def _bury(self, worker: int) -> None:
        process, pipe = self._workers.pop(worker)
        pipe.close()
        process.kill()
        process.join()
        self._start()

    def _start(self) -> None:
        mine, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs, self._settings, self._out), daemon=True)
        process.start()
        theirs.close()
        self._workers[self._next] = (process, mine)
        self._next += 1


def _work(pipe: Connection, settings: BatchSettings, out: Path) -> None:
    """Be a worker: until the driver hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver decides
    threading.Thread(target=_end_with_the_driver, daemon=True).start()
    lock = threading.Lock()

    def say(kind: str, value: Any = None) -> None:  # noqa: ANN401 - whatever is said
        with lock:
            pipe.send((kind, value))

    def claim(*film: object) -> str | None:
        with lock:
            pipe.send(("claim", film))
            answer: str | None = pipe.recv()
        return answer

    try:
        detector = detector_for(settings)
        with use_fork_server():
            say("ready")
            while True:
                shard = pipe.recv()
                say("shard", read_shard(shard, detector, settings, out, claim=claim, done=lambda *at: say("film", at)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except LungspotError as error:
        say("failed", error)
    except BaseException:  # noqa: BLE001 - the driver counts the dead, and must hear why
        with service_log():
            _LOG.exception("a worker ends of a bug")
        os._exit(1)


def _end_with_the_driver() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
