"""What the node keeps of the films it has read, so that a patient's next film can be compared with them.

A row a film, in the journal: its result, a thumbnail of 128 pixels, the UIDs of its places, and when it was taken.
Whose it is stands there as HMACs of patient ID, issuer and date of birth, made with a key that lies beside the journal.
A row goes after so many days (``--compare-days``), or when the same film comes with another header, whose patient may
have been put right; without that option there are none. Nobody looks over a node's shoulder: beside the patient ID,
both films must say the same date of birth or the same issuer.

With which film one was compared is written down before anything of it is sent, so that one that is read again, after a
kill or because it was sent again, says the same for as long as both are kept.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Final

import numpy as np
from pydicom.dataset import Dataset

from lungspot.durable import sync_path, write_atomic
from lungspot.errors import LungspotError
from lungspot.images import Thumbnail
from lungspot.queue import QueueFolder
from lungspot.report import (
    NOT_COMPARED_WITH,
    Analysis,
    Before,
    EarlierFilm,
    Refusal,
    Whose,
    from_record,
    newest_before,
    thumbnail_of,
    to_record,
    tracking_after,
    tracking_uids,
    whose,
)

__all__ = ["Comparison", "KeptFilms"]

_KEY_BYTES: Final = 32
_WHITE: Final = np.float32(65535)
_HOUR: Final = 3600.0
_DAY: Final = 86400.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a film was compared: ``before``, None where with none; ``words``: what the log says of it.

    ``against``: the SHA-256 of the earlier film's file, empty where there is none. ``tracking``: the UIDs that the
    film's report gives its places.
    """

    before: Before | None = None
    words: str = ""
    against: str = ""
    tracking: Mapping[int, str] = field(default_factory=dict)


class KeptFilms:
    """The films that others are compared with; without ``days`` there are none, and what was kept is removed."""

    def __init__(self, journal: QueueFolder, days: int) -> None:
        """Take over the journal's table ``earlier``. OSError where the key beside it can neither be read nor made."""
        self._journal, self._days, self._looked = journal, days, 0.0
        self._key = _key_at(journal, make=days > 0)
        self.forget_old()

    def compare(
        self, sha256: str, header: Dataset, result: Analysis | Refusal | None, *, experimental: bool = False
    ) -> Comparison:
        """Compare a film with the newest earlier one of its patient that is kept, or with the one it was compared with.

        ``sha256``: of its file; ``experimental``: experimental labels count too.
        """
        if not self._days or not isinstance(result, Analysis) or not result.assessed:
            return Comparison()
        mine, own = whose(header).hidden(self._key), tracking_uids(result, header, experimental=experimental)
        if (silent := _silent(mine)) is not None:
            return Comparison(words=silent, tracking=own)
        rows = self._journal.all(
            "SELECT number, sha256, issuer, born, day, clock, instance, read_by, against FROM earlier"
            " WHERE patient = ? AND time >= ? ORDER BY number DESC",
            (mine.patient[0], time.time() - self._days * _DAY),
        )
        again = next((row for row in rows if row["sha256"] == sha256 and row["read_by"] == _read_by(result)), None)
        others = [
            (_whose_in(row, mine.patient[0]), row)
            for row in rows
            if row["sha256"] != sha256 and (again is None or row["sha256"] == again["against"])
        ]
        if again is not None and again["against"] and not others:
            words = "the one that it was compared with is no longer kept"
            return Comparison(words=words, against=again["against"], tracking=self._tracking(again["number"], own))
        before, other, words = newest_before(
            result, mine, others, partial(self._prior, result, mine), own=own, experimental=experimental
        )
        if before is None or other is None:
            return Comparison(words=words, tracking=own)
        return Comparison(before, words, other["sha256"], tracking_after(result, before, experimental=experimental))

    def row_of(
        self, sha256: str, header: Dataset, result: Analysis | Refusal | None, compared: Comparison
    ) -> dict[str, object]:
        """Return what later films need of this one; its UID alone where none could be compared with it."""
        mine = whose(header).hidden(self._key)
        if not self._days or not isinstance(result, Analysis) or not result.assessed or _silent(mine) is not None:
            return {"instance": mine.film}
        small = thumbnail_of(result)
        record = to_record(result, keep_identifiers=False) | {"features": [], "timings": {}}
        body = {"record": record, "tracking": list(compared.tracking.items()), "thumbnail": small.greys.shape}
        return {
            "sha256": sha256,
            "patient": mine.patient[0],
            "issuer": mine.patient[1],
            "born": mine.born or "",
            "day": str(mine.taken[0]),
            "clock": mine.taken[1],
            "instance": mine.film,
            "read_by": _read_by(result),
            "against": compared.against,
            "body": json.dumps(body, ensure_ascii=False, allow_nan=False),
            "greys": zlib.compress(np.rint(small.greys * _WHITE).astype("<u2").tobytes()),
            "time": time.time(),
        }

    def keep(self, row: Mapping[str, object]) -> None:
        """Keep what ``row_of`` gave, in place of what was kept of that film before, whoever's it then was."""
        if not self._days:
            return
        with self._journal.writing() as db:
            if row["instance"]:
                db.execute("DELETE FROM earlier WHERE instance = ?", (row["instance"],))
            if "sha256" not in row:
                return
            names, marks = ", ".join(row), ", ".join("?" * len(row))
            db.execute(f"INSERT OR REPLACE INTO earlier ({names}) VALUES ({marks})", tuple(row.values()))  # noqa: S608 - our own names

    def forget_old(self) -> None:
        """Remove what was kept long enough; looks at most once an hour."""
        if self._looked and time.monotonic() < self._looked + _HOUR:
            return
        with self._journal.writing() as db:
            db.execute("DELETE FROM earlier WHERE time < ?", (time.time() - self._days * _DAY,))
        self._looked = time.monotonic()

    def _tracking(self, number: int, own: Mapping[int, str]) -> Mapping[int, str]:
        """Return the UIDs that the report of a kept film gave its places; ``own`` where they cannot be read."""
        try:
            (kept,) = self._journal.all("SELECT body FROM earlier WHERE number = ?", (number,))
            return {int(place): str(uid) for place, uid in json.loads(kept["body"])["tracking"]}
        except (KeyError, TypeError, ValueError):
            return own

    def _prior(self, result: Analysis, mine: Whose, row: sqlite3.Row) -> EarlierFilm | str:
        """Return a kept film as a result without pixels, or why it cannot be compared with."""
        if not (row["born"] and mine.born) and not (row["issuer"] and mine.patient[1]):
            return "of whose it is both say the patient ID only"  # which two people may have
        if row["read_by"] != _read_by(result):
            return "it was read by another model, or with other thresholds"
        (kept,) = self._journal.all("SELECT body, greys FROM earlier WHERE number = ?", (row["number"],))
        try:
            body = json.loads(kept["body"])
            then = from_record(body["record"], result.model, "", None, None)
            if isinstance(then, Refusal):
                return NOT_COMPARED_WITH
            origin = replace(then.radiograph.origin, path=None, sop_instance_uid=row["instance"])
            film = replace(then.radiograph, origin=origin)
            greys = np.frombuffer(zlib.decompress(kept["greys"]), "<u2").reshape(body["thumbnail"])
            small = Thumbnail(greys.astype(np.float32) / _WHITE, film.frame)
            then = replace(then, radiograph=film, point=result.point, min_score=result.min_score)
            return EarlierFilm(then, {int(place): str(uid) for place, uid in body["tracking"]}, small)
        except (LungspotError, KeyError, TypeError, ValueError, zlib.error):
            return "what was kept of it cannot be read"


def _silent(film: Whose) -> str | None:
    """Return what a film does not say that it would have to; None where it says it."""
    if not film.patient[0]:
        return "nothing says whose it is"
    return "nothing says when it was taken" if film.taken[0] is None else None


def _whose_in(row: sqlite3.Row, patient: str) -> Whose:
    taken = date.fromisoformat(row["day"]), row["clock"]
    return Whose((patient, row["issuer"]), row["born"] or None, taken, row["instance"])


def _read_by(result: Analysis) -> str:
    """Return what must be equal for two results to be compared: model, operating point, lowest score."""
    return json.dumps([result.model.key, result.point, result.min_score])


def _key_at(journal: QueueFolder, *, make: bool) -> bytes:
    """Return the key of the patients' HMACs, a new one where there is none: rows made with another are no use then.

    Without ``make`` what was kept goes, the key too.
    """
    path = journal.folder / "earlier.key"
    key = path.read_bytes() if make and path.is_file() else b""
    if len(key) == _KEY_BYTES:
        return key
    with journal.writing() as db:
        db.execute("DELETE FROM earlier")
    if not make:
        path.unlink(missing_ok=True)
        return b""
    key = secrets.token_bytes(_KEY_BYTES)
    write_atomic(path, key, private=True)
    sync_path(journal.folder)
    return key
