"""Where results over time come from: a server's folder, a node's spool, documents, an archive's tables.

Each is read, never written.

One function a kind yields films row by row; a new kind is one more function and one more line of :func:`result_rows`.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from lungspot.adapt.watch.facts import film_facts
from lungspot.adapt.watch.films import FilmRow, Reviewed
from lungspot.errors import DatasetError, LungspotError
from lungspot.formats import DOCUMENT_SUFFIXES, is_document, is_result_folder, no_document, read_documents
from lungspot.images import list_files, walk

__all__ = ["SourceDoubts", "result_files", "result_rows"]

_SERVER: Final = "lungspot.db"
_NODE: Final = "journal.sqlite"
_DAY: Final = 86400.0


@dataclass(slots=True)
class SourceDoubts:
    """What was wrong with a source while it was read: refused rows, and what else people should know."""

    refused: list[LungspotError] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def result_files(path: Path) -> list[Path]:
    """Return the files that a source is read from, so that no result is written over them."""
    if not path.is_dir():
        return [path]
    known = [path / name for name in (_SERVER, _NODE) if (path / name).is_file()]
    if is_result_folder(path):
        return list_files(path, "**/*.parquet")
    return known or list(walk(path, DOCUMENT_SUFFIXES))


def result_rows(path: Path, site: str | None, doubts: SourceDoubts) -> Iterator[FilmRow]:
    """Yield the results of one source, in the order in which they were made.

    ``path``: a folder of ``lungspot serve``, ``node`` or ``batch``, or a database of the first two; a file or a folder
    of ``lungspot/1`` documents. ``site``: how it is called; where None, a node's films have their sender's title and
    others the name of the folder or file. Raises DatasetError where nothing can be read.
    """
    database = next((path / name for name in (_SERVER, _NODE) if (path / name).is_file()), path)
    readers: dict[str, Callable[[Path, str | None, SourceDoubts], Iterator[FilmRow]]] = {_SERVER: _served, _NODE: _sent}
    reader = readers.get(database.name, _documents) if not database.is_dir() else _documents
    yield from reader(database, site, doubts)


def _served(database: Path, site: str | None, doubts: SourceDoubts) -> Iterator[FilmRow]:
    """Yield what ``lungspot serve`` read, then what its readers said of it."""
    where = site or database.parent.name
    with _reading(database) as db:
        columns = {row[1] for row in db.execute("PRAGMA table_info(readings)")}
        models = {row[0]: _model(row) for row in db.execute("SELECT sha256, card FROM models")}
        facts = "facts" if "facts" in columns else "NULL AS facts"
        films: dict[int, dict[str, Any]] = {}
        clock = _Clock(doubts, database)
        query = f"SELECT number, created, status, readable, view, model, {facts} FROM readings WHERE state = 'done' ORDER BY number"  # noqa: E501, S608 - our own names
        old = 0
        for row in db.execute(query):
            kept = _parsed(row["facts"])
            if kept is None:
                old += 1
                kept = _before_facts(db, row, models)
            time = _seconds(row["created"])
            if time is not None:
                clock.tick(time)
                films[row["number"]] = {key: kept.get(key) for key in ("device", "model", "software")}
                yield FilmRow(time, where, kept)
        if old:
            doubts.notices.append(
                f"{database}: {old} films were read by a lungspot that kept less of each; of them acceptance, positive "
                "labels and views are known"
            )
        yield from _reviews(db, films, where)


def _reviews(db: sqlite3.Connection, films: dict[int, dict[str, Any]], site: str) -> Iterator[FilmRow]:
    """Yield one row a film and reader: the last review counts."""
    last: dict[tuple[int, str], tuple[float, Reviewed]] = {}
    for row in db.execute("SELECT reading, created, reader, body FROM reviews ORDER BY number"):
        time, body = _seconds(row["created"]), _parsed(row["body"])
        if time is not None and body is not None:
            acts = {said.get("action") for said in body.get("verdicts", ())}
            last[row["reading"], row["reader"]] = time, Reviewed(*(act in acts for act in ("reject", "edit", "add")))
    for (reading, _), (time, review) in last.items():
        if reading in films:
            yield FilmRow(time, site, films[reading], review)


def _before_facts(db: sqlite3.Connection, row: sqlite3.Row, models: dict[str, str]) -> dict[str, Any]:
    """Return what the table says of a film that was read before facts were kept."""
    labels = db.execute("SELECT label FROM scores WHERE reading = ? AND positive", (row["number"],)).fetchall()
    unreadable = row["status"] != "assessed" and not row["readable"]
    return {
        "status": row["status"],
        "reasons": ["NOT_READABLE"] if unreadable else ["NOT_A_CHEST_FILM"] if row["status"] != "assessed" else [],
        "warnings": [],
        "model": models.get(row["model"]),
        "software": None,
        "device": None,
        "view": row["view"],
        "bits": None,
        "size": None,
        "statistics": None,
        "scores": {},
        "positive": [label[0] for label in labels],
        "abnormal": bool(labels),
        "features": None,
    }


def _model(row: sqlite3.Row) -> str:
    card = _parsed(row["card"]) or {}
    return f"{card.get('name', '')} {card.get('version', '')} ({row['sha256'][:8]})".strip()


def _sent(database: Path, site: str | None, doubts: SourceDoubts) -> Iterator[FilmRow]:
    """Yield what ``lungspot node`` read; without a name of one's own, a film's site is who sent it."""
    clock = _Clock(doubts, database)
    with _reading(database) as db:
        tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "facts" not in tables:
            doubts.notices.append(f"{database}: its lungspot kept nothing to watch; films that come from now on are")
            return
        for row in db.execute("SELECT time, source, body FROM facts ORDER BY rowid"):
            facts = _parsed(row["body"])
            if facts is not None:
                clock.tick(row["time"])
                yield FilmRow(row["time"], site or row["source"], facts)


def _documents(path: Path, site: str | None, doubts: SourceDoubts) -> Iterator[FilmRow]:
    """Yield the ``lungspot/1`` documents of a file or folder; one film read twice by one model counts once."""
    seen: set[tuple[object, object]] = set()
    counts = Counter[str]()
    alone, name = not path.is_dir() or is_result_folder(path), site or path.stem
    for file in [path] if alone else result_files(path):
        try:
            for value, where in read_documents(file, places=False):
                kept = _facts(value, where, doubts, alone=alone)
                if kept is None:
                    continue
                time, film, facts = kept
                counts["found"] += 1
                counts["undated"] += time is None
                if time is not None and (film, facts["model"]) not in seen:
                    seen.add((film, facts["model"]))
                    yield FilmRow(time, name, facts)
        except LungspotError as error:
            if alone:
                raise
            doubts.refused.append(error)
    if counts["undated"]:
        doubts.notices.append(
            f"{path}: {counts['undated']} documents do not say when they were made; they are left out"
        )
    if not counts["found"] and not doubts.refused:
        raise DatasetError("DATASET_INCOMPLETE", path, "neither a folder of serve or node nor documents of lungspot/1")


def _facts(
    value: object, where: str, doubts: SourceDoubts, *, alone: bool
) -> tuple[float | None, object, dict[str, Any]] | None:
    """Return when a document was made, which film it is of, and its facts; None where it is none.

    What else lies in a folder (COCO, FHIR, reports) is passed over; a file that was given (``alone``) holds documents.
    """
    if not is_document(value):
        if isinstance(value, bytes) or alone:
            doubts.refused.append(no_document(where))
        return None
    try:
        facts, image = film_facts(value), value["image"]
        return _seconds(facts["made"]), image.get("sha256") or image.get("path") or where, facts
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        doubts.refused.append(no_document(where, error))
        return None


def _parsed(text: object) -> dict[str, Any] | None:
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _seconds(text: object) -> float | None:
    """Return a time in ISO 8601 as seconds since 1970; one that names no zone is taken as UTC."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


class _Clock:
    """Notices where the clock of the machine that made results was set back by more than a day."""

    def __init__(self, doubts: SourceDoubts, where: Path) -> None:
        self._doubts, self._where, self._latest, self._said = doubts, where, 0.0, False

    def tick(self, time: float) -> None:
        """Take the next result's time."""
        if time < self._latest - _DAY and not self._said:
            self._said = True
            back = (
                f"{datetime.fromtimestamp(self._latest, UTC):%Y-%m-%d} to {datetime.fromtimestamp(time, UTC):%Y-%m-%d}"
            )
            self._doubts.notices.append(f"{self._where}: the clock went back, from {back}; weeks near it are doubtful")
        self._latest = max(self._latest, time)


@contextmanager
def _reading(database: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection that cannot write, over one transaction: what a server writes meanwhile is not seen.

    A database whose owner is not running has no write-ahead log; then not even SQLite's own index of one is made, so
    that no file of ours is left among the owner's.
    """
    live = os.path.exists(f"{database}-wal")  # noqa: PTH110 - a suffix of the name, and no suffix of a path
    mode = "mode=ro" if live else "mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(f"file:{quote(str(database))}?{mode}", uri=True, timeout=30)) as db:
            db.row_factory = sqlite3.Row
            db.isolation_level = None
            db.execute("BEGIN")
            yield db
    except sqlite3.DatabaseError as error:
        reason = f"no database that can be read ({error})"
        raise DatasetError("DATASET_FORMAT", database, reason, advice="give the folder of serve or node") from error
