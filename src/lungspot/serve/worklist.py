"""Which films are here, as rows for people: filtered, sorted, paged."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any, Final

from lungspot.findings import taxonomy
from lungspot.serve.store import Store

__all__ = ["SORTS", "WorklistQuery", "page_of", "row_of", "row_to_json"]

SORTS: Final = {
    "urgency": "reviewed, r.urgency DESC, r.number",
    "newest": "r.number DESC",
    "oldest": "r.number",
    "score": "coalesce(r.top_score, -1) DESC, r.number",
}
_ROW: Final = """SELECT r.*,
    EXISTS (SELECT 1 FROM reviews v WHERE v.reading = r.number) AS reviewed,
    (SELECT json_group_array(label) FROM
        (SELECT label FROM scores s WHERE s.reading = r.number AND s.positive ORDER BY s.score DESC)) AS labels
    FROM readings r"""


@dataclass(frozen=True, slots=True)
class WorklistQuery:
    """Order, page and filters of a worklist; a filter that is None is not applied."""

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


def page_of(store: Store, query: WorklistQuery) -> dict[str, Any]:
    """Return one page of the worklist as JSON values."""
    where, values = _conditions(query)
    order = SORTS[query.sort]
    rows = store.all(
        f"{_ROW} WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?",
        [*values, query.per_page, (query.page - 1) * query.per_page],
    )
    total = store.one(f"SELECT count(*) FROM readings r WHERE {where}", values)[0]  # noqa: S608 - our own words
    counts = dict.fromkeys(("queued", "reading", "done"), 0)
    counts |= {row[0]: row[1] for row in store.all("SELECT state, count(*) FROM readings GROUP BY state")}
    return {
        "readings": [row_to_json(row) for row in rows],
        "total": total,
        "page": query.page,
        "per_page": query.per_page,
        "counts": counts,
        "not_for_clinical_use": True,
    }


def row_of(store: Store, identifier: str) -> sqlite3.Row:
    """Return the row of one reading; raises ``NO_READING``."""
    return store.one(f"{_ROW} WHERE r.id = ?", (identifier,))


def row_to_json(row: sqlite3.Row) -> dict[str, Any]:
    """Return a row as docs/reference/http.md has it."""
    done = row["state"] == "done"
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
        "finished": row["finished"],
        "headline": row["headline"] if done else None,
        "labels": json.loads(row["labels"]) if done else [],
        "top": top,
        "urgency": round(row["urgency"], 4),
        "reviewed": bool(row["reviewed"]),
        "width": row["width"],
        "height": row["height"],
        "view": row["view"],
        "patient": row["patient"],
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
        reviewed = "EXISTS (SELECT 1 FROM reviews v WHERE v.reading = r.number)"
        found.append((reviewed if query.reviewed else f"NOT {reviewed}", []))
    if query.ids is not None:
        found.append((f"r.id IN ({', '.join('?' * len(query.ids))})", list(query.ids)))
    return " AND ".join(text for text, _ in found) or "1", [value for _, values in found for value in values]
