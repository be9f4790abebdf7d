import errno
import hashlib
import os
import shutil
import sqlite3
import time
from pathlib import Path

import pytest

from lungspot.errors import OutputError, SetupError
from lungspot.node import spool as room
from lungspot.node.migrations import MIGRATIONS
from lungspot.node.spool import Spool
from lungspot.queue import ATTEMPTS

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
    assert spool.accept([b"head", b"body"], **ABOUT)
    job = spool.claim()
    assert spool.film(job.sha256).read_bytes() == b"headbody"
    assert (job.instance, job.study, job.source) == ("1.2.3", "1.2", "CR1")
    spool.keep_results(job, [b"sr", b"sc"])
    assert spool.claim() is None
    assert [path.read_bytes() for path in spool.results(job)] == [b"sr", b"sc"]
    assert spool.ready(5) == [job]
    spool.sent(job)
    assert spool.counts() == {"received": 0, "analysed": 0, "sent": 1, "failed": 0}
    assert files(folder) == []


def test_the_same_bytes_are_one_film(reopen):
    spool = reopen()
    assert spool.accept([b"film"], **ABOUT)
    assert not spool.accept([b"fi", b"lm"], **ABOUT)
    assert spool.accept([b"other"], **ABOUT)  # the same UID with other pixels: both are kept
    job = spool.claim()
    spool.keep_results(job, [b"sr"])
    spool.sent(job)
    spool = reopen()
    assert not spool.accept([b"film"], **ABOUT)
    assert spool.counts()["sent"] == 1
    assert spool.holds("1.2.3")
    assert not spool.holds("1.2.4")


def test_oldest_first_and_nothing_before_it_is_due(reopen):
    spool = reopen()
    for name in (b"a", b"b"):
        spool.accept([name], **ABOUT)
    first, second = spool.claim(), None
    spool.postpone(first, "x")
    second = spool.claim()
    assert spool.film(second.sha256).read_bytes() == b"b"
    spool.wait(second, "x", 100)
    assert spool.claim() is None


CRASHES = [  # each leaves the disk as a kill at that moment would
    ("written aside, not moved", lambda spool: (spool.folder / "incoming" / "tmp0123abc_").write_bytes(b"part"), 0),
    ("moved, no row yet", lambda spool: spool.film("f" * 64).write_bytes(b"film"), 0),
    ("acknowledged", lambda spool: spool.accept([b"film"], **ABOUT), 1),
    ("being read", lambda spool: (spool.accept([b"film"], **ABOUT), spool.claim()), 1),
    (
        "results moved, no row yet",
        lambda spool: (spool.accept([b"film"], **ABOUT), (spool.folder / "results" / spool.claim().sha256).mkdir()),
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
        job = spool.claim()
        spool.keep_results(job, [b"sr"])
        assert len(spool.results(job)) == 1


def test_after_a_crash_results_that_were_kept_are_sent_and_those_that_were_sent_are_forgotten(reopen, folder):
    spool = reopen()
    for name in (b"a", b"b"):
        spool.accept([name], **ABOUT)
        spool.keep_results(spool.claim(), [b"sr of " + name])
    first, second = spool.ready(5)
    spool._move(first.sha256, "sent")  # and killed before its files were removed
    spool = reopen()
    assert spool.ready(5) == [second]
    assert files(folder) == [f"films/{second.sha256}.dcm", f"results/{second.sha256}/00.dcm"]


def test_a_row_whose_film_never_reached_the_disk_is_dropped(reopen):
    spool = reopen()
    spool.accept([b"film"], **ABOUT)
    spool.film(spool.claim().sha256).unlink()
    assert reopen().counts()["received"] == 0


def test_a_film_whose_file_is_gone_is_taken_anew_when_it_is_sent_again(reopen):
    spool = reopen()
    spool.accept([b"film"], **ABOUT)
    spool.film(spool.claim().sha256).unlink()
    assert spool.accept([b"film"], **ABOUT)
    assert spool.film(spool.claim().sha256).read_bytes() == b"film"


def test_a_film_that_ends_the_node_each_time_is_set_aside(reopen):
    reopen().accept([b"film"], **ABOUT)
    for _ in range(ATTEMPTS):
        assert reopen().claim() is not None
    spool = reopen()
    assert spool.claim() is None
    assert spool.counts()["failed"] == 1


def test_a_film_that_ends_the_node_lets_others_go_first(reopen):
    spool = reopen()
    spool.accept([b"first"], **ABOUT)
    spool.accept([b"second"], **ABOUT)
    begun = [reopen().claim().sha256 for _ in range(2 * ATTEMPTS)]  # each time the node ends in the midst
    first, second = dict.fromkeys(begun)
    assert begun == ([first] * 3 + [second] * 3) * (ATTEMPTS // 3)
    assert reopen().claim() is None


def test_what_was_set_aside_is_tried_again_when_asked_or_sent_again(reopen, folder):
    spool = reopen()
    spool.accept([b"film"], **ABOUT)
    spool.fail(spool.claim(), "x")
    assert reopen().counts()["failed"] == 1
    assert len(files(folder)) == 1
    spool = reopen()
    assert spool.retry_failed() == 1
    job = spool.claim()
    spool.keep_results(job, [b"sr"])
    spool.fail(job, "refused")
    assert spool.retry_failed() == 1
    assert spool.ready(5)[0].sha256 == job.sha256  # its results are still there
    spool.fail(job, "refused")
    assert not spool.accept([b"film"], **ABOUT)
    assert spool.claim().sha256 == job.sha256


def test_refused_results_wait_longer_each_time_then_are_set_aside(reopen):
    spool = reopen()
    spool.accept([b"film"], **ABOUT)
    spool.keep_results(spool.claim(), [b"sr"])
    job = spool.ready(1)[0]
    assert spool.postpone(job, "refused")
    assert spool.ready(1) == []
    assert [tuple(row) for row in spool._journal.all("SELECT attempts FROM film")] == [(1,)]
    last = room.Job(job.sha256, job.instance, job.study, job.source, ATTEMPTS - 1)
    assert not spool.postpone(last, "refused")
    assert spool.counts()["failed"] == 1


@pytest.mark.parametrize("call", ["fsync", "replace", "writing"])
def test_a_disk_that_fails_at_any_step_leaves_nothing(reopen, folder, monkeypatch, call):
    spool = reopen()

    def fail(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr({"fsync": os, "replace": Path, "writing": spool._journal}[call], call, fail)
    with pytest.raises(OSError, match="space"):
        spool.accept([b"film"], **ABOUT)
    monkeypatch.undo()
    assert files(folder) == []
    assert list((folder / "incoming").iterdir()) == []
    assert spool.accept([b"film"], **ABOUT)


def test_no_film_is_taken_into_the_reserve(reopen, monkeypatch):
    spool = reopen(reserve=100)
    monkeypatch.setattr("shutil.disk_usage", lambda _: shutil._ntuple_diskusage(1000, 896, 104))
    assert spool.accept([b"film"], **ABOUT)
    with pytest.raises(OSError, match="space"):
        spool.accept([b"films"], **ABOUT)


def test_one_node_a_spool(reopen, folder):
    reopen()
    with pytest.raises(SetupError) as found:
        Spool(folder)
    assert found.value.code == "IN_USE"


def test_the_journal_forgets_what_was_sent_long_ago(reopen):
    spool = reopen()
    spool.accept([b"film"], **ABOUT)
    job = spool.claim()
    spool.keep_results(job, [b"sr"])
    spool.sent(job)
    with spool._journal.writing() as db:
        db.execute("UPDATE film SET changed = changed - ?", (room.KEEP_SECONDS + 1,))
    assert not reopen(keep_seconds=room.KEEP_SECONDS + 60).accept([b"film"], **ABOUT)
    assert reopen().accept([b"film"], **ABOUT)


def test_the_journal_is_durable(reopen, folder):
    spool = reopen()
    assert spool._journal.all("PRAGMA synchronous")[0][0] == 2  # FULL
    assert spool._journal.all("PRAGMA journal_mode")[0][0] == "wal"
    assert spool.accept([b"film"], **ABOUT)
    with pytest.raises(sqlite3.IntegrityError), spool._journal.writing() as db:
        db.execute("UPDATE film SET state = 'lost'")
    assert spool.counts()["received"] == 1
    assert (folder.stat().st_mode & 0o777) == 0o700


@pytest.fixture
def journal_of_0_1_0(folder):
    """A spool as 0.1.0 left it: one film that waits, one whose results wait, one that was sent."""
    films = {state: hashlib.sha256(state.encode()).hexdigest() for state in ("received", "analysed", "sent")}
    (folder / "films").mkdir(parents=True)
    for state in ("received", "analysed"):
        (folder / "films" / f"{films[state]}.dcm").write_bytes(state.encode())
    (folder / "results" / films["analysed"]).mkdir(parents=True)
    (folder / "results" / films["analysed"] / "00.dcm").write_bytes(b"sr")
    db = sqlite3.connect(folder / "journal.sqlite")
    MIGRATIONS[0](db)
    for state, sha256 in films.items():
        db.execute(
            "INSERT INTO film (sha256, instance, study, source, state, attempts, changed) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (sha256, "1.2.3", "1.2", "CR1", state, 2 if state == "received" else 0, time.time()),
        )
    db.execute("PRAGMA user_version = 1")
    db.commit()
    db.close()
    return films


def test_a_spool_of_0_1_0_goes_on(journal_of_0_1_0, reopen):
    spool = reopen()
    assert spool.counts() == {"received": 1, "analysed": 1, "sent": 1, "failed": 0}
    job = spool.claim()
    assert (job.sha256, job.attempts, spool.film(job.sha256).read_bytes()) == (
        journal_of_0_1_0["received"],
        2,
        b"received",
    )
    (waiting,) = spool.ready(5)
    assert [path.read_bytes() for path in spool.results(waiting)] == [b"sr"]
    assert reopen().counts() == {"received": 1, "analysed": 1, "sent": 1, "failed": 0}  # and is brought up once


def test_what_0_1_0_made_of_a_film_is_found_out_or_made_again(journal_of_0_1_0, reopen, folder, make_film):
    result = make_film(1)
    result.save_as(folder / "results" / journal_of_0_1_0["analysed"] / "00.dcm", enforce_file_format=True)
    spool = reopen()
    (waiting,) = spool.ready(5)
    spool.sent(waiting)
    assert not spool.accept([b"analysed"], **ABOUT)
    spool.items.begin("1.9", "list", "1.9.1")
    spool.items.fetched(spool.items.get("1.9"), [("1.2.3", waiting.sha256, "")], "")
    (film,) = spool.items.films(spool.items.get("1.9"))
    assert [each.instance for each in film.outputs] == [result.SOPInstanceUID]
    assert spool.accept([b"sent"], **ABOUT)  # nobody wrote down what came of it
    assert spool.counts() == {"received": 2, "analysed": 0, "sent": 1, "failed": 0}


def test_a_damaged_or_newer_journal_is_refused_and_left_alone(folder):
    folder.mkdir()
    (folder / "journal.sqlite").write_bytes(b"no database" * 100)
    for _ in range(2):  # the folder is given free again
        with pytest.raises(SetupError, match=r"NOT_READABLE: file is not a database; .* another --spool"):
            Spool(folder)
    assert (folder / "journal.sqlite").read_bytes() == b"no database" * 100
    (folder / "journal.sqlite").unlink()
    db = sqlite3.connect(folder / "journal.sqlite")
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    with pytest.raises(SetupError, match="newer"):
        Spool(folder)


def test_what_somebody_put_into_the_spool_stays_and_does_not_end_the_node(tmp_path):
    Spool(tmp_path / "spool").close()
    for name in ("films", "results", "incoming"):
        (tmp_path / "spool" / name / "folder" / "inner").mkdir(parents=True)
        (tmp_path / "spool" / name / "film.dcm").write_text("mine")
        (tmp_path / "spool" / name / ("a" * 64 + ".dcm")).touch()  # a film that no row speaks of
    Spool(tmp_path / "spool").close()
    for name in ("films", "results", "incoming"):
        assert sorted(path.name for path in (tmp_path / "spool" / name).iterdir()) == ["film.dcm", "folder"]
        assert (tmp_path / "spool" / name / "film.dcm").read_text() == "mine"


@pytest.mark.parametrize("name", ["films", "results", "incoming"])
def test_a_folder_where_others_keep_their_films_is_no_spool(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / ("a" * 64 + ".dcm")).write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError, match=r"EXISTS: files are in it .*; give a new folder as --spool"):
        Spool(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before
