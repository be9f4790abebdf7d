"""The spool: films that were acknowledged and results that wait to be sent, so that no crash loses or doubles one.

    films/SHA256.dcm        a film, whole (lungspot.queue says how it comes and goes)
    results/SHA256/NN.dcm   its results
    journal.sqlite          one row a film: received → reading → analysed → sent, or failed; and, for three years,
                            what `lungspot watch` looks at, which says nothing about the patient; one row a claimed
                            work item (lungspot.node.workitems); and one a film that later ones are compared with
    earlier.key             by which that row's patient is known again (lungspot.node.earlier)

A film is its bytes: sent twice, it is one film. Its row is removed from the queue, files first forgotten, only after
the archive has said that it holds the results.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pydicom import dcmread

from lungspot.durable import sync_path
from lungspot.node.earlier import KeptFilms
from lungspot.node.migrations import MIGRATIONS
from lungspot.node.states import FilmState
from lungspot.node.workitems import Reference, WorkItems, outputs_to_json, reference_to
from lungspot.queue import FilmQueue, QueueFolder, discard, is_queue_name, next_attempt

__all__ = ["KEEP_SECONDS", "OPEN_STATES", "Job", "Spool"]

_LOG = logging.getLogger("lungspot.node")
KEEP_SECONDS: Final = 30 * 86400  # how long the journal remembers what it has sent, at least
# What a film in the spool waits for, in words; the third until it is tried again.
OPEN_STATES: Final = MappingProxyType(
    {FilmState.RECEIVED: "to be read", FilmState.ANALYSED: "to be sent", FilmState.FAILED: "set aside"}
)
_FACTS_SECONDS: Final = 3 * 366 * 86400
_WITH_FILM: Final = frozenset(FilmState) - {FilmState.SENT}
_WITH_RESULTS: Final = frozenset({FilmState.ANALYSED, FilmState.FAILED})


@dataclass(frozen=True, slots=True)
class Job:
    """One film in the spool: the hash of its file, its UIDs, who sent it, and how often it was tried before."""

    sha256: str
    instance: str
    study: str
    source: str
    attempts: int

    @property
    def name(self) -> str:
        """What ordinary logs call it: nothing in it comes from the film's header."""
        return f"film {self.sha256[:12]}"


class Spool:
    """An open spool folder; threads may share it, other processes may not."""

    def __init__(
        self, folder: Path, *, reserve: int = 0, keep_seconds: float = KEEP_SECONDS, compare_days: int = 0
    ) -> None:
        """Open or make the spool, and put right what a crash left half done.

        ``reserve``: bytes that must stay free on the disk, so that films already taken can be finished.
        ``keep_seconds``: how long the journal remembers what it has sent; ``compare_days``: for how many days it keeps
        what a patient's later films are compared with. Raises SetupError as :class:`~lungspot.queue.QueueFolder` does.
        """
        self.folder, self.reserve, self._keep_seconds = folder, reserve, keep_seconds
        self._results = folder / "results"
        self._journal = QueueFolder(
            folder, "journal.sqlite", MIGRATIONS, folders=("films", "results"), owner="node", option="--spool"
        )
        try:
            with self._journal.unusable():
                self._queue = FilmQueue(
                    self._journal,
                    "films",
                    table="film",
                    key="sha256",
                    waiting=FilmState.RECEIVED,
                    working=FilmState.READING,
                    suffix=".dcm",
                )
                self._recover()
                self.items = WorkItems(self._journal, keep_seconds=keep_seconds)
                self.earlier = KeptFilms(self._journal, compare_days)
        except BaseException:
            self._journal.close()
            raise

    def close(self) -> None:
        """Close the journal and let go of the folder."""
        self._journal.close()

    # --- films come in ----------------------------------------------------------------------------------------------

    def accept(self, data: Sequence[bytes | memoryview], *, instance: str, study: str, source: str) -> bool:
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
        handle, name = tempfile.mkstemp(dir=self._journal.incoming)
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
        return self._journal.free() - self.reserve

    def holds(self, instance: str) -> bool:
        """Tell whether a film with this SOP Instance UID was ever taken, as far as the journal remembers."""
        return bool(self._journal.all("SELECT 1 FROM film WHERE instance = ? LIMIT 1", (instance,)))

    def _enter(self, file: Path, sha256: str, instance: str, study: str, source: str) -> bool:
        with self._journal.lock:
            if self._is_known(sha256):  # the same film came by another association meanwhile
                return False
            with self._queue.entering({sha256: file}) as db:
                db.execute(
                    "INSERT INTO film (sha256, instance, study, source, state, changed) VALUES (?, ?, ?, ?, ?, ?)",
                    (sha256, instance, study, source, FilmState.RECEIVED, time.time()),
                )
        return True

    def _is_known(self, sha256: str) -> bool:
        with self._journal.lock:
            rows = self._journal.all("SELECT state, outputs FROM film WHERE sha256 = ?", (sha256,))
            if not rows:
                return False
            state = rows[0]["state"]
            if state == FilmState.SENT and rows[0]["outputs"] is None:  # by an earlier version; a work item may ask
                self._queue.remove(sha256)
                return False
            if state != FilmState.SENT and not self.film(sha256).exists():  # its row was written as the disk failed
                self._queue.remove(sha256)
                return False
            if state == FilmState.FAILED:
                self._move(sha256, FilmState.RECEIVED, reason="sent again")
        return True

    # --- films are read ---------------------------------------------------------------------------------------------

    def film(self, sha256: str) -> Path:
        """Return where a film lies."""
        return self._queue.path(sha256)

    def claim(self) -> Job | None:
        """Return the next film to be read, or None (:meth:`FilmQueue.claim`); those tried too often are set aside."""
        while (claim := self._queue.claim()) is not None:
            job = _job(claim.row, claim.attempts)
            if not claim.exhausted:
                return job
            self.fail(job, "the node stopped each time it read this film")
        return None

    def keep_facts(self, job: Job, facts: str) -> None:
        """Keep what is watched of a film's result; of a film that is read again the first result counts."""
        with self._journal.writing() as db:
            row = (job.sha256, time.time(), job.source, facts)
            db.execute("INSERT OR IGNORE INTO facts VALUES (?, ?, ?, ?)", row)

    def keep_results(self, job: Job, files: Sequence[bytes], outputs: Sequence[Reference] = ()) -> None:
        """Keep the results of a film, ready to be sent; OSError where the disk is full, and then nothing is kept.

        ``outputs``: the UIDs of each, which are remembered as long as the film is.
        """
        folder = self._results / job.sha256
        aside = Path(tempfile.mkdtemp(dir=self._journal.incoming))
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
        self._move(job.sha256, FilmState.ANALYSED, outputs=outputs_to_json(outputs))

    # --- results go out ---------------------------------------------------------------------------------------------

    def ready(self, most: int) -> list[Job]:
        """Return at most so many films whose results wait to be sent: those not tried yet, then those longest due."""
        now = time.time()
        rows = self._journal.all(
            "SELECT * FROM film WHERE state = ? AND (due <= ? OR due > ?) ORDER BY due, number LIMIT ?",
            (FilmState.ANALYSED, now, self._queue.clock_was_set_back(now), most),
        )
        return [_job(row, row["attempts"]) for row in rows]

    def results(self, job: Job) -> list[Path]:
        """Return the files of a film's results."""
        return sorted((self._results / job.sha256).iterdir())

    def sent(self, job: Job, *, outputs: Sequence[Reference] | None = None, reason: str = "") -> None:
        """Note that the archive holds a film's results, then let go of film and results.

        ``outputs``: their UIDs, where :meth:`keep_results` did not say them: of a film without results, none, and
        ``reason`` why, where a work item is to hear it.
        """
        values = {} if outputs is None else {"outputs": outputs_to_json(outputs)}
        self._move(job.sha256, FilmState.SENT, reason=reason, **values)
        self.film(job.sha256).unlink(missing_ok=True)
        shutil.rmtree(self._results / job.sha256, ignore_errors=True)

    # --- what went wrong --------------------------------------------------------------------------------------------

    def postpone(self, job: Job, reason: str) -> bool:
        """Try again later, or set the film aside where this was its last attempt; tell whether it is tried again."""
        if (seconds := next_attempt(job.attempts)) is None:
            self.fail(job, reason)
            return False
        self._again(job, reason, job.attempts + 1, seconds)
        return True

    def wait(self, job: Job, reason: str, seconds: float) -> None:
        """Try again later through no fault of the film's: this attempt does not count."""
        self._again(job, reason, job.attempts, seconds)

    def fail(self, job: Job, reason: str) -> None:
        """Set a film aside; its files stay in the spool until it is sent again."""
        self._move(job.sha256, FilmState.FAILED, reason=reason)

    def retry_failed(self) -> int:
        """Give all films that were set aside another chance: to be sent where they have results, else to be read."""
        with self._journal.lock:
            rows = self._journal.all("SELECT sha256 FROM film WHERE state = ?", (FilmState.FAILED,))
            for row in rows:
                has_results = (self._results / row["sha256"]).is_dir()
                self._move(row["sha256"], FilmState.ANALYSED if has_results else FilmState.RECEIVED)
            self.items.retry_failed()
        return len(rows)

    def pause(self, seconds: float) -> None:
        """Wait until something changes here, or so long."""
        self._queue.pause(seconds)

    def wake(self) -> None:
        """End every :meth:`pause`."""
        self._queue.wake()

    def counts(self) -> dict[str, int]:
        """Return how many films are in each state; those that are being read count as received."""
        rows = self._journal.all("SELECT state, COUNT(*) FROM film GROUP BY state")
        found = dict.fromkeys(map(str, FilmState), 0) | {row[0]: row[1] for row in rows}
        found[FilmState.RECEIVED] += found.pop(FilmState.READING)
        return found

    # --- inside -----------------------------------------------------------------------------------------------------

    def _again(self, job: Job, reason: str, attempts: int, seconds: float) -> None:
        """Put a film back to where it was: to be read, or its results to be sent."""
        for states in ((FilmState.READING, FilmState.RECEIVED), (FilmState.ANALYSED, FilmState.ANALYSED)):
            values = {"reason": reason}
            if self._queue.release(job.sha256, attempts=attempts, seconds=seconds, values=values, states=states):
                return

    def _move(self, sha256: str, state: FilmState, *, reason: str = "", **values: str) -> None:
        values_now = {"attempts": 0, "due": 0.0, "reason": reason, "changed": time.time(), **values}
        self._queue.move(sha256, state, values_now)

    def _recover(self) -> None:
        """Remove what no row speaks of (never acknowledged, or sent already), and rows older than the memory."""
        with self._journal.writing() as db:
            long_ago = time.time() - self._keep_seconds
            db.execute("DELETE FROM film WHERE state = ? AND changed < ?", (FilmState.SENT, long_ago))
            db.execute("DELETE FROM facts WHERE time < ?", (time.time() - _FACTS_SECONDS,))
        for sha256 in self._queue.missing(_WITH_FILM):  # the sender heard of no success
            self._queue.remove(sha256)
        for path, _ in self._queue.orphans(_WITH_FILM):
            discard(path)
        states = {row["sha256"]: row["state"] for row in self._journal.all("SELECT sha256, state FROM film")}
        for path in self._results.iterdir():
            if states.get(path.name) not in _WITH_RESULTS and is_queue_name(path.name):
                discard(path)
        for sha256, state in states.items():
            if state == FilmState.ANALYSED and not (self._results / sha256).is_dir():
                self._move(sha256, FilmState.RECEIVED)
        self._recover_outputs()

    def _recover_outputs(self) -> None:
        """Write down the UIDs of results that an earlier version kept, before they are sent and gone."""
        query = "SELECT sha256 FROM film WHERE outputs IS NULL AND state IN (?, ?)"
        for row in self._journal.all(query, tuple(_WITH_RESULTS)):
            paths = sorted((self._results / row["sha256"]).glob("*.dcm"))
            try:
                found = [reference_to(dcmread(path, stop_before_pixels=True)) for path in paths]
            except Exception as error:  # noqa: BLE001 - a damaged disk gives anything; the sender sets them aside
                _LOG.warning("film %s: its results cannot be read (%s)", row["sha256"][:12], type(error).__name__)
                continue
            if found:
                with self._journal.writing() as db:
                    values = outputs_to_json(found), row["sha256"]
                    db.execute("UPDATE film SET outputs = ? WHERE sha256 = ?", values)


def _job(row: sqlite3.Row, attempts: int) -> Job:
    return Job(row["sha256"], row["instance"], row["study"], row["source"], attempts)
