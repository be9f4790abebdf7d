"""From the network's numbers to a reading: fused, calibrated, thinned out, in pixels of the original film.

A box's score is its class score times the film's probability to a power that the card gives per label; both this and
the film's probability are then calibrated. Sides are the patient's: the left of the picture is the patient's
right. Side and zone follow from where a box's centre lies among the lungs, or on the film where its lungs are not
known; a heart has neither. A box of a lung finding is cut to where lungs are, and dropped where it mostly lies
elsewhere (:mod:`.positions`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lungspot.detect.anatomy import anatomy, trusted_lungs
from lungspot.detect.calibration import calibrate
from lungspot.detect.card import DEFAULT_POINT, ModelCard
from lungspot.detect.detector import Raw
from lungspot.detect.mapbox import boxes_from_map
from lungspot.detect.nms import nms_with_voting
from lungspot.detect.points import states_of
from lungspot.detect.positions import confine
from lungspot.findings import Box, Finding, Frame, Reading, Side, Zone, enclosing, taxonomy
from lungspot.images import Placement

__all__ = ["decode", "side_and_zone", "sided"]

_SMALLEST = 2.0  # pixels of the original film that a box must have each way
_TOP, _BASE = 0.10, 0.82  # where apices and bases lie on an upright film, as fractions of its height
_TALL = 0.764  # of the lungs' height: a box over a whole lung is in no zone
_BOTH = 0.15  # of the lungs' width, that a box reaches past the middle each way to be on both sides


def decode(
    raw: Raw,
    placement: Placement,
    card: ModelCard,
    *,
    point: str = DEFAULT_POINT,
    min_score: float | None = None,
) -> Reading:
    """Return the reading, in the frame of the film that was prepared.

    Findings with a box come first, best score first: those from the operating ``point``'s threshold, or from
    ``min_score`` where given. Boxes out of a label's activation map bear the film's probability and are not ``judged``
    one by one. Then follows, for every label of the card, one finding without a box whose score is the probability that
    the film shows it at all. States: ``boxed`` where a box is kept, ``present`` where only the film's probability
    reaches its threshold, else ``absent``.

    The film's own lungs, where they are believed (:func:`.anatomy.trusted_lungs`), say where boxes of lung findings may
    lie, instead of the card's ``positions``, and which side and zone a box is in.
    """
    organs = None if card.anatomy is None else anatomy(raw, placement, card.anatomy.sure)
    lungs = trusted_lungs(organs, card.anatomy)
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
            Finding(label, where, score, *side_and_zone(where, placement.source, label, lungs), judged=judged)
            for box, score in scored
            if (where := _on_the_film(box, placement)) is not None
            and (where := _in_the_lungs(where, label, placement.source, card, lungs)) is not None
        ]
        boxed += found
    boxed.sort(key=lambda finding: -(finding.score or 0.0))  # stable: equal scores keep the card's order
    states = states_of(card, boxed, whole, point)
    return Reading(f"{card.name} {card.version}", (*boxed, *whole), states, placement.source)


def side_and_zone(
    box: Box, frame: Frame, label: str, lungs: Sequence[Box] | None = None
) -> tuple[Side | None, Zone | None]:
    """Return the patient's side and the zone (third of the lungs' height) of a box on an upright film.

    ``lungs``: both, the one at the picture's left first; where not both are known, the film's own halves and thirds are
    taken. A box that reaches well into both lungs is on both sides; one about as high as a lung is in no zone.
    """
    if not taxonomy()[label].paired:
        return None, None
    within, middle = Box(0.0, _TOP * frame.height, float(frame.width), _BASE * frame.height), frame.width / 2
    if lungs is not None and len(lungs) == 2:
        within, middle = enclosing(lungs), (lungs[0].x1 + lungs[1].x0) / 2
    reach = _BOTH * within.width
    crosses = box.x0 < middle - reach and box.x1 > middle + reach
    side = Side.BILATERAL if crosses else Side.RIGHT if box.center[0] < middle else Side.LEFT
    if box.height > _TALL * within.height:
        return side, None
    third = (box.center[1] - within.y0) / within.height * 3
    return side, Zone.UPPER if third < 1 else Zone.MIDDLE if third < 2 else Zone.LOWER


def sided(reading: Reading, left_side: Side | None) -> Reading:
    """Return a reading of an upright film with the sides that it has where ``left_side`` of the patient is at its left.

    :func:`decode` takes the patient's right to be there. None: nobody knows; then only ``bilateral`` is said of sides.
    """
    if left_side is Side.RIGHT:
        return reading
    other = {Side.LEFT: Side.RIGHT, Side.RIGHT: Side.LEFT} if left_side is Side.LEFT else {}
    known = other | {Side.BILATERAL: Side.BILATERAL}
    findings = (replace(f, side=None if f.side is None else known.get(f.side)) for f in reading.findings)
    return replace(reading, findings=tuple(findings))


def _on_the_film(box: Box, placement: Placement) -> Box | None:
    """Return a box of the network's input in pixels of the original film, or None where nothing of it lies there."""
    inside = box.clip(placement.target)
    return None if inside is None else _solid(placement.to_original(inside))


def _in_the_lungs(box: Box, label: str, frame: Frame, card: ModelCard, lungs: Sequence[Box] | None) -> Box | None:
    """Return what of a box may be reported: of a lung finding, its part where lungs are."""
    if not taxonomy()[label].in_lungs:
        return box
    inside = confine(box, frame, card.positions.get(label), lungs, least=card.least_inside)
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
    boxes, which = nms_with_voting(corners, raw_scores, card.nms_iou, card.vote_iou_of(label), least=least)
    return [(Box(*box), float(scores[index])) for box, index in zip(boxes, which, strict=True)]
