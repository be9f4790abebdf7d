"""Intervals of a proportion: so many hits of so many, and what the true share may be."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lungspot.errors import InputError
from lungspot.extras import extra

__all__ = ["clopper_pearson", "wilson"]

Array = NDArray[np.float64]


def wilson(hits: ArrayLike, of: ArrayLike, level: float = 95.0) -> Array:
    """Return the score interval of a proportion, low and high in the last of the axes (Wilson, JASA 1927).

    ``hits``, ``of``: arrays of one shape, or scalars; may be sums of weights. ``level``: per cent. It covers about
    ``level`` on average, sometimes a little less; :func:`clopper_pearson` covers at least ``level``. Of 0 it is 0 to 1.
    """
    yes, total = _counts(hits, of, level)
    z = NormalDist().inv_cdf(0.5 + level / 200)
    n = np.where(total == 0, 1.0, total)
    share = yes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = np.where(yes == 0, 0.0, centre - half)
    high = np.where(yes == total, 1.0, centre + half)
    return _between(low, high, total)


def clopper_pearson(hits: ArrayLike, of: ArrayLike, level: float = 95.0) -> Array:
    """Return the exact interval of a proportion, low and high in the last of the axes (Clopper & Pearson, 1934).

    ``hits``, ``of``: arrays of one shape, or scalars. ``level``: per cent; the interval covers at least that, whatever
    the share and the number. Of 0 it is 0 to 1. Raises ``MISSING_EXTRA`` without SciPy.
    """
    with extra("eval", "an exact interval"):
        from scipy.special import betaincinv  # noqa: PLC0415 - an optional package
    yes, total = _counts(hits, of, level)
    tail = (100 - level) / 200
    no = total - yes
    low = np.where(yes == 0, 0.0, betaincinv(np.maximum(yes, 1), no + 1, tail))
    high = np.where(no == 0, 1.0, betaincinv(yes + 1, np.maximum(no, 1), 1 - tail))
    return _between(low, high, total)


def _counts(hits: ArrayLike, of: ArrayLike, level: float) -> tuple[Array, Array]:
    yes, total = np.broadcast_arrays(np.asarray(hits, dtype=np.float64), np.asarray(of, dtype=np.float64))
    if not ((yes >= 0) & (yes <= total) & np.isfinite(total)).all():
        raise InputError("BAD_VALUE", None, f"{hits!r} hits of {of!r}")
    if not 0 < level < 100:
        raise InputError("BAD_VALUE", None, f"an interval of {level} %")
    return yes, total


def _between(low: Array, high: Array, total: Array) -> Array:
    empty = total == 0
    return np.stack((np.where(empty, 0.0, low), np.where(empty, 1.0, high)), axis=-1)
