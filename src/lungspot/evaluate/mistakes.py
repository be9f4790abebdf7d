"""What kind of mistake each box is, which label is taken for which, and the films that show it best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from lungspot.evaluate.matched import Matched, Pair, level
from lungspot.findings import as_array, iou_matrix

__all__ = ["KINDS", "Mistakes", "Shown", "gallery", "mistakes"]

KINDS: Final = ("right", "duplicate", "class", "place", "class and place", "background")
_NEAR: Final = 0.1
_AT: Final = 0.4


@dataclass(frozen=True, slots=True)
class Shown:
    """One shown box: of which film and label, its score, which boxed finding of the film it is, and its kind."""

    film: int
    label: str
    score: float
    order: int
    kind: str


@dataclass(frozen=True, slots=True)
class Mistakes:
    """Every shown box that can be judged, and counts.

    ``table``: label → kind → boxes, and ``missed``. ``confusion``: true label → found label → boxes that hit (IoU from
    .4), with ``background`` and ``missed`` as further names. ``missed``: film → how many true boxes nobody shows.
    """

    shown: tuple[Shown, ...]
    table: Mapping[str, Mapping[str, int]]
    confusion: Mapping[str, Mapping[str, int]]
    missed: Mapping[int, int] = field(default_factory=dict)


def mistakes(pairs: Sequence[Pair], matched: Mapping[str, Matched]) -> Mistakes:
    """Sort every shown box by what it is."""
    labels = list(matched)
    table = {label: dict.fromkeys((*KINDS, "missed"), 0) for label in labels}
    confusion = {name: dict.fromkeys((*labels, "missed"), 0) for name in (*labels, "background")}
    shown: list[Shown] = []
    missed: dict[int, int] = {}
    true = {label: [as_array(pair.true.boxes(label)) for pair in pairs] for label in labels}
    for label, of in matched.items():
        right = of.right[level(_AT)]
        for k in np.flatnonzero((of.score >= of.limits.box) & of.judged(_AT)):
            film = int(of.film[k])
            box = [f for f in pairs[film].found.findings if f.box is not None][int(of.order[k])].box
            corners = as_array([] if box is None else [box])
            rest = [other for other in labels if other != label]
            others = {other: float(iou_matrix(corners, true[other][film]).max(initial=0.0)) for other in rest}
            near, overlap = max(others.items(), key=lambda item: item[1], default=("", 0.0))
            kind = _kind(right=bool(right[k]), mine=float(of.iou[k]), other=overlap)
            shown.append(Shown(film, label, float(of.score[k]), int(of.order[k]), kind))
            table[label][kind] += 1
            met = label if kind in {"right", "duplicate", "place"} else near if kind == "class" else "background"
            if kind != "place":
                confusion[met][label] += 1
        taken = of.taken_by[level(_AT)]
        taker = np.where(taken >= 0, np.append(of.score, -1.0)[taken], -1.0)
        for film in of.true_film[taker < of.limits.box]:
            missed[int(film)] = missed.get(int(film), 0) + 1
            table[label]["missed"] += 1
            confusion[label]["missed"] += 1
    return Mistakes(tuple(shown), table, confusion, missed)


def gallery(pairs: Sequence[Pair], found: Mistakes, count: int) -> dict[str, list[int]]:
    """Return the films (numbers) worth seeing: ``best``, ``worst`` and ``most confident mistakes``, ``count`` each.

    Best: nothing wrong, nothing missed, most right boxes, then the surest. Worst: most wrong and missed boxes.
    """
    right: dict[int, list[float]] = {}
    wrong: dict[int, list[float]] = {}
    for one in found.shown:
        (right if one.kind == "right" else wrong).setdefault(one.film, []).append(one.score)
    clean = [film for film in right if film not in wrong and film not in found.missed]
    best = sorted(clean, key=lambda film: (-len(right[film]), -min(right[film]), film))
    bad = {film: len(wrong.get(film, ())) + found.missed.get(film, 0) for film in {*wrong, *found.missed}}
    worst = sorted(bad, key=lambda film: (-bad[film], film))
    surest = sorted(wrong, key=lambda film: (-max(wrong[film]), film))
    chosen = {"best": best[:count], "worst": worst[:count], "most confident mistakes": surest[:count]}
    return {name: [film for film in films if pairs[film].image is not None] for name, films in chosen.items()}


def _kind(*, right: bool, mine: float, other: float) -> str:
    if right:
        return "right"
    if mine >= _AT:
        return "duplicate"
    if other >= _AT:
        return "class"
    if mine >= _NEAR:
        return "place"
    return "class and place" if other >= _NEAR else "background"
