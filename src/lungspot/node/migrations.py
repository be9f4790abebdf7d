"""The journal's table, as numbered steps: the spool of an earlier version goes on where it was.

Step N brings ``PRAGMA user_version`` from N - 1 to N, in one transaction. A released step is never changed.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from lungspot.queue import MigrationStep

__all__ = ["MIGRATIONS"]


def _films(connection: sqlite3.Connection) -> None:
    """Make room for one row a film."""
    connection.execute(
        """CREATE TABLE film (
            number INTEGER PRIMARY KEY,
            sha256 TEXT NOT NULL UNIQUE,
            instance TEXT NOT NULL,
            study TEXT NOT NULL,
            source TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('received', 'analysed', 'sent', 'failed')),
            attempts INTEGER NOT NULL DEFAULT 0,
            due REAL NOT NULL DEFAULT 0,
            reason TEXT NOT NULL DEFAULT '',
            changed REAL NOT NULL
        ) STRICT"""
    )
    connection.execute("CREATE INDEX film_by_state ON film (state, due, number)")
    connection.execute("CREATE INDEX film_by_instance ON film (instance)")


def _claims(connection: sqlite3.Connection) -> None:
    """Tell a film that is being read from one that waits; SQLite alters no CHECK, so the rows move to a new table."""
    connection.execute(
        """CREATE TABLE film_2 (
            number INTEGER PRIMARY KEY,
            sha256 TEXT NOT NULL UNIQUE,
            instance TEXT NOT NULL,
            study TEXT NOT NULL,
            source TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('received', 'reading', 'analysed', 'sent', 'failed')),
            attempts INTEGER NOT NULL DEFAULT 0,
            due REAL NOT NULL DEFAULT 0,
            reason TEXT NOT NULL DEFAULT '',
            changed REAL NOT NULL
        ) STRICT"""
    )
    columns = "number, sha256, instance, study, source, state, attempts, due, reason, changed"
    connection.execute(f"INSERT INTO film_2 ({columns}) SELECT {columns} FROM film")  # noqa: S608 - our own names
    connection.execute("DROP TABLE film")
    connection.execute("ALTER TABLE film_2 RENAME TO film")
    connection.execute("CREATE INDEX film_by_state ON film (state, due, number)")
    connection.execute("CREATE INDEX film_by_instance ON film (instance)")


def _facts(connection: sqlite3.Connection) -> None:
    """Make room for what `lungspot watch` looks at: the JSON of lungspot.adapt.film_facts, longer than for the film."""
    connection.execute(
        """CREATE TABLE facts (
            sha256 TEXT PRIMARY KEY, time REAL NOT NULL, source TEXT NOT NULL, body TEXT NOT NULL
        ) STRICT"""
    )


def _work_items(connection: sqlite3.Connection) -> None:
    """Make room for claimed work items and their films, and for what was made of a film, by its UIDs.

    Of earlier films that is NULL: nobody wrote it down.
    """
    connection.execute("ALTER TABLE film ADD COLUMN outputs TEXT")
    connection.execute(
        """CREATE TABLE item (
            number INTEGER PRIMARY KEY,
            uid TEXT NOT NULL UNIQUE,
            server TEXT NOT NULL,
            txn TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('claiming', 'claimed', 'performing', 'completing', 'canceling',
                'completed', 'canceled', 'lost', 'failed')),
            attempts INTEGER NOT NULL DEFAULT 0,
            due REAL NOT NULL DEFAULT 0,
            began REAL NOT NULL,
            reason TEXT NOT NULL DEFAULT '',
            code TEXT NOT NULL DEFAULT '',
            scheduled TEXT NOT NULL DEFAULT '',
            changed REAL NOT NULL
        ) STRICT"""
    )
    connection.execute("CREATE INDEX item_by_state ON item (state, number)")
    connection.execute(
        """CREATE TABLE item_film (
            item INTEGER NOT NULL REFERENCES item (number) ON DELETE CASCADE,
            instance TEXT NOT NULL, sha256 TEXT NOT NULL, reason TEXT NOT NULL,
            PRIMARY KEY (item, instance)
        ) STRICT"""
    )


def _earlier_films(connection: sqlite3.Connection) -> None:
    """Make room for what later films are compared with (lungspot.node.earlier); no column says who the patient is."""
    connection.execute(
        """CREATE TABLE earlier (
            number INTEGER PRIMARY KEY,
            sha256 TEXT NOT NULL UNIQUE,
            patient TEXT NOT NULL,
            issuer TEXT NOT NULL,
            born TEXT NOT NULL,
            day TEXT NOT NULL,
            clock TEXT NOT NULL,
            instance TEXT NOT NULL,
            read_by TEXT NOT NULL,
            against TEXT NOT NULL,
            body TEXT NOT NULL,
            greys BLOB NOT NULL,
            time REAL NOT NULL
        ) STRICT"""
    )
    connection.execute("CREATE INDEX earlier_by_patient ON earlier (patient, time)")
    connection.execute("CREATE INDEX earlier_by_time ON earlier (time)")
    connection.execute("CREATE INDEX earlier_by_instance ON earlier (instance)")


MIGRATIONS: Final[tuple[MigrationStep, ...]] = (_films, _claims, _facts, _work_items, _earlier_films)
