"""A result that is kept (:func:`lungspot.report.to_record`), as a page asks for it.

The film is read once, down to the lowest score that a page may ask for (:func:`lungspot.detect.floor_of`); an
operating point chooses from that (:func:`at_point`), and gives just what reading it at that point would have given.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from lungspot.detect import OPERATING_POINTS, ModelCard, in_order
from lungspot.detect import at_point as reading_at_point
from lungspot.errors import ModelError
from lungspot.report import Analysis, Model, Refusal, findings_to_json, statement, statement_to_json

__all__ = ["at_point", "candidates", "past_model", "statements"]


def past_model(card: str, key: str, runtime: str, today: ModelCard) -> Model:
    """Return the model of a result that was made earlier, from its card's JSON text; ``key``: as ``Model.key`` has it.

    Two things that cards of 0.1 lack are mended. Thresholds out of order, which a card's constructor refuses: the
    sensitive one is lowered to the balanced one, the specific one raised. And standings: where no label was ever judged
    by the rule (docs/explanation/standing.md), each has the one that ``today``, the server's own card, gives it. Raises
    ``MODEL_FORMAT``.
    """
    try:
        found = ModelCard.from_json(card)
    except ModelError:
        value = json.loads(card)
        points = value.get("thresholds", {})
        for label in {label for of in points.values() for label in of}:
            given = {point: of[label] for point, of in points.items() if label in of}
            for kind in ("image", "box"):
                ordered = in_order({point: limits[kind] for point, limits in given.items()})
                for point, limit in ordered.items():
                    given[point][kind] = limit
        found = ModelCard.from_json(json.dumps(value))
    if not found.standing:
        judged = {label: standing for label, standing in today.standing.items() if label in found.labels}
        found = replace(found, standing=judged)
    return Model.of_key(key, found, runtime)


def at_point(result: Analysis, point: str) -> Analysis:
    """Return the result as reading the film at an operating point gives it: the boxes from its thresholds."""
    if result.reading is None:
        return replace(result, point=point)
    reading, kept = reading_at_point(result.model.card, result.reading, point)
    agreement = tuple(each for each, keep in zip(result.agreement, kept, strict=True) if keep)
    return replace(result, reading=reading, agreement=agreement, point=point)


def candidates(result: Analysis | Refusal) -> list[dict[str, Any]]:
    """Return every box that was kept, best first, as JSON values with the thresholds of all points."""
    if isinstance(result, Refusal):
        return []
    found = []
    for each in findings_to_json(result):
        limits = {point: round(result.model.card.threshold(each["label"], point).box, 4) for point in OPERATING_POINTS}
        found.append({k: v for k, v in each.items() if k not in {"threshold", "positive"}} | {"thresholds": limits})
    return found


def statements(result: Analysis) -> dict[str, dict[str, Any]]:
    """Return what is said of a film at each operating point, so that a page can move it without asking again.

    By point: ``reported`` and, with experimental labels, ``experimental``, as the document's ``statement`` has them;
    ``places``: by the number of a place that they speak of, which candidates show it.
    """
    found = {}
    for point in OPERATING_POINTS:
        at = at_point(result, point)
        kept = () if result.reading is None else reading_at_point(result.model.card, result.reading, point)[1]
        shown = [index for index, keep in enumerate(kept) if keep]
        found[point] = {
            "reported": statement_to_json(statement(at)),
            "experimental": statement_to_json(statement(at, experimental=True)),
            "places": {str(place.number): [shown[index] for index in place.members] for place in at.places},
        }
    return found
