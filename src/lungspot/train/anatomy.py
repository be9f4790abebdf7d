"""How well a network outlines heart and lungs, and how surely it knows a mirror image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungspot.datasets import DATASETS
from lungspot.detect import cardiothoracic_ratio, confine, is_plausible, organ_box
from lungspot.findings import Box, Frame, iou_matrix, taxonomy
from lungspot.train.augment import plain
from lungspot.train.data import Films, FilmTruth

__all__ = [
    "FALSE_ALARMS",
    "TRUSTED",
    "AnatomyPredictions",
    "boxes_in_lungs",
    "judge_anatomy",
    "mirror_threshold",
    "predict_anatomy",
]

# Of the boxes that people drew on films of val where heart and lungs lie as in a chest: so many must lie between the
# outer borders of the lungs that a network sees, for those to be trusted.
TRUSTED: Final = 0.99
FALSE_ALARMS: Final = 0.005  # of films as they are stored, called a mirror image on val at most
# Stored as mirror images indeed: whoever calls them so is right, and neither way round do they count.
_MIRRORED: Final = frozenset(f"{data.name}/{film}" for data in DATASETS.values() for film in data.mirrored_films)
_ORGANS: Final = ("heart", "right_lung", "left_lung")  # in the order of a film's outlines
_UNIT: Final = Frame(1000, 1000)  # boxes are compared in thousandths of the film

NetworkCall = Callable[[NDArray[np.float32]], Mapping[str, NDArray[np.float32]]]


@dataclass(frozen=True, slots=True)
class AnatomyPredictions:
    """What a network said of N films.

    ``plain`` and ``turned``: (N,), how likely each film is a mirror image as it is, and after it was mirrored; NaN of
    films that are known to be stored as one. ``organs``: by the film's number, (3, h, w), of those with outlines or
    boxes.
    """

    films: tuple[FilmTruth, ...]
    plain: NDArray[np.float64]
    turned: NDArray[np.float64]
    organs: Mapping[int, NDArray[np.float32]]


def predict_anatomy(run: NetworkCall, films: Films, indices: Iterable[int], size: int) -> AnatomyPredictions:
    """Return what a network says of films both ways round; ``run``: (1, 1, size, size) → its outputs by name."""
    chosen = list(indices)
    both: list[tuple[float, float]] = []
    organs: dict[int, NDArray[np.float32]] = {}
    for number, index in enumerate(chosen):
        picture = plain(films.pixels[index : index + 1], size).numpy()
        said, turned = run(picture), run(np.ascontiguousarray(picture[..., ::-1]))
        pair = (float(said["mirrored"][0, 0]), float(turned["mirrored"][0, 0]))
        both.append((np.nan, np.nan) if films.films[index].id in _MIRRORED else pair)
        if films.films[index].outlines is not None or len(films.films[index].boxes):
            organs[number] = said["organs"][0]
    table = np.array(both, dtype=np.float64).reshape(-1, 2)
    return AnatomyPredictions(tuple(films.films[i] for i in chosen), table[:, 0], table[:, 1], organs)


def mirror_threshold(seen: AnatomyPredictions) -> float:
    """Return from which probability, .5 or more, at most :data:`FALSE_ALARMS` of the films are called mirrored."""
    stored = seen.plain[~np.isnan(seen.plain)]
    allowed = int(FALSE_ALARMS * len(stored))
    worst = np.sort(stored)[::-1][allowed] if len(stored) > allowed else 0.5
    return round(float(np.clip(np.nextafter(worst, 1) + 1e-3, 0.5, 0.999)), 3)


def boxes_in_lungs(seen: AnatomyPredictions, labels: Sequence[str]) -> float:
    """Return the share of the boxes of lung findings that :func:`lungspot.detect.positions.confine` keeps by the lungs.

    Of the films on which heart and lungs lie as in a chest; on others lungs say nothing. 1 where there is no such box.
    """
    kept: list[bool] = []
    for number, likely in seen.organs.items():
        heart, *found = (organ_box(each, _UNIT) for each in likely)
        if not is_plausible(heart, *found):
            continue
        lungs = [box for box in found if box is not None]
        film = seen.films[number]
        for corners, label in zip(film.boxes, film.labels, strict=True):
            if taxonomy()[labels[label]].in_lungs:
                box = Box(*(float(value) * _UNIT.width for value in corners))
                kept.append(confine(box, _UNIT, None, lungs) is not None)
    return float(np.mean(kept)) if kept else 1.0


def judge_anatomy(seen: AnatomyPredictions, sure: float) -> dict[str, Any]:
    """Return the numbers of a card: median IoU an organ, error of the cardiothoracic ratio, mirror images found.

    An organ that was not found counts as an IoU of 0; a ratio without its organs counts apart.
    """
    overlaps: dict[str, list[float]] = {organ: [] for organ in _ORGANS}
    errors: list[float] = []
    upright = ~np.isnan(seen.plain)
    stored, turned = seen.plain[upright], seen.turned[upright]
    outlined = {n: likely for n, likely in seen.organs.items() if seen.films[n].outlines is not None}
    for number, likely in outlined.items():
        outlines = seen.films[number].outlines
        assert outlines is not None  # noqa: S101 - those were chosen
        mine = [organ_box(each, _UNIT) for each in likely]
        true = [organ_box(each.astype(np.float32) / 255, _UNIT) for each in outlines]
        for organ, said, wanted in zip(_ORGANS, mine, true, strict=True):
            if wanted is not None:
                overlaps[organ].append(_overlap(said, wanted))
        ratio, wanted_ratio = cardiothoracic_ratio(*mine), cardiothoracic_ratio(*true)
        if ratio is not None and wanted_ratio is not None:
            errors.append(abs(ratio - wanted_ratio))
    return {
        "outlined_films": len(outlined),
        "median_iou": {organ: _round(np.median(values)) for organ, values in overlaps.items() if values},
        "ratio_mean_absolute_error": _round(np.mean(errors)) if errors else None,
        "ratio_films": len(errors),
        "films": len(seen.films),
        "mirrored_found": _round(np.mean(turned >= sure)),
        "mirrored_false_alarms": _round(np.mean(stored >= sure)),
        "mirrored_unsure": _round(np.mean((stored > 1 - sure) & (stored < sure))),
    }


def _overlap(said: Box | None, wanted: Box) -> float:
    if said is None:
        return 0.0
    return float(iou_matrix(np.array([said.corners]), np.array([wanted.corners]))[0, 0])


def _round(value: Any) -> float:  # noqa: ANN401 - one of NumPy's many floats
    return round(float(value), 4)
