"""What the study says beside its main table: each source apart, and whether map and box disagree on a wrong box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungspot.detect import Detector
from lungspot.evaluate import (
    Pair,
    ScoreLimits,
    Value,
    agreement_auroc,
    by_patient,
    chosen_metrics,
    interval,
    macro,
    select_films,
    tabulate,
    unit_weights,
)
from lungspot.findings import Box, Finding, Reading, State
from lungspot.study.compare import Ways
from lungspot.study.films import StudyFilm

__all__ = ["agreeing", "by_source"]

_NUMBERS: Final = ("ap0.3", "ap0.5")


def by_source(seen: Sequence[StudyFilm], ways: Ways, resamples: int = 1000) -> dict[str, dict[str, Any]]:
    """Return source → films, labels with boxes there, and way → number → JSON value, the mean over those labels.

    ``ways``: of :func:`lungspot.study.compare.locate`, on the films of ``seen``.
    """
    drawn = by_patient([film.case.patient for film in seen], resamples, 0)
    weights: NDArray[np.int32] = np.concatenate((unit_weights(len(seen)), drawn))
    found: dict[str, dict[str, Any]] = {}
    for source in sorted({film.case.dataset for film in seen}):
        mine = np.array([film.case.dataset == source for film in seen], dtype=np.bool_)
        some = [film for film, here in zip(seen, mine, strict=True) if here]
        boxed = [label for label in ways["boxes"] if any(film.true.boxes(label) for film in some)]
        if not boxed:
            continue
        found[source] = {"films": len(some), "labels": boxed}
        for way, of_labels in ways.items():
            rows = [chosen_metrics(select_films(of_labels[label].matched, mine), weights, _NUMBERS) for label in boxed]
            means = {name: macro([row[name] for row in rows]) for name in _NUMBERS}
            found[source][way] = {
                name: Value(float(values[0]), interval(values[1:])).to_json() for name, values in means.items()
            }
    return found


def agreeing(seen: Sequence[StudyFilm], detector: Detector, resamples: int = 1000) -> dict[str, Any] | None:
    """Return how well low agreement of the detector's own heat map and box tells a wrong box, as AUROC by measure.

    The document of :func:`lungspot.evaluate.agreement.agreement_auroc`, over the boxes that reach their threshold.
    """
    card = detector.card
    pairs = [_shown(film, card.labels) for film in seen]
    matched = {label: tabulate(pairs, label, ScoreLimits(card.threshold(label).box)) for label in card.labels}
    matched = {label: of for label, of in matched.items() if len(of.true_film)}  # a box of another cannot be right
    return agreement_auroc(pairs, matched, by_patient([pair.patient for pair in pairs], resamples, 0))


def _shown(film: StudyFilm, labels: Sequence[str]) -> Pair:
    frame = film.frame
    rows = [
        (Finding(label, Box(*box).scale(frame.width, frame.height), score), agreement)
        for label, boxes, agreements in zip(labels, film.found, film.agreement, strict=True)
        for (box, score), agreement in zip(boxes, agreements, strict=False)  # the first ones are the shown ones
    ]
    found = Reading("found", tuple(finding for finding, _ in rows), dict.fromkeys(labels, State.PRESENT), frame)
    groups = {"source": film.case.dataset}
    true = replace(film.true, frame=frame)
    return Pair(film.case.id, film.case.patient, true, found, groups, tuple(agreement for _, agreement in rows))
