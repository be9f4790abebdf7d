"""Curves that turn a score into a probability; they rise everywhere, so that the order of scores survives them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lungspot.errors import InputError

__all__ = ["Curve", "Knots", "Platt", "calibrate", "compose"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Platt:
    """A calibration: probability = sigmoid(a * logit(score) + b); the identity where a = 1 and b = 0."""

    a: float = 1.0
    b: float = 0.0

    def __post_init__(self) -> None:
        """Refuse maps that do not rise: the order of scores must survive calibration."""
        if not (math.isfinite(self.a) and math.isfinite(self.b) and self.a > 0):
            raise InputError("BAD_VALUE", None, f"a calibration of a = {self.a}, b = {self.b}")


@dataclass(frozen=True, slots=True)
class Knots:
    """A calibration by its knots: log odds of the score (``x``) and of the probability (``y``), both rising.

    Between knots log odds are linear; beyond the first and the last they go on with ``slope``.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    slope: float = 1.0

    def __post_init__(self) -> None:
        """Refuse maps that do not rise."""
        object.__setattr__(self, "x", tuple(self.x))
        object.__setattr__(self, "y", tuple(self.y))
        values = (*self.x, *self.y, self.slope)
        rises = all(low < high for side in (self.x, self.y) for low, high in pairwise(side))
        if not self.x or len(self.x) != len(self.y) or not rises or not all(map(math.isfinite, values)):
            raise InputError("BAD_VALUE", None, f"a calibration through {len(self.x)} and {len(self.y)} numbers")
        if self.slope <= 0:
            raise InputError("BAD_VALUE", None, f"a calibration that falls ({self.slope})")


# what turns a score into a probability
Curve: TypeAlias = Platt | Knots


def calibrate(scores: NDArray[np.floating], curve: Curve | None) -> Array:
    """Return scores, 0 to 1, as calibrated probabilities; unchanged where there is no calibration."""
    values = np.clip(np.asarray(scores, dtype=np.float64), 0, 1)
    if curve is None:
        return values
    inner = np.clip(values, 1e-7, 1 - 1e-7)
    return np.asarray(1 / (1 + np.exp(-_said(np.log(inner / (1 - inner)), curve))), dtype=np.float64)


def compose(first: Curve | None, then: Curve | None) -> Curve | None:
    """Return the one curve that does what ``first`` and ``then`` do one after the other."""
    if first is None or then is None:
        return then if first is None else first
    if isinstance(first, Platt) and isinstance(then, Platt):
        return Platt(first.a * then.a, first.b * then.a + then.b)
    one, other = _knots(first), _knots(then)
    x = np.union1d(np.array(one.x), _asked(np.array(other.x), one))
    y = _said(_said(x, one), other)
    kept = np.flatnonzero(np.concatenate(([True], (np.diff(x) > 0) & (np.diff(y) > 0))))  # what rounding made equal
    return Knots(tuple(x[kept].tolist()), tuple(y[kept].tolist()), one.slope * other.slope)


def _knots(curve: Curve) -> Knots:
    return Knots((0.0,), (curve.b,), curve.a) if isinstance(curve, Platt) else curve


def _said(x: Array, curve: Curve) -> Array:
    """Return log odds of the probability for log odds of the score."""
    if isinstance(curve, Platt):
        return np.asarray(curve.a * x + curve.b, dtype=np.float64)
    return _through(x, np.array(curve.x), np.array(curve.y), curve.slope)


def _asked(y: Array, curve: Knots) -> Array:
    """Return log odds of the score for log odds of the probability."""
    return _through(y, np.array(curve.y), np.array(curve.x), 1 / curve.slope)


def _through(at: Array, x: Array, y: Array, slope: float) -> Array:
    within = np.interp(at, x, y)
    beyond = np.where(at < x[0], at - x[0], np.where(at > x[-1], at - x[-1], 0.0))
    return np.asarray(within + slope * beyond, dtype=np.float64)
