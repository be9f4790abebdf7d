"""The folder of one server: a SQLite database and the films' files, and nothing accepted is ever lost.

::

    lungspot.db     what is known (WAL; every commit reaches the disk)      migrations.py
    lock            held while a server uses the folder
    incoming/       uploads that are still arriving; emptied at the start
    spool/ID        the bytes of an accepted film, until it has been read
    films/ID.u16    its pixels: 16 bits, little-endian, row by row; no header, so nothing about the patient
    films/ID.npy    its heat maps, float32, shape (labels, h, w)
    originals/ID    the film as it came, only with --keep-identifiers

A film is accepted when its bytes are in ``spool/`` **and** its row is committed, in this order, each synced to the
disk. It is done when ``films/`` **and** then the row say so; only then do the bytes go. So a server that is killed at
any moment leaves either a film to read at the next start, or a result; :class:`Store` cleans up what lies between.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from lungspot.durable import sync_path
from lungspot.errors import RequestError, SetupError
from lungspot.serve.migrations import migrate

__all__ = ["Accepted", "Arrived", "Store", "Task", "now"]

_IN_A_ROW: Final = 3  # times that a film is tried; then those that were tried less come first
_MOST_ATTEMPTS: Final = 12  # a film that was being read so often when the server ended is not tried again
_FOLDERS: Final = ("incoming", "spool", "films", "originals")


@dataclass(frozen=True, slots=True)
class Arrived:
    """One film that has arrived: its synced file in ``incoming/``, the uploader's name for it, and its SHA-256."""

    path: Path
    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of one film of an upload; ``duplicate``: these bytes were here before."""

    id: str
    name: str
    state: str
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Task:
    """A film to be read: its row's number and id, its name for results, its bytes; ``hopeless`` after many attempts."""

    number: int
    id: str
    name: str
    path: Path
    hopeless: bool


class Store:
    """The database and the files of ``folder``; every method may be called from any thread."""

    def __init__(self, folder: Path, *, queue: int = 256, keep_identifiers: bool = False) -> None:
        self.folder = folder
        self.queue = queue
        self.keep_identifiers = keep_identifiers
        self._lock = threading.RLock()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in _FOLDERS:
            (folder / name).mkdir(mode=0o700, exist_ok=True)
        self._held = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._held)
            raise SetupError("IN_USE", folder, "another server uses this folder") from None
        try:
            self._open()
        except BaseException:
            os.close(self._held)
            raise

    def _open(self) -> None:
        folder = self.folder
        (folder / "lungspot.db").touch(mode=0o600)
        self._db = sqlite3.connect(folder / "lungspot.db", isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        try:
            self._prepare()
        except sqlite3.DatabaseError as error:
            self._db.close()
            advice = "restore it from a backup, or give another --data"
            raise SetupError("NOT_READABLE", folder / "lungspot.db", str(error), advice=advice) from error
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
            self._db.execute(f"PRAGMA {pragma}")
        migrate(self._db, self.folder)
        self.salt = bytes(self.one("SELECT value FROM meta WHERE name = 'salt'")[0])
        self._recover()
        sync_path(self.folder)
        self._waiting = int(self.one("SELECT count(*) FROM readings WHERE state <> 'done'")[0])

    def close(self) -> None:
        """Close the database and give the folder free."""
        with self._lock:
            self._db.close()
            os.close(self._held)

    # --- reading and writing ------------------------------------------------------------------------------------------

    def all(self, query: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Return the rows of a query."""
        with self._lock:
            return self._db.execute(query, values).fetchall()

    def one(self, query: str, values: Sequence[Any] = ()) -> sqlite3.Row:
        """Return the first row of a query; raises ``NO_READING`` where there is none."""
        rows = self.all(query, values)
        if not rows:
            raise RequestError("NO_READING", None, "there is no such reading")
        return rows[0]

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for one transaction: all of it is on the disk afterwards, or nothing."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise

    @property
    def waiting(self) -> int:
        """How many films are accepted and not yet done."""
        return self._waiting

    # --- a film's life ------------------------------------------------------------------------------------------------

    def accept(self, films: Sequence[Arrived]) -> list[Accepted]:
        """Take films over, durably, all or none; raises ``BUSY`` where the queue has no place for all of them."""
        with self._lock:
            known: dict[str, Accepted] = {}
            fresh: list[tuple[str, Arrived, int | None]] = []
            answers = [self._meet(film, known, fresh) for film in films]
            if self._waiting + len(fresh) > self.queue:
                raise RequestError("BUSY", None, f"{self._waiting} films wait; {self.queue} may")
            try:
                for identifier, film, _ in fresh:
                    film.path.replace(self.spooled(identifier))
                sync_path(self.folder / "spool")
                with self.writing() as db:
                    for identifier, film, number in fresh:
                        self._insert(db, identifier, film, number)
            except BaseException:
                for identifier, _, _ in fresh:
                    self.spooled(identifier).unlink(missing_ok=True)
                raise
            self._waiting += len(fresh)
            return answers

    def claim(self) -> Task | None:
        """Return the next film to read, marked as being read; None where nothing waits."""
        with self.writing() as db:
            row = db.execute(
                "UPDATE readings SET state = 'reading', attempts = attempts + 1 WHERE number ="
                " (SELECT number FROM readings WHERE state = 'queued' ORDER BY attempts / ?, number LIMIT 1)"
                " RETURNING number, id, name, attempts",
                (_IN_A_ROW,),
            ).fetchone()
        if row is None:
            return None
        name = row["name"] or f"film {row['number']}"
        return Task(row["number"], row["id"], name, self.spooled(row["id"]), row["attempts"] > _MOST_ATTEMPTS)

    def finish(self, task: Task, values: dict[str, Any], scores: Sequence[tuple[str, float, bool]]) -> bool:
        """Write a result down; False where the film was deleted meanwhile. Its files must be in place and synced."""
        columns = {**values, "state": "done", "finished": now()}
        sync_path(self.folder / "films")
        with self._lock:
            with self.writing() as db:
                set_to = ", ".join(f"{name} = :{name}" for name in columns)
                done = db.execute(f"UPDATE readings SET {set_to} WHERE number = :number AND state = 'reading'",  # noqa: S608 - our own names
                                  {**columns, "number": task.number}).rowcount  # fmt: skip
                if done:
                    rows = [(task.number, label, score, positive) for label, score, positive in scores]
                    db.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?)", rows)
            if done:
                self._waiting -= 1
                self._release(task.id)
            else:
                self._remove_files(task.id)
        return bool(done)

    def give_back(self, task: Task, *, innocent: bool) -> None:
        """Put a film back into the queue; ``innocent``: this machine failed, not the film, and it is no attempt."""
        with self.writing() as db:
            db.execute(
                "UPDATE readings SET state = 'queued', attempts = attempts - ? WHERE number = ? AND state = 'reading'",
                (int(innocent), task.number),
            )

    def delete(self, identifier: str) -> None:
        """Remove a film, its result and its reviews; raises ``NO_READING``."""
        with self._lock:
            with self.writing() as db:
                row = db.execute("DELETE FROM readings WHERE id = ? RETURNING state", (identifier,)).fetchone()
            if row is None:
                raise RequestError("NO_READING", identifier[:64], "there is no such reading")
            self._waiting -= row["state"] != "done"
            self._remove_files(identifier)

    def remember_model(self, sha256: str, card: str, runtime: str) -> None:
        """Keep the card of a model, for results that outlive it."""
        with self.writing() as db:
            db.execute("INSERT OR IGNORE INTO models VALUES (?, ?, ?)", (sha256, card, runtime))

    # --- files --------------------------------------------------------------------------------------------------------

    def spooled(self, identifier: str) -> Path:
        """Return where the bytes of a film that waits are."""
        return self.folder / "spool" / identifier

    def pixels(self, identifier: str) -> Path:
        """Return where a film's pixels are."""
        return self.folder / "films" / f"{identifier}.u16"

    def maps(self, identifier: str) -> Path:
        """Return where a film's heat maps are."""
        return self.folder / "films" / f"{identifier}.npy"

    def free(self) -> int:
        """Return how many bytes the disk still takes."""
        return shutil.disk_usage(self.folder).free

    def _meet(
        self, film: Arrived, known: dict[str, Accepted], fresh: list[tuple[str, Arrived, int | None]]
    ) -> Accepted:
        """Say what a film of an upload is: new, here already, or one to be tried again."""
        if film.sha256 in known:
            return Accepted(known[film.sha256].id, film.name, known[film.sha256].state, duplicate=True)
        rows = self.all("SELECT number, id, state, readable FROM readings WHERE sha256 = ?", (film.sha256,))
        if rows and (rows[0]["state"] != "done" or rows[0]["readable"]):
            answer = Accepted(rows[0]["id"], film.name, rows[0]["state"], duplicate=True)
        else:
            identifier = rows[0]["id"] if rows else secrets.token_hex(8)
            fresh.append((identifier, film, rows[0]["number"] if rows else None))
            answer = Accepted(identifier, film.name, "queued", duplicate=bool(rows))
        known[film.sha256] = answer
        return answer

    def _insert(self, db: sqlite3.Connection, identifier: str, film: Arrived, number: int | None) -> None:
        if number is not None:
            db.execute(
                "UPDATE readings SET state = 'queued', attempts = 0, finished = NULL, status = NULL, urgency = -1"
                " WHERE number = ?",
                (number,),
            )
            return
        name = film.name if self.keep_identifiers else None
        db.execute(
            "INSERT INTO readings (id, sha256, name, state, created) VALUES (?, ?, ?, 'queued', ?)",
            (identifier, film.sha256, name, now()),
        )

    def _release(self, identifier: str) -> None:
        if self.keep_identifiers and self.spooled(identifier).exists():
            self.spooled(identifier).replace(self.folder / "originals" / identifier)
        else:
            self.spooled(identifier).unlink(missing_ok=True)

    def _remove_files(self, identifier: str) -> None:
        originals = self.folder / "originals" / identifier
        for path in (self.spooled(identifier), self.pixels(identifier), self.maps(identifier), originals):
            path.unlink(missing_ok=True)

    def _recover(self) -> None:
        """Put back into the queue what was being read, and remove what belongs to nothing."""
        with self.writing() as db:
            db.execute("UPDATE readings SET state = 'queued' WHERE state = 'reading'")
        rows = {row["id"]: row["state"] for row in self.all("SELECT id, state FROM readings")}
        shutil.rmtree(self.folder / "incoming")  # an export's folders may lie there too
        (self.folder / "incoming").mkdir(mode=0o700)
        for path in (self.folder / "spool").iterdir():
            if path.name not in rows:
                path.unlink()
            elif rows[path.name] == "done":
                self._release(path.name)
        for name in ("films", "originals"):
            for path in (self.folder / name).iterdir():
                if rows.get(path.stem) != "done":
                    path.unlink()


def now() -> str:
    """Return the time as results carry it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
