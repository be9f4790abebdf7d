"""Sends results to the archive until it says that it holds them: by C-STORE or by STOW-RS, with back-off."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final

from pydicom import dcmread
from pydicom.dataset import FileDataset

from lungspot.node.audit import AuditEvent, Outcome
from lungspot.node.context import NodeContext
from lungspot.node.spool import Job
from lungspot.queue import back_off

__all__ = ["Batch", "Deliver", "Unreachable", "send"]

Batch = Sequence[tuple[Job, Sequence[FileDataset]]]
# Yields, for each film whose results were offered, None or why the archive refused them; Unreachable ends it.
Deliver = Callable[[Batch], Iterator[tuple[Job, str | None]]]

_LOG = logging.getLogger("lungspot.node")
_MOST: Final = 16  # films whose results go by one association
_PAUSE_SECONDS: Final = 1.0


class Unreachable(Exception):  # noqa: N818 - a state of the archive, not an error of a film
    """The archive cannot be spoken with now."""


def send(context: NodeContext, deliver: Deliver, target: str) -> None:
    """Send what waits until the context is closed; ``target`` is what the logs call the archive.

    An archive that cannot be reached is asked again after 1, 2, 4, … 300 seconds, for ever; results that it refuses are
    offered again, later and later, and set aside in the end. The results at which it went away may be the cause: they
    are the last to be offered again.
    """
    down = 0  # how often in a row the archive was not to be reached
    while not context.closed.is_set():
        open_jobs: dict[str, Job] = {}
        try:
            jobs = context.spool.ready(_MOST)
            if not jobs:
                context.spool.pause(_PAUSE_SECONDS)
                continue
            batch = _read(context, jobs)
            open_jobs = {job.sha256: job for job, _ in batch}
            for job, refused in deliver(batch):
                down = 0
                _settle(context, job, refused, target)
                del open_jobs[job.sha256]
                if context.closed.is_set():
                    break
        except Unreachable as error:
            down += 1
            context.tally.add("archive_down")
            for job in list(open_jobs.values())[:1]:
                with suppress(sqlite3.Error):
                    context.spool.wait(job, str(error), 0)
            _LOG.warning("%s cannot be reached (%s); next attempt in %.0f s", target, str(error), back_off(down))
            context.closed.wait(back_off(down))
        except (OSError, sqlite3.Error) as error:
            _spool_failed(context, error)
        except Exception as error:  # noqa: BLE001 - a bug of ours, or of a library, met some results; the rest must go
            _refuse(context, open_jobs.values(), type(error).__name__, target)


def _spool_failed(context: NodeContext, error: Exception) -> None:
    _LOG.error("the spool cannot be read or written (%s); trying again", type(error).__name__)
    context.closed.wait(_PAUSE_SECONDS)


def _refuse(context: NodeContext, jobs: Iterable[Job], reason: str, target: str) -> None:
    """Write down that none of these films' results went; where that fails, they are offered again as they were."""
    try:
        for job in jobs:
            _settle(context, job, reason, target)
    except (OSError, sqlite3.Error) as error:
        _spool_failed(context, error)


def _read(context: NodeContext, jobs: Sequence[Job]) -> list[tuple[Job, list[FileDataset]]]:
    """Return the results of each film; those that cannot be read do not hold up the others."""
    found = []
    for job in jobs:
        try:
            found.append((job, [dcmread(path) for path in context.spool.results(job)]))
        except Exception as error:  # noqa: BLE001 - a damaged disk gives anything
            again = context.spool.postpone(job, type(error).__name__)
            context.tally.add("send_failed")
            after = "trying again" if again else "set aside, it stays in the spool"
            _LOG.error("%s: its results cannot be read (%s); %s", job.name, type(error).__name__, after)
    return found


def _settle(context: NodeContext, job: Job, refused: str | None, target: str) -> None:
    """Write down what became of one film's results."""
    who = {"archive": target}
    what = {"sop_instance": job.instance, "study": job.study, "results_of": job.sha256}
    if refused is None:
        context.spool.sent(job)
        context.tally.add("sent")
        context.note(AuditEvent.SENT, Outcome.SUCCESS, who, what)
        _LOG.info("%s: results sent", job.name)
        return
    again = context.spool.postpone(job, refused)
    context.tally.add("send_failed")
    context.note(AuditEvent.SENT, Outcome.SERIOUS_FAILURE, who, {**what, "reason": refused})
    after = "it is offered again" if again else "set aside, it stays in the spool"
    _LOG.warning("%s: %s refused its results: %s; %s", job.name, target, refused, after)
