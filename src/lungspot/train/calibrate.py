"""From a network's answers on val to its card: fusion, calibration, thresholds. Nothing here sees the test split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungspot.detect import Platt, Thresholds, calibrate, in_order
from lungspot.evaluate import fit_platt, match, reliability
from lungspot.findings import ABSENT, BOXED, PRESENT, UNKNOWN
from lungspot.train.validate import VOTE_IOU, VOTES, Predictions, precision, thinned_label

__all__ = ["Fitted", "best_vote", "fit", "scores_on_clear", "votes_of"]

Array = NDArray[np.float64]

IOU: Final = 0.4
EXPONENTS: Final = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5)
MAP_FRACTION: Final = 0.4  # of the peak: where the box of a label that was learnt without boxes ends
_GAIN: Final = 0.01  # of AP, that other votes must bring
_FEW = 5  # boxes: with fewer on val nothing is fitted to them
_BETA: Final = {"sensitive": 2.0, "balanced": 1.0, "specific": 0.5}
# A box whose like is right less often than this is not shown: a page of boxes at 2 % helps nobody.
_LEAST: Final = {"sensitive": 0.03, "balanced": 0.2, "specific": 0.2}
# A film on which a label is called shows it at least so often, as a reported label's must (lungspot.train.standing).
_CALLS: Final = 0.25
_SENSITIVITY, _SPECIFICITY = 0.9, 0.95
# Boxes a film that shows nothing, at most, at the balanced point; asked of sources with so many such films.
_FALSE_BOXES: Final = 0.1
_CLEAR: Final = 100
# Fewer of effusion: half of what version 1.1 showed on val (9.3 on 100 films), for a tenth on val came to 15.0 on test.
# This bound comes to 7.4, and costs some of people's boxes: the point finds 29 % of them, 40 before
# (docs/explanation/training-log.md, "Effusion on films that show nothing").
_FALSE_BOXES_OF: Final = {"effusion": 0.046}


@dataclass(frozen=True, slots=True)
class Fitted:
    """The fitted part of a :class:`~lungspot.detect.card.ModelCard`, by its names."""

    box_fusion: Mapping[str, float]
    box_calibration: Mapping[str, Platt]
    image_calibration: Mapping[str, Platt]
    thresholds: Mapping[str, Mapping[str, Thresholds]]
    box_from_map: Mapping[str, float]
    reliability: Mapping[str, Any]


def fit(val: Predictions, labels: Sequence[str]) -> Fitted:
    """Return what val says is best for each label.

    Fusion: the exponent with the highest AP at IoU 0.4, the mean of with and without doubtful films. All that follows
    is fitted without doubtful films. Calibration: Platt's, of fused box scores against being right at IoU 0.4, and of
    film probabilities against the film's state. Box thresholds: the best F-score with beta 2, 1 and 0.5, but no box
    that is right less often than 3, 20 and 20 times in a hundred, and at the balanced point no fewer of all that are
    shown, on doubtful films too, as the standing of a label asks. Film thresholds: sensitivity of at least 0.9; the
    best F-score over all films whose state is known, doubtful ones too, for that is the mix that a reader meets
    (Youden's index, which does not ask how rare a finding is, called edema on sixteen films without it for one with
    it), among the points at which one call in four is right; specificity of at least 0.95; all on calibrated values.
    Where these come out of order, the sensitive threshold is lowered and the specific one raised to the balanced one.
    """
    fusion: dict[str, float] = {}
    boxes: dict[str, Platt] = {}
    images: dict[str, Platt] = {}
    maps: dict[str, float] = {}
    bins: dict[str, Any] = {}
    thresholds: dict[str, dict[str, Thresholds]] = {point: {} for point in _BETA}
    for column, label in enumerate(labels):
        known = np.array(
            [film.states[column] != UNKNOWN and not film.noisy[column] for film in val.films], dtype=np.bool_
        )
        positive = np.array([film.states[column] >= PRESENT for film in val.films], dtype=np.bool_)[known]
        seen = val.image[known, column]
        images[label] = fit_platt(seen, positive)
        probability = calibrate(seen, images[label])
        bins[label] = {"image": reliability(probability, positive)}
        mix = np.array([film.states[column] != UNKNOWN for film in val.films], dtype=np.bool_)
        shown = np.array([film.states[column] >= PRESENT for film in val.films], dtype=np.bool_)[mix]
        by_image = _film_thresholds(probability, positive, calibrate(val.image[mix, column], images[label]), shown)
        total = sum(int((film.labels == column).sum()) for film in val.films if not film.noisy[column])
        by_box = by_image
        if total >= _FEW:
            rated = {exponent: _mean_precision(val, column, exponent) for exponent in EXPONENTS}
            fusion[label] = max(rated, key=rated.__getitem__)
            score, right, true = _pool(val, column, fusion[label])
            boxes[label] = fit_platt(score, right)
            sure = calibrate(score, boxes[label])
            bins[label]["box"] = reliability(sure, right)
            by_box = {point: max(_best_f(sure, right, true, beta), _LEAST[point]) for point, beta in _BETA.items()}
            every, hits, _ = _pool(val, column, fusion[label], doubtful=True)
            often = _often_right(calibrate(every, boxes[label]), hits, _LEAST["balanced"])
            by_box["balanced"] = max(by_box["balanced"], often)
            clear = scores_on_clear(val, column, fusion[label], boxes[label])
            by_box["balanced"] = max(by_box["balanced"], _seldom(clear, _FALSE_BOXES_OF.get(label, _FALSE_BOXES)))
        else:
            maps[label] = MAP_FRACTION
        by_box, by_image = in_order(by_box), in_order(by_image)
        for point in _BETA:
            thresholds[point][label] = Thresholds(round(by_box[point], 4), round(by_image[point], 4))
    return Fitted(fusion, boxes, images, thresholds, maps, bins)


def best_vote(said: Predictions, column: int) -> tuple[float, float]:
    """Return which of :data:`VOTES` is best for a label's boxes, as :func:`ask` gave them, and its AP at IoU 0.4.

    At the best exponent, the mean of with and without doubtful films. Other votes than :data:`VOTE_IOU` are better from
    a hundredth on: less than that is what a few boxes more or less come to. Votes find the borders of what has none, as
    pneumonia, and move those of what is small, as nodules.
    """
    rated: dict[float, float] = {}
    for vote in VOTES:
        seen = thinned_label(said, column, vote)
        rated[vote] = max(_mean_precision(seen, column, exponent) for exponent in EXPONENTS)
    best = max(rated, key=rated.__getitem__)
    best = best if rated[best] >= rated[VOTE_IOU] + _GAIN else VOTE_IOU
    return best, rated[best]


def votes_of(said: Predictions, labels: Sequence[str]) -> dict[str, float]:
    """Return the votes of the labels for which val says that others than :data:`VOTE_IOU` are better."""
    boxed = [c for c in range(len(labels)) if sum(int((film.labels == c).sum()) for film in said.films) >= _FEW]
    found = {labels[c]: best_vote(said, c)[0] for c in boxed}
    return {label: vote for label, vote in found.items() if vote != VOTE_IOU}


def _mean_precision(val: Predictions, column: int, exponent: float) -> float:
    found = [precision(val, column, IOU, exponent, certain=certain) for certain in (False, True)]
    return float(np.nanmean(found))


def _pool(
    val: Predictions, column: int, exponent: float, *, doubtful: bool = False
) -> tuple[Array, NDArray[np.bool_], int]:
    """Return fused scores of all boxes that can be judged, whether each is right, and how many true boxes there are.

    ``doubtful``: on films where the label's state is doubtful, too.
    """
    scores, right, total = [np.zeros(0)], [np.zeros(0, dtype=np.bool_)], 0
    for film, found, image in zip(val.films, val.found, val.image, strict=True):
        if film.states[column] not in {ABSENT, BOXED} or (film.noisy[column] and not doubtful):
            continue
        true = film.boxes[film.labels == column].astype(np.float64)
        fused = found[column].scores * image[column] ** exponent
        scores.append(fused)
        right.append(match(found[column].boxes, fused, true, IOU) >= 0)
        total += len(true)
    return np.concatenate(scores), np.concatenate(right), total


def scores_on_clear(found: Predictions, column: int, exponent: float, calibration: Platt) -> dict[str, list[Array]]:
    """Return by source the calibrated scores of a label's boxes on each film that shows nothing.

    A film counts where someone looked for the label, called it absent, and called nothing present.
    """
    clear: dict[str, list[Array]] = {}
    for film, boxes, image in zip(found.films, found.found, found.image, strict=True):
        if film.states[column] == ABSENT and (film.states < PRESENT).all():
            fused = boxes[column].scores * image[column] ** exponent
            clear.setdefault(film.source, []).append(calibrate(fused, calibration))
    return clear


def _seldom(clear: Mapping[str, Sequence[Array]], most: float) -> float:
    """Return the least score from which on at most ``most`` boxes a film remain, whatever the source."""
    least = 0.0
    for films in clear.values():
        allowed = int(most * len(films))
        scores = np.sort(np.concatenate(films))[::-1]
        if len(films) >= _CLEAR and len(scores) > allowed:
            above = scores[allowed]
            least = max(least, (np.floor(above * 1e4) + 1) / 1e4)  # of four digits, as a card keeps them
    return float(least)


def _best_f(sure: Array, right: NDArray[np.bool_], true: int, beta: float, least: float = 0.0) -> float:
    """Return the score from which on the F-score is best, among those where a share of ``least`` is right, if any."""
    if not len(sure):
        return 0.5
    scores, hits, found = _from_each_score(sure, right)
    value = (1 + beta**2) * hits / (beta**2 * true + found)
    enough = hits >= least * found
    return float(scores[int(np.argmax(np.where(enough if enough.any() else True, value, -1.0)))])


def _often_right(sure: Array, right: NDArray[np.bool_], least: float) -> float:
    """Return the lowest score from which on a share of ``least`` of the boxes is right; 0 where there is none."""
    scores, hits, found = _from_each_score(sure, right)
    enough = scores[hits >= least * found]
    return float(enough[-1]) if len(enough) else 0.0


def _from_each_score(sure: Array, right: NDArray[np.bool_]) -> tuple[Array, NDArray[np.int64], NDArray[np.int64]]:
    """Return the scores that there are, highest first, and how many have each or more: right ones, and all."""
    order = np.argsort(-sure, kind="stable")
    ends = np.flatnonzero(np.diff(sure[order], append=-np.inf))  # equal scores are shown together
    return sure[order][ends], np.cumsum(right[order], dtype=np.int64)[ends], ends + 1


def _film_thresholds(
    probability: Array, positive: NDArray[np.bool_], every: Array, shown: NDArray[np.bool_]
) -> dict[str, float]:
    """Return the thresholds of films: by those that are sure, but the balanced one by ``every`` film that is known."""
    if not positive.any() or positive.all():
        return dict.fromkeys(_BETA, 0.5)
    yes, no = np.sort(probability[positive]), np.sort(probability[~positive])
    steps = np.unique(probability)
    sensitivity = 1 - np.searchsorted(yes, steps) / len(yes)
    specificity = np.searchsorted(no, steps) / len(no)
    return {
        "sensitive": float(steps[np.flatnonzero(sensitivity >= _SENSITIVITY)[-1]]),
        "balanced": _best_f(every, shown, int(shown.sum()), _BETA["balanced"], _CALLS),
        "specific": float(steps[next(iter(np.flatnonzero(specificity >= _SPECIFICITY)), len(steps) - 1)]),
    }
