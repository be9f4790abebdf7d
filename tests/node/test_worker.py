"""Films that cannot be read, disks that are full, bugs of ours: the worker goes on."""

import contextlib
import hashlib
import json
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest
from pydicom import dcmread

from lungspot.detect import Standing, load_detector
from lungspot.errors import FilmError, ModelError
from lungspot.node import AuditLog, ResultOptions, Spool
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
def work(context, make_settings, wait_until):
    """A function that runs the worker in its thread until something is so, as the node does, then ends it."""

    def until(true, **options):
        wanted = ResultOptions(**{"detector": make_settings().results.detector, **options})
        thread = threading.Thread(target=room.work, args=(context, wanted))
        thread.start()
        try:
            wait_until(true)
        finally:
            context.closed.set()
            context.spool.wake()
            thread.join()
            context.closed.clear()

    return until


def count(context, **states):
    """A function that tells whether so many films are in each state, and none in any other."""
    return lambda: context.spool.counts() == {"received": 0, "analysed": 0, "sent": 0, "failed": 0, **states}


def admit(context, path):
    film = dcmread(path)
    facts = {"instance": film.SOPInstanceUID, "study": film.StudyInstanceUID, "source": "CR1"}
    return context.spool.accept([path.read_bytes()], **facts)


def test_a_film_whose_pixels_cannot_be_read_gets_a_report_that_says_so(context, work, write_film):
    admit(context, write_film(1, PixelData=b"\0" * 16))
    work(count(context, analysed=1))
    (job,) = context.spool.ready(5)
    (report,) = [dcmread(path) for path in context.spool.results(job)]
    assert report.Modality == "SR"
    assert report.preamble == bytes(128)


def test_what_a_watch_looks_at_is_kept_once_a_film_and_longer_than_the_film(context, work, write_film):
    good = write_film(1, StationName="ROOM 1")
    for path in (good, write_film(2, PixelData=b"\0" * 16)):
        admit(context, path)
    work(count(context, analysed=2))
    for job in context.spool.ready(5):
        context.spool.sent(job)
        context.spool.keep_facts(job, "{}")  # read once more: the first result counts
    with contextlib.closing(sqlite3.connect(context.spool.folder / "journal.sqlite")) as db:
        rows = [(row[0], row[1], json.loads(row[2])) for row in db.execute("SELECT sha256, source, body FROM facts")]
    assert [row[:2] for row in rows] == [(hashlib.sha256(good.read_bytes()).hexdigest(), "CR1"), (rows[1][0], "CR1")]
    assert [facts["status"] for _, _, facts in rows] == ["assessed", "not_assessed"]
    assert rows[0][2]["device"].endswith("ROOM 1")
    assert "Doe" not in json.dumps(rows)


def test_a_film_without_a_result_of_the_kinds_asked_for_is_done_with(context, lines, work, write_film):
    """A segmentation of a film on which nothing is found, say; it has not failed."""
    admit(context, write_film(1, PixelData=b"\0" * 16))
    work(count(context, sent=1), kinds=("seg", "gsps"))
    assert "no result of the kinds" in lines[-1]


def test_the_same_film_gives_the_same_objects(context, work, write_film):
    seen = []
    for _ in range(2):
        admit(context, write_film(1))
        work(count(context, analysed=1))
        (job,) = context.spool.ready(5)
        seen.append([dcmread(path).SOPInstanceUID for path in context.spool.results(job)])
        context.spool.fail(job, "again")
    assert seen[0] == seen[1]


def test_experimental_labels_are_in_a_report_where_they_are_asked_for(
    context, work, rg1, write_model, generated_card, tmp_path
):
    standing = dict.fromkeys(generated_card.labels, Standing.EXPERIMENTAL)
    path = write_model(tmp_path / "model.onnx", replace(generated_card, standing=standing, gate=None))
    reports = []
    for experimental in (False, True):
        admit(context, rg1["UNCR"])
        work(count(context, analysed=1), experimental=experimental, detector=load_detector(path, threads=1))
        (job,) = context.spool.ready(5)
        (report,) = [dcmread(each) for each in context.spool.results(job)]
        reports.append(report)
        context.spool.fail(job, "again")
    assert ["% (experimental)" in report.to_json() for report in reports] == [False, True]
    assert ["Finding Site" in report.to_json() for report in reports] == [False, True]
    assert reports[0].SOPInstanceUID != reports[1].SOPInstanceUID


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
    work(count(context, analysed=1))
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
    monkeypatch.setattr("lungspot.node.spool.back_off", lambda _: 200.0)
    work(count(context, received=1, analysed=1))  # the first is to be tried again
    assert len(context.spool.ready(5)) == 1
    assert len(calls) == 2
    assert "ZeroDivisionError" in repr(lines)


def test_a_full_disk_does_not_count_against_the_film(context, lines, work, write_film, monkeypatch):
    """The limit is the kernel's: no file of this process may grow, so neither results nor journal can be written."""
    admit(context, write_film(1))
    monkeypatch.setattr(room, "_NO_ROOM_SECONDS", 0.05)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    lifted = []

    def lift_after_three_failures():
        if not lifted and len([line for line in lines if "cannot be written" in line]) >= 3:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            lifted.append(True)
        return lifted and count(context, analysed=1)()

    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        work(lift_after_three_failures)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [row["attempts"] for row in context.spool._journal.all("SELECT attempts FROM film")] == [0]
    assert len(context.spool.results(context.spool.ready(5)[0])) == 1


@pytest.mark.parametrize("fault", ["keep_results", "postpone"])
def test_a_film_is_put_back_when_its_end_cannot_be_written_down(context, work, write_film, monkeypatch, fault):
    """Even where the journal cannot be written for a while: it is not left as being read until the next start."""
    admit(context, write_film(1))
    monkeypatch.setattr(room, "_NO_ROOM_SECONDS", 0.01)
    failures = {fault: 1, "wait": 3}
    if fault == "postpone":
        failures["analyze"] = 1
        monkeypatch.setattr(room, "analyze", failing(failures, "analyze", room.analyze, ZeroDivisionError))
    for name in (fault, "wait"):
        monkeypatch.setattr(Spool, name, failing(failures, name, getattr(Spool, name), sqlite3.OperationalError))
    work(count(context, analysed=1))
    assert set(failures.values()) == {0}


def failing(left, name, real, error):
    """A function that fails as often as `left` says, then does what it should."""

    def call(*given, **options):
        if left[name]:
            left[name] -= 1
            raise error
        return real(*given, **options)

    return call


def test_films_are_read_by_the_next_process_where_this_one_is_killed(tmp_path, write_film):
    """`kill -9` of a node in the midst of a film; the next start reads it, and knows that it was tried."""
    spool = tmp_path / "spool"
    first = Spool(spool)
    path = write_film(1)
    admit(SimpleNamespace(spool=first), path)
    first.close()
    code = f"""
import os, threading
from pathlib import Path
from lungspot.node import AuditLog, ResultOptions, Spool, worker
from lungspot.node.context import NodeContext
worker.analyze = lambda *_, **__: os.kill(os.getpid(), 9)
spool = Spool(Path({str(spool)!r}))
worker.work(NodeContext(spool, None, threading.Event()), ResultOptions())
"""
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    again = Spool(spool)
    job = again.claim()
    assert (job.attempts, again.film(job.sha256).read_bytes()) == (2, path.read_bytes())
    again.close()
