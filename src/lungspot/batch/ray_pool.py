"""Workers as actors of a Ray cluster: the same shards, read by the same function, wherever there is a processor.

Ray's data sets can neither skip a row that fails nor end one that hangs, and its checkpoints hold every id in memory.
So Ray is asked for actors only, and the driver (:mod:`lungspot.batch.run`) sees to the rest. The folder of results and
the films must be reachable under the same paths from every node.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from lungspot.batch.ledger import Ledger
from lungspot.batch.read import ClaimFilm, detector_for, read_shard
from lungspot.batch.run import RunEvent
from lungspot.batch.settings import BatchSettings
from lungspot.batch.shards import Shard, ShardResult
from lungspot.errors import LungspotError, SetupError
from lungspot.extras import extra
from lungspot.images import use_fork_server
from lungspot.logs import service_log

__all__ = ["RayPool"]

_LOG = logging.getLogger("lungspot.batch")
_QUIET: Final = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DISABLE_IMPORT_WARNING": "1", "RAY_DEDUP_LOGS": "0"}
# Ray's head keeps what became of the last 100,000 calls, two a film, in 300 MiB that nobody looks at.
_UNTOLD: Final[dict[str, Any]] = {"enable_task_events": False}
_SOON: Final = 300.0  # seconds within which the keeper of claims must answer


class RayPool:
    """So many actors; where ``number`` is 0, one a processor of the cluster.

    ``address``: of the cluster, as ``ray.init`` has it, for a driver on one of its nodes; None: of ``RAY_ADDRESS``,
    else a cluster of this machine alone, that ends with the run. ``claim`` hears of every film that a worker was given.
    Raises ``MISSING_EXTRA`` without Ray, and ``WORKERS`` where there is no such cluster.
    """

    def __init__(
        self, number: int, settings: BatchSettings, out: Path, claim: ClaimFilm, address: str | None = None
    ) -> None:
        for name, value in _QUIET.items():  # before it is imported: it would report how it is used
            os.environ.setdefault(name, value)
        address = address or os.environ.get("RAY_ADDRESS") or "local"  # None would join what somebody began here
        alone = address == "local"
        if alone:  # a token of this run, not one in the user's home
            os.environ.setdefault("RAY_AUTH_MODE", "token")
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        with extra("ray", "a cluster"):
            import ray  # noqa: PLC0415 - an optional package
            from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: PLC0415

        self._ray, self._settings, self._out, self._claim = ray, settings, out.resolve(), claim
        try:
            ray.init(address=address, include_dashboard=False if alone else None, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, ValueError) as error:
            advice = "start one with `ray start --head`, and run this on one of its nodes"
            raise SetupError("WORKERS", address, f"no Ray cluster ({error})", advice=advice) from error
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._keeper = (
            ray.remote(_ClaimKeeper).options(num_cpus=0, scheduling_strategy=here, **_UNTOLD).remote(self._out)
        )
        self._actors: dict[int, Any] = {}
        self._waiting: dict[Any, int] = {}  # what an actor was asked for → which
        self._next = 0
        self.number = number or int(ray.cluster_resources().get("CPU", 1))
        for _ in range(self.number):
            self._start()

    def give(self, worker: int, shard: Shard) -> None:
        """Send a shard; where the worker has died, that is said by :meth:`wait`."""
        self._waiting[self._actors[worker].read.remote(shard)] = worker

    def wait(self, seconds: float) -> list[RunEvent]:
        """Return what workers said, in its order: films before the shard that they are of."""
        asked = list(self._waiting)
        ready, _ = self._ray.wait(asked, num_returns=len(asked), timeout=0)
        if not ready:
            ready, _ = self._ray.wait(asked, num_returns=1, timeout=seconds)
        ends = [self._end_of(ref, self._waiting.pop(ref)) for ref in ready]
        claims, films = self._news()
        for claim in claims:
            self._claim(*claim)
        events = [RunEvent("film", worker, at) for worker, at in films]
        return [*events, *ends]

    def _news(self) -> tuple[list[tuple[str, str, int, str]], list[tuple[int, tuple[str, int]]]]:
        """Return what workers asked and did, as the keeper of claims has it; raises ``WORKERS`` where it is silent."""
        from ray.exceptions import RayError  # noqa: PLC0415 - an optional package

        try:
            news: tuple[list[Any], list[Any]] = self._ray.get(self._keeper.news.remote(), timeout=_SOON)
        except RayError as error:
            reason = f"the cluster no longer answers ({type(error).__name__})"
            raise SetupError("WORKERS", None, reason, advice="see to its head, then go on with --resume") from error
        return news

    def kill(self, worker: int) -> None:
        """End a worker at once; its death is said by :meth:`wait`."""
        self._ray.kill(self._actors[worker], no_restart=True)

    def close(self) -> None:
        """End all workers, and the cluster where it was started here."""
        for actor in (*self._actors.values(), self._keeper):
            with contextlib.suppress(Exception):  # it may be dead, and its node too
                self._ray.kill(actor, no_restart=True)
        self._ray.shutdown()

    def _start(self) -> None:
        kind = self._ray.remote(_Worker).options(num_cpus=1, max_restarts=0, max_task_retries=0, **_UNTOLD)
        actor = kind.remote(self._settings, self._out, self._keeper, self._next, str(Path.cwd()))
        self._actors[self._next] = actor
        self._waiting[actor.ready.remote()] = self._next
        self._next += 1

    def _end_of(self, ref: Any, worker: int) -> RunEvent:  # noqa: ANN401 - a reference of Ray's
        """Return what came of what a worker was asked for."""
        from ray.exceptions import RayActorError, RayError, RayTaskError  # noqa: PLC0415 - an optional package

        try:
            value = self._ray.get(ref)
        except RayTaskError as error:
            cause = error.cause
            if isinstance(cause, LungspotError):
                return RunEvent("failed", worker, cause)
            _LOG.error("a worker ends of a bug: %s", cause)  # where, its own log says, which Ray shows here
        except RayActorError:
            pass
        except RayError as error:  # the node is gone, or the object with it
            _LOG.error("a worker is lost: %s", error)
        else:
            return RunEvent("shard", worker, value) if isinstance(value, ShardResult) else RunEvent("ready", worker)
        self.kill(worker)
        del self._actors[worker]
        self._start()
        return RunEvent("died", worker)


class _ClaimKeeper:
    """An actor on the driver's node: says whose a film is, and keeps for the driver what it was asked."""

    def __init__(self, out: Path) -> None:
        self._ledger = Ledger(out)
        self._claims: list[tuple[str, str, int, str]] = []
        self._films: list[tuple[int, tuple[str, int]]] = []

    def claim(self, sha256: str, shard: str, number: int, film: str) -> str | None:
        self._claims.append((sha256, shard, number, film))
        return self._ledger.claim(sha256, shard, number, film)

    def film(self, worker: int, shard: str, at: int) -> None:
        self._films.append((worker, (shard, at)))

    def news(self) -> tuple[list[tuple[str, str, int, str]], list[tuple[int, tuple[str, int]]]]:
        """Return what was asked and done since the last time."""
        claims, films = self._claims, self._films
        self._claims, self._films = [], []
        return claims, films


class _Worker:
    """An actor that reads shards, one after the other."""

    def __init__(self, settings: BatchSettings, out: Path, keeper: Any, number: int, where: str) -> None:  # noqa: ANN401 - an actor
        os.chdir(where)  # names of films and models may be relative
        self._settings, self._out, self._keeper, self._number = settings, out, keeper, number
        self._small = contextlib.ExitStack()

    def ready(self) -> None:
        """Answer when the network is loaded. What forbids it, raised by ``__init__``, would be no more than a death."""
        with _bugs_logged():
            self._detector = detector_for(self._settings)
            self._small.enter_context(use_fork_server())

    def read(self, shard: Shard) -> ShardResult:
        import ray  # noqa: PLC0415 - an optional package

        def claim(*film: object) -> str | None:
            other: str | None = ray.get(self._keeper.claim.remote(*film))
            return other

        def done(key: str, at: int) -> None:
            self._keeper.film.remote(self._number, key, at)

        with _bugs_logged():
            return read_shard(shard, self._detector, self._settings, self._out, claim=claim, done=done)


@contextlib.contextmanager
def _bugs_logged() -> Iterator[None]:
    """Log where a bug is, on the node that it happens on; Ray shows that to the driver, and would show its text too."""
    try:
        yield
    except LungspotError:
        raise
    except Exception:
        with service_log():
            _LOG.exception("a worker ends of a bug")
        raise
