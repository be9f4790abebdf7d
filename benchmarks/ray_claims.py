"""What a film's claim costs over Ray: how long the worker that asks waits, and what the keeper that answers computes.

Keeper and calls are those of lungspot.batch.ray_pool: a film has one call that is waited for and one that is not.
Claims a second are what so many askers reach on this machine's processors, which they share with the keeper; its own
limit is told by what it computes.

Usage: python benchmarks/ray_claims.py [--claims N] [--askers 1,2,4]      (pip install 'lungspot[ray]')
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import secrets
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from lungspot.batch.ray_pool import _UNTOLD, _ClaimKeeper


class Keeper(_ClaimKeeper):
    """The keeper of claims, which also says how long it has computed."""

    def computed(self) -> float:
        """Return the seconds of a processor, of all its threads."""
        return time.process_time()


class Asker:
    """A worker that reads nothing: it asks for one film after the other."""

    def ask(self, keeper: Any, number: int, claims: int) -> list[float]:  # noqa: ANN401 - an actor
        """Return the seconds of each claim."""
        import ray  # noqa: PLC0415 - an optional package

        took = []
        for at in range(claims):
            digest, begun = hashlib.sha256(b"%d %d" % (number, at)).hexdigest(), time.perf_counter()
            other = ray.get(keeper.claim.remote(digest, f"shard-{number}", at, f"films/{number:04d}/{at:07d}.dcm"))
            took.append(time.perf_counter() - begun)
            if other is not None:
                raise AssertionError(other)
            keeper.film.remote(number, f"shard-{number}", at)
        return took


def main() -> None:
    """Print a table, a row a number of askers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--claims", type=int, default=2000, help="of each asker")
    parser.add_argument("--askers", default="1,2,4")
    asked = parser.parse_args()
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    import ray  # noqa: PLC0415 - it reads its settings when it is loaded

    ray.init(address="local", include_dashboard=False, logging_level=logging.ERROR)
    print(f"Ray {ray.__version__}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}\n")
    print("| askers | claims/s | ms a claim, median | 95 of 100 within ms | keeper computes µs a film |")
    print("|---|---|---|---|---|")
    for number in map(int, asked.askers.split(",")):
        keeper = ray.remote(Keeper).options(num_cpus=0, **_UNTOLD).remote(Path(tempfile.mkdtemp()))
        askers = [ray.remote(Asker).options(num_cpus=0, **_UNTOLD).remote() for _ in range(number)]
        ray.get([asker.ask.remote(keeper, number + at, 50) for at, asker in enumerate(askers)])  # connects them
        before, begun = ray.get(keeper.computed.remote()), time.perf_counter()
        each = ray.get([asker.ask.remote(keeper, at, asked.claims) for at, asker in enumerate(askers)])
        seconds, films = time.perf_counter() - begun, number * asked.claims
        computed = ray.get(keeper.computed.remote()) - before
        took = sorted(took for those in each for took in those)
        middle, late = 1e3 * statistics.median(took), 1e3 * took[len(took) * 95 // 100]
        print(
            f"| {number} | {films / seconds:,.0f} | {middle:.2f} | {late:.2f} | {1e6 * computed / films:.0f} |",
            flush=True,
        )
        for actor in (*askers, keeper):
            ray.kill(actor)
    ray.shutdown()


if __name__ == "__main__":
    main()
