"""The spool: films that were acknowledged and results that wait to be sent, so that no crash loses or doubles one.

    films/SHA256.dcm        a film, whole (written aside, flushed, then moved here)
    results/SHA256/NN.dcm   its results
    journal.sqlite          one row a film: received → analysed → sent, or failed

A film is its bytes: sent twice, it is one film. Its row is committed after its file is on the disk and before the
sender hears "success"; it is removed, files first forgotten, only after the archive has said that it holds the results.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lungspot.durable import sync_path
from lungspot.errors import SetupError

__all__ = ["ATTEMPTS", "Job", "Spool", "back_off"]

ATTEMPTS: Final = 12  # then a film is set aside as failed; a crash in the midst of one counts
_IN_A_ROW: Final = 3  # of them, then others come first: a film that ends the node must not hold them up
KEEP_SECONDS: Final = 30 * 86400  # how long the journal remembers what it has sent, at least
_LONGEST_WAIT: Final = 300.0
_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE film (
    number INTEGER PRIMARY KEY,
    sha256 TEXT NOT NULL UNIQUE,
    instance TEXT NOT NULL,
    study TEXT NOT NULL,
    source TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('received', 'analysed', 'sent', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    changed REAL NOT NULL
) STRICT;
CREATE INDEX film_by_state ON film (state, due, number);
CREATE INDEX film_by_instance ON film (instance);
"""


@dataclass(frozen=True, slots=True)
class Job:
    """One film in the spool: the hash of its file, its UIDs, who sent it, and how often it was tried."""

    sha256: str
    instance: str
    study: str
    source: str
    attempts: int

    @property
    def name(self) -> str:
        """What ordinary logs call it: nothing in it comes from the film's header."""
        return f"film {self.sha256[:12]}"


def back_off(attempts: int) -> float:
    """Return how many seconds to wait after so many attempts: 1, 2, 4, … 300."""
    return min(_LONGEST_WAIT, 2.0 ** min(attempts - 1, 30)) if attempts > 0 else 0.0


class Spool:
    """An open spool folder; threads may share it, other processes may not."""

    def __init__(self, folder: Path, *, reserve: int = 0, keep_seconds: float = KEEP_SECONDS) -> None:
        """Open or make the spool, and put right what a crash left half done.

        ``reserve``: bytes that must stay free on the disk, so that films already taken can be finished.
        ``keep_seconds``: how long the journal remembers what it has sent. Raises SetupError IN_USE, or OSError.
        """
        self.folder, self.reserve, self._keep_seconds = folder, reserve, keep_seconds
        self._films, self._results, self._incoming = (folder / name for name in ("films", "results", "incoming"))
        for path in (folder, self._films, self._results, self._incoming):
            path.mkdir(mode=0o700, parents=path is folder, exist_ok=True)
        self._held = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._held)
            raise SetupError("IN_USE", folder, "another node works in this folder") from error
        self._lock = threading.RLock()
        self._changed = threading.Condition()
        self._journal = sqlite3.connect(folder / "journal.sqlite", check_same_thread=False, isolation_level=None)
        self._journal.execute("PRAGMA journal_mode = WAL")
        self._journal.execute("PRAGMA synchronous = FULL")
        if self._journal.execute("PRAGMA user_version").fetchone()[0] < _VERSION:
            self._journal.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
        self._recover()

    def close(self) -> None:
        """Close the journal and let go of the folder."""
        with self._lock:
            self._journal.close()
            os.close(self._held)

    # --- films come in ----------------------------------------------------------------------------------------------

    def admit(self, data: Sequence[bytes | memoryview], *, instance: str, study: str, source: str) -> bool:
        """Keep a film, given as the parts of its file, for good; tell whether it is new.

        When this returns, the film is on the disk. OSError or sqlite3.Error: it is not, and nothing of it is left.
        A film that had failed is tried again.
        """
        digest = hashlib.sha256()
        for part in data:
            digest.update(part)
        sha256 = digest.hexdigest()
        if self._is_known(sha256):
            return False
        if self.free() < sum(len(part) for part in data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder))
        handle, name = tempfile.mkstemp(dir=self._incoming)
        try:
            with os.fdopen(handle, "wb") as file:
                for part in data:
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            return self._enter(Path(name), sha256, instance, study, source)
        finally:
            Path(name).unlink(missing_ok=True)

    def free(self) -> int:
        """Return how many bytes may still be used for films."""
        return shutil.disk_usage(self.folder).free - self.reserve

    def holds(self, instance: str) -> bool:
        """Tell whether a film with this SOP Instance UID was ever taken, as far as the journal remembers."""
        with self._lock:
            return self._journal.execute("SELECT 1 FROM film WHERE instance = ?", (instance,)).fetchone() is not None

    def _enter(self, file: Path, sha256: str, instance: str, study: str, source: str) -> bool:
        with self._lock:
            if self._is_known(sha256):  # the same film came by another association meanwhile
                return False
            target = self.film(sha256)
            file.replace(target)
            try:
                sync_path(self._films)
                self._write(
                    "INSERT INTO film (sha256, instance, study, source, state, changed)"
                    " VALUES (?, ?, ?, ?, 'received', ?)",
                    (sha256, instance, study, source, time.time()),
                )
            except BaseException:
                target.unlink(missing_ok=True)
                raise
        self.wake()
        return True

    def _is_known(self, sha256: str) -> bool:
        with self._lock:
            row = self._journal.execute("SELECT state FROM film WHERE sha256 = ?", (sha256,)).fetchone()
            if row is None:
                return False
            if row[0] != "sent" and not self.film(sha256).exists():  # its row was written as the disk failed
                self._write("DELETE FROM film WHERE sha256 = ?", (sha256,))
                return False
            if row[0] == "failed":
                self._move(sha256, "received", reason="sent again")
        self.wake()
        return True

    # --- films are read ---------------------------------------------------------------------------------------------

    def film(self, sha256: str) -> Path:
        """Return where a film lies."""
        return self._films / f"{sha256}.dcm"

    def take(self) -> Job | None:
        """Return the next film to be read, or None; its attempt is counted before it begins.

        The oldest comes first, until it was tried three times; then those that were tried less.
        """
        with self._lock:
            while (job := self._oldest("received")) is not None:
                if job.attempts < ATTEMPTS:
                    self._write("UPDATE film SET attempts = attempts + 1 WHERE sha256 = ?", (job.sha256,))
                    return job
                self.fail(job, "the node stopped each time it read this film")
            return None

    def keep_results(self, job: Job, files: Sequence[bytes]) -> None:
        """Keep the results of a film, ready to be sent; OSError where the disk is full, and then nothing is kept."""
        folder = self._results / job.sha256
        aside = Path(tempfile.mkdtemp(dir=self._incoming))
        try:
            for number, data in enumerate(files):
                with (aside / f"{number:02d}.dcm").open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
            sync_path(aside)
            shutil.rmtree(folder, ignore_errors=True)  # of an attempt that a crash cut off before its row was written
            aside.replace(folder)
            sync_path(self._results)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        self._move(job.sha256, "analysed")
        self.wake()

    # --- results go out ---------------------------------------------------------------------------------------------

    def ready(self, most: int) -> list[Job]:
        """Return at most so many films whose results wait to be sent: those not tried yet, then those longest due."""
        with self._lock:
            rows = self._journal.execute(
                "SELECT sha256, instance, study, source, attempts FROM film"
                " WHERE state = 'analysed' AND due <= ? ORDER BY due, number LIMIT ?",
                (time.time(), most),
            ).fetchall()
        return [Job(*row) for row in rows]

    def results(self, job: Job) -> list[Path]:
        """Return the files of a film's results."""
        return sorted((self._results / job.sha256).iterdir())

    def sent(self, job: Job) -> None:
        """Note that the archive holds a film's results, then let go of film and results."""
        self._move(job.sha256, "sent")
        self._forget(job.sha256)

    # --- what went wrong --------------------------------------------------------------------------------------------

    def postpone(self, job: Job, reason: str, *, count: bool = False) -> bool:
        """Try again later, or set the film aside where this was its last attempt; tell whether it is tried again.

        ``count``: this attempt was not counted when it began.
        """
        attempts = job.attempts + 1
        if attempts >= ATTEMPTS:
            self.fail(job, reason)
            return False
        self._write(
            "UPDATE film SET due = ?, reason = ?, attempts = attempts + ? WHERE sha256 = ?",
            (time.time() + back_off(attempts), reason, int(count), job.sha256),
        )
        return True

    def wait(self, job: Job, reason: str, seconds: float) -> None:
        """Try again later through no fault of the film's: this attempt does not count."""
        self._write(
            "UPDATE film SET due = ?, reason = ?, attempts = ? WHERE sha256 = ?",
            (time.time() + seconds, reason, job.attempts, job.sha256),
        )

    def fail(self, job: Job, reason: str) -> None:
        """Set a film aside; its files stay in the spool until it is sent again."""
        self._move(job.sha256, "failed", reason=reason)

    def retry_failed(self) -> int:
        """Give all films that were set aside another chance: to be sent where they have results, else to be read."""
        with self._lock:
            rows = self._journal.execute("SELECT sha256 FROM film WHERE state = 'failed'").fetchall()
            for (sha256,) in rows:
                self._move(sha256, "analysed" if (self._results / sha256).is_dir() else "received")
        return len(rows)

    def pause(self, seconds: float) -> None:
        """Wait until something changes here, or so long."""
        with self._changed:
            self._changed.wait(seconds)

    def wake(self) -> None:
        """End every :meth:`pause`."""
        with self._changed:
            self._changed.notify_all()

    def counts(self) -> dict[str, int]:
        """Return how many films are in each state."""
        with self._lock:
            found = dict(self._journal.execute("SELECT state, COUNT(*) FROM film GROUP BY state").fetchall())
        return {state: found.get(state, 0) for state in ("received", "analysed", "sent", "failed")}

    # --- inside -----------------------------------------------------------------------------------------------------

    def _oldest(self, state: str) -> Job | None:
        row = self._journal.execute(
            "SELECT sha256, instance, study, source, attempts FROM film"
            " WHERE state = ? AND due <= ? ORDER BY attempts / ?, number LIMIT 1",
            (state, time.time(), _IN_A_ROW),
        ).fetchone()
        return None if row is None else Job(*row)

    def _move(self, sha256: str, state: str, *, reason: str = "") -> None:
        self._write(
            "UPDATE film SET state = ?, attempts = 0, due = 0, reason = ?, changed = ? WHERE sha256 = ?",
            (state, reason, time.time(), sha256),
        )

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        with self._lock:
            self._journal.execute(statement, values)

    def _forget(self, sha256: str) -> None:
        self.film(sha256).unlink(missing_ok=True)
        shutil.rmtree(self._results / sha256, ignore_errors=True)

    def _recover(self) -> None:
        """Remove what no row speaks of (never acknowledged, or sent already), and rows older than the memory."""
        shutil.rmtree(self._incoming)
        self._incoming.mkdir(mode=0o700)
        self._write("DELETE FROM film WHERE state = 'sent' AND changed < ?", (time.time() - self._keep_seconds,))
        kept = dict(self._journal.execute("SELECT sha256, state FROM film WHERE state != 'sent'").fetchall())
        for sha256, state in kept.items():
            if not self.film(sha256).exists():  # its row was written as the disk failed; the sender heard of no success
                self._write("DELETE FROM film WHERE sha256 = ?", (sha256,))
            elif state == "analysed" and not (self._results / sha256).is_dir():
                self._move(sha256, "received")
        for path in self._films.iterdir():
            if path.stem not in kept:
                path.unlink()
        for path in self._results.iterdir():
            if kept.get(path.name) not in {"analysed", "failed"}:
                shutil.rmtree(path)
