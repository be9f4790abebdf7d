"""Boxes cut from heat maps: which map, and at which part of its peak, is chosen for each label on val."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungspot.detect import cut_map
from lungspot.evaluate import Pair, ScoreLimits, chosen_metrics, tabulate, unit_weights
from lungspot.findings import Box, Finding, Frame, Reading, State
from lungspot.study.films import Corners, StudyFilm
from lungspot.study.heat_maps import MAPS

__all__ = ["MapChoice", "choose_maps", "heat_of", "pairs_of"]

FRACTIONS: Final = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
_PRECISIONS: Final = ("ap0.1", "ap0.3", "ap0.4", "ap0.5")  # whose mean is the best
_WHOLE: Final = Frame(1, 1)  # so that boxes are fractions of the film
_NEGATIVES: Final = 300  # val films without a label that take part in choosing for it


@dataclass(frozen=True, slots=True)
class MapChoice:
    """What was chosen on val for one label: which map, cut at which part of its peak; and the AP that chose it."""

    method: str
    stride: int
    fraction: float
    precision: float
    per_method: Mapping[str, float] = field(default_factory=dict)


def choose_maps(val: Sequence[StudyFilm], labels: Sequence[str], *, control: bool = False) -> dict[str, MapChoice]:
    """Return for each label with boxes on val the map and threshold whose boxes have the best AP there.

    The best: the mean of AP at IoU 0.1, 0.3, 0.4 and 0.5. ``control``: choose among thresholds of random maps.
    """
    chosen: dict[str, MapChoice] = {}
    for column, label in enumerate(labels):
        some = _for_choosing(val, label)
        if not any(film.true.boxes(label) for film in some):
            continue
        best: MapChoice | None = None
        rated: dict[str, float] = {}
        for method, stride in [("random", 0)] if control else MAPS:
            for fraction in FRACTIONS:
                choice = MapChoice(method, stride, fraction, 0.0)
                pairs = [_pair(film, label, _cut(film, column, choice)) for film in some]
                found = chosen_metrics(tabulate(pairs, label, ScoreLimits()), unit_weights(len(pairs)), _PRECISIONS)
                value = float(np.mean([each[0] for each in found.values()]))
                rated[method] = max(rated.get(method, 0.0), value)
                if best is None or value > best.precision:
                    best = replace(choice, precision=value)
        if best is not None:
            chosen[label] = replace(best, per_method=rated)
    return chosen


def pairs_of(seen: Sequence[StudyFilm], column: int, label: str, choice: MapChoice | None) -> list[Pair]:
    """Return one label on every film: the detector's boxes (no ``choice``), or those cut from the chosen map."""
    if choice is None:
        return [_pair(film, label, film.found[column]) for film in seen]
    return [_pair(film, label, _cut(film, column, choice)) for film in seen]


def heat_of(film: StudyFilm, method: str, stride: int, column: int) -> NDArray[np.float32]:
    """Return a film's map of the label in ``column``, (GRID, GRID); ``method`` ``random``: the control's."""
    heat = film.random[column] if method == "random" else film.maps[method, stride][column]
    return np.asarray(heat, dtype=np.float32)


def _for_choosing(val: Sequence[StudyFilm], label: str) -> list[StudyFilm]:
    positive = [film for film in val if film.true.state(label).is_positive]
    negative = [film for film in val if film.true.state(label) is State.ABSENT]
    spread = np.unique(np.linspace(0, len(negative) - 1, min(_NEGATIVES, len(negative))).astype(int))
    return [*positive, *(negative[i] for i in spread)]  # of every source its share: films stand source by source


def _cut(film: StudyFilm, column: int, choice: MapChoice) -> list[tuple[Corners, float]]:
    """Return a map's boxes with scores: the film's probability, the stronger region before the weaker."""
    heat = heat_of(film, choice.method, choice.stride, column)
    probability = float(film.classified[column])
    found = cut_map(heat, choice.fraction, _WHOLE)
    return [(box.corners, probability * (1 - 1e-3 * rank)) for rank, box in enumerate(found)]


def _pair(film: StudyFilm, label: str, boxes: Sequence[tuple[Corners, float]]) -> Pair:
    frame = film.frame
    true = film.true.only([label])
    findings = tuple(
        Finding(label, Box(x0, y0, x1, y1).scale(frame.width, frame.height), score) for (x0, y0, x1, y1), score in boxes
    )
    found = Reading("found", findings, {label: State.PRESENT}, frame)
    return Pair(film.case.id, film.case.patient, replace(true, frame=frame), found, {"source": film.case.dataset})
