"""The founding claim measured: boxes, and boxes cut from heat maps, on the same films by the same numbers.

Four ways to say where a disease is, on the test films: the detector's boxes; boxes cut from the best of four heat maps
of a classifier with the same network and films but no boxes (:mod:`lungspot.study.heat_maps`), its method, layer and
threshold chosen per label on val for the highest AP; the same cut from random maps; and, where several people read the
films, one person judged by another. docs/explanation/boxes-vs-heatmaps.md says what follows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungspot.detect import Detector
from lungspot.evaluate import (
    Matched,
    Pair,
    ScoreLimits,
    Value,
    by_patient,
    chosen_metrics,
    compare,
    interval,
    macro,
    metrics_of,
    people,
    permutation_weights,
    tabulate,
    unit_weights,
)
from lungspot.findings import Reading, State
from lungspot.formats import Case
from lungspot.study.choose import MapChoice, heat_of, pairs_of
from lungspot.study.films import Corners, StudyFilm, in_fractions
from lungspot.study.heat_maps import GRID

__all__ = ["DIFFERENCE", "NUMBERS", "WAYS", "Located", "Ways", "ceiling", "locate", "measured", "p_values"]

Array = NDArray[np.float64]

# number → how a table names it
NUMBERS: Final[dict[str, str]] = {
    **{f"ap{iou}": f"AP@{iou}" for iou in (0.1, 0.3, 0.4, 0.5)},
    **{f"t_iou{iou}": f"T(IoU) {iou}" for iou in (0.1, 0.3, 0.5)},
    **{f"t_iobb{iou}": f"T(IoBB) {iou}" for iou in (0.25, 0.5)},
    "hit": "hit rate",
    "overlap": "IoU of area",
}
WAYS: Final = {"boxes": "lungspot's boxes", "heat": "heat map, tuned", "random": "random map, tuned"}
DIFFERENCE: Final = "difference"  # the boxes' less the heat map's
_FINE: Final = 80  # cells each way on which areas are compared


@dataclass(frozen=True, slots=True)
class Located:
    """Where one way says one label is, on every film, matched with the truth once for all numbers.

    ``column``: the label's place in the detector's order. ``choice``: the map that the boxes were cut from; None: the
    detector's own boxes.
    """

    column: int
    choice: MapChoice | None
    pairs: tuple[Pair, ...]
    matched: Matched


Ways = Mapping[str, Mapping[str, Located]]  # way (a key of WAYS) → label


def locate(
    seen: Sequence[StudyFilm],
    labels: Sequence[str],
    heat: Mapping[str, MapChoice],
    control: Mapping[str, MapChoice],
) -> dict[str, dict[str, Located]]:
    """Return way → label, in the order of ``labels``, → its boxes on every film; only labels with a map (``heat``).

    ``labels``: the detector's, in its order. Everything else of the study counts from this table.
    """
    chosen: dict[str, Mapping[str, MapChoice | None]] = {"boxes": dict.fromkeys(heat), "heat": heat, "random": control}
    return {
        way: {
            label: _located(seen, column, label, chosen[way][label])
            for column, label in enumerate(labels)
            if label in heat
        }
        for way in WAYS
    }


def _located(seen: Sequence[StudyFilm], column: int, label: str, choice: MapChoice | None) -> Located:
    pairs = pairs_of(seen, column, label, choice)
    return Located(column, choice, tuple(pairs), tabulate(pairs, label, ScoreLimits()))


def measured(
    seen: Sequence[StudyFilm], ways: Ways, detector: Detector, resamples: int = 1000
) -> dict[str, dict[str, dict[str, Value]]]:
    """Return way → label (and ``mean``) → number → value with its 95 % interval over patients.

    ``ways``: of :func:`locate`, on the films of ``seen``. Last comes :data:`DIFFERENCE`: the boxes' less the heat
    map's, on the same resamples.
    """
    drawn = by_patient([film.case.patient for film in seen], resamples, 0)
    weights = np.concatenate((unit_weights(len(seen)), drawn))  # the first row is the number, the others its interval
    counted: dict[str, list[dict[str, Array]]] = {}
    for way, of_labels in ways.items():
        counted[way] = []
        for label, located in of_labels.items():
            limit = detector.card.threshold(label).box if located.choice is None else 0.0
            counted[way].append(_numbers(seen, label, located, limit, weights))
        counted[way].append({name: macro([of[name] for of in counted[way]]) for name in NUMBERS})
    both = zip(counted["boxes"], counted["heat"], strict=True)
    counted[DIFFERENCE] = [{name: one[name] - other[name] for name in NUMBERS} for one, other in both]
    names = [*ways["boxes"], "mean"]
    return {way: dict(zip(names, map(_values, of), strict=True)) for way, of in counted.items()}


def p_values(seen: Sequence[StudyFilm], ways: Ways, permutations: int = 1000) -> dict[str, float | None]:
    """Return per label and as ``mean`` the p of the difference in AP at IoU 0.5 (:func:`lungspot.evaluate.compare`)."""
    boxes, heat = ({label: of.matched for label, of in ways[way].items()} for way in ("boxes", "heat"))
    swapped = permutation_weights([film.case.patient for film in seen], permutations, 0)
    table = compare(boxes, heat, unit_weights(len(seen)), swapped, ("ap0.5",))
    return {label: row["ap0.5"]["p"] for label, row in table.items()}


def ceiling(cases: Sequence[Case], labels: Sequence[str], resamples: int = 1000) -> dict[str, dict[str, Value]]:
    """Return per label that several people boxed T(IoU) and T(IoBB) of one of them judged by another."""
    pairs = people(cases, None)
    names = [name for name in NUMBERS if name.startswith("t_")]
    table: dict[str, dict[str, Value]] = {}
    for label in labels:
        some = [pair for pair in pairs if pair.true.boxes(label) or pair.found.boxes(label)]
        if not some:
            continue
        matched = tabulate(some, label, ScoreLimits())
        drawn = by_patient([pair.patient for pair in some], resamples, 0)
        found = metrics_of(matched, np.concatenate((unit_weights(len(some)), drawn)))
        table[label] = {name: Value(float(found[name][0]), interval(found[name][1:])) for name in names}
    return table


def _values(found: Mapping[str, Array]) -> dict[str, Value]:
    return {name: Value(float(found[name][0]), interval(found[name][1:])) for name in NUMBERS}


def _numbers(
    seen: Sequence[StudyFilm], label: str, located: Located, limit: float, weights: NDArray[Any]
) -> dict[str, Array]:
    """Return the numbers of one way and label: AP over all films, the rest where the label is known to be boxed.

    There the label is given, as in Wang et al. 2017: a heat map shows its regions whatever the film's probability, and
    the detector its boxes from its threshold on, or its best one where none reaches it.
    """
    found = chosen_metrics(located.matched, weights, ("ap0.1", "ap0.3", "ap0.4", "ap0.5"))
    given = tuple(_given(pair, label, limit) for pair in located.pairs)
    told = Located(located.column, located.choice, given, tabulate(given, label, ScoreLimits(0.0, 0.0)))
    whole = metrics_of(told.matched, weights)
    found |= {name: whole[name] for name in NUMBERS if name.startswith("t_")}
    hits, overlaps, counted = _places(seen, label, told)
    rows = weights.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        found["hit"] = (rows @ hits) / (rows @ counted)
        found["overlap"] = (rows @ overlaps) / (rows @ counted)
    return found


def _places(seen: Sequence[StudyFilm], label: str, told: Located) -> tuple[Array, Array, Array]:
    """Return per film whether the surest point is in a true box, the IoU of shown and true area, and whether it counts.

    The point: a heat map's peak, or the centre of the best box. The area: the map from its threshold on, or the boxes.
    ``told``: the boxes where the label is given.
    """
    counted = (np.bincount(told.matched.true_film, minlength=len(seen)) > 0).astype(np.float64)
    hits, overlaps = np.zeros(len(seen)), np.zeros(len(seen))
    for number in map(int, np.flatnonzero(counted)):
        pair, film = told.pairs[number], seen[number]
        true = _area([in_fractions(box, pair.true.frame) for box in pair.true.boxes(label)])
        choice = told.choice
        if choice is None:
            shown = pair.found.boxes(label)
            area = _area([in_fractions(box, pair.true.frame) for box in shown])
            middle = [in_fractions(box, pair.true.frame) for box in shown[:1]]
            point = [((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in middle]
        else:
            heat = heat_of(film, choice.method, choice.stride, told.column)
            area = np.repeat(np.repeat((heat >= choice.fraction * heat.max()) & (heat > 0), 2, 0), 2, 1)
            row, across = np.unravel_index(int(heat.argmax()), heat.shape)
            point = [((across + 0.5) / GRID, (row + 0.5) / GRID)] if heat.max() > 0 else []
        overlaps[number] = (area & true).sum() / max((area | true).sum(), 1)
        corners = [in_fractions(box, pair.true.frame) for box in pair.true.boxes(label)]
        hits[number] = any(x0 <= x < x1 and y0 <= y < y1 for x, y in point for x0, y0, x1, y1 in corners)
    return hits, overlaps, counted


def _given(pair: Pair, label: str, limit: float) -> Pair:
    """Return a film as it looks where the label is given: the boxes from ``limit`` on, at least the best."""
    ranked = sorted(pair.found.findings, key=lambda finding: -(finding.score or 0.0))
    shown = tuple(finding for finding in ranked if (finding.score or 0.0) >= limit) or tuple(ranked[:1])
    return replace(pair, found=Reading("found", shown, {label: State.PRESENT}, pair.found.frame))


def _area(boxes: Sequence[Corners]) -> NDArray[np.bool_]:
    """Return which cells' centres boxes (fractions of the film) cover, (80, 80)."""
    centre = (np.arange(_FINE) + 0.5) / _FINE
    covered = np.zeros((_FINE, _FINE), dtype=np.bool_)
    for x0, y0, x1, y1 in boxes:
        covered |= np.outer((centre >= y0) & (centre < y1), (centre >= x0) & (centre < x1))
    return covered
