"""Reads the films of the spool, one after the other, and leaves their results there to be sent."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from pydicom.dataset import Dataset

from lungspot.adapt import film_facts
from lungspot.detect import DEFAULT_POINT, Detector
from lungspot.errors import FilmError, ModelError
from lungspot.images import read_header
from lungspot.node.context import NodeContext
from lungspot.node.earlier import Comparison
from lungspot.node.films import FilmFilter
from lungspot.node.performed import NO_SUCH_KIND
from lungspot.node.spool import Job
from lungspot.node.workitems import reference_to
from lungspot.pipeline import analyze
from lungspot.report import Analysis, Refusal, dicom_bytes, dicom_results, document

__all__ = ["ResultOptions", "work"]

_LOG = logging.getLogger("lungspot.node")
# What a machine with too much to do brings about as well as a bad film does: said of the film at the third time only.
_PASSING: Final = frozenset({"CRASHED", "NOT_FOUND", "NOT_READABLE", "OUT_OF_MEMORY", "TIMED_OUT"})
_DOUBTS: Final = 2
_NO_ROOM_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class ResultOptions:
    """What results are asked for, of which ``films``; ``experimental``: say the model's experimental labels too."""

    kinds: tuple[str, ...] = ("sr",)
    sr_class: str = "comprehensive"
    point: str = DEFAULT_POINT
    min_score: float | None = None
    detector: Detector | None = field(default=None, repr=False)
    experimental: bool = False
    films: FilmFilter = field(default_factory=FilmFilter)


def work(context: NodeContext, options: ResultOptions) -> None:
    """Read films until the context is closed; no film and no full disk ends this."""
    while not context.closed.is_set():
        job = None
        try:
            context.spool.earlier.forget_old()
            job = context.spool.claim()
            if job is None:
                context.spool.pause(_PAUSE_SECONDS)
                continue
            _one(context, job, options)
        except (OSError, sqlite3.Error) as error:
            _LOG.error("the spool cannot be written (%s); trying again", type(error).__name__)
            context.closed.wait(_NO_ROOM_SECONDS)
            if job is not None:
                _put_back(context, job)


def _put_back(context: NodeContext, job: Job) -> None:
    """Put a film back, its attempt not counted, as soon as the disk lets us; else the next start will."""
    while True:
        try:
            return context.spool.wait(job, "the spool could not be written", 0)
        except sqlite3.Error:
            if context.closed.wait(_NO_ROOM_SECONDS):
                return None


def _one(context: NodeContext, job: Job, options: ResultOptions) -> None:
    """Read one film; what it gives, or why it gave nothing, is in the spool afterwards."""
    spool = context.spool
    try:
        header = read_header(spool.film(job.sha256))
        over = options.films.passes_over(header)
        result = None if over else _result(context, job, options)
        compared = spool.earlier.compare(job.sha256, header, result, experimental=options.experimental)
        made = () if result is None else _made(context, job, header, result, options, compared)
        kept = spool.earlier.row_of(job.sha256, header, result, compared)
        files, outputs = [dicom_bytes(each) for each in made], [reference_to(each) for each in made]
    except Exception as error:  # noqa: BLE001 - a bug of ours met one film; the rest must be read
        code = getattr(error, "code", type(error).__name__)
        again = spool.postpone(job, code)
        after = "it will be tried again" if again else "set aside, it stays in the spool"
        _LOG.warning("%s: %s; %s", job.name, code, after)
        return
    spool.earlier.keep(kept)  # before its results: with which one it was compared is not chosen anew
    if files:
        spool.keep_results(job, files, outputs)
    else:
        spool.sent(job, outputs=(), reason="" if result is None or _silent(result, options) else NO_SUCH_KIND)
    context.tally.add("read" if result is not None else "passed_over")
    if result is not None and not _assessed(result):
        context.tally.add("not_assessed")
    if over:
        _LOG.info("%s: passed over (%s)", job.name, over)
    elif not files:
        _LOG.info("%s: read, no result of the kinds that were asked for", job.name)
    else:
        _LOG.info("%s: read, %d result%s", job.name, len(files), "s" * (len(files) != 1))
    _say_compared(context, job, compared)


def _say_compared(context: NodeContext, job: Job, compared: Comparison) -> None:
    if compared.before is not None:
        context.tally.add("compared")
        words = f" ({compared.words})" if compared.words else ""
        _LOG.info("%s: compared with the earlier film %s%s", job.name, compared.against[:12], words)
    elif compared.words:
        _LOG.info("%s: not compared with an earlier film: %s", job.name, compared.words)


def _silent(result: Analysis | Refusal, options: ResultOptions) -> bool:
    """Tell whether nothing is to be said of a film because it is no chest film."""
    return options.films.chest_only and isinstance(result, Analysis) and not result.assessed


def _assessed(result: Analysis | Refusal) -> bool:
    return isinstance(result, Analysis) and result.assessed


def _result(context: NodeContext, job: Job, options: ResultOptions) -> Analysis | Refusal:
    path = context.spool.film(job.sha256)
    try:
        return analyze(path, options.detector, point=options.point, min_score=options.min_score)
    except (FilmError, ModelError) as error:
        if error.code in _PASSING and job.attempts < _DOUBTS:
            raise
        return Refusal(job.name, error, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")


def _made(  # noqa: PLR0913, PLR0917 - a film, and what is known of it
    context: NodeContext,
    job: Job,
    header: Dataset,
    result: Analysis | Refusal,
    options: ResultOptions,
    compared: Comparison,
) -> Sequence[Dataset]:
    objects = dicom_results(
        header,
        result,
        kinds=() if _silent(result, options) else options.kinds,
        sr_class=options.sr_class,
        experimental=options.experimental,
        before=compared.before,
    )
    context.spool.keep_facts(job, json.dumps(film_facts(document(result)), ensure_ascii=False, allow_nan=False))
    return objects
