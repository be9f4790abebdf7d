"""A network's features made small enough to keep with every result: the same 16 sums for ever, of random signs."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["compact_features"]

_KEPT: Final = 16
_DIGITS: Final = 4


def compact_features(features: NDArray[np.float32]) -> tuple[float, ...]:
    """Return 16 random projections of a network's features, shape (D,), divided by the square root of D.

    Distances between films are kept on average (Achlioptas, Journal of Computer and System Sciences 2003), so that a
    change of the features' distribution can be looked for without keeping the features; no film can be drawn from
    them. The signs follow from D alone: results of one model compare, those of two models do not.
    """
    signs = _signs(len(features))
    return tuple(round(float(value), _DIGITS) for value in signs @ features.astype(np.float64) / len(features) ** 0.5)


@lru_cache(maxsize=4)
def _signs(count: int) -> NDArray[np.float64]:
    """Return -1 and 1, shape (16, count), from bits that no library's version changes."""
    bits = hashlib.shake_256(b"lungspot features 1").digest(_KEPT * count // 8)
    ones = np.unpackbits(np.frombuffer(bits, np.uint8)).reshape(_KEPT, count)
    return np.where(ones == 1, 1.0, -1.0)
