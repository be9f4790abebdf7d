"""Which films are here, as rows for people: filtered, sorted, paged."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

from lungspot.findings import taxonomy
from lungspot.serve.store import QueueState, Store

__all__ = ["SORTS", "Worklist", "WorklistQuery", "row_of", "row_to_json"]

_NAME: Final = "coalesce(n.value, r.name, 'film ' || r.number)"
# The last part of a name, for that of an archive's member is ARCHIVE/FOLDER/FILE.
_LAST: Final = f"substr({_NAME}, 1 + length(rtrim({_NAME}, replace({_NAME}, '/', ''))))"
_DATE: Final = "coalesce(nullif(json_extract(r.identity, '$.study_date'), ''), substr(r.created, 1, 10))"
# A person who is screened needs one decision. A film of somebody else is settled by its own; of a patient's films, by
# one that was made when it had been read, and by another film that is still to be decided on and counts instead.
# (CASE, for it ends at the first that holds; of AND and OR in a value SQLite works out every part.)
_BY_ANOTHER: Final = f"""(CASE WHEN NOT EXISTS (SELECT 1 FROM meta WHERE name = 'screen') THEN 0
    WHEN r.patient IS NULL OR r.state <> '{QueueState.DONE}' THEN 0
    ELSE (EXISTS (SELECT 1 FROM decisions d JOIN readings p ON p.number = d.reading
            WHERE p.patient = r.patient AND d.created >= r.finished)
        OR EXISTS (SELECT 1 FROM readings o WHERE o.patient = r.patient AND o.state = '{QueueState.DONE}'
            AND (o.status = 'assessed', o.number) > (r.status = 'assessed', r.number)
            AND NOT EXISTS (SELECT 1 FROM decisions d WHERE d.reading = o.number)
            AND NOT EXISTS (SELECT 1 FROM decisions d JOIN readings p ON p.number = d.reading
                WHERE p.patient = o.patient AND d.created >= o.finished))) END)"""  # noqa: S608 - our own words
_OWN: Final = "EXISTS (SELECT 1 FROM decisions d WHERE d.reading = r.number)"
_DECIDED: Final = f"(CASE WHEN {_OWN} THEN 1 ELSE {_BY_ANOTHER} END)"
_SEEN: Final = "EXISTS (SELECT 1 FROM reviews v WHERE v.reading = r.number)"
_REVIEWED: Final = f"(CASE WHEN {_SEEN} THEN 1 ELSE {_DECIDED} END)"
# The probability of the label that people are screened for (lungspot.serve.screening); NULL where there is none.
_SCORE: Final = "json_extract(r.facts, '$.scores.' || (SELECT CAST(value AS TEXT) FROM meta WHERE name = 'screen'))"
_STATUS: Final = (
    f"CASE WHEN r.state <> '{QueueState.DONE}' THEN 2 WHEN {_REVIEWED} THEN 3 ELSE r.status = 'not_assessed' END"
)
SORTS: Final = {
    "urgency": f"{_REVIEWED}, r.urgency DESC, r.number",
    "newest": "r.number DESC",
    "oldest": "r.number",
    "score": "coalesce(r.top_score, -1) DESC, r.number",
    "name": f"{_LAST} COLLATE NOCASE, r.number",
    "date": f"{_DATE} DESC, r.number DESC",
    "status": f"{_STATUS}, r.urgency DESC, r.number",
    # People who are to be filmed again first, for they are still there; then by score.
    "screening": f"{_DECIDED}, coalesce(r.status = 'not_assessed', 0) DESC, coalesce({_SCORE}, -1) DESC, r.number",
}
_DONE: Final = 1
_READ: Final = 2
_MOST_LISTS: Final = 8
_HAS_WORD: Final = "instr(r.found_by, ?) OR instr(n.value, ?) OR instr(r.id, nullif(?, '')) = 1"
_ID_WORD: Final = 6  # letters of an id; fewer would find too many films by chance
_ROW: Final = f"""SELECT r.*, {_REVIEWED} AS reviewed, {_SCORE} AS screened,
    (SELECT decision FROM decisions d WHERE d.reading = r.number ORDER BY d.number DESC LIMIT 1) AS decision,
    (SELECT json_extract(card, '$.name') || ' ' || json_extract(card, '$.version') FROM models m
        WHERE m.sha256 = r.model) AS read_by,
    (SELECT json_group_array(label) FROM
        (SELECT label FROM scores s WHERE s.reading = r.number AND s.positive ORDER BY s.score DESC)) AS labels
    FROM readings r"""  # noqa: S608 - our own words


@dataclass(frozen=True, slots=True)
class WorklistQuery:
    """Order, page and filters of a worklist; a filter that is None is not applied.

    ``words``: each must be part of what the film is found by (:mod:`lungspot.serve.search_text`) or of its name, or
    begin its id. ``names``: file names by reading id that the server does not keep. ``beside``: the film whose place
    and neighbours in the whole list are wanted.
    """

    sort: str = "urgency"
    page: int = 1
    per_page: int = 50
    state: str | None = None
    status: str | None = None
    label: str | None = None
    min_score: float | None = None
    reviewed: bool | None = None
    patient: str | None = None
    ids: tuple[str, ...] | None = None
    words: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    beside: str | None = None


@dataclass(frozen=True, slots=True)
class _Listed:
    """A whole list: the films' numbers in order, and of each, in the same order, what ``_DONE`` and ``_READ`` say."""

    numbers: array[int]
    facts: bytes


class Worklist:
    """The films of one store, asked for in pages; it may be asked from any thread.

    A list is looked through once, and kept in nine bytes a film until anything is written, by whomever.
    """

    def __init__(self, store: Store) -> None:
        """Keep no list yet."""
        self._store = store
        self._lock = threading.Lock()
        self._written: tuple[int, int] | None = None
        self._lists: dict[str, _Listed] = {}  # by question, the one asked last at the end
        self._counts: dict[str, int] | None = None

    def page(self, query: WorklistQuery) -> dict[str, Any]:
        """Return one page of the worklist as JSON values."""
        listed, counts = self._look(query)
        first = (query.page - 1) * query.per_page
        numbers = listed.numbers[first : first + query.per_page]
        beside = {} if query.beside is None else {"beside": _beside(self._store, listed, query.beside)}
        return {
            "readings": [row_to_json(row) for row in _in_order(self._store, numbers)],
            "total": len(listed.numbers),
            "page": query.page,
            "per_page": query.per_page,
            "counts": counts,
            **beside,
            "not_for_clinical_use": True,
        }

    def _look(self, query: WorklistQuery) -> tuple[_Listed, dict[str, int]]:
        """Return the whole list that a query asks for, and the counts: those that are kept, where they still hold."""
        where, values = _conditions(query)
        key = hashlib.sha256(json.dumps([query.sort, where, values]).encode()).hexdigest()
        with self._lock:
            written = self._store.written()  # before anything is looked at: what is written meanwhile is seen next time
            if written != self._written:
                self._written, self._counts = written, None
                self._lists.clear()
            listed = self._lists.pop(key, None) or _list(self._store, query, where, values)
            self._lists[key] = listed
            if len(self._lists) > _MOST_LISTS:
                del self._lists[next(iter(self._lists))]
            self._counts = self._counts or _counts(self._store)
            return listed, dict(self._counts)


def _list(store: Store, query: WorklistQuery, where: str, values: Sequence[Any]) -> _Listed:
    """Look at every film; names that only the asking page knows, by id, come as JSON in the first value."""
    given, names = ("", "(SELECT NULL AS value) n, readings r")
    if query.names:
        given = "WITH given AS MATERIALIZED (SELECT key, value FROM json_each(?)) "
        names = "readings r LEFT JOIN given n ON n.key = r.id"
    facts = f"(r.state = '{QueueState.DONE}') * {_DONE} + {_REVIEWED} * {_READ}"
    rows = store.all(
        f"{given}SELECT r.number, {facts} FROM {names} WHERE {where} ORDER BY {SORTS[query.sort]}",  # noqa: S608 - ours
        values,
    )
    return _Listed(array("q", [row[0] for row in rows]), bytes(row[1] for row in rows))


def _in_order(store: Store, numbers: Sequence[int]) -> list[sqlite3.Row]:
    """Return whole rows in a given order; only a page's, for what stands in one costs time."""
    holes = ", ".join("?" * len(numbers))
    rows = {row["number"]: row for row in store.all(f"{_ROW} WHERE r.number IN ({holes})", numbers)}
    return [rows[number] for number in numbers if number in rows]


def _counts(store: Store) -> dict[str, int]:
    """Return how many films are in each state, were reviewed, and were not assessed."""
    counts = dict.fromkeys(map(str, QueueState), 0)
    counts |= {row[0]: row[1] for row in store.all("SELECT state, count(*) FROM readings GROUP BY state")}
    own = "SELECT reading FROM reviews UNION SELECT reading FROM decisions"
    others = f"SELECT number FROM readings r WHERE {_BY_ANOTHER}"  # noqa: S608 - our own words
    counts["reviewed"] = store.one(f"SELECT count(*) FROM ({own} UNION {others})")[0]  # noqa: S608 - our own words
    counts["not_assessed"] = store.one("SELECT count(*) FROM readings WHERE status = 'not_assessed'")[0]
    return counts


def _beside(store: Store, listed: _Listed, identifier: str) -> dict[str, Any]:
    """Return where a film stands in the list, the films that are done beside it, and the next that nobody reviewed.

    After the last comes the first. A film that is not in the list stands before its first.
    """
    known = store.all("SELECT number FROM readings WHERE id = ?", (identifier,))
    at = listed.numbers.index(known[0][0]) if known and known[0][0] in listed.numbers else None
    here = -1 if at is None else at
    after, before = range(here + 1, len(listed.numbers)), range(max(here, 0))
    places = {
        "previous": _first_done(listed, reversed(before)),
        "next": _first_done(listed, after),
        "next_unread": _first_done(
            listed, (place for place in chain(after, before) if not listed.facts[place] & _READ)
        ),
    }
    numbers = {name: listed.numbers[place] for name, place in places.items() if place is not None}
    holes = ", ".join("?" * len(numbers))
    found = store.all(f"SELECT number, id FROM readings WHERE number IN ({holes})", list(numbers.values()))  # noqa: S608
    ids = dict(map(tuple, found))
    return {"id": identifier, "position": at, **{name: ids.get(numbers.get(name)) for name in places}}


def _first_done(listed: _Listed, places: Iterable[int]) -> int | None:
    return next((place for place in places if listed.facts[place] & _DONE), None)


def row_of(store: Store, identifier: str) -> sqlite3.Row:
    """Return the row of one reading; raises ``NO_READING``."""
    return store.one(f"{_ROW} WHERE r.id = ?", (identifier,))


def row_to_json(row: sqlite3.Row) -> dict[str, Any]:
    """Return a row as docs/reference/http.md has it."""
    done = row["state"] == QueueState.DONE
    record = json.loads(row["record"]) if done and row["status"] == "not_assessed" else {}
    refused = record.get("refused")
    top = None
    if done and row["top_label"] is not None:
        label = row["top_label"]
        top = {"label": label, "name": taxonomy()[label].name, "score": round(row["top_score"], 4)}
    return {
        "id": row["id"],
        "number": row["number"],
        "name": row["name"] or f"film {row['number']}",
        "state": row["state"],
        "status": row["status"] if done else None,
        "reasons": [refused["code"]] if refused else list(record.get("reasons", ())),
        "created": row["created"],
        "study_date": (json.loads(row["identity"] or "{}").get("study_date") or None) if done else None,
        "finished": row["finished"],
        "headline": row["headline"] if done else None,
        "labels": json.loads(row["labels"]) if done else [],
        "top": top,
        "urgency": round(row["urgency"], 4),
        "reviewed": bool(row["reviewed"]),
        "model": row["read_by"] if done else None,
        "width": row["width"],
        "height": row["height"],
        "view": row["view"],
        "patient": row["patient"],
        "screened": None if row["screened"] is None or not done else round(row["screened"], 4),
        "decision": row["decision"],
    }


def _conditions(query: WorklistQuery) -> tuple[str, list[Any]]:
    found: list[tuple[str, list[Any]]] = []
    for column, value in (("state", query.state), ("status", query.status), ("patient", query.patient)):
        if value is not None:
            found.append((f"r.{column} = ?", [value]))
    score = "EXISTS (SELECT 1 FROM scores s WHERE s.reading = r.number AND {})"
    if query.label is not None and query.min_score is not None:
        found.append((score.format("s.label = ? AND s.score >= ?"), [query.label, query.min_score]))
    elif query.label is not None:
        found.append((score.format("s.label = ? AND s.positive"), [query.label]))
    elif query.min_score is not None:
        found.append(("r.top_score >= ?", [query.min_score]))
    if query.reviewed is not None:
        found.append((_REVIEWED if query.reviewed else f"NOT {_REVIEWED}", []))
    if query.ids is not None:
        found.append((f"r.id IN ({', '.join('?' * len(query.ids))})", list(query.ids)))
    found += [(_HAS_WORD, [word, word, word if len(word) >= _ID_WORD else ""]) for word in query.words]
    where = " AND ".join(f"({text})" for text, _ in found) or "1"
    names = [json.dumps({key: name.casefold() for key, name in query.names.items()})] if query.names else []
    return where, [*names, *(value for _, values in found for value in values)]
