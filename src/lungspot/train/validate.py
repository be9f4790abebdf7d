"""How a network does on a split while it is being trained: predictions as arrays, and the numbers that choose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lungspot.evaluate import auroc, average_precision, judge
from lungspot.findings import State, iou_matrix
from lungspot.train.augment import plain
from lungspot.train.data import Film, Films
from lungspot.train.loss import ABSENT, BOXED, PRESENT, UNKNOWN

__all__ = ["STATES", "Found", "Predictions", "area_under", "detect_all", "precision", "predict"]

Array = NDArray[np.float64]

STATES = {UNKNOWN: State.NOT_LOOKED_FOR, ABSENT: State.ABSENT, PRESENT: State.PRESENT, BOXED: State.BOXED}
_FLOOR = 1e-3  # scores below do not change average precision


@dataclass(frozen=True, slots=True)
class Found:
    """The boxes of one label on one film before fusion: (K, 4) as fractions of the film, and their (K,) scores."""

    boxes: Array
    scores: Array


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a network said about films: ``found[i][c]``, ``image`` (N, C) probabilities, ``features`` (N, D)."""

    films: tuple[Film, ...]
    found: tuple[tuple[Found, ...], ...]
    image: Array
    features: NDArray[np.float32]


def predict(  # noqa: PLR0913 - how boxes are thinned out is the caller's
    network: nn.Module,
    films: Films,
    indices: Iterable[int],
    size: int,
    *,
    nms: float = 0.5,
    keep: int = 50,
    batch: int = 64,
    exact: bool = False,
) -> Predictions:
    """Return the predictions at ``size`` pixels of a network that gives :class:`~lungspot.train.model.Output`.

    ``keep`` boxes a film and label survive suppression. ``exact``: in single precision, as the model file computes.
    """
    chosen = np.fromiter(indices, dtype=np.int64)
    found: list[tuple[Found, ...]] = []
    image, features = [], []
    network.eval()
    for start in range(0, len(chosen), batch):
        part = chosen[start : start + batch]
        pictures = plain(films.pixels[part], size).to(memory_format=torch.channels_last)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=not exact):
            output = network(pictures)
        boxes = output.boxes.float().clamp(0, size).numpy() / size
        scores = output.scores.sigmoid().numpy()
        image.append(output.image.sigmoid().double().numpy())
        features.append(output.features.numpy())
        found += [
            tuple(_suppress(boxes[i], scores[i, :, c], nms, keep) for c in range(scores.shape[2]))
            for i in range(len(part))
        ]
    return Predictions(
        tuple(films.films[i] for i in chosen), tuple(found), np.concatenate(image), np.concatenate(features)
    )


def precision(  # noqa: PLR0913 - the questions that a table asks
    predictions: Predictions,
    label: int,
    iou: float,
    fusion: float = 1.0,
    *,
    sources: Sequence[str] | None = None,
    certain: bool = False,
) -> float:
    """Return the AP of one label; a box's score is multiplied by the film's probability to the power ``fusion``.

    ``sources``: only films of these datasets. ``certain``: leave out the films where the label's state is doubtful.
    """
    judged = []
    for film, found, image in zip(predictions.films, predictions.found, predictions.image, strict=True):
        if (sources is not None and film.source not in sources) or (certain and film.noisy[label]):
            continue
        mine = found[label]
        true = film.boxes[film.labels == label].astype(np.float64)
        result = judge(mine.boxes, mine.scores * image[label] ** fusion, true, STATES[int(film.states[label])], iou)
        if result is not None:
            judged.append(result)
    return average_precision(judged)


def area_under(
    predictions: Predictions, label: int, *, sources: Sequence[str] | None = None, certain: bool = False
) -> float:
    """Return the AUROC of one label's film probability over the films where its state is known."""
    rows = [
        i
        for i, film in enumerate(predictions.films)
        if film.states[label] != UNKNOWN
        and (sources is None or film.source in sources)
        and not (certain and film.noisy[label])
    ]
    positive = np.array([predictions.films[i].states[label] >= PRESENT for i in rows], dtype=np.bool_)
    return auroc(predictions.image[rows, label], positive)


def detect_all(predictions: Predictions, labels: Sequence[str], iou: float = 0.4) -> Mapping[str, float]:
    """Return ``ap/LABEL``, ``auroc/LABEL`` and their means ``map`` and ``auroc`` over the labels that have any."""
    ap = {label: precision(predictions, i, iou) for i, label in enumerate(labels)}
    area = {label: area_under(predictions, i) for i, label in enumerate(labels)}
    return {
        "map": _mean(ap.values()),
        "auroc": _mean(area.values()),
        **{f"ap/{label}": value for label, value in ap.items()},
        **{f"auroc/{label}": value for label, value in area.items()},
    }


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def _suppress(boxes: NDArray[np.float32], scores: NDArray[np.float32], nms: float, keep: int) -> Found:
    order = np.argsort(-scores, kind="stable")[: 4 * keep]
    order = order[scores[order] > _FLOOR]
    pool = boxes[order].astype(np.float64)
    sound = (pool[:, 2:] > pool[:, :2]).all(1)
    order, pool = order[sound], pool[sound]
    overlap = iou_matrix(pool, pool) > nms if len(pool) else np.zeros((0, 0), dtype=np.bool_)
    free = np.ones(len(pool), dtype=np.bool_)
    kept: list[int] = []
    for i in range(len(pool)):
        if free[i]:
            kept.append(i)
            free &= ~overlap[i]
            if len(kept) == keep:
                break
    return Found(pool[kept], scores[order[kept]].astype(np.float64))
