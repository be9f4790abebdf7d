"""Average precision where readers looked for different things.

As LVIS does it: a label is judged on the films where someone looked for it. Where it is known to be there but not every
instance has its box, a found box that matches none is left out of account, for it may be right.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lungspot.evaluate.match import match
from lungspot.findings import State

__all__ = ["MatchedFilm", "average_precision", "match_film"]

Array = NDArray[np.float64]

_RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True, slots=True)
class MatchedFilm:
    """What became of the boxes of one label on one film.

    ``scores`` and ``right``: of the boxes that count, (K,) each. ``true``: how many true boxes there are.
    """

    scores: Array
    right: NDArray[np.bool_]
    true: int


def match_film(found: Array, scores: Array, true: Array, state: State, iou: float) -> MatchedFilm | None:
    """Match one label's boxes on one film; None where nobody looked for the label.

    ``found``: (P, 4), ``scores``: (P,), ``true``: (M, 4), all in one frame.
    """
    if state is State.NOT_LOOKED_FOR:
        return None
    right = match(found, scores, true, iou) >= 0
    counts = right if state is State.PRESENT else np.ones_like(right)
    return MatchedFilm(scores[counts], right[counts], len(true))


def average_precision(judged: Iterable[MatchedFilm]) -> float:
    """Return COCO's average precision of one label over films: interpolated at 101 recalls; NaN without a true box.

    Boxes of equal score keep the order of the films, and within a film the order found.
    """
    films = list(judged)
    true = sum(film.true for film in films)
    if not true:
        return float("nan")
    scores = np.concatenate([film.scores for film in films])
    order = np.argsort(-scores, kind="stable")
    right = np.concatenate([film.right for film in films])[order]
    hits = np.cumsum(right)
    recall = hits / true
    precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
    at = np.searchsorted(recall, _RECALLS, side="left")
    return float(np.append(precision, 0.0)[np.minimum(at, len(precision))].mean())
