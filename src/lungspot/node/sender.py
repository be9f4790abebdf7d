"""Sends results to the archive until it says that it holds them: by C-STORE or by STOW-RS, with back-off."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Final

from pydicom import dcmread
from pydicom.dataset import FileDataset

from lungspot.node.audit import AuditEvent, Outcome
from lungspot.node.desk import Desk
from lungspot.node.spool import Job, back_off

__all__ = ["Batch", "Deliver", "Unreachable", "send"]

Batch = Sequence[tuple[Job, Sequence[FileDataset]]]
# Yields, for each film whose results were offered, None or why the archive refused them; Unreachable ends it.
Deliver = Callable[[Batch], Iterator[tuple[Job, str | None]]]

_MOST: Final = 16  # films whose results go by one association
_PAUSE_SECONDS: Final = 1.0


class Unreachable(Exception):  # noqa: N818 - a state of the archive, not an error of a film
    """The archive cannot be spoken with now."""


def send(desk: Desk, deliver: Deliver, target: str) -> None:
    """Send what waits until the desk is closed; ``target`` is what the logs call the archive.

    An archive that cannot be reached is asked again after 1, 2, 4, … 300 seconds, for ever; results that it refuses are
    offered again, later and later, and set aside in the end. The results at which it went away may be the cause: they
    are the last to be offered again.
    """
    down = 0  # how often in a row the archive was not to be reached
    while not desk.closed.is_set():
        open_jobs: dict[str, Job] = {}
        try:
            jobs = desk.spool.ready(_MOST)
            if not jobs:
                desk.spool.pause(_PAUSE_SECONDS)
                continue
            batch = _read(desk, jobs)
            open_jobs = {job.sha256: job for job, _ in batch}
            for job, refused in deliver(batch):
                down = 0
                _settle(desk, job, refused, target)
                del open_jobs[job.sha256]
                if desk.closed.is_set():
                    break
        except Unreachable as error:
            down += 1
            for job in list(open_jobs.values())[:1]:
                with suppress(sqlite3.Error):
                    desk.spool.wait(job, str(error), 0)
            desk.say(f"{target} cannot be reached ({error}); next attempt in {back_off(down):.0f} s")
            desk.closed.wait(back_off(down))
        except (OSError, sqlite3.Error) as error:
            desk.say(f"the spool cannot be read or written ({type(error).__name__}); trying again")
            desk.closed.wait(_PAUSE_SECONDS)
        except Exception as error:  # noqa: BLE001 - a bug of ours, or of a library, met some results; the rest must go
            for job in open_jobs.values():
                _settle(desk, job, type(error).__name__, target)


def _read(desk: Desk, jobs: Sequence[Job]) -> list[tuple[Job, list[FileDataset]]]:
    """Return the results of each film; those that cannot be read do not hold up the others."""
    found = []
    for job in jobs:
        try:
            found.append((job, [dcmread(path) for path in desk.spool.results(job)]))
        except Exception as error:  # noqa: BLE001 - a damaged disk gives anything
            again = desk.spool.postpone(job, type(error).__name__, count=True)
            after = "trying again" if again else "set aside, it stays in the spool"
            desk.say(f"{job.name}: its results cannot be read ({type(error).__name__}); {after}")
    return found


def _settle(desk: Desk, job: Job, refused: str | None, target: str) -> None:
    """Write down what became of one film's results."""
    who = {"archive": target}
    what = {"sop_instance": job.instance, "study": job.study, "results_of": job.sha256}
    if refused is None:
        desk.spool.sent(job)
        desk.note(AuditEvent.SENT, Outcome.SUCCESS, who, what)
        desk.say(f"{job.name}: results sent")
        return
    again = desk.spool.postpone(job, refused, count=True)
    desk.note(AuditEvent.SENT, Outcome.SERIOUS_FAILURE, who, {**what, "reason": refused})
    after = "it is offered again" if again else "set aside, it stays in the spool"
    desk.say(f"{job.name}: {target} refused its results: {refused}; {after}")
