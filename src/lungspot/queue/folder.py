"""The folder of a queue: held by one process, with a SQLite database whose every commit reaches the disk."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from lungspot.durable import sync_path
from lungspot.errors import OutputError, SetupError

__all__ = ["MigrationStep", "QueueFolder", "discard", "is_queue_name"]

# Step N brings `PRAGMA user_version` from N - 1 to N, within one transaction. A released step is never changed.
MigrationStep = Callable[[sqlite3.Connection], None]

# What a film, its results, and what is still being written are called: a digest, or a name that nobody would choose.
_NAMES: Final = re.compile(
    r"([0-9a-f]{16}|[0-9a-f]{24}|[0-9a-f]{64})(\.[a-z0-9.]+)?|tmp[a-z0-9_]{8}|lesson-[0-9a-f]{16}|\.lungspot-\w+"
)
_PRAGMAS: Final = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON")


class QueueFolder:
    """An open folder; its threads may share it, other processes may not.

    ::

        lock        held (flock) while the folder is open; the kernel lets go of it when the process ends
        DATABASE    WAL, synchronous FULL
        incoming/   files that are still being written; removed when the folder is opened
        NAME/       other folders, as the owner asks
    """

    def __init__(  # noqa: PLR0913 - what an owner says of its folder
        self,
        folder: Path,
        database: str,
        steps: Sequence[MigrationStep],
        *,
        folders: Sequence[str],
        owner: str,
        option: str,
    ) -> None:
        """Open or make the folder and bring its database up to the last of ``steps``.

        ``owner`` (server, node) and ``option`` (--data, --spool) stand in errors. SetupError: ``IN_USE`` where another
        process holds the folder, or a newer lungspot wrote it; ``NOT_READABLE`` where the database is damaged;
        ``NO_SPACE`` or ``NOT_WRITABLE`` where it is no folder that can be used. OutputError ``EXISTS`` where others
        keep files in it: what is in its folders would be taken for films of which nobody knows, and removed.
        """
        self.folder, self.incoming = folder, folder / "incoming"
        self.lock = threading.RLock()
        self._database, self._steps, self._option = folder / database, steps, option
        with self.unusable():
            self._require_ours(("incoming", *folders))
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in ("incoming", *folders):
                (folder / name).mkdir(mode=0o700, exist_ok=True)
            self._held = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._held)
            raise SetupError("IN_USE", folder, f"another {owner} uses this folder") from None
        try:
            with self.unusable():
                self._db = self._open()
                for path in self.incoming.iterdir():
                    if is_queue_name(path.name):  # what an earlier process was writing was never accepted
                        discard(path)
                sync_path(folder)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the database and let go of the folder."""
        with self.lock:
            if hasattr(self, "_db"):
                self._db.close()
            os.close(self._held)

    def all(self, query: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Return the rows of a query."""
        with self.lock:
            return self._db.execute(query, values).fetchall()

    def written(self) -> tuple[int, int]:
        """Return a pair that differs from an earlier one where anything was written since, by whatever process.

        What another connection committed moves SQLite's data_version, rows that this one wrote its count of changes.
        """
        with self.lock:
            return int(self._db.execute("PRAGMA data_version").fetchone()[0]), self._db.total_changes

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for one transaction: all of it is on the disk afterwards, or nothing."""
        with self.lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk may have ended it
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def unusable(self) -> Iterator[None]:
        """Turn what the system and SQLite say of a folder that cannot be used into SetupErrors, while it is opened."""
        another = f"give another {self._option}"
        try:
            yield
        except OSError as error:
            code = "NO_SPACE" if error.errno == errno.ENOSPC else "NOT_WRITABLE"
            where = error.filename or self.folder
            raise SetupError(code, where, error.strerror or "cannot be used", advice=another) from error
        except sqlite3.DatabaseError as error:
            advice = f"restore it from a backup, or {another}"
            raise SetupError("NOT_READABLE", self._database, str(error), advice=advice) from error

    def free(self) -> int:
        """Return how many bytes the disk still takes."""
        return shutil.disk_usage(self.folder).free

    def _require_ours(self, names: Sequence[str]) -> None:
        """Refuse a folder that has no database of lungspot, and where one of ``names`` holds something."""
        if self._database.is_file() and self._database.stat().st_size:
            return
        for name in names:
            path = self.folder / name
            if path.is_dir() and any(path.iterdir()):
                reason, advice = "files are in it that lungspot did not write", f"give a new folder as {self._option}"
                raise OutputError("EXISTS", path, reason, advice=advice)

    def _open(self) -> sqlite3.Connection:
        self._database.touch(mode=0o600)
        if not self._database.is_file():
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(self._database))
        connection = sqlite3.connect(self._database, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        try:
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > len(self._steps):
            reason = f"its tables are of version {version}; this lungspot knows {len(self._steps)}"
            advice = f"use the newer lungspot, or give another {self._option}"
            raise SetupError("IN_USE", self.folder, reason, advice=advice)
        if not version and connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            advice = f"give another {self._option}"
            raise OutputError("EXISTS", self._database, "a database of another program", advice=advice)
        for number, step in enumerate(self._steps[version:], version + 1):
            connection.execute("BEGIN IMMEDIATE")
            try:
                step(connection)
                connection.execute(f"PRAGMA user_version = {number}")
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise


def is_queue_name(name: str) -> bool:
    """Say whether a file or folder has a name that the queue gives; what has another is somebody's, and stays."""
    return _NAMES.fullmatch(name) is not None


def discard(path: Path) -> None:
    """Remove a file, or a folder that somebody put where a file belongs."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
