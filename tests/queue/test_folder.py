import errno
import os
import signal
import sqlite3
import subprocess
import sys

import pytest
from tests.queue.owner import make_table

from lungspot.errors import OutputError, SetupError
from lungspot.queue import QueueFolder, discard


def open_folder(path, steps=(make_table,)):
    return QueueFolder(path, "q.db", steps, folders=("films",), owner="server", option="--data")


def insert(db):
    return db.execute("INSERT INTO film (name, state) VALUES ('a', 'new')")


def fail_after_insert(db):
    insert(db)
    raise ZeroDivisionError


@pytest.fixture
def folder(tmp_path):
    opened = open_folder(tmp_path / "q")
    yield opened
    opened.close()


def test_commits_reach_the_disk_and_nobody_else_reads_them(folder):
    assert folder.all("PRAGMA synchronous")[0][0] == 2  # FULL
    assert folder.all("PRAGMA journal_mode")[0][0] == "wal"
    assert folder.all("PRAGMA secure_delete")[0][0] == 1
    for path in (folder.folder, folder.incoming, folder.folder / "films", folder.folder / "q.db"):
        assert path.stat().st_mode & 0o077 == 0


def test_one_process_a_folder(folder):
    with pytest.raises(SetupError, match="IN_USE: another server uses this folder"):
        open_folder(folder.folder)
    assert folder.all("SELECT * FROM film") == []  # and the first is not disturbed


def test_a_process_that_is_killed_lets_go_of_the_folder(tmp_path):
    code = f"""
import sys, time
from pathlib import Path
from lungspot.queue import QueueFolder
QueueFolder(Path({str(tmp_path / "q")!r}), "q.db", (), folders=(), owner="server", option="--data")
print("open", flush=True)
time.sleep(100)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "open\n"
        with pytest.raises(SetupError, match="IN_USE"):
            open_folder(tmp_path / "q")
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    open_folder(tmp_path / "q").close()


def test_a_child_process_does_not_hold_the_folder(tmp_path):
    folder = open_folder(tmp_path / "q")
    with subprocess.Popen(["sleep", "30"], close_fds=False) as child:
        folder.close()
        open_folder(tmp_path / "q").close()
        child.kill()


def test_what_was_arriving_is_removed_and_what_is_somebodys_stays(tmp_path):
    open_folder(tmp_path).close()
    (tmp_path / "incoming" / "tmp_x8ab3zq").mkdir()
    for name in ("a" * 24, "lesson-0123456789abcdef", "tmpabcdefgh", "film.dcm", "f" * 32):
        (tmp_path / "incoming" / name).write_bytes(b"x")
    folder = open_folder(tmp_path)
    assert sorted(path.name for path in folder.incoming.iterdir()) == ["f" * 32, "film.dcm"]
    folder.close()


@pytest.mark.parametrize("name", ["films", "incoming"])
def test_a_folder_where_others_keep_films_is_left_as_it_is(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / ("a" * 24)).write_text("mine")
    with pytest.raises(OutputError, match=r"EXISTS: files are in it .*; give a new folder as --data"):
        open_folder(tmp_path)
    assert sorted(tmp_path.rglob("*")) == [tmp_path / name, tmp_path / name / ("a" * 24)]


def test_a_database_of_another_program_is_left_as_it_is(tmp_path):
    db = sqlite3.connect(tmp_path / "q.db")
    db.execute("CREATE TABLE theirs (x)")
    db.close()
    with pytest.raises(OutputError, match=r"q\.db: EXISTS: a database of another program"):
        open_folder(tmp_path)
    db = sqlite3.connect(tmp_path / "q.db")
    assert [name for (name,) in db.execute("SELECT name FROM sqlite_schema")] == ["theirs"]
    db.close()


def test_a_transaction_is_whole_or_nothing(folder):
    with pytest.raises(ZeroDivisionError), folder.writing() as db:
        fail_after_insert(db)
    assert folder.all("SELECT * FROM film") == []
    with folder.writing() as db:
        insert(db)
    assert len(folder.all("SELECT * FROM film")) == 1


def test_a_transaction_that_the_database_ended_itself_says_why(folder):
    """As SQLite does on a full disk; the error of the statement must not be hidden by that of a second ROLLBACK."""
    with folder.writing() as db:
        insert(db)
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"), folder.writing() as db:
        db.execute("INSERT OR ROLLBACK INTO film (name, state) VALUES ('a', 'new')")
    with folder.writing() as db:
        db.execute("DELETE FROM film")


def test_steps_are_taken_once_and_in_order(tmp_path):
    def add(db):
        db.execute("ALTER TABLE film ADD COLUMN extra TEXT NOT NULL DEFAULT 'x'")

    first = open_folder(tmp_path / "q")
    with first.writing() as db:
        db.execute("INSERT INTO film (name, state) VALUES ('a', 'new')")
    first.close()
    for _ in range(2):
        second = open_folder(tmp_path / "q", (make_table, add))
        assert [row["extra"] for row in second.all("SELECT * FROM film")] == ["x"]
        second.close()
    with pytest.raises(SetupError, match=r"IN_USE: its tables are of version 2; .* newer lungspot, or give another --"):
        open_folder(tmp_path / "q")


def test_a_step_that_fails_leaves_the_database_as_it_was(tmp_path):
    def fail(db):
        db.execute("DROP TABLE film")
        raise ZeroDivisionError

    open_folder(tmp_path / "q").close()
    with pytest.raises(ZeroDivisionError):
        open_folder(tmp_path / "q", (make_table, fail))
    again = open_folder(tmp_path / "q")  # the folder was let go of
    assert again.all("SELECT * FROM film") == []
    again.close()


def test_a_damaged_database_is_refused_and_left_alone(tmp_path):
    (tmp_path / "q.db").write_bytes(b"no database" * 100)
    for _ in range(2):
        with pytest.raises(SetupError, match="NOT_READABLE: file is not a database; restore it from a backup"):
            open_folder(tmp_path)
    assert (tmp_path / "q.db").read_bytes() == b"no database" * 100


def make(name, what):
    """A function that puts something into a folder where something else belongs."""

    def put(folder):
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        return {"file": path.touch, "folder": path.mkdir, "dangling": lambda: path.symlink_to("nowhere")}[what]()

    return put


@pytest.mark.parametrize(
    "put",
    [
        lambda folder: folder.touch(),
        lambda folder: folder.symlink_to("nowhere"),
        make("lock", "folder"),
        make("q.db", "folder"),
        make("films", "file"),
        make("films", "dangling"),
        make("incoming", "file"),
    ],
)
def test_what_is_no_folder_is_one_error_of_the_environment(tmp_path, put):
    put(tmp_path / "q")
    with pytest.raises(SetupError, match=r"NOT_WRITABLE: .*; give another --data") as found:
        open_folder(tmp_path / "q")
    assert found.value.exit_code == 4


@pytest.mark.parametrize("name", ["x" * 256, "/proc/x", "/dev/null/x"])
def test_a_name_that_can_be_no_folder(tmp_path, name):
    with pytest.raises(SetupError, match="NOT_WRITABLE"):
        open_folder(tmp_path / name)


def test_a_full_disk_says_so(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "x")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SetupError, match="NO_SPACE"):
        open_folder(tmp_path)
    monkeypatch.undo()
    open_folder(tmp_path).close()  # it was let go of


def test_files_and_folders_are_discarded(tmp_path):
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "file").touch()
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to("kept")
    for name in ("folder", "file", "link", "nothing"):
        discard(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
