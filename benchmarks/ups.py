"""The drill of `lungspot node --ups`: every work item is performed exactly once, whatever happens to the node.

    python benchmarks/ups.py                              500 items, 20 kills
    python benchmarks/ups.py --items 12 --kills 4         a short one

A work list and archive (tests/node/worklist_manager.py) run in this process, the node in another. It is ended by
`kill -9`, in turn at a moment that nobody can foresee and right between what the server did and its answer: to a claim,
to a result, to what was done, to the end. Some answers are lost besides. Counted is what the server saw: one claim and
one end of each item, and each result once. Every tenth item is about two films, every tenth about another's film. Films
are of few patients, day after day, and compared with their earlier ones: a film that said two things would have two
results.

Prints one table and ends with 1 where an item was not performed, or twice.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import FileDataset

from lungspot.node import verify
from lungspot.report import read_sr
from node import films

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.node.worklist_manager import Manager, Server, first, scheduled, values

# Where the node is ended: at any moment, or when the server has done something and not yet answered.
MOMENTS: tuple[tuple[str, str] | None, ...] = (("PUT", "state"), ("POST", "studies"), None, ("POST", ""), ("GET", ""))
PATIENTS = 5
PATIENCE = 600.0  # seconds without any progress, then the drill gives up


@dataclass
class Victim:
    """The node's process, which may be ended by the thread that is about to answer it."""

    command: Sequence[str]
    log: Path
    armed: tuple[str, str] | None = None
    struck: threading.Event = field(default_factory=threading.Event)
    kills: Counter[str] = field(default_factory=Counter)

    def start(self) -> None:
        """Start the node."""
        self.struck.clear()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)

    def on_answer(self, method: str, last: str) -> None:
        """End the node before it hears this answer, where that is what was armed."""
        armed = self.armed
        if armed is not None and armed[0] == method and armed[1] in {last, ""} and not self.struck.is_set():
            self.struck.set()
            os.kill(self.process.pid, signal.SIGKILL)

    def kill(self, moment: tuple[str, str] | None, wait: float) -> None:
        """End the node at a moment: when it asks what is armed, or after so many seconds."""
        name = "any moment" if moment is None else f"{moment[0]} {moment[1] or 'item'}"
        if moment is None:
            time.sleep(wait)
            self.process.kill()
        else:
            self.armed = moment
            if not self.struck.wait(60):
                name = "any moment"
                self.process.kill()
        self.process.wait(60)
        self.armed = None
        self.kills[name] += 1


def schedule(manager: Manager, number: int) -> None:
    """Schedule so many items: mostly of one film, some of two, some of a film that an earlier item is about, too."""
    made = films(number * 2, "ups")
    last: FileDataset | None = None
    for each in range(number):
        about = [next(made), next(made)] if each % 10 == 3 else [next(made)]
        if each % 10 == 7 and last is not None:
            about = [last]
        for film in about:
            if film is not last:
                film.PatientID, film.PatientBirthDate = f"P{each % PATIENTS}", "19600101"
                film.StudyDate = film.AcquisitionDate = film.ContentDate = (
                    f"{date(2020, 1, 1) + timedelta(each):%Y%m%d}"
                )
            manager.add_film(film)
        manager.add(scheduled(f"2.25.{each + 1}", about))
        last = about[0]


def run(options: argparse.Namespace) -> dict[str, object]:
    """Run the drill; return what the server saw."""
    chance = random.Random(options.seed)  # noqa: S311 - moments, not secrets
    manager = Manager(lose=options.lose, seed=options.seed)
    schedule(manager, options.items)
    server = Server(manager)
    with tempfile.TemporaryDirectory(prefix="lungspot-ups-") as made:
        command = [
            *(sys.executable, "-m", "lungspot", "node", "--ups", server.url, "--spool", f"{made}/spool"),
            *("--model", options.model, "--every", "1", "--keep-free", "0", "--compare-days", "1"),
        ]
        victim = Victim(command, Path(made) / "node.log")
        manager.on_answer = victim.on_answer
        start = time.monotonic()
        for kill in range(options.kills):
            victim.start()
            _until(manager, options.items * kill // (options.kills + 1), victim)
            victim.kill(MOMENTS[kill % len(MOMENTS)], chance.uniform(0, 0.7))
        victim.start()
        done = _until(manager, options.items, victim)
        seconds = round(time.monotonic() - start, 1)
        victim.process.terminate()
        code = victim.process.wait(60)
        server.close()
        if not done:
            sys.stderr.write(victim.log.read_text(errors="replace")[-4000:])
        records, _ = verify(Path(made) / "spool" / "audit.jsonl")
    return (
        {**_seen(manager), "items": options.items, "kills": sum(victim.kills.values())}
        | {f"killed at {name}": count for name, count in sorted(victim.kills.items())}
        | {"audit records": records, "exit code of SIGTERM": code, "seconds": seconds}
    )


def _until(manager: Manager, number: int, victim: Victim) -> bool:
    """Wait until so many items are completed, as long as there is progress and the node lives."""
    last, since = -1, time.monotonic()
    while (done := manager.states()["COMPLETED"]) < number:
        if done != last:
            last, since = done, time.monotonic()
        if time.monotonic() - since > PATIENCE or victim.process.poll() is not None:
            return False
        time.sleep(0.02)
    return True


def _seen(manager: Manager) -> dict[str, object]:
    """Count what was done to items and results, and what should not have been."""
    ends = Counter(uid for uid, _, state in manager.transitions if state != "IN PROGRESS")
    claims = Counter(uid for uid, _, state in manager.transitions if state == "IN PROGRESS")
    named = [
        {
            first(each, "00081155")
            for entry in values(first(item, "00741216"), "00404033")
            for each in values(entry, "00081199")
        }
        for item in manager.items.values()
    ]
    about = [
        sum(len(values(entry, "00081199")) for entry in values(item, "00404021")) for item in manager.items.values()
    ]
    films = {film.SOPInstanceUID: film for film in map(dcmread, map(BytesIO, manager.films.values()))}
    compared = [(report.film, report.against) for report in map(read_sr, manager.held.values())]
    return {
        "completed": manager.states()["COMPLETED"],
        "canceled": manager.states()["CANCELED"],
        "claimed or closed twice": sum(count - 1 for counts in (ends, claims) for count in counts.values()),
        "films": len(manager.films),
        "results": len(manager.held),
        "compared with an earlier film": sum(then is not None for _, then in compared),
        "compared with another patient's or a later film": sum(_wrong(films, *pair) for pair in compared),
        "results stored again with another content": sum(count - 1 for count in manager.stored.values()),
        "items that do not name their results": sum(
            len(names) != count or not names <= manager.held.keys() for names, count in zip(named, about, strict=True)
        ),
        "answers lost": manager.lost,
    }


def _wrong(films: dict[str, FileDataset], now: str, then: str | None) -> bool:
    """Say whether a film should not have been compared with that one."""
    if then is None:
        return False
    return films[now].PatientID != films[then].PatientID or films[now].StudyDate <= films[then].StudyDate


def main() -> int:
    """Run the drill and say whether every item was performed once."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--items", type=int, default=500)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--lose", type=float, default=0.02, help="the share of answers that are lost")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", default="default")
    options = parser.parse_args()
    seen = run(options)
    print("| | |\n|---|---|")
    for key, value in seen.items():
        print(f"| {key} | {value} |")
    wanted = {"completed": options.items, "results": seen["films"], "kills": options.kills, "exit code of SIGTERM": 0}
    wanted |= dict.fromkeys(
        (
            *(
                "claimed or closed twice",
                "results stored again with another content",
                "items that do not name their results",
            ),
            "compared with another patient's or a later film",
        ),
        0,
    )
    return int(any(seen[key] != value for key, value in wanted.items()))


if __name__ == "__main__":
    sys.exit(main())
