"""The database's tables, as numbered steps: a database of any earlier version is brought up, never made anew.

Step N brings ``PRAGMA user_version`` from N - 1 to N, in one transaction. A released step is never changed.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from typing import Final

from lungspot.queue import MigrationStep
from lungspot.serve.pseudonyms import pseudonym
from lungspot.serve.search_text import search_text

__all__ = ["MIGRATIONS"]


def _readings(connection: sqlite3.Connection) -> None:
    """Make room for films and results; ``record`` is :mod:`lungspot.serve.record`'s JSON."""
    connection.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT")
    connection.execute("INSERT INTO meta VALUES ('salt', ?)", (secrets.token_bytes(32),))
    connection.execute(
        "CREATE TABLE models (sha256 TEXT PRIMARY KEY, card TEXT NOT NULL, runtime TEXT NOT NULL) STRICT"
    )
    connection.execute(
        """CREATE TABLE readings (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            sha256 TEXT NOT NULL UNIQUE,
            name TEXT,
            state TEXT NOT NULL CHECK (state IN ('queued', 'reading', 'done')),
            attempts INTEGER NOT NULL DEFAULT 0,
            created TEXT NOT NULL,
            finished TEXT,
            patient TEXT,
            day INTEGER,
            identity TEXT,
            status TEXT,
            readable INTEGER NOT NULL DEFAULT 0,
            headline TEXT,
            top_label TEXT,
            top_score REAL,
            urgency REAL NOT NULL DEFAULT -1,
            width INTEGER,
            height INTEGER,
            view TEXT,
            model TEXT REFERENCES models,
            record TEXT
        ) STRICT"""
    )
    connection.execute(
        """CREATE TABLE scores (
            reading INTEGER NOT NULL REFERENCES readings ON DELETE CASCADE,
            label TEXT NOT NULL, score REAL NOT NULL, positive INTEGER NOT NULL,
            PRIMARY KEY (reading, label)
        ) STRICT, WITHOUT ROWID"""
    )
    connection.execute("CREATE INDEX readings_by_state ON readings (state, number)")
    connection.execute("CREATE INDEX readings_by_patient ON readings (patient)")
    connection.execute("CREATE INDEX scores_by_label ON scores (label, score)")


def _reviews(connection: sqlite3.Connection) -> None:
    """Make room for what readers and datasets say; ``body`` is the request's JSON, checked."""
    connection.execute(
        """CREATE TABLE reviews (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            reading INTEGER NOT NULL REFERENCES readings ON DELETE CASCADE,
            created TEXT NOT NULL, reader TEXT NOT NULL, body TEXT NOT NULL
        ) STRICT"""
    )
    connection.execute("CREATE INDEX reviews_by_reading ON reviews (reading)")
    connection.execute(
        """CREATE TABLE truths (
            reading INTEGER PRIMARY KEY REFERENCES readings ON DELETE CASCADE, body TEXT NOT NULL
        ) STRICT"""
    )


def _due(connection: sqlite3.Connection) -> None:
    """Say from when on a film may be claimed, as lungspot.queue asks."""
    connection.execute("ALTER TABLE readings ADD COLUMN due REAL NOT NULL DEFAULT 0")


def _found_by(connection: sqlite3.Connection) -> None:
    """Keep what a film is found by (lungspot.serve.search_text), for a search looks at every film."""
    connection.execute("ALTER TABLE readings ADD COLUMN found_by TEXT NOT NULL DEFAULT ''")
    for number, *parts in connection.execute("SELECT number, name, headline, identity FROM readings").fetchall():
        text = search_text(parts[0] or f"film {number}", *parts[1:])
        connection.execute("UPDATE readings SET found_by = ? WHERE number = ?", (text, number))


def _facts(connection: sqlite3.Connection) -> None:
    """Make room for what `lungspot watch` looks at: JSON of lungspot.adapt.film_facts, nothing about the patient."""
    connection.execute("ALTER TABLE readings ADD COLUMN facts TEXT")


def _said_by(connection: sqlite3.Connection) -> None:
    """Say which lungspot put a result into words; :mod:`lungspot.serve.said` does it anew where it was another."""
    connection.execute("ALTER TABLE readings ADD COLUMN said_by TEXT")


def _answers(connection: sqlite3.Connection) -> None:
    """Make room for learners' answers; of a case for teaching the truth is hidden, and ``name`` is the dataset's."""
    connection.execute("ALTER TABLE truths ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0")
    connection.execute("ALTER TABLE truths ADD COLUMN name TEXT")
    connection.execute(
        """CREATE TABLE answers (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            reading INTEGER NOT NULL REFERENCES readings ON DELETE CASCADE,
            created TEXT NOT NULL, learner TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (reading, learner)
        ) STRICT"""
    )


def _decisions(connection: sqlite3.Connection) -> None:
    """Make room for what was decided of people who are screened; of one film the last decision counts."""
    connection.execute(
        """CREATE TABLE decisions (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            reading INTEGER NOT NULL REFERENCES readings ON DELETE CASCADE,
            created TEXT NOT NULL, reader TEXT NOT NULL, decision TEXT NOT NULL, why TEXT NOT NULL
        ) STRICT"""
    )
    connection.execute("CREATE INDEX decisions_by_reading ON decisions (reading)")


def _listed(connection: sqlite3.Connection) -> None:
    """Keep what a list of all films looks at side by side: results, which are large, stand between in the table."""
    connection.execute(
        "CREATE INDEX readings_listed ON readings"
        " (number, id, state, status, urgency, top_score, patient, finished, created, name, found_by, identity)"
    )


def _whose(connection: sqlite3.Connection) -> None:
    """Tell people with one patient ID apart, and films of one day: keyed digests, and a shifted time of day.

    Of films that came before, the date of birth is known where identifiers are kept.
    """
    for column in ("issuer TEXT NOT NULL DEFAULT ''", "born TEXT NOT NULL DEFAULT ''", "second INTEGER"):
        connection.execute(f"ALTER TABLE readings ADD COLUMN {column}")
    (salt,) = connection.execute("SELECT value FROM meta WHERE name = 'salt'").fetchone()
    kept = "SELECT number, identity FROM readings WHERE patient IS NOT NULL AND identity IS NOT NULL"
    for number, identity in connection.execute(kept).fetchall():
        said = json.loads(identity)
        if said.get("birth_date"):
            born = pseudonym(bytes(salt), b"born", f"{said.get('patient_id')}\n{said['birth_date']}")[:16]
            connection.execute("UPDATE readings SET born = ? WHERE number = ?", (born, number))


def _instance(connection: sqlite3.Connection) -> None:
    """Tell a film that came twice: a keyed digest of its SOP Instance UID.

    Of films that came before, it is known where identifiers are kept.
    """
    connection.execute("ALTER TABLE readings ADD COLUMN instance TEXT NOT NULL DEFAULT ''")
    (salt,) = connection.execute("SELECT value FROM meta WHERE name = 'salt'").fetchone()
    kept = "SELECT number, identity, record FROM readings WHERE patient IS NOT NULL AND identity IS NOT NULL"
    for number, identity, record in connection.execute(kept).fetchall():
        film = (json.loads(record or "{}").get("film") or {}).get("sop_instance_uid")
        if film:
            text = f"{json.loads(identity).get('patient_id')}\n{film}"
            instance = pseudonym(bytes(salt), b"film", text)[:16]
            connection.execute("UPDATE readings SET instance = ? WHERE number = ?", (instance, number))


MIGRATIONS: Final[tuple[MigrationStep, ...]] = (
    *(_readings, _reviews, _due, _found_by, _facts, _said_by, _answers),
    _decisions,
    _listed,
    _whose,
    _instance,
)
