"""The folder of one server: a SQLite database and the films' files, and nothing accepted is ever lost.

::

    lungspot.db     what is known (WAL; every commit reaches the disk)      migrations.py
    lock            held while a server uses the folder
    incoming/       uploads that are still arriving; emptied at the start
    spool/ID        the bytes of an accepted film, until it has been read (lungspot.queue)
    films/ID.u16    its pixels: 16 bits, little-endian, row by row; no header, so nothing about the patient
    films/ID.npy    its heat maps, float32, shape (labels, h, w)
    originals/ID    the film as it came, only with --keep-identifiers

A film is accepted when its bytes are in ``spool/`` **and** its row is committed, in this order, each synced to the
disk. It is done when ``films/`` **and** then the row say so; only then do the bytes go. So a server that is killed at
any moment leaves either a film to read at the next start, or a result; :class:`Store` cleans up what lies between.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from lungspot.durable import sync_path
from lungspot.errors import RequestError
from lungspot.queue import FilmQueue, QueueFolder, discard, is_queue_name
from lungspot.serve.migrations import MIGRATIONS
from lungspot.serve.search_text import search_text

__all__ = ["Accepted", "Arrived", "ClaimedFilm", "QueueState", "Store", "now"]


class QueueState(StrEnum):
    """How far a film has come: it waits, it is being read, or its result is there."""

    QUEUED = "queued"
    READING = "reading"
    DONE = "done"


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
class ClaimedFilm:
    """A film to be read: its row's number and id, its name for results, its bytes, and its attempts before this one.

    ``exhausted``: it was tried as often as any film is, for the server ended in the midst of it each time.
    """

    number: int
    id: str
    name: str
    path: Path
    attempts: int
    exhausted: bool


class Store:
    """The database and the files of ``folder``; every method may be called from any thread."""

    def __init__(self, folder: Path, *, queue: int = 256, keep_identifiers: bool = False) -> None:
        """Open or make the folder; ``queue``: films that may wait. Raises what QueueFolder raises (IN_USE, …)."""
        self.folder = folder
        self.keep_identifiers = keep_identifiers
        self._most = queue
        self._folder = QueueFolder(
            folder, "lungspot.db", MIGRATIONS, folders=("spool", "films", "originals"), owner="server", option="--data"
        )
        try:
            self._prepare()
        except BaseException:
            self._folder.close()
            raise

    def _prepare(self) -> None:
        with self._folder.unusable():
            self._queue = FilmQueue(
                self._folder,
                "spool",
                table="readings",
                key="id",
                waiting=QueueState.QUEUED,
                working=QueueState.READING,
            )
            self.salt = bytes(self.one("SELECT value FROM meta WHERE name = 'salt'")[0])
            self._recover()

    def close(self) -> None:
        """Close the database and give the folder free."""
        self._folder.close()

    # --- reading and writing ------------------------------------------------------------------------------------------

    def all(self, query: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Return the rows of a query."""
        return self._folder.all(query, values)

    def one(self, query: str, values: Sequence[Any] = ()) -> sqlite3.Row:
        """Return the first row of a query; raises ``NO_READING`` where there is none."""
        rows = self.all(query, values)
        if not rows:
            raise RequestError("NO_READING", None, "there is no such reading")
        return rows[0]

    def writing(self) -> AbstractContextManager[sqlite3.Connection]:
        """Give the connection for one transaction: all of it is on the disk afterwards, or nothing."""
        return self._folder.writing()

    def written(self) -> tuple[int, int]:
        """Return a pair that differs from an earlier one where anything was written since, by whatever process."""
        return self._folder.written()

    @property
    def waiting(self) -> int:
        """How many films are accepted and not yet done."""
        return self._queue.count

    # --- a film's life ------------------------------------------------------------------------------------------------

    def accept(self, films: Sequence[Arrived]) -> list[Accepted]:
        """Take films over, durably, all or none; raises ``BUSY`` where the queue has no place for all of them."""
        with self._folder.lock:
            known: dict[str, Accepted] = {}
            fresh: list[tuple[str, Arrived, int | None]] = []
            answers = [self._meet(film, known, fresh) for film in films]
            if self.waiting + len(fresh) > self._most:
                raise RequestError("BUSY", None, f"{self.waiting} films wait; {self._most} may")
            with self._queue.entering({identifier: film.path for identifier, film, _ in fresh}) as db:
                for identifier, film, number in fresh:
                    self._insert(db, identifier, film, number)
            return answers

    def claim(self) -> ClaimedFilm | None:
        """Return the next film to read, marked as being read; None where nothing waits."""
        claim = self._queue.claim()
        if claim is None:
            return None
        name = claim.row["name"] or f"film {claim.row['number']}"
        path = self.spooled(claim.key)
        return ClaimedFilm(claim.row["number"], claim.key, name, path, claim.attempts, claim.exhausted)

    def finish(self, claimed: ClaimedFilm, values: dict[str, Any], scores: Sequence[tuple[str, float, bool]]) -> bool:
        """Write a result down; False where the film was deleted meanwhile. Its files must be in place and synced."""
        rows = [(claimed.number, label, score, positive) for label, score, positive in scores]
        sync_path(self.folder / "films")
        with self._folder.lock:
            done = self._queue.finish(
                claimed.id,
                QueueState.DONE,
                {**values, "finished": now()},
                lambda db: db.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?)", rows),
            )
            if done:
                self._release(claimed.id)
            else:
                self._remove_files(claimed.id)
        return done

    def give_back(self, claimed: ClaimedFilm, *, count_attempt: bool) -> None:
        """Put a film back into the queue; ``count_attempt``: False where this machine failed, not the film."""
        self._queue.release(claimed.id, attempts=claimed.attempts + count_attempt)

    def delete(self, identifier: str) -> None:
        """Remove a film, its result and its reviews; raises ``NO_READING``."""
        with self._folder.lock:
            if self._queue.remove(identifier) is None:
                raise RequestError("NO_READING", identifier[:64], "there is no such reading")
            self._remove_files(identifier)

    def remember_model(self, sha256: str, card: str, runtime: str) -> None:
        """Keep the card of a model, for results that outlive it."""
        with self.writing() as db:
            db.execute("INSERT OR IGNORE INTO models VALUES (?, ?, ?)", (sha256, card, runtime))

    # --- files --------------------------------------------------------------------------------------------------------

    def spooled(self, identifier: str) -> Path:
        """Return where the bytes of a film that waits are."""
        return self._queue.path(identifier)

    def pixels(self, identifier: str) -> Path:
        """Return where a film's pixels are."""
        return self.folder / "films" / f"{identifier}.u16"

    def maps(self, identifier: str) -> Path:
        """Return where a film's heat maps are."""
        return self.folder / "films" / f"{identifier}.npy"

    def original(self, identifier: str) -> Path:
        """Return where a film's file as it came is, where identifiers are kept."""
        return self.folder / "originals" / identifier

    def free(self) -> int:
        """Return how many bytes the disk still takes."""
        return self._folder.free()

    def _meet(
        self, film: Arrived, known: dict[str, Accepted], fresh: list[tuple[str, Arrived, int | None]]
    ) -> Accepted:
        """Say what a film of an upload is: new, here already, or one to be tried again."""
        if film.sha256 in known:
            return Accepted(known[film.sha256].id, film.name, known[film.sha256].state, duplicate=True)
        rows = self.all("SELECT number, id, state, readable FROM readings WHERE sha256 = ?", (film.sha256,))
        if rows and (rows[0]["state"] != QueueState.DONE or rows[0]["readable"]):
            answer = Accepted(rows[0]["id"], film.name, rows[0]["state"], duplicate=True)
        else:
            identifier = rows[0]["id"] if rows else secrets.token_hex(8)
            fresh.append((identifier, film, rows[0]["number"] if rows else None))
            answer = Accepted(identifier, film.name, QueueState.QUEUED, duplicate=bool(rows))
        known[film.sha256] = answer
        return answer

    def _insert(self, db: sqlite3.Connection, identifier: str, film: Arrived, number: int | None) -> None:
        if number is not None:
            db.execute(
                "UPDATE readings SET state = ?, attempts = 0, finished = NULL, status = NULL, urgency = -1"
                " WHERE number = ?",
                (QueueState.QUEUED, number),
            )
            return
        name = film.name if self.keep_identifiers else None
        db.execute(
            "INSERT INTO readings (id, sha256, name, state, created, found_by) VALUES (?, ?, ?, ?, ?, ?)",
            (identifier, film.sha256, name, QueueState.QUEUED, now(), search_text(name or "")),
        )

    def _release(self, identifier: str) -> None:
        if self.keep_identifiers and self.spooled(identifier).exists():
            self.spooled(identifier).replace(self.original(identifier))
        else:
            self.spooled(identifier).unlink(missing_ok=True)

    def _remove_files(self, identifier: str) -> None:
        for path in (
            self.spooled(identifier),
            self.pixels(identifier),
            self.maps(identifier),
            self.original(identifier),
        ):
            path.unlink(missing_ok=True)

    def _recover(self) -> None:
        """Remove the files that belong to no film, or no longer to theirs."""
        for path, state in self._queue.orphans((QueueState.QUEUED, QueueState.READING)):
            if state == QueueState.DONE:  # killed before the bytes went
                self._release(path.name)
            else:
                discard(path)
        rows = {row["id"]: row["state"] for row in self.all("SELECT id, state FROM readings")}
        for name in ("films", "originals"):
            for path in (self.folder / name).iterdir():
                if rows.get(path.stem) != QueueState.DONE and is_queue_name(path.name):
                    discard(path)


def now() -> str:
    """Return the time as results carry it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
