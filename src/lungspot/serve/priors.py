"""The other films of a film's patient, by when they were taken."""

from __future__ import annotations

import sqlite3
from typing import Any

from lungspot.serve.store import Store

__all__ = ["priors_of"]


def priors_of(store: Store, row: sqlite3.Row) -> list[dict[str, Any]]:
    """Return other films of the patient that are done, as JSON values: the nearest earlier one first, then later ones.

    Where the patient is not known there are none; ``days_earlier`` is None where a date is not known.
    """
    if row["patient"] is None:
        return []
    query = "SELECT * FROM readings WHERE patient = ? AND id <> ? AND state = 'done' ORDER BY number DESC LIMIT 100"
    found = []
    for other in store.all(query, (row["patient"], row["id"])):
        days = None if row["day"] is None or other["day"] is None else row["day"] - other["day"]
        found.append(
            {
                "id": other["id"],
                "number": other["number"],
                "name": other["name"] or f"film {other['number']}",
                "created": other["created"],
                "days_earlier": days,
                "status": other["status"],
                "headline": other["headline"],
            }
        )
    return sorted(found, key=lambda each: _nearness(each["days_earlier"]))


def _nearness(days: int | None) -> tuple[int, int]:
    """Return what sorts the nearest earlier film first, then those without a date, then later ones."""
    return (1, 0) if days is None else (0, days) if days >= 0 else (2, -days)
