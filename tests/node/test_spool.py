import errno
import os
import sqlite3
from pathlib import Path

import pytest

from lungspot.errors import SetupError
from lungspot.node import spool as room
from lungspot.node.spool import ATTEMPTS, Spool, back_off

ABOUT = {"instance": "1.2.3", "study": "1.2", "source": "CR1"}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "spool"


@pytest.fixture
def reopen(folder):
    """A function that opens the spool as after a crash: what was open is let go of, nothing is put in order."""
    opened = []

    def again(**given):
        while opened:
            opened.pop().close()
        opened.append(Spool(folder, **given))
        return opened[-1]

    yield again
    while opened:
        opened.pop().close()


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix == ".dcm")


def test_a_film_goes_its_way(reopen, folder):
    spool = reopen()
    assert spool.admit([b"head", b"body"], **ABOUT)
    job = spool.take()
    assert spool.film(job.sha256).read_bytes() == b"headbody"
    assert (job.instance, job.study, job.source) == ("1.2.3", "1.2", "CR1")
    spool.keep_results(job, [b"sr", b"sc"])
    assert spool.take() is None
    assert [path.read_bytes() for path in spool.results(job)] == [b"sr", b"sc"]
    assert spool.ready(5) == [job]
    spool.sent(job)
    assert spool.counts() == {"received": 0, "analysed": 0, "sent": 1, "failed": 0}
    assert files(folder) == []


def test_the_same_bytes_are_one_film(reopen):
    spool = reopen()
    assert spool.admit([b"film"], **ABOUT)
    assert not spool.admit([b"fi", b"lm"], **ABOUT)
    assert spool.admit([b"other"], **ABOUT)  # the same UID with other pixels: both are kept
    job = spool.take()
    spool.keep_results(job, [b"sr"])
    spool.sent(job)
    spool = reopen()
    assert not spool.admit([b"film"], **ABOUT)
    assert spool.counts()["sent"] == 1
    assert spool.holds("1.2.3")
    assert not spool.holds("1.2.4")


def test_oldest_first_and_nothing_before_it_is_due(reopen):
    spool = reopen()
    for name in (b"a", b"b"):
        spool.admit([name], **ABOUT)
    first, second = spool.take(), None
    spool.postpone(first, "x")
    second = spool.take()
    assert spool.film(second.sha256).read_bytes() == b"b"
    spool.wait(second, "x", 100)
    assert spool.take() is None


CRASHES = [  # each leaves the disk as a kill at that moment would
    ("written aside, not moved", lambda spool: (spool.folder / "incoming" / "x").write_bytes(b"part"), 0),
    ("moved, no row yet", lambda spool: spool.film("f" * 64).write_bytes(b"film"), 0),
    ("acknowledged", lambda spool: spool.admit([b"film"], **ABOUT), 1),
    ("being read", lambda spool: (spool.admit([b"film"], **ABOUT), spool.take()), 1),
    (
        "results moved, no row yet",
        lambda spool: (spool.admit([b"film"], **ABOUT), (spool.folder / "results" / spool.take().sha256).mkdir()),
        1,
    ),
]


@pytest.mark.parametrize(("moment", "crash", "left"), CRASHES, ids=[moment for moment, *_ in CRASHES])
def test_after_a_crash_what_was_acknowledged_is_there_and_nothing_else(reopen, folder, moment, crash, left):
    assert moment
    crash(reopen())
    spool = reopen()
    assert spool.counts()["received"] == left
    assert len(files(folder)) == left
    assert list((folder / "incoming").iterdir()) == []
    if left:
        job = spool.take()
        spool.keep_results(job, [b"sr"])
        assert len(spool.results(job)) == 1


def test_after_a_crash_results_that_were_kept_are_sent_and_those_that_were_sent_are_forgotten(reopen, folder):
    spool = reopen()
    for name in (b"a", b"b"):
        spool.admit([name], **ABOUT)
        spool.keep_results(spool.take(), [b"sr of " + name])
    first, second = spool.ready(5)
    spool._move(first.sha256, "sent")  # and killed before its files were removed
    spool = reopen()
    assert spool.ready(5) == [second]
    assert files(folder) == [f"films/{second.sha256}.dcm", f"results/{second.sha256}/00.dcm"]


def test_a_row_whose_film_never_reached_the_disk_is_dropped(reopen):
    spool = reopen()
    spool.admit([b"film"], **ABOUT)
    spool.film(spool.take().sha256).unlink()
    assert reopen().counts()["received"] == 0


def test_a_film_whose_file_is_gone_is_taken_anew_when_it_is_sent_again(reopen):
    spool = reopen()
    spool.admit([b"film"], **ABOUT)
    spool.film(spool.take().sha256).unlink()
    assert spool.admit([b"film"], **ABOUT)
    assert spool.film(spool.take().sha256).read_bytes() == b"film"


def test_a_film_that_ends_the_node_each_time_is_set_aside(reopen):
    reopen().admit([b"film"], **ABOUT)
    for _ in range(ATTEMPTS):
        assert reopen().take() is not None
    spool = reopen()
    assert spool.take() is None
    assert spool.counts()["failed"] == 1


def test_a_film_that_ends_the_node_lets_others_go_first(reopen):
    spool = reopen()
    spool.admit([b"first"], **ABOUT)
    spool.admit([b"second"], **ABOUT)
    begun = [reopen().take().sha256 for _ in range(2 * ATTEMPTS)]  # each time the node ends in the midst
    first, second = dict.fromkeys(begun)
    assert begun == ([first] * 3 + [second] * 3) * (ATTEMPTS // 3)
    assert reopen().take() is None


def test_what_was_set_aside_is_tried_again_when_asked_or_sent_again(reopen, folder):
    spool = reopen()
    spool.admit([b"film"], **ABOUT)
    spool.fail(spool.take(), "x")
    assert reopen().counts()["failed"] == 1
    assert len(files(folder)) == 1
    spool = reopen()
    assert spool.retry_failed() == 1
    job = spool.take()
    spool.keep_results(job, [b"sr"])
    spool.fail(job, "refused")
    assert spool.retry_failed() == 1
    assert spool.ready(5)[0].sha256 == job.sha256  # its results are still there
    spool.fail(job, "refused")
    assert not spool.admit([b"film"], **ABOUT)
    assert spool.take().sha256 == job.sha256


def test_refused_results_wait_longer_each_time_then_are_set_aside(reopen):
    spool = reopen()
    spool.admit([b"film"], **ABOUT)
    spool.keep_results(spool.take(), [b"sr"])
    job = spool.ready(1)[0]
    assert spool.postpone(job, "refused", count=True)
    assert spool.ready(1) == []
    assert spool._journal.execute("SELECT attempts FROM film").fetchone() == (1,)
    last = room.Job(job.sha256, job.instance, job.study, job.source, ATTEMPTS - 1)
    assert not spool.postpone(last, "refused", count=True)
    assert spool.counts()["failed"] == 1


def test_back_off():
    assert [back_off(count) for count in (0, 1, 2, 3, 9, 10, 1000)] == [0, 1, 2, 4, 256, 300, 300]


@pytest.mark.parametrize("call", ["fsync", "replace", "insert"])
def test_a_disk_that_fails_at_any_step_leaves_nothing(reopen, folder, monkeypatch, call):
    spool = reopen()

    def fail(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if call == "insert":
        monkeypatch.setattr(spool, "_write", fail)
    else:
        monkeypatch.setattr({"fsync": os, "replace": Path}[call], call, fail)
    with pytest.raises(OSError, match="space"):
        spool.admit([b"film"], **ABOUT)
    monkeypatch.undo()
    assert files(folder) == []
    assert list((folder / "incoming").iterdir()) == []
    assert spool.admit([b"film"], **ABOUT)


def test_no_film_is_taken_into_the_reserve(reopen, monkeypatch):
    spool = reopen(reserve=100)
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _: room.shutil._ntuple_diskusage(1000, 896, 104))
    assert spool.admit([b"film"], **ABOUT)
    with pytest.raises(OSError, match="space"):
        spool.admit([b"films"], **ABOUT)


def test_one_node_a_spool(reopen, folder):
    reopen()
    with pytest.raises(SetupError) as found:
        Spool(folder)
    assert found.value.code == "IN_USE"


def test_the_journal_forgets_what_was_sent_long_ago(reopen):
    spool = reopen()
    spool.admit([b"film"], **ABOUT)
    job = spool.take()
    spool.keep_results(job, [b"sr"])
    spool.sent(job)
    spool._write("UPDATE film SET changed = changed - ?", (room.KEEP_SECONDS + 1,))
    assert not reopen(keep_seconds=room.KEEP_SECONDS + 60).admit([b"film"], **ABOUT)
    assert reopen().admit([b"film"], **ABOUT)


def test_the_journal_is_durable(reopen, folder):
    spool = reopen()
    assert spool._journal.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert spool._journal.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with pytest.raises(sqlite3.IntegrityError):
        spool._write("UPDATE film SET state = 'lost'", ()) if spool.admit([b"film"], **ABOUT) else None
    assert (folder.stat().st_mode & 0o777) == 0o700
