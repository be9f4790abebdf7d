"""Screening people for one label: what is advised by score, what readers decide, and the programme's register.

A decision is never changed; of one person the last counts. A person is a patient where films say whose they are, else a
film. A decision goes with the film that it was made by; "repeat film" stands until another film has been read. Then, as
where nobody has decided, the last film that was assessed counts, and :mod:`lungspot.serve.worklist` asks for no other.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from lungspot.detect import DEFAULT_POINT, ModelCard
from lungspot.errors import RequestError
from lungspot.findings import taxonomy
from lungspot.report import DECISIONS, Refusal, RegisterRow, register_row, thresholds_name
from lungspot.serve.answers import Decided
from lungspot.serve.app_state import AppState
from lungspot.serve.record import at_point
from lungspot.serve.reviews import GivenName
from lungspot.serve.store import QueueState, Store, now

__all__ = ["Decision", "decide", "decisions_of", "register_rows", "require_screening", "screen_for", "screening_of"]

_FILMS: Final = f"""SELECT r.*, d.decision, d.reader AS decided_by, d.created AS decided_at, d.why AS decided_why
    FROM readings r LEFT JOIN decisions d
    ON d.number = (SELECT max(number) FROM decisions WHERE reading = r.number)
    WHERE r.state = '{QueueState.DONE}' ORDER BY r.number"""  # noqa: S608 - our own words
_REPEAT: Final = DECISIONS[2]


class Decision(BaseModel):
    """What a reader decided of a person, by a film of his or hers; ``why``: in the reader's words."""

    model_config = ConfigDict(extra="forbid")
    reader: GivenName
    decision: Decided
    why: str = Field("", max_length=500)


def screen_for(store: Store, label: str | None) -> None:
    """Remember what this server screens for, so that the worklist can be ordered by it; None: nothing."""
    with store.writing() as db:
        db.execute("DELETE FROM meta WHERE name = 'screen'")
        if label is not None:
            db.execute("INSERT INTO meta VALUES ('screen', ?)", (label.encode(),))


def screening_of(card: ModelCard, label: str) -> dict[str, Any]:
    """Return what people are screened for and by whose threshold, as JSON values."""
    return {
        "label": label,
        "name": taxonomy()[label].name,
        "threshold": round(card.threshold(label, DEFAULT_POINT).image, 4),
        "thresholds_of": thresholds_name(card, label),
    }


def require_screening(app: AppState) -> str:
    """Return the label that this server screens for; raises ``NO_SCREENING`` where it screens nobody."""
    if app.settings.screen is None:
        raise RequestError("NO_SCREENING", None, "this server screens nobody")
    return app.settings.screen


def decide(store: Store, row: sqlite3.Row, decision: Decision) -> dict[str, Any]:
    """Keep a decision about a film that is done, and return it as JSON values; raises ``NO_READING``."""
    created = now()
    with store.writing() as db:
        made = db.execute(
            "INSERT INTO decisions (reading, created, reader, decision, why)"
            " SELECT number, ?, ?, ?, ? FROM readings WHERE id = ?",
            (created, decision.reader, decision.decision, decision.why, row["id"]),
        )
    if not made.rowcount:
        raise RequestError("NO_READING", row["id"], "the film was deleted meanwhile")
    return {"reading_id": row["id"], "created": created, **decision.model_dump()}


def decisions_of(store: Store, row: sqlite3.Row) -> list[dict[str, Any]]:
    """Return what was decided of a film, oldest first, as JSON values."""
    query = "SELECT created, reader, decision, why FROM decisions WHERE reading = ? ORDER BY number"
    return [{"reading_id": row["id"], **dict(each)} for each in store.all(query, (row["number"],))]


def register_rows(app: AppState, names: Mapping[str, str]) -> list[RegisterRow]:
    """Return the register, one row a person, in the order in which people came.

    ``names``: file names by reading id that the server does not keep. An id is the patient's where identifiers are
    kept, else the film's name without its ending, else ``film N``. Raises ``NO_SCREENING``.
    """
    label = require_screening(app)
    films: dict[object, list[sqlite3.Row]] = {}
    for row in app.store.all(_FILMS):
        films.setdefault(row["patient"] or row["number"], []).append(row)
    return list(_people(app, films, names, label))


def _people(
    app: AppState, films: Mapping[object, list[sqlite3.Row]], names: Mapping[str, str], label: str
) -> Iterator[RegisterRow]:
    for mine in films.values():
        said = max((each for each in mine if each["decision"]), key=lambda each: each["decided_at"], default=None)
        # A film that was decided on and then read anew, as one that could not be read is, is no other film.
        since = [row for row in mine if not row["decision"] and (said is None or row["finished"] > said["decided_at"])]
        if said is not None and since and said["decision"] == _REPEAT:
            said = None
        counted = said or next((row for row in reversed(since) if row["status"] == "assessed"), since[-1])
        result = app.result(counted, pictures=False)
        identity = json.loads(counted["identity"] or "{}")
        day = identity.get("study_date") or counted["created"][:10]
        at = result if isinstance(result, Refusal) else at_point(result, DEFAULT_POINT)
        row = register_row(at, label, identity.get("patient_id") or _called(counted, names), day)
        if said is not None:
            told = {"decision": said["decision"], "decided_by": said["decided_by"], "decided_at": said["decided_at"]}
            why = said["decided_why"] or row.why if said["decision"] == _REPEAT else row.why
            row = replace(row, why=why, **told)
        yield row


def _called(row: sqlite3.Row, names: Mapping[str, str]) -> str:
    name = row["name"] or names.get(row["id"])
    return PurePath(name).stem if name else f"film {row['number']}"
