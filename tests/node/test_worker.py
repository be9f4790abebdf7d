"""Films that cannot be read, disks that are full, bugs of ours: the worker goes on."""

import errno
import os
import threading

import pytest
from pydicom import dcmread

from lungspot.errors import FilmError, ModelError
from lungspot.node import AuditLog, Spool
from lungspot.node import worker as room
from lungspot.node.context import NodeContext


@pytest.fixture
def context(tmp_path):
    """A context with an empty spool."""
    spool = Spool(tmp_path / "spool")
    audit = AuditLog(tmp_path / "spool" / "audit.jsonl", source="LUNGSPOT")
    yield NodeContext(spool, audit, threading.Event())
    spool.close()
    audit.close()


@pytest.fixture
def work(context, make_settings, monkeypatch):
    """A function that runs the worker until nothing is due any more."""

    def until_idle():
        monkeypatch.setattr(Spool, "pause", lambda *_: context.closed.set())
        context.closed.clear()
        room.work(context, make_settings().results)

    return until_idle


def admit(context, path):
    film = dcmread(path)
    facts = {"instance": film.SOPInstanceUID, "study": film.StudyInstanceUID, "source": "CR1"}
    return context.spool.admit([path.read_bytes()], **facts)


def test_a_film_whose_pixels_cannot_be_read_gets_a_report_that_says_so(context, work, write_film):
    admit(context, write_film(1, PixelData=b"\0" * 16))
    work()
    (job,) = context.spool.ready(5)
    (report,) = [dcmread(path) for path in context.spool.results(job)]
    assert report.Modality == "SR"
    assert report.preamble == bytes(128)


def test_a_film_without_a_result_of_the_kinds_asked_for_is_done_with(
    context, lines, make_settings, write_film, monkeypatch
):
    """A segmentation of a film on which nothing is found, say; it has not failed."""
    admit(context, write_film(1, PixelData=b"\0" * 16))
    monkeypatch.setattr(Spool, "pause", lambda *_: context.closed.set())
    room.work(context, room.ResultOptions(("seg", "gsps"), detector=make_settings().results.detector))
    assert context.spool.counts() == {"received": 0, "analysed": 0, "sent": 1, "failed": 0}
    assert "no result of the kinds" in lines[-1]


def test_the_same_film_gives_the_same_objects(context, work, write_film):
    seen = []
    for _ in range(2):
        admit(context, write_film(1))
        work()
        (job,) = context.spool.ready(5)
        seen.append([dcmread(path).SOPInstanceUID for path in context.spool.results(job)])
        context.spool.fail(job, "again")
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("error", "tried"),
    [
        (FilmError("NOT_DECODABLE", "x", "y"), 1),
        (ModelError("MODEL_NUMERIC", "x", "y"), 1),
        (FilmError("TIMED_OUT", "x", "y"), 3),
        (FilmError("OUT_OF_MEMORY", "x", "y"), 3),
    ],
)
def test_what_a_busy_machine_may_cause_is_said_of_the_film_at_the_third_time(
    context, work, write_film, monkeypatch, error, tried
):
    calls = []

    def fail(*_, **__):
        calls.append(1)
        raise error

    admit(context, write_film(1))
    monkeypatch.setattr(room, "analyze", fail)
    monkeypatch.setattr("lungspot.node.spool.back_off", lambda _: 0.0)
    work()
    (job,) = context.spool.ready(5)
    assert len(context.spool.results(job)) == 1
    assert len(calls) == tried


def test_a_bug_meets_one_film_and_the_rest_are_read(context, lines, work, write_film, monkeypatch):
    admit(context, write_film(1))
    admit(context, write_film(2))
    real, calls = room.analyze, []

    def sometimes(*given, **options):
        calls.append(given)
        if len(calls) == 1:
            raise ZeroDivisionError
        return real(*given, **options)

    monkeypatch.setattr(room, "analyze", sometimes)
    monkeypatch.setattr("lungspot.node.spool.back_off", lambda _: 1000.0)
    work()
    assert len(context.spool.ready(5)) == 1
    assert context.spool.counts()["received"] == 1  # to be tried again
    assert "ZeroDivisionError" in repr(lines)


def test_a_full_disk_does_not_count_against_the_film(context, make_settings, write_film, monkeypatch):
    admit(context, write_film(1))
    monkeypatch.setattr(room, "_NO_ROOM_SECONDS", 0.01)
    real, calls = Spool.keep_results, []

    def full_at_first(spool, job, files):
        calls.append(job.attempts)
        if len(calls) < 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(spool, job, files)

    monkeypatch.setattr(Spool, "keep_results", full_at_first)
    monkeypatch.setattr(Spool, "pause", lambda *_: context.closed.set() if len(calls) == 3 else None)
    room.work(context, make_settings().results)
    assert calls == [0, 0, 0]
    assert len(context.spool.ready(5)) == 1
