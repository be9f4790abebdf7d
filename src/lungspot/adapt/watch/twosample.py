"""Has this changed, or is it chance? Two-sample tests that hold for small numbers and need nothing but NumPy.

Each gives an upper bound of, or an exact, chance to see films at least this different where nothing has changed: where
the films of baseline and week come from the same mix, whatever that mix is, in any order.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "chi_square_tail",
    "exceedance_p",
    "fourier_features",
    "hypergeometric_tail",
    "ks_p",
    "mmd",
    "psi",
    "psi_by_chance",
    "share_p",
    "student_p",
]

Array = NDArray[np.float64]

_MOST_TERMS: Final = 5000
_ENOUGH: Final = 1e-9  # of a sum: what comes after it is left out
_FIRST: Final = 50  # permutations that every week gets
_STOP: Final = 10  # permutations at least as far apart: it is chance
_MOST_PERMUTATIONS: Final = 20_000
_SAMPLE: Final = 400  # films of a side that the permutations shuffle
_WAVES: Final = 64


def hypergeometric_tail(at_least: ArrayLike, good: ArrayLike, bad: ArrayLike, drawn: ArrayLike) -> Array:
    """Return the chance that of ``drawn`` balls out of ``good`` + ``bad`` at least so many are good; arrays.

    The terms are summed from the first on, until they no longer matter. Where no more are asked for than are expected,
    the answer is 1, which bounds it: nobody asks about a week that is as it should be.
    """
    x, k, rest, n = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (at_least, good, bad, drawn)))
    high = np.minimum(k, n)
    usual = x * np.maximum(k + rest, 1) <= n * k
    beyond = ~usual & (x > high)
    start = np.where(usual | beyond, high, np.ceil(x))
    term = np.exp(_log_choose(k, start) + _log_choose(rest, n - start) - _log_choose(k + rest, n))
    total, at = term.copy(), start.copy()
    for _ in range(_MOST_TERMS):
        growth = (k - at) * (n - at) / ((at + 1) * np.maximum(rest - n + at + 1, 1e-300))
        term = np.where(at < high, term * growth, 0)
        at = at + 1
        total += term
        if not (term > _ENOUGH * total).any():
            break
    return np.where(usual, 1.0, np.where(beyond, 0.0, np.minimum(total, 1.0)))


def share_p(before: ArrayLike, before_of: ArrayLike, now: ArrayLike, now_of: ArrayLike) -> Array:
    """Return Fisher's exact p, two-sided (twice the smaller tail), of two shares: ``now`` of ``now_of``, and before.

    Given how many there are in both together, the week's number is hypergeometric (Fisher 1935).
    """
    k0, n0, k1, n1 = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (before, before_of, now, now_of)))
    good, bad = k0 + k1, (n0 - k0) + (n1 - k1)
    upper = hypergeometric_tail(k1, good, bad, n1)
    lower = hypergeometric_tail(n1 - k1, bad, good, n1)
    p: Array = np.minimum(1.0, 2 * np.minimum(upper, lower))
    return p


def exceedance_p(rank: ArrayLike, before_of: ArrayLike, now: ArrayLike, now_of: ArrayLike) -> Array:
    """Return the chance that ``now`` or more of ``now_of`` new values lie beyond the baseline's ``rank``-th outermost.

    Exact for any distribution (Gumbel & von Schelling 1950): it happens just where, of the outermost
    ``now + rank - 1`` of all values, at least ``now`` are new. It sees a few films that are unlike any before.
    """
    j, n0, x, n1 = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (rank, before_of, now, now_of)))
    chance = hypergeometric_tail(x, n1, n0, np.minimum(x + j - 1, n0 + n1))
    return np.where(x <= 0, 1.0, chance)


def ks_p(distance: ArrayLike, before_of: ArrayLike, now_of: ArrayLike) -> Array:
    """Return a bound of the chance that two samples' distributions are so far apart (Kolmogorov, Smirnov).

    2 exp(-2 d² nm / (n + m)): the first term of Smirnov's series, above which the exact chance lies only by a hair for
    samples of a few (Wei & Dudley 2012); values that are equal make it larger than the chance.
    """
    d, n0, n1 = (np.asarray(v, dtype=np.float64) for v in (distance, before_of, now_of))
    with np.errstate(invalid="ignore", divide="ignore"):
        effective = np.where(n0 + n1 > 0, n0 * n1 / (n0 + n1), 0.0)
    p: Array = np.minimum(1.0, 2 * np.exp(-2 * effective * d * d))
    return p


def psi(before: Array, now: Array) -> Array:
    """Return the population stability index of counts by bin, the last axis: the sum of (p - q) ln(p / q).

    Half a film is added to each bin, so that an empty one is not infinitely far away.
    """
    p, q = ((counts + 0.5) / (counts.sum(-1, keepdims=True) + 0.5 * counts.shape[-1]) for counts in (now, before))
    index: Array = ((p - q) * np.log(p / q)).sum(-1)
    return index


def psi_by_chance(bins: int, before_of: ArrayLike, now_of: ArrayLike) -> Array:
    """Return what the index stays below in 95 of 100 weeks where nothing changes (Yurdakul & Naranjo 2020).

    (1/n + 1/m) times the 95th percentile of chi-square with ``bins`` - 1 degrees: the rule of thumb that 0.2 is a
    change is wrong for a hundred films.
    """
    n0, n1 = (np.maximum(np.asarray(v, dtype=np.float64), 1) for v in (before_of, now_of))
    freedom = max(bins - 1, 1)
    wilson_hilferty = freedom * (1 - 2 / (9 * freedom) + 1.6449 * math.sqrt(2 / (9 * freedom))) ** 3
    found: Array = (1 / n0 + 1 / n1) * wilson_hilferty
    return found


def chi_square_tail(value: float, freedom: int) -> float:
    """Return about how likely chi-square is at least ``value`` (Wilson & Hilferty 1931)."""
    if freedom < 1 or value <= 0:
        return 1.0
    z = ((value / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / math.sqrt(2 / (9 * freedom))
    return 0.5 * math.erfc(z / math.sqrt(2))


def student_p(t: float, freedom: int) -> float:
    """Return Student's two-sided p, by integrating the density over the angle whose tangent is t / sqrt(freedom)."""
    if freedom < 1 or not math.isfinite(t):
        return 1.0 if freedom < 1 else 0.0
    edge = math.atan2(abs(t), math.sqrt(freedom))
    nodes, weights = _legendre()
    half = (math.pi / 2 - edge) / 2
    angles = edge + half * (nodes + 1)
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi)
    return min(1.0, float(2 * scale * half * (weights * np.cos(angles) ** (freedom - 1)).sum()))


def fourier_features(films: Array, baseline: NDArray[np.bool_]) -> Array:
    """Return films' features, (n, k), as 128 waves, (n, 128), whose mean tells distributions apart.

    Random Fourier features (Rahimi & Recht 2007; Zhao & Meng 2015). Features are scaled by the baseline's films; the
    waves' lengths follow a Gaussian kernel as wide as the median distance of baseline films. The same films give the
    same waves.
    """
    known = films[baseline]
    scaled = (films - known.mean(0)) / np.maximum(known.std(0), 1e-9)
    some = scaled[baseline][: 2 * _SAMPLE]
    gaps = np.linalg.norm(some[::2][: len(some) // 2] - some[1::2], axis=1)
    width = float(np.median(gaps)) if len(gaps) else 1.0
    waves = np.random.default_rng(1).normal(size=(films.shape[1], _WAVES)) / max(width, 1e-9)
    phases = scaled @ waves
    found: Array = np.empty((len(phases), 2 * phases.shape[1]))
    np.cos(phases, out=found[:, : phases.shape[1]])
    np.sin(phases, out=found[:, phases.shape[1] :])
    found /= math.sqrt(_WAVES)
    return found


def mmd(before: Array, now: Array, smallest: float, seed: int) -> tuple[float, float]:
    """Return the squared maximum mean discrepancy of two sets of waves, (n, k) and (m, k), and its permutation p.

    Gretton et al. 2012; films are shuffled between the two sides until ten shuffles are as far apart, or until there
    were enough to reach ``smallest`` (Besag & Clifford 1991): exact where films can change places.
    """
    rng = np.random.default_rng(seed)
    before, now = (
        side if len(side) <= _SAMPLE else side[np.sort(rng.choice(len(side), _SAMPLE, replace=False))]
        for side in (before, now)
    )
    both, count = np.concatenate((now, before)), len(now)
    total, rest = both.sum(0), len(before)
    seen = float(((now.mean(0) - before.mean(0)) ** 2).sum())
    wanted = min(math.ceil(2 / smallest), _MOST_PERMUTATIONS)
    done = as_far = 0
    batch = _FIRST
    while done < wanted and as_far < _STOP:
        batch = min(batch, wanted - done, 2000)
        chosen = np.argpartition(rng.random((batch, len(both))), count - 1, axis=1)[:, :count]
        sides = np.zeros((batch, len(both)))
        np.put_along_axis(sides, chosen, 1.0, axis=1)
        sums = sides @ both
        apart = ((sums / count - (total - sums) / rest) ** 2).sum(1)
        as_far += int((apart >= seen * (1 - 1e-12)).sum())
        done += batch
        batch *= 4
    return seen, (as_far + 1) / (done + 1)


@cache
def _legendre() -> tuple[Array, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(64)
    return nodes, weights


def _log_choose(n: Array, k: Array) -> Array:
    return _log_factorial(n) - _log_factorial(k) - _log_factorial(n - k)


def _log_factorial(n: Array) -> Array:
    """Return ln n!, by Stirling's series from 10 on, exactly below."""
    n = np.maximum(n, 0.0)
    large = np.maximum(n, 10.0)
    series = large * np.log(large) - large + 0.5 * np.log(2 * np.pi * large)
    series += 1 / (12 * large) - 1 / (360 * large**3) + 1 / (1260 * large**5)
    return np.where(n < 10, _SMALL[np.minimum(n, 9).astype(np.int64)], series)


_SMALL: Final = np.array([math.lgamma(n + 1) for n in range(10)])
