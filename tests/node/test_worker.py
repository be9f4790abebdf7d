"""Films that cannot be read, disks that are full, bugs of ours: the worker goes on."""

import contextlib
import copy
import hashlib
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from onnx import numpy_helper
from pydicom import dcmread

from lungspot.detect import Standing, load_detector
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


@pytest.fixture
def decoders_die(request):
    """A list: while a signal is in it, each process that is forked to decode a film dies of that signal at once."""
    request.getfixturevalue("forked_here")
    _DEATHS.clear()
    yield _DEATHS
    _DEATHS.clear()


_DEATHS = []
os.register_at_fork(after_in_child=lambda: [os.kill(os.getpid(), number) for number in _DEATHS])


def watched(detector, look):
    """The same detector, which shows what it is given to a function first."""
    seeing = copy.copy(detector)
    seeing.run = lambda tensor: (look(tensor), detector.run(tensor))[1]
    return seeing


def count(context, **states):
    """A function that tells whether so many films are in each state, and none in any other."""
    return lambda: context.spool.counts() == {"received": 0, "analysed": 0, "sent": 0, "failed": 0, **states}


def rows(context, query):
    with contextlib.closing(sqlite3.connect(context.spool.folder / "journal.sqlite")) as db:
        return db.execute(query).fetchall()


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
    kept = [(*row[:2], json.loads(row[2])) for row in rows(context, "SELECT sha256, source, body FROM facts")]
    assert [row[:2] for row in kept] == [(hashlib.sha256(good.read_bytes()).hexdigest(), "CR1"), (kept[1][0], "CR1")]
    assert [facts["status"] for _, _, facts in kept] == ["assessed", "not_assessed"]
    assert kept[0][2]["device"].endswith("ROOM 1")
    assert "Doe" not in json.dumps(kept)


def test_a_film_without_a_result_of_the_kinds_asked_for_is_done_with(context, lines, work, write_film):
    """A segmentation of a film on which nothing is found, say; it has not failed."""
    path = write_film(1, PixelData=b"\0" * 16)
    admit(context, path)
    work(count(context, sent=1), kinds=("seg", "gsps"))
    assert "no result of the kinds" in lines[-1]
    assert not admit(context, path)  # that nothing came of it is known


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
    ("death", "tried"),
    [
        (signal.SIGKILL, 3),
        (signal.SIGSEGV, 3),
        (None, 1),
    ],
)
def test_what_a_busy_machine_may_cause_is_said_of_the_film_at_the_third_time(
    context, lines, work, write_film, decoders_die, death, tried
):
    """The system wants the decoder's memory; it crashes; and, at once, pixels that are cut off."""
    admit(context, write_film(1, **({} if death else {"PixelData": b"\0" * 16})))
    decoders_die.extend([death] if death else [])

    def the_clock_goes_on():
        with contextlib.closing(sqlite3.connect(context.spool.folder / "journal.sqlite")) as db, db:
            db.execute("UPDATE film SET due = 0 WHERE state = 'received' AND due > 0")
        context.spool.wake()
        return count(context, analysed=1)()

    work(the_clock_goes_on)
    (job,) = context.spool.ready(5)
    (report,) = [dcmread(path) for path in context.spool.results(job)]
    assert report.Modality == "SR"
    assert len([line for line in lines if line.endswith("it will be tried again")]) == tried - 1


def test_a_network_that_gives_no_numbers_is_said_of_the_film_at_once(
    context, lines, work, write_film, write_model, tmp_path
):
    def spoil(model):
        (bias,) = [each for each in model.graph.initializer if each.name == "bias"]
        bias.CopyFrom(numpy_helper.from_array(np.full(3, np.nan, np.float32), "bias"))

    admit(context, write_film(1))
    work(
        count(context, analysed=1), detector=load_detector(write_model(tmp_path / "nan.onnx", change=spoil), threads=1)
    )
    (report,) = [dcmread(path) for path in context.spool.results(context.spool.ready(5)[0])]
    assert "not a number" in report.to_json()
    assert not [line for line in lines if "tried again" in line]


def test_a_bug_meets_one_film_and_the_rest_are_read(context, lines, work, write_film, make_settings):
    """The first film meets it every time; it waits, longer and longer, and is not in the way of the second."""
    admit(context, write_film(1))
    admit(context, write_film(2))
    seen, met = [], []

    def meet(tensor):
        seen.append(tensor.tobytes())
        if seen[-1] == seen[0]:
            met.append(time.time())
            raise ZeroDivisionError

    work(count(context, received=1, analysed=1), detector=watched(make_settings().results.detector, meet))
    assert len(context.spool.results(context.spool.ready(5)[0])) == 1
    assert "ZeroDivisionError" in repr(lines)
    ((attempts, due),) = rows(context, "SELECT attempts, due FROM film WHERE state != 'analysed'")
    assert attempts == len(met)
    assert due >= met[-1] + 2 ** (attempts - 1)


@pytest.mark.parametrize("begins", ["before", "while a film is read", "as a bug meets it"])
def test_a_full_disk_does_not_count_against_the_film(
    context, lines, work, write_film, make_settings, monkeypatch, begins
):
    """The limit is the kernel's: no file of this process may grow, so neither results nor journal can be written.

    Where it begins while a film is read, that film cannot even be put back for a while; it is, once there is room.
    """
    admit(context, write_film(1))
    monkeypatch.setattr(room, "_NO_ROOM_SECONDS", 0.05)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    full, since, attempts = [], [], []

    def fill(_tensor=None):
        attempts.extend(rows(context, "SELECT attempts FROM film WHERE state = 'reading'"))
        if not full:
            full.append(True)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
            if begins == "as a bug meets it":
                raise ZeroDivisionError

    def make_room_after_a_while():
        failures = [line for line in lines if "cannot be written" in line]
        if failures and not since:
            since.append(time.monotonic())
        if since and time.monotonic() > since[0] + 0.5:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            return count(context, analysed=1)()
        return False

    if begins == "before":
        fill()
    try:
        work(make_room_after_a_while, detector=watched(make_settings().results.detector, fill))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert full
    assert attempts == [(1,)] * len(attempts)  # that of the reading itself, and none before it
    assert len(attempts) == (1 if begins == "before" else 2)
    assert len(context.spool.results(context.spool.ready(5)[0])) == 1


def test_a_film_counts_when_what_it_gave_is_on_the_disk(context, lines, work, write_film, monkeypatch):
    """For a while there is a file where results are kept: the film is read again and again, and is one film."""
    admit(context, write_film(1, PixelData=b"\0" * 16))
    monkeypatch.setattr(room, "_NO_ROOM_SECONDS", 0.05)
    folder = context.spool.folder / "results"
    folder.rmdir()
    folder.touch()

    def put_right():
        if folder.is_file() and len([line for line in lines if "cannot be written" in line]) >= 2:
            assert not any(context.tally.all().values())
            folder.unlink()
            folder.mkdir()
        return count(context, analysed=1)()

    work(put_right)
    assert {name: times for name, times in context.tally.all().items() if times} == {"read": 1, "not_assessed": 1}


def test_films_are_read_by_the_next_process_where_this_one_is_killed(tmp_path, write_film, model_file):
    """`kill -9` of a node in the midst of a film; the next start reads it, and knows that it was tried."""
    spool = tmp_path / "spool"
    first = Spool(spool)
    path = write_film(1)
    admit(SimpleNamespace(spool=first), path)
    first.close()
    code = f"""
import os, threading
from pathlib import Path
from lungspot.detect import load_detector
from lungspot.node import AuditLog, ResultOptions, Spool, worker
from lungspot.node.context import NodeContext
detector = load_detector({str(model_file)!r}, threads=1)
detector.run = lambda _: os.kill(os.getpid(), 9)
spool = Spool(Path({str(spool)!r}))
worker.work(NodeContext(spool, None, threading.Event()), ResultOptions(detector=detector))
"""
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    again = Spool(spool)
    job = again.claim()
    assert (job.attempts, again.film(job.sha256).read_bytes()) == (2, path.read_bytes())
    again.close()
