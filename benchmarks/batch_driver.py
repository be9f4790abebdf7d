"""The driver of `lungspot batch` alone: its memory and its time at film 10,000 and at the last of 100,000.

Workers' memory is a shard's, however many there are; the driver is what could grow. Here it draws real files, answers
a claim for each, and names and syncs real tables; the worker beside it reads nothing and answers at once, with a row
and eleven findings a film.

Usage: python benchmarks/batch_driver.py FILMS OUT
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from batch import resident
from lungspot.batch import (
    BatchFolder,
    BatchSettings,
    Ledger,
    RunEvent,
    Shard,
    ShardResult,
    batch_summary,
    entries_in,
    run_batch,
    shards_of,
)
from lungspot.batch.read import _put
from lungspot.findings import DISEASES
from lungspot.formats import films_parquet, finding_rows, findings_parquet

EVERY = 10_000


class Instant:
    """A worker that has read a shard when it is given it."""

    number = 1

    def __init__(self, out: Path, ledger: Ledger) -> None:
        self.out, self.ledger = out, ledger
        self.said = [RunEvent("ready", 0)]

    def give(self, worker: int, shard: Shard) -> None:
        """Write tables as a worker does."""
        rows, found = [], []
        for number, entry in enumerate(shard.entries):
            digest = (entry.identity * 2)[:64]
            self.ledger.claim(digest, shard.key, number, entry.name)
            row = {"film": entry.name, "status": "assessed", "sha256": digest, "entry": entry.identity}
            rows.append(row | {"reasons": [], "warnings": [], "said": [], "width": 320, "height": 320})
            scored = {"positive": False, "threshold": 0.5, "standing": "reported"}
            image = {"sha256": digest, "path": entry.name}
            scores = [{"label": label, "probability": 0.1, **scored} for label in DISEASES]
            found += finding_rows({"image": image, "findings": [], "image_scores": scores})
            self.said.append(RunEvent("film", worker, (shard.key, number)))
        tables = {"findings": findings_parquet(found), "films": films_parquet(rows)}
        made = {f"{name}/{shard.key}.parquet": data for name, data in tables.items()}
        files = tuple(_put(self.out, made))
        done = ShardResult(shard.key, len(rows), files, Counter({"assessed": len(rows)}), Counter())
        self.said.append(RunEvent("shard", worker, done))

    def wait(self, seconds: float) -> list[RunEvent]:
        """Return what was said, at once."""
        del seconds
        said, self.said = self.said, []
        return said

    def kill(self, worker: int) -> None:
        """Nothing holds it up."""

    def close(self) -> None:
        """Nothing is open."""


def main() -> None:
    """Print the table of docs/benchmarks.md."""
    films, out = Path(sys.argv[1]), Path(sys.argv[2])
    names = ("model", "site", "operating_point", "forms", "screen")
    folder = BatchFolder(out, {**dict.fromkeys(names), "forms": []}, inputs=[films], resume=False)
    ledger, done = Ledger(out), 0
    print("| films | MiB | ms of a processor a film |\n|---|---|---|")

    def tell(event: dict[str, Any]) -> None:
        nonlocal done
        if event["event"] == "film":
            done += 1
        elif not done % EVERY:
            print(f"| {done:,} | {resident(os.getpid()):.0f} | {1000 * time.process_time() / done:.2f} |", flush=True)

    shards = shards_of(entries_in([str(films)], without=out), 500, ledger.take)
    run_batch(shards, lambda: Instant(out, ledger), folder=folder, ledger=ledger, settings=BatchSettings(), tell=tell)
    summary = batch_summary(out)
    print(f"| {summary.films:,}, with the summary | {resident(os.getpid()):.0f} | |")


if __name__ == "__main__":
    main()
