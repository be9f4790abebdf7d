"""The numbers of a model card: per label and source, with intervals over patients, and the checks for shortcuts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungspot.evaluate import (
    FilmBoxes,
    Matched,
    ScoreLimits,
    by_patient,
    chosen_metrics,
    counts,
    interval,
    linear_probe,
    rounded,
    select_films,
    tabulate_arrays,
    unit_weights,
)
from lungspot.findings import PRESENT, State, taxonomy
from lungspot.train.calibrate import Fitted, scores_on_clear
from lungspot.train.validate import Predictions

__all__ = ["WELL_BOXED", "accuracy", "false_positives", "match_label", "source_probe"]

# The labels that readers boxed on many films of several sources; `map0.4_four` is their mean.
WELL_BOXED: Final = tuple(label.id for label in taxonomy() if label.well_boxed)
_RESAMPLES: Final = 200


def accuracy(found: Predictions, labels: Sequence[str], fitted: Fitted) -> dict[str, Any]:
    """Return AP at IoU 0.3, 0.4 and 0.5 and AUROC per label, each with its counts, by source, and the means.

    A label's doubtful films (:func:`lungspot.datasets.truth.noisy`) are in; ``certain`` leaves them out. ``ci95``: the
    2.5th and 97.5th percentile over 200 resamples of patients.
    """
    weights = by_patient([film.patient for film in found.films], _RESAMPLES, 0)
    of_source = np.array([film.source for film in found.films])
    table: dict[str, Any] = {}
    for column, label in enumerate(labels):
        matched = match_label(found, column, label, fitted.box_fusion.get(label, 1.0))
        sure = select_films(matched, np.array([not film.noisy[column] for film in found.films], dtype=np.bool_))
        row: dict[str, Any] = _counts(matched) | _numbers(matched, ("ap0.3", "ap0.4", "ap0.5", "auroc"))
        spread = chosen_metrics(matched, weights)
        row |= {"certain": _numbers(sure), "ci95": {name: _interval(spread[name]) for name in spread}, "source": {}}
        for source in sorted(set(of_source.tolist())):
            mine = select_films(matched, of_source == source)
            values = _numbers(mine)
            if any(value is not None for value in values.values()):
                row["source"][source] = _counts(mine) | values
        table[label] = row
    certain = {label: row["certain"] for label, row in table.items()}
    return {
        "certain": {
            "map0.4": _mean(certain, "ap0.4"),
            "map0.4_four": _mean({label: certain[label] for label in WELL_BOXED if label in certain}, "ap0.4"),
            "auroc": _mean(certain, "auroc"),
        },
        "map0.3": _mean(table, "ap0.3"),
        "map0.4": _mean(table, "ap0.4"),
        "map0.5": _mean(table, "ap0.5"),
        "map0.4_four": _mean({label: table[label] for label in WELL_BOXED if label in table}, "ap0.4"),
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
    for column, label in enumerate(labels):
        if label not in fitted.box_calibration:
            continue
        limit = fitted.thresholds["balanced"][label].box
        clear = scores_on_clear(found, column, fitted.box_fusion[label], fitted.box_calibration[label])
        table[label] = {
            source: round(100 * float(np.mean([(scores >= limit).sum() for scores in films])), 1)
            for source, films in sorted(clear.items())
            if len(films) >= 10
        }
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


def match_label(found: Predictions, column: int, label: str, exponent: float) -> Matched:
    """Match one label on every film; a box's score is multiplied by the film's probability to ``exponent``."""
    films = [
        FilmBoxes(
            State.of_code(int(film.states[column])),
            film.boxes[film.labels == column].astype(np.float64),
            boxes[column].boxes,
            boxes[column].scores * image[column] ** exponent,
            float(image[column]),
        )
        for film, boxes, image in zip(found.films, found.found, found.image, strict=True)
    ]
    return tabulate_arrays(films, label, ScoreLimits())


def _numbers(matched: Matched, names: Sequence[str] = ("ap0.4", "auroc")) -> dict[str, float | None]:
    return {
        name: rounded(float(value[0]))
        for name, value in chosen_metrics(matched, unit_weights(len(matched.state)), names).items()
    }


def _counts(matched: Matched) -> dict[str, int]:
    of = counts(matched)
    return {name: of[name] for name in ("positive", "negative", "boxes")}


def _interval(values: NDArray[np.float64]) -> list[float] | None:
    sides = interval(values)
    return None if sides is None else [round(side, 3) for side in sides]


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
