"""The audit log: JSON Lines, only ever appended to, each line holding the hash of the one before.

Events carry the codes and names of DICOM PS3.15 A.5, which IHE ATNA uses. A line changed, removed or put in between
breaks the chain; one cut at its end, or reckoned anew from a line on (no secret is in it), does not, so keep the last
hash elsewhere (:func:`verify` returns it).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any, Final

from lungspot.errors import SetupError

__all__ = ["GENESIS", "AuditEvent", "AuditLog", "Outcome", "verify"]

GENESIS: Final = "0" * 64
_MAX_LINE: Final = 64 * 1024


class AuditEvent(Enum):
    """What happened: code and meaning of the event, then of its type where it has one (scheme DCM), and the action."""

    START = ("110100", "Application Activity", "110120", "Application Start", "E")
    STOP = ("110100", "Application Activity", "110121", "Application Stop", "E")
    RECEIVED = ("110104", "DICOM Instances Transferred", "", "", "C")
    SENT = ("110104", "DICOM Instances Transferred", "", "", "R")
    READ = ("110103", "DICOM Instances Accessed", "", "", "R")
    PROCEDURE = ("110111", "Procedure Record", "", "", "U")
    QUERY = ("110112", "Query", "", "", "E")
    STRANGER = ("110113", "Security Alert", "110126", "Node Authentication", "E")
    ALERT = ("110113", "Security Alert", "", "", "E")


class Outcome(IntEnum):
    """How it ended (RFC 3881)."""

    SUCCESS = 0
    MINOR_FAILURE = 4
    SERIOUS_FAILURE = 8


class AuditLog:
    """An open audit log; threads may share it."""

    def __init__(self, path: Path, *, source: str) -> None:
        """Open or begin the log at ``path``; ``source`` is this node's AE title.

        A last line without its end, left by a power failure, was never a record: it is cut off, and the next record
        says so. Raises SetupError AUDIT_BROKEN where the last whole line is none of ours, NOT_WRITABLE where it cannot
        be opened.
        """
        self._path, self._source = path, source
        self._lock = threading.Lock()
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SetupError("NOT_WRITABLE", path, error.strerror or "cannot be opened") from error
        self._count, self._hash, self._torn = self._resume()

    def record(
        self,
        event: AuditEvent,
        outcome: Outcome = Outcome.SUCCESS,
        *,
        who: Mapping[str, Any] | None = None,
        what: Mapping[str, Any] | None = None,
    ) -> None:
        """Append one event and bring it to the disk; OSError where that is impossible.

        ``who``: the other side (AE title, host, URL). ``what``: UIDs, never names or ids of patients.
        """
        code, name, type_code, type_name, action = event.value
        with self._lock:
            line: dict[str, Any] = {
                "n": self._count + 1,
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "event": {"code": code, "name": name},
                "action": action,
                "outcome": int(outcome),
                "source": self._source,
            }
            if type_code:
                line["type"] = {"code": type_code, "name": type_name}
            if who:
                line["who"] = dict(who)
            if what:
                line["what"] = dict(what)
            if self._torn:
                line["cut"] = self._torn
            line["previous"] = self._hash
            line["hash"] = _hash_of(line)
            data = (json.dumps(line, separators=(",", ":")) + "\n").encode("ascii")
            end = os.lseek(self._file, 0, os.SEEK_END)
            try:
                _append(self._file, data)
            except OSError:
                os.ftruncate(self._file, end)
                raise
            self._count, self._hash, self._torn = line["n"], line["hash"], 0

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _resume(self) -> tuple[int, str, int]:
        size = os.fstat(self._file).st_size
        tail = os.pread(self._file, 2 * _MAX_LINE, max(0, size - 2 * _MAX_LINE))
        whole = tail[: tail.rfind(b"\n") + 1]
        torn = len(tail) - len(whole)
        if torn:
            os.ftruncate(self._file, size - torn)
        if not whole:
            return 0, GENESIS, torn
        line = _parse(whole[:-1].rpartition(b"\n")[2])
        if line is None:
            raise SetupError("AUDIT_BROKEN", self._path, "its last line is no audit record")
        return int(line["n"]), str(line["hash"]), torn


def verify(path: Path) -> tuple[int, str]:
    """Return how many records an audit log holds, and the hash of the last.

    Raises SetupError ``AUDIT_BROKEN`` at the first fault.
    """
    count, previous = 0, GENESIS
    with path.open("rb") as file:
        for number, data in enumerate(file, 1):
            line = _parse(data.removesuffix(b"\n"))
            if line is None:
                fault = "is no audit record"
            elif line["n"] != count + 1:
                fault = f"is record {line['n']}, not {count + 1}"
            elif line["previous"] != previous:
                fault = "does not follow the line before"
            else:
                count, previous = line["n"], line["hash"]
                continue
            raise SetupError("AUDIT_BROKEN", f"{path}:{number}", f"this line {fault}")
    return count, previous


def _append(file: int, data: bytes) -> None:
    if os.write(file, data) != len(data):  # a full disk took a part
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(file)


def _parse(data: bytes) -> dict[str, Any] | None:
    """Return a record whose own hash is right, or None."""
    try:
        line = json.loads(data)
    except ValueError:
        return None
    if not isinstance(line, dict) or not isinstance(line.get("n"), int) or "previous" not in line:
        return None
    return line if line.get("hash") == _hash_of(line) else None


def _hash_of(line: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in line.items() if key != "hash"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
