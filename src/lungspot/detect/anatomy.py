"""Heart and lungs of a film, their proportion, and on which side the heart lies.

The network says of each place how likely it is heart, lung at the picture's left or lung at its right, and how likely
the picture is a mirror image. An upright film shows the patient's right lung at its left; a mirror image does not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lungspot.detect.card import AnatomyCard
from lungspot.detect.detector import Raw
from lungspot.detect.mapbox import regions
from lungspot.findings import Box, Frame, Side, enclosing
from lungspot.images import Placement

__all__ = [
    "Anatomy",
    "anatomy",
    "cardiothoracic_ratio",
    "is_plausible",
    "left_side",
    "lungs_cut_off",
    "organ_box",
    "trusted_lungs",
]

_HALF = 0.5  # an organ is where it is likelier than not
_LEAST = 0.005  # of the film's area that an organ must have
# What a chest looks like: the range of 383 films that people outlined (JSRT and Wingspan, train and val) without the
# outermost; 99 % of them pass all (benchmarks/anatomy.py, docs/benchmarks.md). Lengths are parts of the chest's width
# or height, which is that of both lungs together, but where another is named.
_RATIO = (0.34, 0.8)  # the heart's width
_OUTSIDE = 0.02  # how far the heart may reach out of the chest at a side
_ACROSS = 0.14  # of the heart that lies at either side of the middle between the lungs, at least
_NARROW = 0.3  # what of the heart lies at that side of the middle where less of it lies, at most
_HEART_TOP = 0.2  # from the lungs' top to the heart's, at least
_HEART_BOTTOM = 0.2  # from the lungs' bottom to the heart's, at most
_HEIGHTS = 0.68  # of the higher lung's height that the other has, at least
_TOPS = 0.15  # from one lung's top to the other's, at most
_WIDTHS = 0.5  # of the wider lung's width that the other has, at least
_BETWEEN = 0.04  # from one lung to the other, at least
# A lung is cut off by the picture's edge where so much of its height lies at a side, of its width at top or bottom; not
# where it is a stray spot (docs/explanation/training-log.md).
_CUT_SIDE, _CUT_TOP, _CUT_BOTTOM = 0.7, 0.7, 0.4
_SPOT = 0.02  # of the film's area


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Where heart and lungs are on one film, in pixels of the original; left and right are the patient's.

    An organ that was not seen is None. ``cardiothoracic_ratio``: the heart's width over the chest's, from the outer
    edge of one lung to that of the other; None where the three do not lie as in a chest (:func:`is_plausible`).
    ``mirrored``: whether the film shows the patient in a mirror (True: the heart points to the picture's left); None
    where that is not sure. ``unsided``: the lungs of a film of which nobody said which side is which, or said it and
    the heart contradicts; left and right are None then (:func:`left_side`).
    """

    heart: Box | None
    left_lung: Box | None
    right_lung: Box | None
    cardiothoracic_ratio: float | None
    mirrored: bool | None
    unsided: tuple[Box, ...] = ()

    def moved(self, move: Callable[[Box], Box]) -> Anatomy:
        """Return the anatomy with every box moved; the ratio was taken on the upright film and stays."""
        heart, left, right = (
            None if box is None else move(box) for box in (self.heart, self.left_lung, self.right_lung)
        )
        return replace(self, heart=heart, left_lung=left, right_lung=right, unsided=tuple(map(move, self.unsided)))

    @property
    def plausible(self) -> bool:
        """Whether heart and lungs lie as in a chest: only then may they be measured, drawn or coded."""
        return self.cardiothoracic_ratio is not None

    @property
    def lungs(self) -> tuple[Box, ...]:
        """The lungs that were seen, the one at the picture's left first."""
        both = (self.left_lung, self.right_lung, *self.unsided)
        return tuple(sorted((box for box in both if box is not None), key=lambda box: box.x0))


def anatomy(raw: Raw, placement: Placement, sure: float, said: Side | None = None) -> Anatomy | None:
    """Return the anatomy of a film, in its own frame; None where the network knows none.

    ``sure``: from which probability on the film counts as mirrored; up to 1 less it as not mirrored. ``said``: the
    patient's side at the left edge of the upright film by its file; the lungs have the sides that findings have.
    """
    if raw.organs is None or raw.mirrored is None:
        return None
    heart, first, second = (_original(organ_box(each, placement.target), placement) for each in raw.organs)
    likely = float(raw.mirrored[0])
    mirrored = True if likely >= sure else False if likely <= 1 - sure else None
    ratio = cardiothoracic_ratio(heart, first, second) if is_plausible(heart, first, second) else None
    seen = Anatomy(heart, None, None, ratio, mirrored)
    if (left := left_side(said, seen)) is None:
        return replace(seen, unsided=tuple(box for box in (first, second) if box is not None))
    one, other = (first, second) if left is Side.LEFT else (second, first)
    return replace(seen, left_lung=one, right_lung=other)


def left_side(said: Side | None, seen: Anatomy | None) -> Side | None:
    """Return the patient's side at the left edge of the upright film that may be believed.

    ``said``: what the file says. None where it does not say, or where the heart lies as if it were the other one.
    """
    if seen is None or seen.mirrored is None or said is None:
        return said
    return said if (said is Side.LEFT) == seen.mirrored else None


def trusted_lungs(seen: Anatomy | None, card: AnatomyCard | None) -> tuple[Box, ...] | None:
    """Return both lungs, the one at the picture's left first, where they say where boxes may lie; else None.

    They do where the card trusts them and heart and lungs lie as in a chest: a lung that was not seen may be white.
    """
    if seen is None or card is None or not card.lungs_trusted or not seen.plausible:
        return None
    return seen.lungs


def organ_box(likely: NDArray[np.float32], frame: Frame) -> Box | None:
    """Return the box around an organ's largest region, in pixels of ``frame``; None where there is none.

    ``likely`` covers the frame, (h, w), 0 to 1. The region is where it is at least a half; each edge lies where the
    largest value of a column or row, on a straight line from one centre to the next, crosses a half.
    """
    height, width = likely.shape
    if (own := _region(likely)) is None:
        return None
    near = np.pad(own, 1)
    for axis in (0, 1):  # the cells around the region, where its edge is
        near |= np.roll(near, 1, axis) | np.roll(near, -1, axis)
    values = np.where(near[1:-1, 1:-1] & (own | (likely < _HALF)), likely, 0)
    x0, x1 = _crossings(values.max(0))
    y0, y1 = _crossings(values.max(1))
    return Box(
        x0 * frame.width / width, y0 * frame.height / height, x1 * frame.width / width, y1 * frame.height / height
    )


def lungs_cut_off(raw: Raw) -> bool:
    """Say whether the picture's edge cuts off a lung: much of the lung's outline lies on it."""
    for likely in () if raw.organs is None else raw.organs[1:]:
        own = _region(likely)
        if own is None or own.sum() < _SPOT * own.size:
            continue
        height, width = own.any(axis=1).sum(), own.any(axis=0).sum()
        side, top, bottom = max(own[:, 0].sum(), own[:, -1].sum()), own[0].sum(), own[-1].sum()
        if side >= _CUT_SIDE * height or top >= _CUT_TOP * width or bottom >= _CUT_BOTTOM * width:
            return True
    return False


def cardiothoracic_ratio(heart: Box | None, one: Box | None, other: Box | None) -> float | None:
    """Return the heart's width over that from one lung's outer edge to the other's; None where one is not known."""
    if heart is None or one is None or other is None:
        return None
    return heart.width / (max(one.x1, other.x1) - min(one.x0, other.x0))


def is_plausible(heart: Box | None, one: Box | None, other: Box | None) -> bool:
    """Say whether a heart and the lungs at the left and the right of an upright picture lie as in a chest.

    The heart lies within the chest, across the middle between the lungs and below their tops, and has a width that
    hearts have; the lungs are of like size and height and each on its own side. Not where one of the three is None.
    """
    if heart is None or one is None or other is None:
        return False
    chest = enclosing((one, other))
    middle = (one.x1 + other.x0) / 2
    heights, widths = sorted((one.height, other.height)), sorted((one.width, other.width))
    least, most = _RATIO
    return (
        least <= heart.width / chest.width <= most
        and min(heart.x0 - chest.x0, chest.x1 - heart.x1) >= -_OUTSIDE * chest.width
        and _ACROSS * heart.width <= min(middle - heart.x0, heart.x1 - middle) <= _NARROW * chest.width
        and heart.y0 - chest.y0 >= _HEART_TOP * chest.height
        and heart.y1 - chest.y1 <= _HEART_BOTTOM * chest.height
        and heights[0] >= _HEIGHTS * heights[1]
        and abs(one.y0 - other.y0) <= _TOPS * chest.height
        and widths[0] >= _WIDTHS * widths[1]
        and other.x0 - one.x1 >= _BETWEEN * chest.width
    )


def _region(likely: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """Return the cells of an organ's largest region, None where it is too small to be one."""
    hot = likely >= _HALF
    if hot.sum() < _LEAST * hot.size:
        return None
    rows, columns = max(regions(hot), key=lambda cells: len(cells[0]))
    if len(rows) < _LEAST * hot.size:
        return None
    own = np.zeros_like(hot)
    own[rows, columns] = True
    return own


def _crossings(profile: NDArray[np.float32]) -> tuple[float, float]:
    """Return where a profile first rises over a half and last falls below, in cells from its begin."""
    inside = np.flatnonzero(profile >= _HALF)
    first, last = int(inside[0]), int(inside[-1])
    low = 0.0 if first == 0 else first + 0.5 - _share(profile[first], profile[first - 1])
    high = float(len(profile)) if last == len(profile) - 1 else last + 0.5 + _share(profile[last], profile[last + 1])
    return low, high


def _share(inside: float, outside: float) -> float:
    return float((inside - _HALF) / (inside - outside))


def _original(box: Box | None, placement: Placement) -> Box | None:
    return None if box is None else placement.to_original(box)
