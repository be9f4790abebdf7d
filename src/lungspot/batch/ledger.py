"""What is done, drawn and claimed: which entries need no more drawing, and which film each SHA-256 belongs to.

Kept in a database of this process alone, on the disk where it grows large, and made anew from the tables of films when
a run goes on: the tables are the only record.
"""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from lungspot.formats import JUDGED, film_columns, shard_files, unicode_text

__all__ = ["Ledger"]

_TABLES = """
    CREATE TABLE entries (identity TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE claims (sha256 TEXT PRIMARY KEY, shard TEXT, number INTEGER, film TEXT) WITHOUT ROWID;
    CREATE INDEX by_place ON claims (shard, number);
"""


class Ledger:
    """Safe to use by several threads. ``rows``: of films that the tables held when it was made."""

    def __init__(self, folder: Path | None = None) -> None:
        """Take what the tables in ``folder`` say; raises DatasetError at one that is damaged."""
        self._lock = threading.Lock()
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)  # "": a file that vanishes
        self._db.executescript(f"PRAGMA synchronous = OFF; {_TABLES}")
        self.rows = 0
        for file in () if folder is None else shard_files(folder):
            rows = film_columns(file, ("entry", "status", "sha256", "film"))
            self.rows += len(rows["entry"])
            held = zip(rows["status"], rows["sha256"], range(len(rows["entry"])), rows["film"], strict=True)
            with self._lock:
                self._db.execute("BEGIN")
                self._db.executemany("INSERT OR IGNORE INTO entries VALUES (?)", [(each,) for each in rows["entry"]])
                self._db.executemany(
                    "INSERT OR IGNORE INTO claims VALUES (?, ?, ?, ?)",
                    [
                        (sha256, file.stem, number, film)
                        for status, sha256, number, film in held
                        if sha256 is not None and status in JUDGED
                    ],
                )
                self._db.execute("COMMIT")

    def take(self, identity: str) -> bool:
        """Say whether an entry is still to be read; from then on it is not, for somebody is at it."""
        with self._lock:
            return self._db.execute("INSERT OR IGNORE INTO entries VALUES (?)", (identity,)).rowcount == 1

    def claim(self, sha256: str, shard: str, number: int, film: str) -> str | None:
        """Give a film to the first who asks for it; return the name of the film where it is another's.

        Who asks again, because its worker died, is given it again. What is no Unicode in a name is escaped.
        """
        with self._lock:
            self._db.execute(
                "INSERT OR IGNORE INTO claims VALUES (?, ?, ?, ?)", (sha256, shard, number, unicode_text(film))
            )
            owner = self._db.execute("SELECT shard, number, film FROM claims WHERE sha256 = ?", (sha256,)).fetchone()
        return None if owner[:2] == (shard, number) else str(owner[2])

    def sha256_of(self, shard: str, number: int) -> str | None:
        """Return the SHA-256 of the film at a place of a shard, where it was claimed."""
        with self._lock:
            query = "SELECT sha256 FROM claims WHERE shard = ? AND number = ?"
            row = self._db.execute(query, (shard, number)).fetchone()
        return None if row is None else str(row[0])

    def close(self) -> None:
        """Let go of the database."""
        self._db.close()
