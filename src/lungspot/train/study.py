"""The founding claim measured: boxes, and boxes cut from heat maps, on the same films by the same numbers.

Four ways to say where a disease is, on the test films: the detector's boxes; boxes cut from the best of four heat maps
of a classifier with the same network and films but no boxes (:mod:`lungspot.train.gradcam`), its method, layer and
threshold chosen per label on val for the highest AP; the same cut from random maps; and, where several people read the
films, one person judged by another. docs/explanation/boxes-vs-heatmaps.md says what follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from lungspot.datasets.truth import truth
from lungspot.detect import Correction, Detector, decode
from lungspot.errors import LungspotError
from lungspot.evaluate.matched import Limits, Matched, Pair, tabulate
from lungspot.evaluate.measure import Value, compare, macro, measure, quick
from lungspot.evaluate.pairing import people
from lungspot.evaluate.resample import by_patient, interval, once, swaps
from lungspot.explain import agree_all, cam
from lungspot.findings import Box, Finding, Frame, Reading, State
from lungspot.formats.case import Case
from lungspot.images import Radiograph, prepare, read
from lungspot.train.gradcam import GRID, MAPS, cut, heat_maps, random_map
from lungspot.train.model import Network

__all__ = [
    "DIFFERENCE",
    "NUMBERS",
    "WAYS",
    "Choice",
    "Seen",
    "ceiling",
    "chances",
    "choose",
    "look",
    "measured",
    "pairs_of",
]

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
FRACTIONS: Final = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
_NEGATIVES: Final = 300  # val films without a label that take part in choosing for it
_BATCH: Final = 16
_FINE: Final = 80  # cells each way on which areas are compared

Corners = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Seen:
    """One film with everything that was said about it; boxes in fractions of the film.

    ``maps``: by (method, stride), (L, GRID, GRID). ``found``: per label the detector's (box, score), best first.
    ``probability`` and ``classified``: per label the detector's and the classifier's probability of the film.
    ``agreement``: per label, of the boxes that reach the detector's threshold, in the order of ``found``, how its own
    heat map agrees with each.
    """

    case: Case
    true: Reading
    maps: Mapping[tuple[str, int], NDArray[np.float16]]
    random: NDArray[np.float16]
    found: tuple[tuple[tuple[Corners, float], ...], ...]
    probability: Array
    classified: Array
    agreement: tuple[tuple[Mapping[str, float], ...], ...] = ()

    @property
    def frame(self) -> Frame:
        """The frame of the truth; where no box needs one, any."""
        return self.true.frame or Frame(1000, 1000)


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen on val for one label: which map, cut at which part of its peak; and the AP that chose it."""

    method: str
    stride: int
    fraction: float
    precision: float
    per_method: Mapping[str, float] = field(default_factory=dict)


def look(
    cases: Sequence[Case], detector: Detector, network: Network, size: int, say: Callable[[str], None] = lambda _: None
) -> list[Seen]:
    """Return what detector and classifier say about films; ``size``: input pixels of the classifier.

    A film that cannot be read is said and left out, for both alike.
    """
    labels = detector.card.labels
    network.eval()
    rng = np.random.default_rng(0)
    seen: list[Seen] = []
    for start in range(0, len(cases), _BATCH):
        opened = [(case, film) for case in cases[start : start + _BATCH] if (film := _opened(case, say)) is not None]
        if not opened:
            continue
        part, films = zip(*opened, strict=True)
        pictures = torch.from_numpy(np.concatenate([prepare(film, size).tensor for film in films]))
        trues = [truth(case).only(labels) for case in part]
        # what nobody looked for in this batch is judged nowhere: its gradients would be for nothing
        asked = [i for i, label in enumerate(labels) if any(label in true.states for true in trues)]
        maps, probability = heat_maps(network, pictures, asked)
        for i, (case, film) in enumerate(zip(part, films, strict=True)):
            prepared = prepare(film, detector.card.input_size)
            raw = detector.run(prepared.tensor)
            reading = decode(raw, prepared.placement, detector.card, min_score=1e-3)
            own = cam(raw, detector.card, Correction())
            controls = np.stack([random_map(rng) for _ in labels])
            seen.append(
                Seen(
                    case,
                    trues[i],
                    {key: _small(values[i], asked, len(labels)) for key, values in maps.items()},
                    controls.astype(np.float16),
                    tuple(tuple(_boxes(reading, label, film.frame)) for label in labels),
                    np.array([max(f.score or 0.0 for f in reading.of(label) if f.box is None) for label in labels]),
                    probability[i].astype(np.float64),
                    tuple(_agreements(reading, label, detector, own[label], film.frame) for label in labels),
                )
            )
        if (start // _BATCH) % 10 == 0:
            say(f"{len(seen)} of {len(cases)} films")
    return seen


def _opened(case: Case, say: Callable[[str], None]) -> Radiograph | None:
    try:
        return None if case.image is None else read(case.image, sandboxed=False)
    except LungspotError as error:
        say(f"left out: {error}")
        return None


def choose(val: Sequence[Seen], labels: Sequence[str], *, control: bool = False) -> dict[str, Choice]:
    """Return for each label with boxes on val the map and threshold whose boxes have the best AP there.

    The best: the mean of AP at IoU 0.1, 0.3, 0.4 and 0.5. ``control``: choose among thresholds of random maps.
    """
    chosen: dict[str, Choice] = {}
    for column, label in enumerate(labels):
        some = _for_choosing(val, label)
        if not any(film.true.boxes(label) for film in some):
            continue
        best: Choice | None = None
        rated: dict[str, float] = {}
        for method, stride in [("random", 0)] if control else MAPS:
            heat = np.stack([_heat(film, method, stride, column) for film in some])
            for fraction in FRACTIONS:
                pairs = [
                    _pair(film, label, _scored(boxes, float(film.classified[column])))
                    for film, boxes in zip(some, cut(heat, fraction), strict=True)
                ]
                found = quick(tabulate(pairs, label, Limits()), once(len(pairs)), ("ap0.1", "ap0.3", "ap0.4", "ap0.5"))
                value = float(np.mean([each[0] for each in found.values()]))
                rated[method] = max(rated.get(method, 0.0), value)
                if best is None or value > best.precision:
                    best = Choice(method, stride, fraction, value)
        if best is not None:
            chosen[label] = replace(best, per_method=rated)
    return chosen


def pairs_of(seen: Sequence[Seen], column: int, label: str, choice: Choice | None) -> list[Pair]:
    """Return one label on every film: the detector's boxes (no ``choice``), or those cut from the chosen map."""
    if choice is None:
        return [_pair(film, label, film.found[column]) for film in seen]
    heat = np.stack([_heat(film, choice.method, choice.stride, column) for film in seen])
    cuts = cut(heat, choice.fraction)
    return [
        _pair(film, label, _scored(boxes, float(film.classified[column])))
        for film, boxes in zip(seen, cuts, strict=True)
    ]


def ceiling(cases: Sequence[Case], labels: Sequence[str], resamples: int = 1000) -> dict[str, dict[str, Value]]:
    """Return per label that several people boxed T(IoU) and T(IoBB) of one of them judged by another."""
    pairs = people(cases, None)
    names = [name for name in NUMBERS if name.startswith("t_")]
    table: dict[str, dict[str, Value]] = {}
    for label in labels:
        some = [pair for pair in pairs if pair.true.boxes(label) or pair.found.boxes(label)]
        if not some:
            continue
        matched = tabulate(some, label, Limits())
        drawn = by_patient([pair.patient for pair in some], resamples, 0)
        found = measure(matched, np.concatenate((once(len(some)), drawn)))
        table[label] = {name: Value(float(found[name][0]), interval(found[name][1:])) for name in names}
    return table


def measured(
    seen: Sequence[Seen],
    detector: Detector,
    heat: Mapping[str, Choice],
    control: Mapping[str, Choice],
    resamples: int = 1000,
) -> dict[str, dict[str, dict[str, Value]]]:
    """Return way → label (and ``mean``) → number → value with its 95 % interval over patients.

    Last comes :data:`DIFFERENCE`: the boxes' less the heat map's, on the same resamples.
    """
    drawn = by_patient([film.case.patient for film in seen], resamples, 0)
    weights = np.concatenate((once(len(seen)), drawn))  # the first row is the number, the others its interval
    labels = [label for label in detector.card.labels if label in heat]
    counted: dict[str, list[dict[str, Array]]] = {}
    for way in WAYS:
        counted[way] = []
        for label in labels:
            column = detector.card.labels.index(label)
            choice = {"boxes": None, "heat": heat[label], "random": control[label]}[way]
            limit = detector.card.threshold(label).box if choice is None else 0.0
            counted[way].append(_numbers(seen, column, label, choice, limit, weights))
        counted[way].append({name: macro([of[name] for of in counted[way]]) for name in NUMBERS})
    pairs = zip(counted["boxes"], counted["heat"], strict=True)
    counted[DIFFERENCE] = [{name: one[name] - other[name] for name in NUMBERS} for one, other in pairs]
    names = [*labels, "mean"]
    return {way: dict(zip(names, map(_values, of), strict=True)) for way, of in counted.items()}


def chances(
    seen: Sequence[Seen], detector: Detector, heat: Mapping[str, Choice], permutations: int = 1000
) -> dict[str, float | None]:
    """Return per label and as ``mean`` the p of the difference in AP at IoU 0.5 (:func:`lungspot.evaluate.compare`)."""
    patients = [film.case.patient for film in seen]
    sides: tuple[dict[str, Matched], dict[str, Matched]] = ({}, {})
    for label in (label for label in detector.card.labels if label in heat):
        for side, choice in zip(sides, (None, heat[label]), strict=True):
            pairs = pairs_of(seen, detector.card.labels.index(label), label, choice)
            side[label] = tabulate(pairs, label, Limits())
    table = compare(*sides, once(len(seen)), swaps(patients, permutations, 0), ("ap0.5",))
    return {label: row["ap0.5"]["p"] for label, row in table.items()}


def _values(found: Mapping[str, Array]) -> dict[str, Value]:
    return {name: Value(float(found[name][0]), interval(found[name][1:])) for name in NUMBERS}


def _numbers(  # noqa: PLR0913, PLR0917 - one cell of a table
    seen: Sequence[Seen], column: int, label: str, choice: Choice | None, limit: float, weights: NDArray[Any]
) -> dict[str, Array]:
    """Return the numbers of one way and label: AP over all films, the rest where the label is known to be boxed.

    There the label is given, as in Wang et al. 2017: a heat map shows its regions whatever the film's probability, and
    the detector its boxes from its threshold on, or its best one where none reaches it.
    """
    pairs = pairs_of(seen, column, label, choice)
    every = tabulate(pairs, label, Limits())
    found = quick(every, weights, ("ap0.1", "ap0.3", "ap0.4", "ap0.5"))
    given = tabulate([_given(pair, label, limit) for pair in pairs], label, Limits(0.0, 0.0))
    whole = measure(given, weights)
    found |= {name: whole[name] for name in NUMBERS if name.startswith("t_")}
    hits, overlaps, counted = _places(seen, given, pairs, column, label, choice, limit)
    rows = weights.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        found["hit"] = (rows @ hits) / (rows @ counted)
        found["overlap"] = (rows @ overlaps) / (rows @ counted)
    return found


def _places(  # noqa: PLR0913, PLR0917 - one cell of a table
    seen: Sequence[Seen],
    given: Matched,
    pairs: Sequence[Pair],
    column: int,
    label: str,
    choice: Choice | None,
    limit: float,
) -> tuple[Array, Array, Array]:
    """Return per film whether the surest point is in a true box, the IoU of shown and true area, and whether it counts.

    The point: a heat map's peak, or the centre of the best box. The area: the map from its threshold on, or the boxes.
    """
    counted = (np.bincount(given.true_film, minlength=len(seen)) > 0).astype(np.float64)
    hits, overlaps = np.zeros(len(seen)), np.zeros(len(seen))
    for number in map(int, np.flatnonzero(counted)):
        pair, film = pairs[number], seen[number]
        true = _area([_fraction(box, pair.true.frame) for box in pair.true.boxes(label)])
        if choice is None:
            shown = _given(pair, label, limit).found.boxes(label)
            area = _area([_fraction(box, pair.true.frame) for box in shown])
            middle = [_fraction(box, pair.true.frame) for box in shown[:1]]
            point = [((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in middle]
        else:
            heat = _heat(film, choice.method, choice.stride, column)
            area = np.repeat(np.repeat((heat >= choice.fraction * heat.max()) & (heat > 0), 2, 0), 2, 1)
            row, across = np.unravel_index(int(heat.argmax()), heat.shape)
            point = [((across + 0.5) / GRID, (row + 0.5) / GRID)] if heat.max() > 0 else []
        overlaps[number] = (area & true).sum() / max((area | true).sum(), 1)
        corners = [_fraction(box, pair.true.frame) for box in pair.true.boxes(label)]
        hits[number] = any(x0 <= x < x1 and y0 <= y < y1 for x, y in point for x0, y0, x1, y1 in corners)
    return hits, overlaps, counted


def _for_choosing(val: Sequence[Seen], label: str) -> list[Seen]:
    positive = [film for film in val if film.true.state(label).is_positive]
    negative = [film for film in val if film.true.state(label) is State.ABSENT]
    spread = np.unique(np.linspace(0, len(negative) - 1, min(_NEGATIVES, len(negative))).astype(int))
    return [*positive, *(negative[i] for i in spread)]  # of every source its share: films stand source by source


def _heat(film: Seen, method: str, stride: int, column: int) -> NDArray[np.float32]:
    heat = film.random[column] if method == "random" else film.maps[method, stride][column]
    return np.asarray(heat, dtype=np.float32)


def _small(maps: NDArray[np.float32], asked: Sequence[int], labels: int) -> NDArray[np.float16]:
    """Return maps of ``asked`` labels as (L, h, w), each relative to its own peak, in half precision; else 0."""
    found = np.zeros((labels, *maps.shape[1:]), dtype=np.float16)
    found[list(asked)] = np.asarray(maps / np.maximum(maps.max((1, 2), keepdims=True), 1e-12), dtype=np.float16)
    return found


def _scored(boxes: Sequence[tuple[Corners, float]], probability: float) -> list[tuple[Corners, float]]:
    """Return a map's boxes with scores: the film's probability, the stronger region before the weaker."""
    return [(box, probability * (1 - 1e-3 * rank)) for rank, (box, _) in enumerate(boxes)]


def _boxes(reading: Reading, label: str, frame: Frame) -> Iterator[tuple[Corners, float]]:
    for finding in reading.of(label):
        if finding.box is not None:
            yield _fraction(finding.box, frame), finding.score or 0.0


def _agreements(
    reading: Reading, label: str, detector: Detector, heat: NDArray[np.float32], frame: Frame
) -> tuple[Mapping[str, float], ...]:
    limit = detector.card.threshold(label).box
    shown = [f.box for f in reading.of(label) if f.box is not None and (f.score or 0.0) >= limit]
    rows = [each.to_json() for each in agree_all(heat, shown, frame)] if shown else []
    return tuple({name: float(value) for name, value in row.items()} for row in rows)


def _fraction(box: Box, frame: Frame | None) -> Corners:
    width, height = (1, 1) if frame is None else (frame.width, frame.height)
    return box.x0 / width, box.y0 / height, box.x1 / width, box.y1 / height


def _pair(film: Seen, label: str, boxes: Sequence[tuple[Corners, float]]) -> Pair:
    frame = film.frame
    true = film.true.only([label])
    findings = tuple(
        Finding(label, Box(x0, y0, x1, y1).scale(frame.width, frame.height), score) for (x0, y0, x1, y1), score in boxes
    )
    found = Reading("found", findings, {label: State.PRESENT}, frame)
    return Pair(film.case.id, film.case.patient, replace(true, frame=frame), found, {"source": film.case.dataset})


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
