"""From the network's numbers to a reading: fused, calibrated, thinned out, in pixels of the original film.

A box's score is its class score times the film's probability to a power that the card gives per label; both this and
the film's probability are then calibrated (Platt). Sides are the patient's: the left of the picture is the patient's
right. Side and zone follow from a box's centre on the film, since no lung borders are known; a heart has neither.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lungspot.detect.card import ModelCard, Platt
from lungspot.detect.detector import Raw
from lungspot.detect.mapbox import boxes_from_map
from lungspot.findings import Box, Finding, Frame, Reading, Side, State, Zone, iou_matrix
from lungspot.images import Placement

__all__ = ["calibrate", "decode", "place"]

_CANDIDATES = 200  # boxes a label that enter non-maximum suppression, best first
_SMALLEST = 2.0  # pixels of the original film that a box must have each way
_NO_SIDE = frozenset({"cardiomegaly"})
# Thirds of the lungs' height on an upright film, as fractions of the film's height: apices near .10, bases near .82.
_UPPER, _MIDDLE = 0.34, 0.58
_TALL = 0.55  # of the film's height: a box over a whole lung is in no zone


def decode(
    raw: Raw, placement: Placement, card: ModelCard, *, point: str = "balanced", min_score: float | None = None
) -> Reading:
    """Return the reading, in the frame of the film that was prepared.

    Findings with a box come first, best score first: those from the operating ``point``'s threshold, or from
    ``min_score`` where given. Then follows, for every label of the card, one finding without a box whose score is the
    probability that the film shows it at all. States: ``boxed`` where a box is kept, ``present`` where only the
    film's probability reaches its threshold, else ``absent``.
    """
    boxed: list[Finding] = []
    whole: list[Finding] = []
    states: dict[str, State] = {}
    for column, label in enumerate(card.labels):
        limits = card.threshold(label, point)
        floor = limits.box if min_score is None else min_score
        seen = float(raw.image_scores[column])
        probability = float(calibrate(np.array([seen]), card.image_calibration.get(label))[0])
        whole.append(Finding(label, score=probability))
        if (fraction := card.box_from_map.get(label)) is not None:
            boxes = boxes_from_map(raw.maps[column], fraction, placement.target) if probability >= floor else ()
            scored = [(box, probability) for box in boxes]
        else:
            scored = _suppressed(raw, column, card, floor)
        found = [finding for box, score in scored if (finding := _placed(label, box, score, placement)) is not None]
        boxed += found
        positive = probability >= limits.image
        states[label] = State.BOXED if found else State.PRESENT if positive else State.ABSENT
    boxed.sort(key=lambda finding: -(finding.score or 0.0))  # stable: equal scores keep the card's order
    return Reading(f"{card.name} {card.version}", (*boxed, *whole), states, placement.source)


def calibrate(scores: NDArray[np.floating], platt: Platt | None) -> NDArray[np.float64]:
    """Return scores, 0 to 1, as calibrated probabilities; unchanged where there is no calibration."""
    values = np.clip(np.asarray(scores, dtype=np.float64), 0, 1)
    if platt is None:
        return values
    inner = np.clip(values, 1e-7, 1 - 1e-7)
    return np.asarray(1 / (1 + np.exp(-(platt.a * np.log(inner / (1 - inner)) + platt.b))), dtype=np.float64)


def place(box: Box, frame: Frame, label: str) -> tuple[Side | None, Zone | None]:
    """Return the patient's side and the zone of a box on an upright film."""
    if label in _NO_SIDE:
        return None, None
    x, y = box.center[0] / frame.width, box.center[1] / frame.height
    crosses = box.x0 / frame.width < 0.35 and box.x1 / frame.width > 0.65
    side = Side.BILATERAL if crosses else Side.RIGHT if x < 0.5 else Side.LEFT
    if box.height > _TALL * frame.height:
        return side, None
    return side, Zone.UPPER if y < _UPPER else Zone.MIDDLE if y < _MIDDLE else Zone.LOWER


def _placed(label: str, box: Box, score: float, placement: Placement) -> Finding | None:
    """Return the finding in pixels of the original film, or None where nothing of it lies on the film."""
    inside = box.clip(placement.target)
    if inside is None:
        return None
    original = placement.to_original(inside)
    if min(original.width, original.height) < _SMALLEST:
        return None
    return Finding(label, original, score, *place(original, placement.source, label))


def _suppressed(raw: Raw, column: int, card: ModelCard, floor: float) -> list[tuple[Box, float]]:
    """Return one label's boxes in input pixels with their calibrated scores, best first, doubles taken out."""
    label = card.labels[column]
    fused = raw.scores[:, column].astype(np.float64)
    if power := card.box_fusion.get(label, 0.0):
        fused = fused * float(raw.image_scores[column]) ** power
    scores = calibrate(fused, card.box_calibration.get(label))
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= floor][:_CANDIDATES]
    corners = raw.boxes[order].astype(np.float64)
    solid = (corners[:, 2:] > corners[:, :2]).all(axis=1)
    order, corners = order[solid], corners[solid]
    return [(Box(*corners[index]), float(scores[order[index]])) for index in _suppress(corners, card.nms_iou)]


def _suppress(corners: NDArray[np.float64], limit: float) -> list[int]:
    """Return the indices that greedy non-maximum suppression keeps; ``corners`` are best first."""
    if not len(corners):
        return []
    overlaps = iou_matrix(corners, corners) > limit
    kept: list[int] = []
    gone = np.zeros(len(corners), dtype=bool)
    for index in range(len(corners)):
        if not gone[index]:
            kept.append(index)
            gone |= overlaps[index]
    return kept
