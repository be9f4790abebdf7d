"""From the network's numbers to a reading: fused, calibrated, thinned out, in pixels of the original film.

A box's score is its class score times the film's probability to a power that the card gives per label; both this and
the film's probability are then calibrated (Platt). Sides are the patient's: the left of the picture is the patient's
right. Side and zone follow from a box's centre on the film, since no lung borders are known; a heart has neither. A box
of a lung finding is cut to where lungs are, and dropped where it mostly lies elsewhere (:mod:`.positions`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lungspot.detect.card import ModelCard, Platt
from lungspot.detect.detector import Raw
from lungspot.detect.mapbox import boxes_from_map
from lungspot.detect.points import states_of
from lungspot.detect.positions import confine
from lungspot.detect.thin import thin
from lungspot.findings import Box, Finding, Frame, Reading, Side, Zone, taxonomy
from lungspot.images import Placement

__all__ = ["calibrate", "decode", "side_and_zone"]

_SMALLEST = 2.0  # pixels of the original film that a box must have each way
# Thirds of the lungs' height on an upright film, as fractions of the film's height: apices near .10, bases near .82.
_UPPER, _MIDDLE = 0.34, 0.58
_TALL = 0.55  # of the film's height: a box over a whole lung is in no zone


def decode(  # noqa: PLR0913 - what the network said, and how it is to be read
    raw: Raw,
    placement: Placement,
    card: ModelCard,
    *,
    point: str = "balanced",
    min_score: float | None = None,
    lungs: Sequence[Box] | None = None,
) -> Reading:
    """Return the reading, in the frame of the film that was prepared.

    Findings with a box come first, best score first: those from the operating ``point``'s threshold, or from
    ``min_score`` where given. Boxes out of a label's activation map bear the film's probability and are not ``judged``
    one by one. Then follows, for every label of the card, one finding without a box whose score is the probability that
    the film shows it at all. States: ``boxed`` where a box is kept, ``present`` where only the film's probability
    reaches its threshold, else ``absent``.

    ``lungs``: boxes around the lungs of this film, in its frame, where they are known: they then say where boxes of
    lung findings may lie, instead of the card's ``positions``.
    """
    boxed: list[Finding] = []
    whole: list[Finding] = []
    corners = np.clip(raw.boxes, 0, card.input_size)
    for column, label in enumerate(card.labels):
        floor = card.threshold(label, point).box if min_score is None else min_score
        seen = float(raw.image_scores[column])
        probability = float(calibrate(np.array([seen]), card.image_calibration.get(label))[0])
        whole.append(Finding(label, score=probability))
        if (fraction := card.box_from_map.get(label)) is not None:
            boxes = boxes_from_map(raw.maps[column], fraction, placement.target) if probability >= floor else ()
            scored = [(box, probability) for box in boxes]
        else:
            scored = _suppressed(raw, corners, column, card, floor)
        judged = fraction is None
        found = [
            Finding(label, where, score, *side_and_zone(where, placement.source, label), judged=judged)
            for box, score in scored
            if (where := _on_the_film(box, placement)) is not None
            and (where := _in_the_lungs(where, label, placement.source, card, lungs)) is not None
        ]
        boxed += found
    boxed.sort(key=lambda finding: -(finding.score or 0.0))  # stable: equal scores keep the card's order
    states = states_of(card, boxed, whole, point)
    return Reading(f"{card.name} {card.version}", (*boxed, *whole), states, placement.source)


def calibrate(scores: NDArray[np.floating], platt: Platt | None) -> NDArray[np.float64]:
    """Return scores, 0 to 1, as calibrated probabilities; unchanged where there is no calibration."""
    values = np.clip(np.asarray(scores, dtype=np.float64), 0, 1)
    if platt is None:
        return values
    inner = np.clip(values, 1e-7, 1 - 1e-7)
    return np.asarray(1 / (1 + np.exp(-(platt.a * np.log(inner / (1 - inner)) + platt.b))), dtype=np.float64)


def side_and_zone(box: Box, frame: Frame, label: str) -> tuple[Side | None, Zone | None]:
    """Return the patient's side and the zone of a box on an upright film."""
    if not taxonomy()[label].paired:
        return None, None
    x, y = box.center[0] / frame.width, box.center[1] / frame.height
    crosses = box.x0 / frame.width < 0.35 and box.x1 / frame.width > 0.65
    side = Side.BILATERAL if crosses else Side.RIGHT if x < 0.5 else Side.LEFT
    if box.height > _TALL * frame.height:
        return side, None
    return side, Zone.UPPER if y < _UPPER else Zone.MIDDLE if y < _MIDDLE else Zone.LOWER


def _on_the_film(box: Box, placement: Placement) -> Box | None:
    """Return a box of the network's input in pixels of the original film, or None where nothing of it lies there."""
    inside = box.clip(placement.target)
    return None if inside is None else _solid(placement.to_original(inside))


def _in_the_lungs(box: Box, label: str, frame: Frame, card: ModelCard, lungs: Sequence[Box] | None) -> Box | None:
    """Return what of a box may be reported: of a lung finding, its part where lungs are."""
    if not taxonomy()[label].in_lungs:
        return box
    inside = confine(box, frame, card.positions.get(label), lungs)
    return None if inside is None else _solid(inside)


def _solid(box: Box) -> Box | None:
    return box if min(box.width, box.height) >= _SMALLEST else None


def _suppressed(
    raw: Raw, corners: NDArray[np.float32], column: int, card: ModelCard, floor: float
) -> list[tuple[Box, float]]:
    """Return one label's boxes in input pixels with their calibrated scores, best first, doubles taken out."""
    label = card.labels[column]
    raw_scores = raw.scores[:, column].astype(np.float64)
    fused = raw_scores * float(raw.image_scores[column]) ** card.box_fusion.get(label, 0.0)
    scores = calibrate(fused, card.box_calibration.get(label))
    shown = scores >= floor
    if not shown.any():
        return []
    least = float(raw_scores[shown].min())  # fusion and calibration keep the order
    boxes, which = thin(corners, raw_scores, card.nms_iou, card.vote_iou, least=least)
    return [(Box(*box), float(scores[index])) for box, index in zip(boxes, which, strict=True)]
