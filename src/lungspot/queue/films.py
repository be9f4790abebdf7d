"""The queue: a table of films and a folder of their files, kept in step so that no crash loses or doubles a film.

- **In: file before row.** A film's file is renamed into the folder and the folder synced, then its row is committed;
  only then has it been accepted. A crash between the two leaves a file that no row speaks of.
- **Out: row before file.** What was made of a film is on the disk, then its row says so; only then may its file go.
- **Attempts are counted before work begins**, in the commit that claims the film, so that a film that ends the process
  each time is known for it. After three attempts in a row others go first; after twelve the owner gives it up.

Whoever owns the table (``serve``, ``node``) declares it, with whatever columns it likes beside ``number``, ``state``,
``attempts``, ``due`` (seconds since 1970) and the one that holds the film's key, which names its file.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from lungspot.durable import sync_path
from lungspot.queue.folder import QueueFolder, is_queue_name

__all__ = ["ATTEMPTS", "IN_A_ROW", "Claim", "FilmQueue", "back_off", "next_attempt"]

ATTEMPTS: Final = 12  # at a film, then its owner gives it up; a crash in the midst of one counts
IN_A_ROW: Final = 3  # attempts, then other films come first: one that ends the process must not hold them up
_LONGEST_WAIT: Final = 300.0
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def back_off(attempts: int) -> float:
    """Return how many seconds to wait after so many attempts: 1, 2, 4, … 300."""
    return min(_LONGEST_WAIT, 2.0 ** min(attempts - 1, 30)) if attempts > 0 else 0.0


def next_attempt(attempts: int) -> float | None:
    """Return the seconds to wait after one attempt more than ``attempts``, None where that was the last."""
    return back_off(attempts + 1) if attempts + 1 < ATTEMPTS else None


@dataclass(frozen=True, slots=True)
class Claim:
    """A film that is being worked on: its key, its row as it was claimed, and its attempts before this one."""

    key: str
    row: sqlite3.Row
    attempts: int

    @property
    def exhausted(self) -> bool:
        """Whether it was tried as often as any film is."""
        return self.attempts >= ATTEMPTS


class FilmQueue:
    """The films of one table; every method may be called from any thread.

    A film waits in the state ``waiting``; while it is claimed it is in ``working``. All other states are the owner's.
    """

    def __init__(  # noqa: PLR0913 - a table's names
        self,
        folder: QueueFolder,
        files: str,
        *,
        table: str,
        key: str,
        waiting: str,
        working: str,
        suffix: str = "",
    ) -> None:
        """Take over a table and the folder ``files``; a film's file is its key and ``suffix``.

        What was being worked on when the process ended waits again.
        """
        self._folder, self._files, self._suffix = folder, folder.folder / files, suffix
        self._table, self._key, self._waiting, self._working = table, key, waiting, working
        self._changed = threading.Condition()
        with folder.writing() as db:
            db.execute(f"UPDATE {table} SET state = ? WHERE state = ?", (waiting, working))  # noqa: S608 - our own names
        self._count = int(folder.all(f"SELECT count(*) FROM {table} WHERE state = ?", (waiting,))[0][0])  # noqa: S608 - our own names

    @property
    def count(self) -> int:
        """How many films wait or are being worked on."""
        return self._count

    def path(self, key: str) -> Path:
        """Return where a film's file is."""
        return self._files / f"{key}{self._suffix}"

    # --- films come in ------------------------------------------------------------------------------------------------

    @contextmanager
    def entering(self, films: Mapping[str, Path]) -> Iterator[sqlite3.Connection]:
        """Accept films, all or none; the block writes their rows, in the state ``waiting``.

        ``films``: by key, the synced file of each, on the same disk; it is moved. When the block has ended, films and
        rows are on the disk. Where anything fails, none of the files is left.
        """
        with self._folder.lock:
            try:
                for key, path in films.items():
                    path.replace(self.path(key))
                sync_path(self._files)
                with self._folder.writing() as db:
                    yield db
            except BaseException:
                for key in films:
                    self.path(key).unlink(missing_ok=True)
                raise
            self._count += len(films)
        self.wake()

    # --- films are worked on ------------------------------------------------------------------------------------------

    def claim(self) -> Claim | None:
        """Return the next film that is due, None where there is none; its attempt is on the disk already.

        The oldest comes first, until it was tried three times; then those that were tried less.
        """
        table, now = self._table, time.time()
        with self._folder.writing() as db:
            row = db.execute(
                f"UPDATE {table} SET state = ?, attempts = attempts + 1 WHERE number = (SELECT number FROM {table}"  # noqa: S608 - our own names
                " WHERE state = ? AND (due <= ? OR due > ?) ORDER BY attempts / ?, number LIMIT 1) RETURNING *",
                (self._working, self._waiting, now, self.clock_was_set_back(now), IN_A_ROW),
            ).fetchone()
        return None if row is None else Claim(row[self._key], row, row["attempts"] - 1)

    def finish(
        self,
        key: str,
        state: str,
        values: Mapping[str, Any] = _NOTHING,
        also: Callable[[sqlite3.Connection], object] | None = None,
    ) -> bool:
        """Write down what became of a claimed film; False where it is claimed no more, because it was removed, say.

        What was made of it must be on the disk. ``values``: columns; ``also`` may write into other tables, in the same
        transaction. The film's file stays; the owner removes or moves it now (:meth:`path`).
        """
        return self.move(key, state, values, only_from=(self._working,), also=also)

    def release(
        self,
        key: str,
        *,
        attempts: int,
        seconds: float = 0.0,
        values: Mapping[str, Any] = _NOTHING,
        states: tuple[str, str] | None = None,
    ) -> bool:
        """Put a claimed film back, due in so many seconds; False where it is claimed no more.

        ``attempts``: how often it counts as tried: ``claim.attempts`` where the machine failed, not the film; else one
        more. ``states``: from and to, where they are not the queue's own.
        """
        worked, waits = states or (self._working, self._waiting)
        return self.move(
            key, waits, {**values, "attempts": attempts, "due": time.time() + seconds}, only_from=(worked,)
        )

    def move(
        self,
        key: str,
        state: str,
        values: Mapping[str, Any] = _NOTHING,
        *,
        only_from: Collection[str] = (),
        also: Callable[[sqlite3.Connection], object] | None = None,
    ) -> bool:
        """Bring a film into a state, from one of ``only_from`` or any; False where it was in none of them."""
        with self._folder.lock:
            with self._folder.writing() as db:
                row = db.execute(f"SELECT state FROM {self._table} WHERE {self._key} = ?", (key,)).fetchone()  # noqa: S608 - our own names
                if row is None or (only_from and row["state"] not in only_from):
                    return False
                set_to = ", ".join(f"{name} = ?" for name in ("state", *values))
                update = f"UPDATE {self._table} SET {set_to} WHERE {self._key} = ?"  # noqa: S608 - our own names
                db.execute(update, (state, *values.values(), key))
                if also is not None:
                    also(db)
            self._count += self._is_open(state) - self._is_open(row["state"])
        self.wake()
        return True

    def remove(self, key: str) -> str | None:
        """Remove a film's row, then its file; return the state that it was in, None where there is no such film."""
        with self._folder.lock:
            with self._folder.writing() as db:
                delete = f"DELETE FROM {self._table} WHERE {self._key} = ? RETURNING state"  # noqa: S608 - our own names
                row = db.execute(delete, (key,)).fetchone()
            if row is None:
                return None
            self._count -= self._is_open(row["state"])
            self.path(key).unlink(missing_ok=True)
        return str(row["state"])

    # --- what a crash left --------------------------------------------------------------------------------------------

    def orphans(self, with_file: Collection[str]) -> Iterator[tuple[Path, str | None]]:
        """Yield the files of films that are in none of these states, each with the film's state, None without a row."""
        query = f"SELECT {self._key} AS key, state FROM {self._table}"  # noqa: S608 - our own names
        states = {row["key"]: row["state"] for row in self._folder.all(query)}
        for path in self._files.iterdir():
            state = states.get(path.name.removesuffix(self._suffix))
            if state not in with_file and (state or is_queue_name(path.name)):
                yield path, state

    def missing(self, with_file: Collection[str]) -> list[str]:
        """Return the keys of films in these states that have no file: their rows were written as the disk failed."""
        query = f"SELECT {self._key} AS key, state FROM {self._table}"  # noqa: S608 - our own names
        keys = [row["key"] for row in self._folder.all(query) if row["state"] in with_file]
        return [key for key in keys if not self.path(key).exists()]

    # --- waiting for work ---------------------------------------------------------------------------------------------

    def pause(self, seconds: float) -> None:
        """Wait until a film changes its state, :meth:`wake` is called, or so long."""
        with self._changed:
            self._changed.wait(seconds)

    def wake(self) -> None:
        """End every :meth:`pause`."""
        with self._changed:
            self._changed.notify_all()

    @staticmethod
    def clock_was_set_back(now: float) -> float:
        """Return the ``due`` beyond which no film waits: one that seems to was put back before the clock was."""
        return now + _LONGEST_WAIT

    def _is_open(self, state: str) -> bool:
        return state in {self._waiting, self._working}
