"""How long an archive takes on many workers, what it costs and what saturates first: a discrete-event simulation.

Whatever can run out is a server of its own: the cores of each machine (decoding, judging), its link, the requests and
the bytes of the store that holds the films, the keeper of claims, the driver that names shards. A worker reads as
lungspot.pipeline and lungspot.batch do. Figures are measured ones (docs/benchmarks.md) or public statements, beside
each; runs of one and of two workers are held against measured ones (docs/explanation/archive-scale.md).

Usage: python benchmarks/simulate_archive.py [--price USD] [--efficiency SHARE]
"""

from __future__ import annotations

import argparse
import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from math import inf
from typing import NamedTuple

import numpy as np

PRICE = 0.04  # USD an hour, of a core: assumed


@dataclass(frozen=True)
class Cluster:
    """What a film, a shard and a message take, and what workers share; in seconds, bytes, and so many a second."""

    # A film of 1841 x 1955 pixels, DICOM in JPEG lossless (docs/benchmarks.md, "Reading"). To judge one of 320 pixels
    # takes 41.4 ms ("An archive": 24.1 films/s where another core decodes); to prepare this one 7 ms more.
    film_bytes: float = 4.4e6
    decode: float = 0.092  # of a core
    judge: float = 0.0485  # of a core
    spread: float = 0.35  # sigma of the logarithm of both; assumed
    # A worker (lungspot.pipeline): threads that fetch, claim and decode, and films that they may be ahead.
    readers: int = 2
    ahead: int = 4
    # A shard ("An archive").
    shard_films: int = 500
    write: float = 0.014  # of a core: its tables
    commit: float = 0.013  # of the driver: names, syncs
    # Ray ("An archive", 16.2 films/s where processes read 18.4; benchmarks/ray_claims.py).
    engine: float = 0.0074  # of a core, a film
    claim: float = 0.0011  # of the keeper of claims, a film
    trip: float = 0.0002  # to the keeper and back
    keeper: bool = True  # claims are answered beside the driver, not by it
    start: float = 10.0  # until workers are ready ("Beside others")
    # Machines: a worker has a core, and 16 workers a link of 10 Gbit/s; assumed.
    machine: int = 16
    spare: int = 0  # cores beyond one a worker
    link: float = 1.25e9
    # The store: Amazon's statements on S3 (userguide/optimizing-performance.html and its -design-patterns.html); bytes
    # are Alibaba's limit on OSS in its large regions, 100 Gbit/s (help/en/oss/user-guide/limits).
    requests: int = 2  # a film, one after the other: HEAD and GET, as fsspec makes them
    request_rate: float = 5500.0  # of one prefix
    first_byte: float = 0.15  # of each request: 100 to 200 ms
    connection: float = 85e6  # bytes a second, of one request: 85 to 90 MB/s
    store: float = 12.5e9


S3 = Cluster()
# The films of benchmarks/batch.py: PNG of 320 pixels on the machine's own disk, processes as workers, no network.
DISK = Cluster(
    film_bytes=6e4,
    decode=0.0128,
    judge=0.0414,
    engine=0.0,
    claim=18e-6,
    trip=0.0,
    keeper=False,
    start=0.0,
    link=inf,
    request_rate=inf,
    first_byte=0.0,
    connection=inf,
    store=inf,
)
RAY_DISK = replace(DISK, engine=S3.engine, claim=S3.claim, trip=S3.trip, keeper=True)
CHECKS = (  # what was run, with how many workers, and what films/s were measured ("An archive")
    ("one worker on one core", DISK, 1, 18.4),
    ("one worker on two cores", replace(DISK, spare=1), 1, 24.1),
    ("two workers on two cores", DISK, 2, 35.4),
    ("over Ray, one worker on one core", RAY_DISK, 1, 16.2),
    ("over Ray, one worker on two cores", replace(RAY_DISK, spare=1), 1, 23.3),
    ("over Ray, two workers on two cores", RAY_DISK, 2, 32.1),
)
CHANGES = (
    ("nothing", S3),
    ("JPEG 2000 without loss (4.3 MB, 515 ms)", replace(S3, film_bytes=4.3e6, decode=0.515)),
    ("not packed (7.2 MB, 49 ms)", replace(S3, film_bytes=7.2e6, decode=0.049)),
    ("a link of 1 Gbit/s a machine", replace(S3, link=1.25e8)),
    (
        "a file share of 10 Gbit/s, 1 ms a request",
        replace(S3, store=1.25e9, request_rate=inf, first_byte=0.001, connection=1.25e9),
    ),
    ("a keeper ten times as fast", replace(S3, claim=S3.claim / 10)),
    ("films beside the workers", replace(S3, store=inf, link=inf, request_rate=inf, first_byte=0.0, connection=inf)),
)


class Server:
    """Serves in the order in which it is asked, with one hand or several."""

    def __init__(self, hands: int = 1) -> None:
        self.free = [0.0] * hands
        self.busy = 0.0

    def serve(self, now: float, seconds: float) -> float:
        """Return when what is asked now, and takes so long, is done; ``now`` never goes back."""
        done = max(now, self.free[0]) + seconds
        heapq.heapreplace(self.free, done)
        self.busy += seconds
        return done


@dataclass(slots=True)
class Worker:
    """What became of the films of its shard; ``factors``: of each, by what it takes longer than the mean."""

    machine: int
    factors: list[float] = field(default_factory=list)
    asked: int = 0
    reading: int = 0
    read: set[int] = field(default_factory=set)
    judged: int = 0
    judging: bool = False


class Outcome(NamedTuple):
    """Seconds that all films took, films a second in the middle half of them, shares of the time that servers work."""

    seconds: float
    rate: float
    busy: dict[str, float]


class Simulation:
    """An archive of so many films, read by so many workers."""

    def __init__(self, films: int, workers: int, cluster: Cluster, seed: int = 0) -> None:
        draw = np.random.default_rng(seed)
        factors = np.exp(cluster.spread * draw.standard_normal(films) - cluster.spread**2 / 2)
        self.factors: list[float] = factors.tolist()
        self.cluster, self.films, self.done, self.given = cluster, films, 0, 0
        self.end, self.marks, self.half = 0.0, list[float](), (films // 4, films * 3 // 4)
        sizes = [min(cluster.machine, workers - first) for first in range(0, workers, cluster.machine)]
        self.cores = [Server(size + cluster.spare) for size in sizes]
        self.links = [Server() for _ in sizes]
        self.requests, self.store, self.driver = Server(), Server(), Server()
        self.keeper = Server() if cluster.keeper else self.driver
        self.serial = itertools.count()
        self.events: list[tuple[float, int, Callable[[float, Worker, int], None], Worker, int]] = []
        for number in range(workers):
            self._at(cluster.start, self._give, Worker(number // cluster.machine))

    def outcome(self) -> Outcome:
        """Return how it ends."""
        while self.events:
            now, _, step, worker, film = heapq.heappop(self.events)
            step(now, worker, film)
        span = self.end - self.cluster.start
        servers = {
            "cores": self.cores,
            "link": [max(self.links, key=lambda link: link.busy)],
            "requests": [self.requests],
            "bytes": [self.store],
            "keeper": [self.keeper],
            "driver": [self.driver],
        }
        busy = {
            name: sum(server.busy for server in those) / sum(len(server.free) for server in those) / span
            for name, those in servers.items()
        }
        first, last = self.marks
        return Outcome(self.end, (self.half[1] - self.half[0]) / (last - first), busy)

    def _at(self, when: float, step: Callable[[float, Worker, int], None], worker: Worker, film: int = 0) -> None:
        heapq.heappush(self.events, (when, next(self.serial), step, worker, film))

    def _give(self, now: float, worker: Worker, _: int) -> None:
        """Give a worker its next shard."""
        worker.factors = self.factors[self.given : self.given + self.cluster.shard_films]
        self.given += len(worker.factors)
        worker.asked = worker.judged = 0
        self._fetch(now, worker)

    def _fetch(self, now: float, worker: Worker) -> None:
        """Have the readers that are free fetch what comes next.

        Requests, bytes and link serve films in one order, so that each can be asked now for what it does later.
        """
        cluster = self.cluster
        last = min(len(worker.factors), worker.judged + cluster.ahead + 1)
        while worker.reading < cluster.readers and worker.asked < last:
            begun = self.requests.serve(now, cluster.requests / cluster.request_rate)
            sent = begun + cluster.requests * cluster.first_byte + cluster.film_bytes / cluster.connection
            stored = self.store.serve(sent, cluster.film_bytes / cluster.store)
            here = self.links[worker.machine].serve(stored, cluster.film_bytes / cluster.link)
            self._at(here, self._claim, worker, worker.asked)
            worker.asked += 1
            worker.reading += 1

    def _claim(self, now: float, worker: Worker, film: int) -> None:
        self._at(self.keeper.serve(now, self.cluster.claim) + self.cluster.trip, self._decode, worker, film)

    def _decode(self, now: float, worker: Worker, film: int) -> None:
        seconds = self.cluster.decode * worker.factors[film] + self.cluster.engine
        self._at(self.cores[worker.machine].serve(now, seconds), self._decoded, worker, film)

    def _decoded(self, now: float, worker: Worker, film: int) -> None:
        worker.reading -= 1
        worker.read.add(film)
        self._fetch(now, worker)
        self._judge(now, worker)

    def _judge(self, now: float, worker: Worker) -> None:
        """Have the next film judged, in the shard's order, where it is read and no other is being judged."""
        if not worker.judging and worker.judged in worker.read:
            worker.judging = True
            worker.read.remove(worker.judged)
            seconds = self.cluster.judge * worker.factors[worker.judged]
            self._at(self.cores[worker.machine].serve(now, seconds), self._judged, worker)

    def _judged(self, now: float, worker: Worker, _: int) -> None:
        worker.judging = False
        worker.judged += 1
        self.done += 1
        if self.done in self.half:
            self.marks.append(now)
        if worker.judged == len(worker.factors):
            self._at(self.cores[worker.machine].serve(now, self.cluster.write), self._commit, worker)
        else:
            self._fetch(now, worker)
            self._judge(now, worker)

    def _commit(self, now: float, worker: Worker, _: int) -> None:
        self.end = self.driver.serve(now, self.cluster.commit)
        self._at(self.end, self._give, worker)


@cache
def outcome(films: int, workers: int, cluster: Cluster) -> Outcome:
    """Return what a simulation says."""
    return Simulation(films, workers, cluster).outcome()


def rate(workers: int, cluster: Cluster) -> Outcome:
    """Return what so many workers do while there is enough for all: 1000 films of each, whole shards, more of few."""
    return outcome(max(1000 * workers, 20_000), workers, cluster)


def efficiency(workers: int, cluster: Cluster) -> float:
    """Return films a second a worker, over those of one worker alone."""
    return rate(workers, cluster).rate / workers / rate(1, cluster).rate


def amid(workers: int, cluster: Cluster) -> Outcome:
    """Return what so many workers do amid their shards, of which the beginning and the end are left out: quickly."""
    films = max(200, 20_000 // workers)
    return outcome(films * workers, workers, replace(cluster, shard_films=films))


def hours(films: int, workers: int, cluster: Cluster) -> float:
    """Return how long an archive takes; of a large one the beginning and the end are simulated."""
    part = min(films, max(20_000, 1000 * workers))
    done = outcome(part, workers, cluster)
    return (done.seconds + (films - part) / done.rate) / 3600


def cost(taken: float, workers: int, price: float = PRICE) -> float:
    """Return the USD that so many hours of so many workers cost, at a core each."""
    return taken * workers * price


def bears(cluster: Cluster) -> float:
    """Return films a second that no number of workers exceeds; those of one machine where its link is what is slow."""
    shared = (cluster.request_rate / cluster.requests, cluster.store / cluster.film_bytes, 1 / cluster.claim)
    link = cluster.link / cluster.film_bytes
    enough = link >= cluster.machine * rate(1, cluster).rate
    return min(*shared, cluster.shard_films / cluster.commit, inf if enough else link)


def until(share: float, cluster: Cluster) -> int:
    """Return how many workers there may be before each does less than such a share of what one alone does."""
    alone = amid(1, cluster).rate
    full = bears(cluster) / alone
    low, high = int(0.9 * full), max(2, int(1.5 * full))
    if amid(max(low, 1), cluster).rate < share * low * alone:
        low, high = 1, low
    while high - low > max(1, low // 25):
        middle = (low + high) // 2
        enough = amid(middle, cluster).rate >= share * middle * alone
        low, high = (middle, high) if enough else (low, middle)
    return low


def table(*rows: tuple[str, ...]) -> None:
    """Print rows in Markdown, the first of them the header."""
    for number, row in enumerate(rows):
        print(f"| {' | '.join(row)} |", flush=True)
        if not number:
            print(f"|{'---|' * len(row)}")
    print()


def main() -> None:
    """Print the tables of docs/explanation/archive-scale.md."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--price", type=float, default=PRICE, help="USD an hour, of a core")
    parser.add_argument("--efficiency", type=float, default=0.9)
    asked = parser.parse_args()
    checked = [(what, f"{measured:.1f}", f"{rate(n, c).rate:.1f}") for what, c, n, measured in CHECKS]
    table(("run", "films/s measured", "simulated"), *checked)

    lasts = until(asked.efficiency, S3)
    rows = [("workers", "films/s", "efficiency", *rate(1, S3).busy)]
    for workers in (1, 10, 100, lasts, 2 * lasts):
        seen, share = rate(workers, S3), efficiency(workers, S3)
        busy = (f"{each:.0%}" for each in seen.busy.values())
        rows.append((f"{workers:,}", f"{seen.rate:,.1f}", f"{share:.0%}", *busy))
    table(*rows)

    rows = [("films", *(f"{workers} worker{'s' * (workers > 1)}" for workers in (1, 10, 100)))]
    for films in (100_000, 1_000_000, 10_000_000):
        taken = [(hours(films, workers, S3), workers) for workers in (1, 10, 100)]
        told = (f"{each:,.2f} h, {cost(each, workers, asked.price):,.2f} USD" for each, workers in taken)
        rows.append((f"{films:,}", *told))
    table(*rows)

    rows = [("what is changed", "films/s of one worker", f"workers until {asked.efficiency:.0%}", "busiest then")]
    for what, cluster in CHANGES:
        number = until(asked.efficiency, cluster)
        busy = amid(number, cluster).busy
        worst = max(busy, key=lambda name: busy[name])
        rows.append((what, f"{rate(1, cluster).rate:.1f}", f"{number:,}", worst))
    table(*rows)


if __name__ == "__main__":
    main()
