"""From which overlap on two boxes show one place: chosen on val, by whether they lie on one thing that people boxed."""

from __future__ import annotations

from itertools import combinations, product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungspot.detect import ModelCard, PlaceRule
from lungspot.findings import iou_matrix, taxonomy
from lungspot.train.data import FilmTruth
from lungspot.train.standing import shown
from lungspot.train.validate import Predictions

__all__ = ["place_rule"]

IOUS: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
COVERS: Final = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_ON: Final = 0.3  # a box lies on a true one that it overlaps by at least this
_ONE: Final = 0.5  # true boxes, of any labels, that overlap by at least this are one thing
_EQUAL: Final = 0.001  # rules that differ by less are equally good
_FEW: Final = 30  # pairs of each kind: with fewer nothing is chosen

Array = NDArray[np.float64]


def place_rule(val: Predictions, card: ModelCard) -> PlaceRule:
    """Return the rule by which most pairs of boxes are told right: on one thing, or on two.

    Pairs are of boxes of lung labels, shown on one film at the balanced point, that both lie on something people boxed.
    What counts is the mean of the shares of pairs on one thing and of pairs on two that the rule tells. Of rules that
    val cannot tell apart (.001) the one nearest to the default is taken, and the default where there are too few pairs.
    """
    overlap, cover, alike, one = _pairs(val, card)
    if min(one.sum(), (~one).sum()) < _FEW:
        return PlaceRule()
    told: dict[PlaceRule, float] = {}
    for iou, share in product(IOUS, COVERS):
        joined = (overlap >= iou) | (alike & (cover >= share))
        told[PlaceRule(iou, share)] = (float(joined[one].mean()) + float((~joined)[~one].mean())) / 2
    best, usual = max(told.values()), PlaceRule()
    equal = [rule for rule, each in told.items() if each > best - _EQUAL]
    return min(equal, key=lambda rule: abs(rule.iou - usual.iou) + abs(rule.cover - usual.cover))


def _pairs(val: Predictions, card: ModelCard) -> tuple[Array, Array, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return of each pair: IoU, share of the smaller in the larger, whether the names are alike, whether it is one."""
    lungs = [column for column, label in enumerate(card.labels) if taxonomy()[label].in_lungs]
    rows: list[tuple[float, float, bool, bool]] = []
    for index, film in enumerate(val.films):
        true, things = _things(film, lungs)
        if not len(true):
            continue
        boxes: list[Array] = []
        groups: list[str] = []
        for column in lungs:
            found, _ = shown(val, index, column, card)
            boxes += list(found)
            groups += [taxonomy()[card.labels[column]].group] * len(found)
        if len(boxes) < 2:
            continue
        mine = np.array(boxes)
        on = iou_matrix(mine, true)
        thing = np.where(on.max(axis=1) >= _ON, things[on.argmax(axis=1)], -1)
        overlap = iou_matrix(mine, mine)
        area = np.prod(mine[:, 2:] - mine[:, :2], axis=1)
        for i, j in combinations(np.flatnonzero(thing >= 0), 2):
            shared = overlap[i, j] / (1 + overlap[i, j]) * (area[i] + area[j])
            rows.append((overlap[i, j], shared / min(area[i], area[j]), groups[i] == groups[j], thing[i] == thing[j]))
    found = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return found[:, 0], found[:, 1], found[:, 2] > 0, found[:, 3] > 0


def _things(film: FilmTruth, lungs: list[int]) -> tuple[Array, NDArray[np.int64]]:
    """Return a film's true boxes of lung labels, (M, 4), and the number of the thing that each is on, (M,)."""
    true = film.boxes[np.isin(film.labels, lungs)].astype(np.float64)
    numbers = np.arange(len(true))
    for i, row in enumerate(iou_matrix(true, true) if len(true) else ()):
        same = row >= _ONE
        numbers[np.isin(numbers, numbers[same])] = numbers[i]
    return true, numbers
