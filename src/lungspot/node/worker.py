"""Reads the films of the spool, one after the other, and leaves their results there to be sent."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import Final

from lungspot.detect import Detector
from lungspot.errors import FilmError, ModelError
from lungspot.images import read_header
from lungspot.node.desk import Desk
from lungspot.node.spool import Job, Spool
from lungspot.pipeline import analyze
from lungspot.report import Analysis, Refusal, dicom_bytes, dicom_results

__all__ = ["Asked", "work"]

# What a machine with too much to do brings about as well as a bad film does: said of the film at the third time only.
_PASSING: Final = frozenset({"CRASHED", "NOT_FOUND", "NOT_READABLE", "OUT_OF_MEMORY", "TIMED_OUT"})
_DOUBTS: Final = 2
_NO_ROOM_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What results are asked for."""

    kinds: tuple[str, ...] = ("sr",)
    sr_class: str = "comprehensive3d"
    point: str = "balanced"
    min_score: float | None = None
    detector: Detector | None = field(default=None, repr=False)


def work(desk: Desk, asked: Asked) -> None:
    """Read films until the desk is closed; no film and no full disk ends this."""
    while not desk.closed.is_set():
        try:
            job = desk.spool.take()
            if job is None:
                desk.spool.pause(_PAUSE_SECONDS)
                continue
            _one(desk, job, asked)
        except (OSError, sqlite3.Error) as error:
            desk.say(f"the spool cannot be written ({type(error).__name__}); trying again")
            desk.closed.wait(_NO_ROOM_SECONDS)


def _one(desk: Desk, job: Job, asked: Asked) -> None:
    """Read one film; what it gives, or why it gave nothing, is in the spool afterwards."""
    spool = desk.spool
    try:
        files = _results(spool, job, asked)
    except Exception as error:  # noqa: BLE001 - a bug of ours met one film; the rest must be read
        code = getattr(error, "code", type(error).__name__)
        again = spool.postpone(job, code)
        desk.say(f"{job.name}: {code}; {'it will be tried again' if again else 'set aside, it stays in the spool'}")
        return
    if not files:
        spool.sent(job)
        desk.say(f"{job.name}: read, no result of the kinds that were asked for")
        return
    try:
        spool.keep_results(job, files)
    except (OSError, sqlite3.Error):
        spool.wait(job, "no room for its results", _NO_ROOM_SECONDS)
        raise
    desk.say(f"{job.name}: read, {len(files)} result{'s' * (len(files) != 1)}")


def _results(spool: Spool, job: Job, asked: Asked) -> list[bytes]:
    path = spool.film(job.sha256)
    result: Analysis | Refusal
    try:
        result = analyze(path, asked.detector, point=asked.point, min_score=asked.min_score)
    except (FilmError, ModelError) as error:
        if error.code in _PASSING and job.attempts < _DOUBTS:
            raise
        result = Refusal(job.name, error)
    objects = dicom_results(read_header(path), result, kinds=asked.kinds, sr_class=asked.sr_class)
    return [dicom_bytes(each) for each in objects]
