"""Does it mean anything where heat map and box disagree: how well low agreement tells a wrong box from a right one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungspot.evaluate.classify import area_under
from lungspot.evaluate.matched import Matched, Pair, level
from lungspot.evaluate.metrics import Value
from lungspot.evaluate.resample import interval, unit_weights

__all__ = ["agreement_auroc"]

_AT: Final = 0.4


def agreement_auroc(
    pairs: Sequence[Pair], matched: Mapping[str, Matched], weights: NDArray[np.integer], ci: float = 95.0
) -> dict[str, Any] | None:
    """Return how well low agreement of heat map and box tells wrong shown boxes from right ones: AUROC by measure.

    Of the boxes at or above the limit on films where the label was looked for exhaustively, at IoU .4; the measures
    are those that every such box has. ``score``: how well a low score does, beside them. None where no prediction
    holds agreements. ``weights``: resamples of the films, (R, F), for the intervals.
    """
    rows: list[tuple[int, bool, float, Mapping[str, float]]] = []
    for of in matched.values():
        right = of.right[level(_AT)]
        for k in np.flatnonzero((of.score >= of.limits.box) & of.judged(_AT)):
            film = int(of.film[k])
            if pairs[film].agreement:
                rows.append((film, bool(right[k]), float(of.score[k]), pairs[film].agreement[int(of.order[k])]))
    measures = sorted(set.intersection(*(set(row) for *_, row in rows)) - {"area"}) if rows else []
    if not measures:
        return None
    wrong = np.array([not right for _, right, _, _ in rows], dtype=np.bool_)
    of_film = np.array([film for film, _, _, _ in rows], dtype=np.int64)
    tell: dict[str, NDArray[np.float64]] = {
        name: np.array([-row[name] for *_, row in rows], dtype=np.float64) for name in measures
    }
    tell["score"] = np.array([-score for _, _, score, _ in rows], dtype=np.float64)
    found: dict[str, Any] = {"boxes": len(rows), "wrong": int(wrong.sum()), "auroc": {}}
    for name, scores in tell.items():
        point, spread = (
            area_under(scores, wrong, unit_weights(len(rows))),
            area_under(scores, wrong, weights[:, of_film]),
        )
        found["auroc"][name] = Value(float(point[0]), interval(spread, ci)).to_json()
    return found
