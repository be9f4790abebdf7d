"""Which labels of a network are reported, and which are experimental: docs/explanation/standing.md holds the rule.

Judged on val, for the network that ships, with the thresholds that its card holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungspot.detect import ModelCard, Standing, calibrate
from lungspot.evaluate import match, rounded
from lungspot.findings import ABSENT, BOXED, PRESENT, UNKNOWN
from lungspot.train.validate import Predictions, film_auroc

__all__ = ["shown", "standing"]

FILMS: Final = 10  # that show it, and as many that do not, for a source to judge a label by
BOXES: Final = 10  # that people drew there, for its boxes to be judged
AUROC: Final = 0.80
CALLS: Final = 0.25  # of the films on which it is called
RIGHT: Final = 0.2  # of the boxes that are shown
IOU: Final = 0.3
_NUMBERS: Final = ("source", "positive", "auroc", "called", "calls_right", "shown", "boxes_right")


def standing(val: Predictions, card: ModelCard) -> tuple[Mapping[str, Standing], Mapping[str, Any]]:
    """Return each label's standing, and the numbers by which it was judged, as JSON values.

    ``card``: labels, fusion, calibration and thresholds as they ship. The numbers are None where they were not asked
    for or there was nothing to count; ``source`` is None where no source has enough films.
    """
    numbers = {label: _judge(val, column, card) for column, label in enumerate(card.labels)}
    return {label: _decide(each) for label, each in numbers.items()}, numbers


def shown(val: Predictions, film: int, column: int, card: ModelCard) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the boxes of a label on a film at the balanced point, (K, 4) as fractions, and their scores, (K,)."""
    label = card.labels[column]
    found, image = val.found[film][column], val.image[film, column]
    scores = calibrate(found.scores * image ** card.box_fusion.get(label, 0.0), card.box_calibration.get(label))
    kept = scores >= card.threshold(label).box
    return found.boxes[kept], scores[kept]


def _judge(val: Predictions, column: int, card: ModelCard) -> dict[str, Any]:
    label = card.labels[column]
    source = _source(val, column)
    numbers: dict[str, Any] = dict.fromkeys(_NUMBERS)
    if source is None:
        return numbers
    here = [i for i, film in enumerate(val.films) if film.source == source and film.states[column] != UNKNOWN]
    positive = np.array([val.films[i].states[column] >= PRESENT for i in here], dtype=np.bool_)
    probability = calibrate(val.image[here, column], card.image_calibration.get(label))
    from_map = label in card.box_from_map
    called = probability >= card.threshold(label).image
    if not from_map:
        called |= np.array([len(shown(val, i, column, card)[1]) > 0 for i in here], dtype=np.bool_)
    numbers |= {
        "source": source,
        "positive": int(positive.sum()),
        "auroc": rounded(film_auroc(val, column, sources=(source,), certain=True)),
        "called": int(called.sum()),
        "calls_right": rounded(float(positive[called].mean())) if called.any() else None,
    }
    true = [val.films[i].boxes[val.films[i].labels == column].astype(np.float64) for i in here]
    if not from_map and sum(map(len, true)) >= BOXES:
        right: list[bool] = []
        for i, boxes in zip(here, true, strict=True):
            if val.films[i].states[column] in {ABSENT, BOXED}:
                found, scores = shown(val, i, column, card)
                right += (match(found, scores, boxes, IOU) >= 0).tolist()
        numbers |= {"shown": len(right), "boxes_right": rounded(float(np.mean(right))) if right else 0.0}
    return numbers


def _source(val: Predictions, column: int) -> str | None:
    """Return the source by which a label is judged: of those with enough films, the one with most that show it."""
    found: dict[str, int] = {}
    for source in sorted({film.source for film in val.films}):
        states = np.array([film.states[column] for film in val.films if film.source == source])
        if min(int((states >= PRESENT).sum()), int((states == ABSENT).sum())) >= FILMS:
            found[source] = int((states >= PRESENT).sum())
    return max(found, key=found.__getitem__) if found else None


def _decide(numbers: Mapping[str, Any]) -> Standing:
    good = (
        numbers["source"] is not None
        and (numbers["auroc"] or 0.0) >= AUROC
        and (numbers["calls_right"] or 0.0) >= CALLS
        and (numbers["boxes_right"] is None or numbers["boxes_right"] >= RIGHT)
    )
    return Standing.REPORTED if good else Standing.EXPERIMENTAL
