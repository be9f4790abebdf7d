"""Work items in the journal: those this node claimed, the lock of each, and what its films have come to.

An item is written down with the Transaction UID of its claim before the claim is sent, so that whatever a crash cuts
off can be taken up: claiming → claimed → performing → completing → completed, or canceling → canceled. ``lost``: it is
somebody else's; ``failed``: set aside, for the work list refuses what the node says of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from pydicom.dataset import Dataset

from lungspot.node.states import FilmState, ItemState
from lungspot.queue import ATTEMPTS, QueueFolder, back_off, next_attempt

__all__ = ["ItemFilm", "Reference", "WorkItem", "WorkItems", "outputs_to_json", "reference_to"]

_OPEN: Final = (
    *(ItemState.CLAIMING, ItemState.CLAIMED, ItemState.PERFORMING),
    *(ItemState.COMPLETING, ItemState.CANCELING),
)
_OPEN_SQL: Final = ", ".join(f"'{state}'" for state in _OPEN)


@dataclass(frozen=True, slots=True)
class Reference:
    """One DICOM object, by its UIDs; ``instance`` is empty where a whole series or study is meant."""

    study: str
    series: str
    sop_class: str
    instance: str


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One claimed item: its UID, the Transaction UID that locks it, and how far it has come.

    ``began``: seconds since 1970. ``reason``, ``code``: why it gives less than was asked, and the DICOM code of that.
    ``scheduled``: the item's Scheduled Workitem Code Sequence as DICOM JSON, empty where it has none.
    """

    number: int
    uid: str
    transaction: str
    state: ItemState
    attempts: int
    began: float
    reason: str
    code: str
    scheduled: str


@dataclass(frozen=True, slots=True)
class ItemFilm:
    """One film of an item: in which state it is in the spool, and which of its results the archive holds.

    ``state`` is empty where no film was taken; ``reason`` says why then. ``outputs`` is empty until all are sent.
    """

    instance: str
    state: str
    reason: str
    outputs: tuple[Reference, ...]

    @property
    def settled(self) -> bool:
        """Whether nothing more will be made of it."""
        return self.state in {"", FilmState.SENT, FilmState.FAILED}


class WorkItems:
    """The items in a spool's journal; threads may share them."""

    def __init__(self, journal: QueueFolder, *, keep_seconds: float) -> None:
        """Take over the journal's table; items that ended longer ago than ``keep_seconds`` are forgotten."""
        self._journal = journal
        with journal.writing() as db:
            db.execute(
                f"DELETE FROM item WHERE state NOT IN ({_OPEN_SQL}, ?) AND changed < ?",  # noqa: S608 - our own names
                (ItemState.FAILED, time.time() - keep_seconds),
            )

    def begin(self, uid: str, server: str, transaction: str) -> None:
        """Write down that an item of a work list is about to be claimed."""
        with self._journal.writing() as db:
            db.execute(
                "INSERT INTO item (uid, server, txn, state, began, changed) VALUES (?, ?, ?, ?, ?, ?)",
                (uid, server, transaction, ItemState.CLAIMING, time.time(), time.time()),
            )

    def knows(self, uid: str) -> bool:
        """Tell whether an item was ever claimed here, as far as the journal remembers."""
        return bool(self._journal.all("SELECT 1 FROM item WHERE uid = ?", (uid,)))

    def open(self, server: str) -> list[WorkItem]:
        """Return the items of one work list that are not closed, the oldest first."""
        return self._items("server = ?", (server,))

    def due(self, server: str) -> list[WorkItem]:
        """Return those of them that need not wait for their next attempt."""
        now = time.time()
        return self._items("server = ? AND (due <= ? OR due > ?)", (server, now, now + back_off(ATTEMPTS)))

    def get(self, uid: str) -> WorkItem | None:
        """Return one open item, None where it is closed or unknown."""
        return next(iter(self._items("uid = ?", (uid,))), None)

    def move(self, item: WorkItem, state: ItemState, **values: str | float) -> None:
        """Bring an item into a state; ``values``: columns."""
        set_to = {"state": state, "attempts": 0, "due": 0.0, "changed": time.time(), **values}
        names = ", ".join(f"{name} = ?" for name in set_to)
        with self._journal.writing() as db:
            db.execute(f"UPDATE item SET {names} WHERE number = ?", (*set_to.values(), item.number))  # noqa: S608 - our own names

    def had(self, item: WorkItem) -> dict[str, tuple[str, str, str]]:
        """Return those of an item's films that :meth:`keep` noted and the spool has not forgotten, by their UID."""
        rows = self._journal.all(
            "SELECT f.instance, f.sha256, f.reason FROM item_film AS f LEFT JOIN film ON film.sha256 = f.sha256"
            " WHERE f.item = ? AND (f.sha256 = '' OR film.sha256 IS NOT NULL)",
            (item.number,),
        )
        return {row["instance"]: (row["instance"], row["sha256"], row["reason"]) for row in rows}

    def keep(self, item: WorkItem, film: tuple[str, str, str]) -> None:
        """Note one film of an item (as for :meth:`fetched`), so that it is not fetched again while others are."""
        with self._journal.writing() as db:
            db.execute("INSERT OR REPLACE INTO item_film VALUES (?, ?, ?, ?)", (item.number, *film))

    def fetched(self, item: WorkItem, films: Iterable[tuple[str, str, str]], scheduled: str) -> None:
        """Note an item's films (SOP Instance UID, SHA-256 or empty, why none): it is being performed now."""
        with self._journal.writing() as db:
            db.execute("DELETE FROM item_film WHERE item = ?", (item.number,))
            rows = [(item.number, *film) for film in films]
            db.executemany("INSERT OR REPLACE INTO item_film VALUES (?, ?, ?, ?)", rows)
            db.execute("UPDATE item SET scheduled = ? WHERE number = ?", (scheduled, item.number))
        self.move(item, ItemState.PERFORMING)

    def films(self, item: WorkItem) -> list[ItemFilm]:
        """Return what has become of an item's films."""
        rows = self._journal.all(
            "SELECT f.instance, f.sha256, f.reason, film.state, film.reason AS why, film.outputs FROM item_film AS f"
            " LEFT JOIN film ON film.sha256 = f.sha256 WHERE f.item = ? ORDER BY f.rowid",
            (item.number,),
        )
        return [
            ItemFilm(
                row["instance"],
                row["state"] or "",
                row["why"] or row["reason"],
                _outputs(row["outputs"] if row["state"] == FilmState.SENT else None),
            )
            for row in rows
        ]

    def postpone(self, item: WorkItem, reason: str) -> bool:
        """Try again later, or set the item aside where this was the last attempt; tell whether it is tried again."""
        if (seconds := next_attempt(item.attempts)) is None:
            self.move(item, ItemState.FAILED, reason=reason)
            return False
        self.move(item, item.state, attempts=item.attempts + 1, due=time.time() + seconds)
        return True

    def wait(self, item: WorkItem, seconds: float) -> None:
        """Try again in so many seconds through no fault of the item's: this attempt does not count."""
        with self._journal.writing() as db:
            db.execute("UPDATE item SET due = ? WHERE number = ?", (time.time() + seconds, item.number))

    def forget(self, item: WorkItem) -> None:
        """Remove an item that was never ours."""
        with self._journal.writing() as db:
            db.execute("DELETE FROM item WHERE number = ?", (item.number,))

    def retry_failed(self) -> int:
        """Take up again what was set aside; films that are here already are not fetched or read anew."""
        with self._journal.writing() as db:
            return db.execute(
                "UPDATE item SET state = ?, attempts = 0, due = 0 WHERE state = ?",
                (ItemState.CLAIMED, ItemState.FAILED),
            ).rowcount

    def counts(self) -> dict[str, int]:
        """Return how many items are open and how many are set aside."""
        rows = self._journal.all("SELECT state, COUNT(*) FROM item GROUP BY state")
        found = {row[0]: row[1] for row in rows}
        return {"open": sum(found.get(state, 0) for state in _OPEN), ItemState.FAILED: found.get(ItemState.FAILED, 0)}

    def _items(self, where: str, values: Sequence[Any]) -> list[WorkItem]:
        query = f"SELECT * FROM item WHERE state IN ({_OPEN_SQL}) AND {where} ORDER BY number"  # noqa: S608 - our own names
        return [
            WorkItem(
                row["number"],
                row["uid"],
                row["txn"],
                ItemState(row["state"]),
                row["attempts"],
                row["began"],
                row["reason"],
                row["code"],
                row["scheduled"],
            )
            for row in self._journal.all(query, values)
        ]


def reference_to(result: Dataset) -> Reference:
    """Return the UIDs of a result."""
    names = "StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID"
    return Reference(*(str(result[name].value) for name in names))


def outputs_to_json(outputs: Iterable[Reference]) -> str:
    """Return references as the journal keeps them."""
    return json.dumps([asdict(each) for each in outputs])


def _outputs(text: str | None) -> tuple[Reference, ...]:
    return tuple(Reference(**each) for each in json.loads(text or "[]"))
