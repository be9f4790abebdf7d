"""Boxes in pixels of the original image, and the plain arithmetic on them.

The frame is the one of DICOM's SCOORD (PS3.3 C.18.6): x to the right, y down, floats, (0, 0) the top-left corner of the
top-left pixel, half-open: a box over the whole of a 10 x 8 image is ``Box(0, 0, 10, 8)``. See docs/conventions.md.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lungspot.errors import InputError

__all__ = ["Box", "Frame", "as_array", "enclosing", "intersection_matrix", "iou_matrix"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Frame:
    """The size, in pixels, of the image whose corner is the origin of a box."""

    width: int
    height: int

    def __post_init__(self) -> None:
        """Refuse sizes that no image has; store plain integers."""
        try:
            sides = (operator.index(self.width), operator.index(self.height))
        except TypeError:
            sides = (0, 0)
        if min(sides) < 1:
            raise InputError("BAD_VALUE", None, f"a frame of {self.width!r} x {self.height!r} pixels")
        object.__setattr__(self, "width", sides[0])
        object.__setattr__(self, "height", sides[1])


@dataclass(frozen=True, slots=True, order=True)
class Box:
    """An upright rectangle ``x0, y0, x1, y1`` in pixels; refuses a box without area (``BAD_BOX``)."""

    x0: float
    y0: float
    x1: float
    y1: float

    def __post_init__(self) -> None:
        """Refuse boxes that are inverted, empty or not finite; store plain floats."""
        for name in ("x0", "y0", "x1", "y1"):
            object.__setattr__(self, name, float(getattr(self, name)))
        if not all(map(math.isfinite, self.corners)) or self.x0 >= self.x1 or self.y0 >= self.y1:
            raise InputError("BAD_BOX", None, f"a box from ({self.x0}, {self.y0}) to ({self.x1}, {self.y1})")

    @classmethod
    def from_xywh(cls, x: float, y: float, width: float, height: float) -> Box:
        """Make a box of its top-left corner and its size (NIH, RSNA, COCO)."""
        return cls(x, y, x + width, y + height)

    @classmethod
    def from_points(cls, points: Iterable[tuple[float, float]]) -> Box:
        """Make the smallest box around points in any order (polygons, LabelMe rectangles)."""
        xs, ys = zip(*points, strict=True)
        return cls(min(xs), min(ys), max(xs), max(ys))

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """``(x0, y0, x1, y1)``."""
        return (self.x0, self.y0, self.x1, self.y1)

    @property
    def xywh(self) -> tuple[float, float, float, float]:
        """``(x0, y0, width, height)``."""
        return (self.x0, self.y0, self.width, self.height)

    @property
    def width(self) -> float:
        """Pixels from left to right."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Pixels from top to bottom."""
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        """Square pixels."""
        return self.width * self.height

    @property
    def center(self) -> tuple[float, float]:
        """``(x, y)`` of the middle."""
        return ((self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2)

    def scale(self, x: float, y: float) -> Box:
        """Return the box in a frame that is ``x`` times as wide and ``y`` times as high."""
        return Box(self.x0 * x, self.y0 * y, self.x1 * x, self.y1 * y)

    def move(self, source: Frame, target: Frame) -> Box:
        """Return the box of ``source`` in ``target``, the same picture at another size."""
        return self.scale(target.width / source.width, target.height / source.height)

    def clip(self, frame: Frame) -> Box | None:
        """Return the part inside ``frame``, or None where nothing is left."""
        x0, y0 = max(self.x0, 0.0), max(self.y0, 0.0)
        x1, y1 = min(self.x1, float(frame.width)), min(self.y1, float(frame.height))
        return Box(x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None

    def is_inside(self, frame: Frame) -> bool:
        """Say whether no part lies outside ``frame``."""
        return self.x0 >= 0 and self.y0 >= 0 and self.x1 <= frame.width and self.y1 <= frame.height

    def intersection(self, other: Box) -> float:
        """Square pixels that both boxes cover."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        return max(width, 0.0) * max(height, 0.0)

    def iou(self, other: Box) -> float:
        """Intersection over union, 0 to 1; no pixel is added to a side."""
        overlap = self.intersection(other)
        return overlap / (self.area + other.area - overlap)


def as_array(boxes: Iterable[Box]) -> Array:
    """Return float64 corners, shape (N, 4), columns x0 y0 x1 y1; (0, 4) for no boxes."""
    return np.array([box.corners for box in boxes], dtype=np.float64).reshape(-1, 4)


def enclosing(boxes: Iterable[Box]) -> Box:
    """Return the smallest box around all ``boxes``; raises ``BAD_VALUE`` where there is none."""
    corners = as_array(boxes)
    if len(corners) == 0:
        raise InputError("BAD_VALUE", None, "no boxes to enclose")
    return Box(*corners[:, :2].min(axis=0), *corners[:, 2:].max(axis=0))


def intersection_matrix(first: Array, second: Array) -> Array:
    """Return square pixels shared by each pair: (N, 4) and (M, 4) corners in one frame give (N, M)."""
    left, top, right, bottom = (np.ascontiguousarray(column)[:, None] for column in first.T)  # numpy is slow on pairs
    x0, y0, x1, y1 = (np.ascontiguousarray(column) for column in second.T)
    across = np.maximum(np.minimum(right, x1) - np.maximum(left, x0), 0)
    down = np.maximum(np.minimum(bottom, y1) - np.maximum(top, y0), 0)
    return np.asarray(across * down, dtype=np.float64)


def iou_matrix(first: Array, second: Array) -> Array:
    """Return intersection over union of each pair: (N, 4) and (M, 4) corners in one frame give (N, M)."""
    overlap = intersection_matrix(first, second)
    areas_first = np.prod(first[:, 2:] - first[:, :2], axis=1)
    areas_second = np.prod(second[:, 2:] - second[:, :2], axis=1)
    return np.asarray(overlap / (areas_first[:, None] + areas_second[None, :] - overlap), dtype=np.float64)
