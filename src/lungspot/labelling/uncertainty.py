"""How unsure a model is of a film: four signs, each from 0 (sure) to 1, of films that nobody has answered yet."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungspot.findings import Box
from lungspot.formats import PredictedFinding, Prediction

__all__ = ["Uncertainty", "uncertainty_of", "unsure_scores"]

_SAME: Final = 0.4  # IoU from which on the boxes of two views are one


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """The signs of one film; None where a sign is not known.

    ``film_entropy``: mean, in bits, of the film's probabilities. ``box_entropy``: mean, of its boxes' scores.
    ``heat_map``: the share of the heat maps that lies outside their boxes, in the mean. ``mirrored``: how much the
    film and its mirror image are told apart: the mean difference of their probabilities, and the share of boxes that
    only one of the two has, in the mean.
    """

    film_entropy: float | None = None
    box_entropy: float | None = None
    heat_map: float | None = None
    mirrored: float | None = None


def uncertainty_of(seen: Prediction, mirrored: Prediction | None, labels: Collection[str]) -> Uncertainty:
    """Return how unsure a model is of ``labels`` on a film, from what it said of it, and of its mirror image.

    The boxes of ``mirrored`` lie in the mirror image, and are turned back here. None of a film that was not assessed is
    known.
    """
    if not seen.assessed:
        return Uncertainty()
    scores = {each.label: each.score for each in seen.film_scores if each.label in labels}
    boxes = [each for each in seen.boxes if each.label in labels]
    shares = [each.agreement["energy_in_box"] for each in boxes if each.agreement and "energy_in_box" in each.agreement]
    return Uncertainty(
        _mean([_entropy(score) for score in scores.values()]),
        _mean([_entropy(each.score) for each in boxes]),
        _mean([1 - min(max(share, 0.0), 1.0) for share in shares]),
        None if mirrored is None or not mirrored.assessed else _apart(scores, boxes, mirrored, labels),
    )


def unsure_scores(found: Sequence[Uncertainty]) -> NDArray[np.float64]:
    """Return one score a film, shape (N,), 0 to 1: the mean of its ranks among the films, sign by sign.

    Ranks, for the signs have no common scale. A sign that is not known of a film does not count for it; a film of which
    none is known has 0.
    """
    signs = np.array([[np.nan if sign is None else sign for sign in astuple(each)] for each in found], np.float64)
    signs = signs.reshape(len(found), len(fields(Uncertainty)))
    known = np.isfinite(signs)
    shares = np.zeros_like(signs)
    for shares_of, values, there in zip(shares.T, signs.T, known.T, strict=True):
        there_sorted = np.sort(values[there])
        below, up_to = (np.searchsorted(there_sorted, values[there], side) for side in ("left", "right"))
        shares_of[there] = (below + up_to) / (2 * max(there.sum(), 1))
    score: NDArray[np.float64] = shares.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return score


def _entropy(probability: float) -> float:
    """Return the entropy of a yes or no, in bits."""
    return sum(-p * math.log2(p) for p in (probability, 1 - probability) if 0 < p < 1)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _apart(
    scores: dict[str, float], boxes: Sequence[PredictedFinding], mirrored: Prediction, labels: Collection[str]
) -> float:
    theirs = {each.label: each.score for each in mirrored.film_scores if each.label in labels}
    told = _mean([abs(score - theirs[label]) for label, score in scores.items() if label in theirs]) or 0.0
    other = [each for each in mirrored.boxes if each.label in labels]
    if not boxes and not other:
        return told / 2
    met = sum(any(_is_mirrored(one, two, mirrored) for two in other) for one in boxes)
    met += sum(any(_is_mirrored(one, two, mirrored) for one in boxes) for two in other)
    return (told + 1 - met / (len(boxes) + len(other))) / 2


def _is_mirrored(one: PredictedFinding, two: PredictedFinding, mirrored: Prediction) -> bool:
    if one.label != two.label or one.box is None or two.box is None or mirrored.size is None:
        return False
    width = mirrored.size.width
    return one.box.iou(Box(width - two.box.x1, two.box.y0, width - two.box.x0, two.box.y1)) >= _SAME
