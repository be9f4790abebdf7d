"""One label over many films, matched once: every number afterwards is counted from these arrays.

docs/reference/metrics.md says what is counted, and from where.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungspot.errors import InputError
from lungspot.evaluate.match import match_at
from lungspot.findings import ABSENT, BOXED, PRESENT, UNKNOWN, Reading, State, as_array, intersection_matrix, iou_matrix

__all__ = [
    "IOUS",
    "FilmBoxes",
    "Matched",
    "Pair",
    "ScoreLimits",
    "level",
    "tabulate",
    "tabulate_arrays",
]

Array = NDArray[np.float64]

IOUS: Final = (0.1, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


@dataclass(frozen=True, slots=True)
class ScoreLimits:
    """From which score on a box, and from which probability on a film, counts as positive."""

    box: float = 0.5
    film: float = 0.5


@dataclass(frozen=True, slots=True)
class Pair:
    """One film: what is true and what was found, both in one frame.

    ``patient``: films of one patient are resampled together. ``groups``: by name of a division (``source``, ``view``),
    the part that the film is in. ``agreement``: for each boxed finding of ``found``, in order, how heat map and box
    agree, by measure; empty where nobody says. ``film``: a name for people. ``image``: the film's file, if it is here.
    """

    film: str
    patient: str
    true: Reading
    found: Reading
    groups: Mapping[str, str] = field(default_factory=dict)
    agreement: tuple[Mapping[str, float], ...] = ()
    image: Path | None = None

    def __post_init__(self) -> None:
        """Refuse two frames."""
        frames = {reading.frame for reading in (self.true, self.found) if any(f.box for f in reading.findings)}
        if len(frames) > 1:
            raise InputError("BAD_VALUE", self.film, "truth and finding are in two frames")


@dataclass(frozen=True, slots=True)
class Matched:
    """One label over F films, with K found and M true boxes, matched at T thresholds (:data:`IOUS`).

    ``state``: (F,) UNKNOWN, ABSENT, PRESENT or BOXED. ``probability``: (F,), of the film. Found boxes, best score first
    and equal scores in the order of the films: ``film`` and ``score`` (K,), ``right`` (T, K), ``iou`` and ``iobb``
    (K,): the largest overlap with a true box of its film, over the union and over the found box's own area;
    ``centred`` (K,): its centre is in a true box; ``area`` (K,): its part of the film; ``order`` (K,): which finding
    of its film it is; ``crowd`` (K,): its largest part inside a crowd of its film. True boxes: ``true_film`` and
    ``true_area`` (M,), ``taken_by`` (T, M) the found box or -1, ``true_iou`` and ``true_iobb`` (M,): the largest
    overlap with a found box that reaches the limit.
    """

    label: str
    limits: ScoreLimits
    state: NDArray[np.int8]
    probability: Array
    film: NDArray[np.int64]
    score: Array
    right: NDArray[np.bool_]
    iou: Array
    iobb: Array
    centred: NDArray[np.bool_]
    area: Array
    order: NDArray[np.int64]
    crowd: Array
    true_film: NDArray[np.int64]
    true_area: Array
    taken_by: NDArray[np.int64]
    true_iou: Array
    true_iobb: Array

    @property
    def sure(self) -> NDArray[np.bool_]:
        """(F,) whether a box that hits nothing is wrong there: the label is absent, or boxed exhaustively."""
        return np.asarray((self.state == ABSENT) | (self.state == BOXED), dtype=np.bool_)

    def judged(self, iou: float) -> NDArray[np.bool_]:
        """Return (K,) whether a box on a :attr:`sure` film is right or wrong at a threshold of :data:`IOUS`.

        As COCO has it, a box that hits nothing and lies in a crowd, by ``iou`` of its own area, is neither.
        """
        inside = ~self.right[level(iou)] & (self.crowd >= iou)
        return np.asarray(self.sure[self.film] & ~inside, dtype=np.bool_)

    @property
    def known(self) -> NDArray[np.bool_]:
        """(F,) whether somebody looked for the label."""
        return np.asarray(self.state != UNKNOWN, dtype=np.bool_)

    @property
    def positive(self) -> NDArray[np.bool_]:
        """(F,) whether the film shows the label."""
        return np.asarray(self.state >= PRESENT, dtype=np.bool_)

    def hits(self, iou: float) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Return at a threshold of :data:`IOUS` which found boxes are right, (K,), and which one takes each true box.

        The second, (M,), is -1 for a true box that no found box hits. As the best score chooses first, leaving out the
        boxes below any score changes nothing of what stays.
        """
        row = level(iou)
        return self.right[row], self.taken_by[row]


def level(iou: float) -> int:
    """Return the index of a threshold in :data:`IOUS`; raises ``BAD_VALUE``."""
    found = [i for i, limit in enumerate(IOUS) if abs(limit - iou) < 1e-9]
    if not found:
        raise InputError("BAD_VALUE", None, f"an IoU of {iou}, which is none of {', '.join(map(str, IOUS))}")
    return found[0]


@dataclass(frozen=True, slots=True)
class FilmBoxes:
    """One label on one film as arrays, all boxes in one frame.

    ``state``: what the truth says of the label. ``true`` (M, 4) and ``found`` (P, 4): x0 y0 x1 y1; ``scores`` (P,);
    ``order`` (P,): which boxed finding of the film each is. ``probability``: of the film. ``crowds``: (C, 4).
    ``whole``: the film's area in that frame.
    """

    state: State
    true: Array
    found: Array
    scores: Array
    probability: float
    order: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    crowds: Array = field(default_factory=lambda: np.zeros((0, 4)))
    whole: float = 1.0


_NO_BOXES: Final = FilmBoxes(State.ABSENT, np.zeros((0, 4)), np.zeros((0, 4)), np.zeros(0), 0.0)
_FOUND: Final = ("film", "score", "right", "iou", "iobb", "centred", "area", "order", "crowd")


def tabulate(pairs: Sequence[Pair], label: str, limits: ScoreLimits) -> Matched:
    """Match one label on every film, at every threshold. Films where nobody looked for it bring no boxes."""
    return tabulate_arrays([_film_boxes(pair, label) for pair in pairs], label, limits)


def tabulate_arrays(films: Sequence[FilmBoxes], label: str, limits: ScoreLimits) -> Matched:
    """Return :func:`tabulate` of films that are arrays already; an ``order`` that is empty becomes 0, 1, 2, …."""
    parts = [_part(0, _NO_BOXES, limits.box, 0)]
    found_before = 0
    for number, film in enumerate(films):
        if film.state is not State.NOT_LOOKED_FOR:
            part = _part(number, film, limits.box, found_before)
            found_before += len(part["score"])
            parts.append(part)
    whole = {name: np.concatenate([part[name] for part in parts], axis=-1) for name in parts[0]}
    best_first = np.argsort(-whole["score"], kind="stable")
    place = np.empty(found_before + 1, dtype=np.int64)
    place[best_first], place[-1] = np.arange(found_before), -1
    return Matched(
        label=label,
        limits=limits,
        state=np.array([film.state.code for film in films], dtype=np.int8),
        probability=np.array([film.probability for film in films], dtype=np.float64),
        **{name: whole[name][..., best_first] for name in _FOUND},
        **{name: whole[name] for name in ("true_film", "true_area", "true_iou", "true_iobb")},
        taken_by=place[whole["taken_by"]],
    )


def _film_boxes(pair: Pair, label: str) -> FilmBoxes:
    boxed = [finding for finding in pair.found.findings if finding.box is not None]
    mine = [(i, f) for i, f in enumerate(boxed) if f.label == label]
    frame = pair.true.frame or pair.found.frame
    return FilmBoxes(
        pair.true.state(label),
        as_array(pair.true.boxes(label)),
        as_array(f.box for _, f in mine if f.box is not None),
        np.array([1.0 if f.score is None else f.score for _, f in mine], dtype=np.float64),
        _probability(pair.found, label),
        np.array([i for i, _ in mine], dtype=np.int64),
        as_array(pair.true.crowds(label)),
        1.0 if frame is None else float(frame.width * frame.height),
    )


def _part(number: int, film: FilmBoxes, limit: float, before: int) -> dict[str, NDArray[Any]]:
    """Return the arrays of :class:`Matched` for one film, its found boxes in the order found, ``before`` the first."""
    found, true, score = film.found, film.true, film.scores
    taken = match_at(found, score, true, IOUS)
    taken_by = np.full((len(IOUS), len(true)), -1, dtype=np.int64)
    rows, places = np.nonzero(taken >= 0)
    taken_by[rows, taken[rows, places]] = places + before
    if len(found) and len(true):
        overlap, shared = iou_matrix(found, true), intersection_matrix(found, true)
        own = np.prod(found[:, 2:] - found[:, :2], axis=1)
        over_own = shared / own[:, None]
        middle = (found[:, None, :2] + found[:, None, 2:]) / 2
        inside = np.all((middle >= true[None, :, :2]) & (middle < true[None, :, 2:]), axis=2)
    else:
        overlap = over_own = np.zeros((len(found), len(true)))
        inside = np.zeros((len(found), len(true)), dtype=np.bool_)
    shown = score >= limit
    return {
        "film": np.full(len(found), number, dtype=np.int64),
        "score": score,
        "right": taken >= 0,
        "iou": overlap.max(1, initial=0.0),
        "iobb": over_own.max(1, initial=0.0),
        "centred": np.asarray(inside.any(axis=1), dtype=np.bool_),
        "area": np.prod(found[:, 2:] - found[:, :2], axis=1) / film.whole,
        "order": film.order if len(film.order) == len(found) else np.arange(len(found)),
        "crowd": _share_inside(found, film.crowds),
        "true_film": np.full(len(true), number, dtype=np.int64),
        "true_area": np.prod(true[:, 2:] - true[:, :2], axis=1) / film.whole,
        "taken_by": taken_by,
        "true_iou": overlap[shown].max(0, initial=0.0),
        "true_iobb": over_own[shown].max(0, initial=0.0),
    }


def _share_inside(found: Array, crowds: Array) -> Array:
    """Return the largest part of each found box, (P,), that lies inside one of the crowds."""
    if not len(found) or not len(crowds):
        return np.zeros(len(found))
    own = np.prod(found[:, 2:] - found[:, :2], axis=1)
    return np.asarray((intersection_matrix(found, crowds) / own[:, None]).max(1), dtype=np.float64)


def _probability(found: Reading, label: str) -> float:
    """Return the film's probability: the finding without a box, else the best box's score, else 0."""
    whole = [f.score for f in found.of(label) if f.box is None and f.score is not None]
    if whole:
        return max(whole)
    return max((1.0 if f.score is None else f.score for f in found.of(label)), default=0.0)
