"""How long an archive takes on many workers, and what saturates first: a discrete-event simulation.

Workers fetch films over one network, read them, and write shards; one driver answers a claim for each film and gives
each shard its name. Service times are what benchmarks/batch.py measured on one worker, so that one and two simulated
workers can be held against measured ones before a hundred are believed (docs/explanation/archive-scale.md).

Usage: python benchmarks/simulate_archive.py [--compute SECONDS] [--efficiency SHARE]
"""

from __future__ import annotations

import argparse
import heapq
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Cluster:
    """Seconds and bytes: of a film, of a shard, and of what all workers share."""

    film_bytes: float = 6e6  # 2000 x 2400 in 12 bits, losslessly packed
    compute: float = 0.054  # of one worker: decoding, overlapped with reading
    spread: float = 0.35  # sigma of the logarithm of the compute time
    network: float = 1.25e9  # bytes a second, of the store that holds the films: 10 Gbit/s
    claim: float = 20e-6  # of the driver, a film
    commit: float = 0.013  # of the driver, a shard: renames and syncs
    write: float = 0.015  # of the worker, a shard: its tables
    shard_films: int = 500
    start: float = 3.0  # until a worker has its network loaded


def simulate(films: int, workers: int, cluster: Cluster, seed: int = 0) -> tuple[float, dict[str, float]]:
    """Return the seconds that an archive takes, and the share of them in which network, driver and workers are busy.

    A worker fetches its next film while it reads one, but not across shards, as `lungspot batch` does. What all share
    serves in the order in which it is asked.
    """
    draw = np.random.default_rng(seed)
    fetch, mean = cluster.film_bytes / cluster.network, cluster.compute / np.exp(cluster.spread**2 / 2)
    network = driver = end = 0.0  # when each is free again
    free = [cluster.start] * workers
    busy = {"network": films * fetch, "driver": films * cluster.claim, "workers": 0.0}
    left = films
    events = [
        (cluster.start, worker, "ready", 0) for worker in range(workers)
    ]  # and how many films of its shard are left
    while events:
        now, worker, what, size = heapq.heappop(events)
        if what == "written":
            driver = max(driver, now) + cluster.commit
            busy["driver"] += cluster.commit
            end = max(end, driver)
        if what in {"ready", "written"}:
            size = min(cluster.shard_films, left)
            left -= size
        if what == "fetched":
            driver = max(driver, now) + cluster.claim
            heapq.heappush(events, (max(driver, free[worker]), worker, "read", size))
            continue
        if what == "read":
            took = mean * float(np.exp(cluster.spread * draw.standard_normal()))
            busy["workers"] += took
            free[worker] = now + took
            size -= 1
            if not size:
                heapq.heappush(events, (free[worker] + cluster.write, worker, "written", 0))
        if size:
            network = max(network, now) + fetch
            heapq.heappush(events, (network, worker, "fetched", size))
    return end, {name: time / end / (workers if name == "workers" else 1) for name, time in busy.items()}


def efficiency(workers: int, cluster: Cluster, shards: int) -> tuple[float, dict[str, float]]:
    """Return films a second a worker over those of one worker alone, where each has so many shards to read."""
    films = cluster.shard_films * shards
    alone, _ = simulate(films, 1, cluster)
    together, shares = simulate(films * workers, workers, cluster)
    return alone / together, shares


def until(share: float, cluster: Cluster) -> int:
    """Return how many workers there may be before each does less than such a share of what one alone does."""
    low, high = 1, 2
    while efficiency(high, cluster, 4)[0] >= share and high < 4096:
        low, high = high, 2 * high
    while high - low > max(1, low // 20):
        middle = (low + high) // 2
        low, high = (middle, high) if efficiency(middle, cluster, 4)[0] >= share else (low, middle)
    return low


def main() -> None:
    """Print the tables of docs/explanation/archive-scale.md."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--compute", type=float, default=Cluster.compute, help="seconds a film, as measured")
    parser.add_argument("--efficiency", type=float, default=0.9)
    asked = parser.parse_args()
    cluster = Cluster(compute=asked.compute)
    print("| films | 1 worker | 10 workers | 100 workers |\n|---|---|---|---|")
    for films in (100_000, 1_000_000, 10_000_000):
        # Of more films than these so many are simulated: the rate no longer depends on how many there are.
        part = min(films, 200_000)
        hours = [simulate(part, workers, cluster)[0] * films / part / 3600 for workers in (1, 10, 100)]
        print(f"| {films:,} | " + " | ".join(f"{each:.2f} h" for each in hours) + " |")
    print("\n| workers | efficiency | network busy | driver busy |\n|---|---|---|---|")
    for workers in (1, 2, 10, 32, 64, 100):
        gained, shares = efficiency(workers, cluster, 4)
        print(f"| {workers} | {gained:.1%} | {shares['network']:.0%} | {shares['driver']:.0%} |")
    print(f"\n| what is changed | workers until {asked.efficiency:.0%} |\n|---|---|")
    for what, changed in (
        ("nothing", cluster),
        ("films of 1 MB", replace(cluster, film_bytes=1e6)),
        ("a network of 1 Gbit/s", replace(cluster, network=1.25e8)),
        ("a network of 100 Gbit/s", replace(cluster, network=1.25e10)),
        ("100 Gbit/s, a claim of 1 ms (Ray)", replace(cluster, network=1.25e10, claim=1e-3)),
        ("100 Gbit/s, shards of 50 films", replace(cluster, network=1.25e10, shard_films=50)),
    ):
        print(f"| {what} | {until(asked.efficiency, changed)} |")


if __name__ == "__main__":
    main()
