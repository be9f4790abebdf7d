"""The numbers of a model card: per label and source, with intervals over patients, and the checks for shortcuts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from lungspot.detect.decode import calibrate
from lungspot.evaluate import auroc, average_precision, judge
from lungspot.evaluate.detection import Judged
from lungspot.evaluate.resample import by_patient, interval
from lungspot.evaluate.shortcuts import linear_probe
from lungspot.findings import taxonomy
from lungspot.train.calibrate import Fitted
from lungspot.train.loss import ABSENT, PRESENT, UNKNOWN
from lungspot.train.validate import STATES, Predictions

__all__ = ["FOUR", "accuracy", "false_positives", "source_probe"]

FOUR: Final = tuple(label.id for label in taxonomy() if label.well_boxed)
_RESAMPLES: Final = 200


def accuracy(found: Predictions, labels: Sequence[str], fitted: Fitted) -> dict[str, Any]:
    """Return AP at IoU 0.3, 0.4 and 0.5 and AUROC per label, each with its counts, by source, and the means.

    A label's doubtful films (:func:`lungspot.datasets.truth.noisy`) are in; ``certain`` leaves them out. ``ci95``: the
    2.5th and 97.5th percentile over 200 resamples of patients.
    """
    table: dict[str, Any] = {}
    for column, label in enumerate(labels):
        exponent = fitted.box_fusion.get(label, 1.0)
        row: dict[str, Any] = {**_counts(found, column)}
        for iou in (0.3, 0.4, 0.5):
            row[f"ap{iou}"] = _round(average_precision([j for j in _judged(found, column, exponent, iou) if j]))
        row["auroc"] = _round(_area(found, column))
        certain = _only(found, lambda i, c=column: not found.films[i].noisy[c])  # type: ignore[misc]
        row["certain"] = {
            "ap0.4": _round(average_precision([j for j in _judged(certain, column, exponent, 0.4) if j])),
            "auroc": _round(_area(certain, column)),
        }
        row["ci95"] = _intervals(found, column, exponent)
        row["source"] = {}
        for source in sorted({film.source for film in found.films}):
            part = _only(found, lambda i, s=source: found.films[i].source == s)  # type: ignore[misc]
            judged = [j for j in _judged(part, column, exponent, 0.4) if j]
            values = {"ap0.4": _round(average_precision(judged)), "auroc": _round(_area(part, column))}
            if any(value is not None for value in values.values()):
                row["source"][source] = {**_counts(part, column), **values}
        table[label] = row
    sure = {label: row["certain"] for label, row in table.items()}
    return {
        "certain": {
            "map0.4": _mean(sure, "ap0.4"),
            "map0.4_four": _mean({label: sure[label] for label in FOUR if label in sure}, "ap0.4"),
            "auroc": _mean(sure, "auroc"),
        },
        "map0.3": _mean(table, "ap0.3"),
        "map0.4": _mean(table, "ap0.4"),
        "map0.5": _mean(table, "ap0.5"),
        "map0.4_four": _mean({label: table[label] for label in FOUR if label in table}, "ap0.4"),
        "auroc": _mean(table, "auroc"),
        "films": len(found.films),
        "labels": table,
    }


def false_positives(found: Predictions, labels: Sequence[str], fitted: Fitted) -> dict[str, dict[str, float]]:
    """Return per label and source the boxes at the balanced operating point per 100 films that show nothing.

    A film counts where someone looked for the label, called it absent, and called nothing present. Sources of fewer
    than ten such films are left out.
    """
    table: dict[str, dict[str, float]] = {}
    clear = [bool((film.states < PRESENT).all()) for film in found.films]
    for column, label in enumerate(labels):
        if label not in fitted.box_calibration:
            continue
        limit = fitted.thresholds["balanced"][label].box
        table[label] = {}
        for source in sorted({film.source for film in found.films}):
            boxes = []
            for i, film in enumerate(found.films):
                if clear[i] and film.source == source and film.states[column] == ABSENT:
                    raw = found.found[i][column].scores * found.image[i, column] ** fitted.box_fusion[label]
                    boxes.append(int((calibrate(raw, fitted.box_calibration[label]) >= limit).sum()))
            if len(boxes) >= 10:
                table[label][source] = round(100 * float(np.mean(boxes)), 1)
    return table


def source_probe(learn: Predictions, test: Predictions) -> dict[str, Any]:
    """Return how well a linear probe on the features names a film's dataset: fitted on ``learn``, judged on ``test``.

    ``accuracy`` beside ``majority`` (always naming the commonest); ``normals``: the same over films that show nothing,
    where the disease cannot tell the source.
    """

    def clear(found: Predictions) -> Predictions:
        return _only(found, lambda i: bool((found.films[i].states < PRESENT).all()))

    return {
        "all": _probe(learn, test),
        "normals": _probe(clear(learn), clear(test)),
    }


def _probe(learn: Predictions, test: Predictions) -> dict[str, float | int] | None:
    names, true = ([film.source for film in found.films] for found in (learn, test))
    return linear_probe(learn.features, names, test.features, true)


def _judged(found: Predictions, column: int, exponent: float, iou: float) -> list[Judged | None]:
    judged = []
    for film, boxes, image in zip(found.films, found.found, found.image, strict=True):
        true = film.boxes[film.labels == column].astype(np.float64)
        mine = boxes[column]
        scores = mine.scores * image[column] ** exponent
        judged.append(judge(mine.boxes, scores, true, STATES[int(film.states[column])], iou))
    return judged


def _area(found: Predictions, column: int) -> float:
    known = np.array([film.states[column] != UNKNOWN for film in found.films], dtype=np.bool_)
    positive = np.array([film.states[column] >= PRESENT for film in found.films], dtype=np.bool_)
    return auroc(found.image[known, column], positive[known])


def _intervals(found: Predictions, column: int, exponent: float) -> dict[str, list[float] | None]:
    judged = _judged(found, column, exponent, 0.4)
    known = np.array([film.states[column] != UNKNOWN for film in found.films], dtype=np.bool_)
    positive = np.array([film.states[column] >= PRESENT for film in found.films], dtype=np.bool_)
    weights = by_patient([film.patient for film in found.films], _RESAMPLES, 0)
    aps, areas = [], []
    for row in weights:
        chosen = np.repeat(np.arange(len(row)), row)
        aps.append(average_precision([j for i in chosen if (j := judged[i]) is not None]))
        kept = chosen[known[chosen]]
        areas.append(auroc(found.image[kept, column], positive[kept]))
    return {"ap0.4": _interval(aps), "auroc": _interval(areas)}


def _interval(values: Sequence[float]) -> list[float] | None:
    sides = interval(np.array(values))
    return None if sides is None else [round(side, 3) for side in sides]


def _counts(found: Predictions, column: int) -> dict[str, int]:
    states = np.array([film.states[column] for film in found.films])
    boxes = sum(int((film.labels == column).sum()) for film in found.films)
    return {"positive": int((states >= PRESENT).sum()), "negative": int((states == ABSENT).sum()), "boxes": boxes}


def _only(found: Predictions, keep: Callable[[int], bool]) -> Predictions:
    chosen = [i for i in range(len(found.films)) if keep(i)]
    return replace(
        found,
        films=tuple(found.films[i] for i in chosen),
        found=tuple(found.found[i] for i in chosen),
        image=found.image[chosen],
        features=found.features[chosen],
    )


def _mean(table: Mapping[str, Mapping[str, Any]], name: str) -> float | None:
    values = [row[name] for row in table.values() if row[name] is not None]
    return round(float(np.mean(values)), 4) if values else None


def _round(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None
