"""What the worklist says of a film: its columns, made from a result, and made anew when another lungspot starts.

A headline, an order of urgency and what is positive are views of the result that is kept (:mod:`lungspot.report`). How
they are made changes from version to version, the result does not; so a database that another version wrote is brought
up.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from typing import Any, Final

from lungspot import __version__
from lungspot.detect import DEFAULT_POINT, ModelCard
from lungspot.errors import LungspotError
from lungspot.report import Analysis, Model, Refusal, from_record, refusal_of, refused_because, statement
from lungspot.serve.record import at_point, past_model
from lungspot.serve.search_text import search_text
from lungspot.serve.store import QueueState, Store

__all__ = ["columns_of", "say_anew", "scores_of"]

_LOG = logging.getLogger("lungspot.serve")
_TOGETHER: Final = 200  # rows of one transaction
_OTHERS: Final = f"""SELECT r.number, r.name, r.identity, r.record, m.sha256, m.card, m.runtime
    FROM readings r LEFT JOIN models m ON m.sha256 = r.model
    WHERE r.state = '{QueueState.DONE}' AND r.said_by IS NOT ? AND r.number > ? ORDER BY r.number LIMIT ?"""  # noqa: S608 - our own words


def scores_of(result: Analysis | Refusal) -> list[tuple[str, float, bool]]:
    """Return by label the higher of the film's probability and the best box, and whether either is positive.

    What is positive of an experimental label is not called so: it is not said.
    """
    if isinstance(result, Refusal) or result.reading is None:
        return []
    found: dict[str, tuple[float, bool]] = {}
    for finding in at_point(result, DEFAULT_POINT).reading.findings:  # type: ignore[union-attr] # assessed, as just seen
        score, reached = found.get(finding.label, (0.0, False))
        found[finding.label] = (max(score, finding.score or 0.0), reached or result.is_positive(finding))
    card = result.model.card
    return [(label, score, reached and card.is_reported(label)) for label, (score, reached) in found.items()]


def columns_of(result: Analysis | Refusal) -> dict[str, Any]:
    """Return what the worklist shows of a result."""
    if isinstance(result, Refusal):
        empty = dict.fromkeys(("top_label", "top_score", "width", "height", "view", "model"))
        words = refused_because(result.error.reason)
        said = {"status": result.status, "readable": 0, "headline": words, "said_by": __version__}
        return empty | said | {"urgency": statement(result).urgency}
    told = statement(at_point(result, DEFAULT_POINT))
    called = [(name.label, name.probability) for one in told.said if one.positive for name in one.told]
    likely = [(label, score) for label, score, _ in scores_of(result) if label not in told.unsaid]
    top = max(called or likely, key=lambda each: each[1], default=(None, None))
    return {
        "status": result.status,
        "readable": 1,
        "headline": told.headline,
        "top_label": top[0],
        "top_score": top[1],
        "urgency": told.urgency,
        "width": result.radiograph.frame.width,
        "height": result.radiograph.frame.height,
        "view": str(result.radiograph.view),
        "model": result.model.key,
        "said_by": __version__,
    }


def say_anew(store: Store, today: ModelCard) -> int:
    """Bring the columns of films that another version of lungspot put into words up to this one's; return how many.

    ``today``: the card of the server's own model. A result that cannot be understood keeps its words; the log says so.
    """
    done, last = 0, -1
    models: dict[str | None, Model] = {}
    while rows := store.all(_OTHERS, (__version__, last, _TOGETHER)):
        last = rows[-1]["number"]
        with store.writing() as db:
            for row in rows:
                try:
                    if row["sha256"] is not None and row["sha256"] not in models:
                        models[row["sha256"]] = past_model(row["card"], row["sha256"], row["runtime"], today)
                    result = _result_of(row, models.get(row["sha256"]))
                    values, scores = columns_of(result), scores_of(result)
                except (LungspotError, KeyError, TypeError, ValueError) as error:
                    _LOG.warning("film %d: its result cannot be put into words (%s)", row["number"], error)
                    continue
                called = row["name"] or f"film {row['number']}"
                values["found_by"] = search_text(called, values["headline"], row["identity"])
                sets = ", ".join(f"{column} = ?" for column in values)  # names of ours
                db.execute(f"UPDATE readings SET {sets} WHERE number = ?", (*values.values(), row["number"]))  # noqa: S608
                db.executemany(
                    "INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?)", [(row["number"], *s) for s in scores]
                )
                done += 1
    return done


def _result_of(row: sqlite3.Row, model: Model | None) -> Analysis | Refusal:
    record, name = json.loads(row["record"]), row["name"] or ""
    refusal = refusal_of(record, name)
    if refusal is not None:
        return refusal
    if model is None:
        raise ValueError("no model")
    return from_record(record, model, name, None, None)
