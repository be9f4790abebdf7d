"""Intervals of a proportion and of a rate: so many hits of so many, and what the true share may be.

Several films of one person say less than as many of different people. :func:`by_person` and :func:`rate_by_person`
count how much less (the design effect) and take the exact interval of the number of people that the films are worth:
Korn & Graubard, Confidence intervals for proportions with small expected number of positive counts estimated from
survey data, Survey Methodology 1998. Where everybody has one film they are the exact intervals themselves.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lungspot.errors import InputError
from lungspot.extras import extra

__all__ = ["by_person", "clopper_pearson", "rate_by_person", "wilson", "worth"]

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

    ``hits``, ``of``: arrays of one shape, or scalars; need not be whole. ``level``: per cent; the interval covers at
    least that, whatever the share and the number. Of 0 it is 0 to 1. Raises ``MISSING_EXTRA`` without SciPy.
    """
    with extra("eval", "an exact interval"):
        from scipy.special import betaincinv  # noqa: PLC0415 - an optional package
    yes, total = _counts(hits, of, level)
    tail = (100 - level) / 200
    no = total - yes
    low = np.where(yes == 0, 0.0, betaincinv(np.where(yes == 0, 1.0, yes), no + 1, tail))
    high = np.where(no == 0, 1.0, betaincinv(yes + 1, np.where(no == 0, 1.0, no), 1 - tail))
    return _between(low, high, total)


def worth(hit: NDArray[np.bool_], person: NDArray[np.int64]) -> float:
    """Return how many things of different people N things are worth, of which some belong to one person; (N,) each.

    It is N over the design effect of the share of hits, at most N; where all are hits, or none, the number of people.
    """
    n = len(hit)
    yes, of = _sums(hit.astype(np.float64), person)
    people, share = len(of), float(hit.mean()) if n else 0.0
    if people == n or not 0 < share < 1 or people == 1:
        return float(people)
    variance = people / (people - 1) * ((yes - share * of) ** 2).sum() / n**2
    return float(n / max(variance / (share * (1 - share) / n), 1.0))


def by_person(hit: NDArray[np.bool_], person: NDArray[np.int64], level: float = 95.0) -> tuple[float, float]:
    """Return the interval of a share of things of which some belong to one person, (N,) each; 0 to 1 of nothing.

    Raises ``MISSING_EXTRA`` without SciPy.
    """
    with extra("eval", "an exact interval"):
        from scipy.special import stdtrit  # noqa: PLC0415 - an optional package
    n, share = len(hit), float(hit.mean()) if len(hit) else 0.0
    people = len(np.unique(person))
    counts = worth(hit, person)
    if 1 < people < n and 0 < share < 1:  # the effect is itself estimated, from so many people
        tail = 0.5 + level / 200
        counts *= float(stdtrit(n - 1, tail) / stdtrit(people - 1, tail)) ** 2
    low, high = clopper_pearson(share * counts, counts, level)
    return float(low), float(high)


def rate_by_person(
    person: NDArray[np.int64], film_person: NDArray[np.int64], level: float = 95.0
) -> tuple[float, float]:
    """Return the interval of events a film: ``person`` of each event, (N,), and of each film looked at, (F,).

    The exact one of a Poisson count (Garwood, Biometrika 1936), at as many films as there would be if events did not
    come in clusters. 0 to infinity of no film. Raises ``MISSING_EXTRA`` without SciPy.
    """
    with extra("eval", "an exact interval"):
        from scipy.special import gammaincinv  # noqa: PLC0415 - an optional package
    events, films = len(person), len(film_person)
    if not films:
        return 0.0, float("inf")
    _, of = _sums(np.ones(films), film_person)
    people = len(of)
    effect = films / people
    if events and people > 1:
        known = np.unique(film_person)
        mine = np.bincount(np.searchsorted(known, person), minlength=people).astype(np.float64)
        spread = people / (people - 1) * ((mine - events / films * of) ** 2).sum()
        effect = max(spread / events, 1.0)
    count, worth, tail = events / effect, films / effect, (100 - level) / 200
    low = float(gammaincinv(count, tail)) if events else 0.0
    return low / worth, float(gammaincinv(count + 1, 1 - tail)) / worth


def _sums(values: Array, person: NDArray[np.int64]) -> tuple[Array, Array]:
    """Return by person the sum of the values, and how many there are."""
    _, who = np.unique(person, return_inverse=True)
    return np.bincount(who, weights=values).astype(np.float64), np.bincount(who).astype(np.float64)


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
