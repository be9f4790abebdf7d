"""What a reader measures on a film: lengths, angles, the greys of a region, and the heart's width over the chest's.

Points are pixels of the film as its file stores it, (0, 0) the top-left corner of the top-left pixel. Where the file
says how large a pixel is, lengths are in millimetres (at the detector, unless the file is calibrated), each direction
by its own spacing; else in widths of a pixel, so that one that is higher than wide counts as longer down than across.
Greys are per cent of the film's own range (docs/conventions.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungspot.errors import InputError
from lungspot.findings import Frame
from lungspot.images import Radiograph

__all__ = [
    "Greys",
    "Kind",
    "Measurement",
    "Widths",
    "measure",
    "measurement_from_json",
    "measurement_to_json",
]

Point = tuple[float, float]

_BY: Final = ("reader", "model")
_WHITE: Final = 65535


class Kind(StrEnum):
    """What is measured, by which points.

    ``length``: two ends. ``angle``: an end, the vertex, the other end. ``region``: two opposite corners of a rectangle.
    ``cardiothoracic_ratio``: the heart's two borders, then the chest's.
    """

    LENGTH = "length"
    ANGLE = "angle"
    REGION = "region"
    RATIO = "cardiothoracic_ratio"


_POINTS: Final = {Kind.LENGTH: 2, Kind.ANGLE: 3, Kind.REGION: 2, Kind.RATIO: 4}


@dataclass(frozen=True, slots=True)
class Greys:
    """The greys of a region in per cent of the film's range: mean, standard deviation, least and most."""

    mean: float
    deviation: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Widths:
    """The two widths of a cardiothoracic ratio, in ``mm`` or ``px``."""

    heart: float
    chest: float
    unit: str


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement: its ``points`` (x, y), and the ``value`` in ``unit``.

    Units: ``mm`` or ``px`` of lengths, ``mm2`` or ``px2`` of regions, ``deg``, and ``1`` of the ratio. ``by``:
    ``reader``, or ``model`` where the points are borders that the model found and the reader took over. ``greys``: of
    a region. ``widths``: of heart and chest, of the ratio.
    """

    kind: Kind
    points: tuple[Point, ...]
    value: float
    unit: str
    by: str = "reader"
    greys: Greys | None = None
    widths: Widths | None = None


def measure(
    kind: str,
    points: Sequence[Sequence[float]],
    film: Radiograph,
    *,
    by: str = "reader",
    pixels: NDArray[Any] | None = None,
) -> Measurement:
    """Return what ``points`` measure on a film. ``pixels``: its greys where ``film`` has none, 16 bits each.

    Raises InputError ``BAD_VALUE`` where they are too many or too few, lie off the film or on one another.
    """
    known = _known(kind, points, by)
    _require_on(film.frame, points)
    ends = [(float(x), float(y)) for x, y in points]
    row, column, unit = _scale(film)

    def between(one: Point, other: Point) -> float:
        return math.hypot((other[0] - one[0]) * column, (other[1] - one[1]) * row)

    greys, widths = None, None
    if known is Kind.LENGTH:
        value = between(*ends)
    elif known is Kind.ANGLE:
        value, unit = _angle(*(((x * column), (y * row)) for x, y in ends)), "deg"
    elif known is Kind.REGION:
        (x0, y0), (x1, y1) = ends
        value, unit = abs((x1 - x0) * column * (y1 - y0) * row), f"{unit}2"
        greys = _greys(film.pixels if pixels is None else pixels, ends)
    else:
        widths = Widths(between(*ends[:2]), between(*ends[2:]), unit)
        value, unit = (widths.heart / widths.chest if widths.chest else 0.0), "1"
    if not value > 0 and known is not Kind.ANGLE:
        raise InputError("BAD_VALUE", "measurements", f"{known}: its points lie on one another")
    return Measurement(known, tuple(ends), value, unit, by, greys, widths)


def measurement_to_json(made: Measurement) -> dict[str, Any]:
    """Return a measurement as JSON values: points to a hundredth of a pixel, values to four digits."""
    value: dict[str, Any] = {
        "kind": str(made.kind),
        "points": [[round(x, 2), round(y, 2)] for x, y in made.points],
        "by": made.by,
        "value": round(made.value, 4),
        "unit": made.unit,
    }
    if made.greys is not None:
        names = ("mean", "deviation", "least", "most")
        value["greys"] = {name: round(getattr(made.greys, name), 4) for name in names}
    if made.widths is not None:
        heart, chest = round(made.widths.heart, 4), round(made.widths.chest, 4)
        value["widths"] = {"heart": heart, "chest": chest, "unit": made.widths.unit}
    return value


def measurement_from_json(value: Mapping[str, Any]) -> Measurement:
    """Return the measurement of :func:`measurement_to_json`'s value; raises InputError ``BAD_VALUE``."""
    try:
        kind = _known(value["kind"], value["points"], value.get("by", "reader"))
        greys, widths = value.get("greys"), value.get("widths")
        return Measurement(
            kind,
            tuple((float(x), float(y)) for x, y in value["points"]),
            float(value["value"]),
            str(value["unit"]),
            value.get("by", "reader"),
            None if greys is None else Greys(**{name: float(each) for name, each in greys.items()}),
            None if widths is None else Widths(float(widths["heart"]), float(widths["chest"]), str(widths["unit"])),
        )
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("BAD_VALUE", "measurements", f"not a measurement ({type(error).__name__}: {error})") from error


def _known(kind: str, points: Sequence[Sequence[float]], by: str) -> Kind:
    if kind not in set(Kind) or by not in _BY:
        raise InputError("BAD_VALUE", "measurements", f"kind {kind!r} by {by!r}")
    wanted = _POINTS[Kind(kind)]
    if len(points) != wanted or any(len(point) != 2 for point in points):
        raise InputError("BAD_VALUE", "measurements", f"{kind} has {wanted} points, not {len(points)}")
    return Kind(kind)


def _require_on(frame: Frame, points: Sequence[Sequence[float]]) -> None:
    if not all(0 <= x <= frame.width and 0 <= y <= frame.height for x, y in points):
        raise InputError("BAD_VALUE", "measurements", f"a point off the film of {frame.width} x {frame.height}")


def _scale(film: Radiograph) -> tuple[float, float, str]:
    """Return how much a pixel counts down and across, and in which unit."""
    if film.pixel_spacing_mm is not None:
        return (*film.pixel_spacing_mm, "mm")
    high, wide = film.pixel_aspect
    return high / wide, 1.0, "px"


def _angle(one: Point, vertex: Point, other: Point) -> float:
    """Return the angle at the vertex in degrees, 0 to 180."""
    arms = [(x - vertex[0], y - vertex[1]) for x, y in (one, other)]
    if any(math.hypot(*arm) == 0 for arm in arms):
        raise InputError("BAD_VALUE", "measurements", "angle: an arm has no length")
    (ax, ay), (bx, by) = arms
    return abs(math.degrees(math.atan2(ax * by - ay * bx, ax * bx + ay * by)))


def _greys(pixels: NDArray[Any], corners: Sequence[Point]) -> Greys:
    """Return the greys of the pixels whose centres lie in a rectangle; at least of the one in its middle."""
    part = []
    for axis, size in ((1, pixels.shape[0]), (0, pixels.shape[1])):
        low, high = sorted(corner[axis] for corner in corners)
        first, last = math.ceil(low - 0.5), math.ceil(high - 0.5)
        if last <= first:
            first = min(math.floor((low + high) / 2), size - 1)
            last = first + 1
        part.append(slice(max(first, 0), min(last, size)))
    inside = np.asarray(pixels[tuple(part)], dtype=np.float64)
    inside = 100 * inside / (_WHITE if pixels.dtype == np.uint16 else 1)
    return Greys(float(inside.mean()), float(inside.std()), float(inside.min()), float(inside.max()))
