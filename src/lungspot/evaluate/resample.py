"""Chance: resamples of patients as weights of films, intervals from them, and the draws of a permutation test.

A resample is a row of weights: how often each film counts. Every metric takes such rows, so that what is measured once
on all films (a row of ones) and a thousand times for an interval is the same code, and two models can be measured on
the same resamples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lungspot.errors import InputError

__all__ = ["by_patient", "interval", "p_value", "permutation_weights", "unit_weights"]

Array = NDArray[np.float64]
Weights = NDArray[np.int32]


def unit_weights(films: int) -> Weights:
    """Return the weights of all films, once each, shape (1, F)."""
    return np.ones((1, films), dtype=np.int32)


def by_patient(patients: Sequence[str], resamples: int, seed: int) -> NDArray[np.uint8]:
    """Return how often each film counts in each resample of patients with replacement, shape (R, F).

    As many patients are drawn as there are; a patient's films come together. Equal arguments give equal weights. Raises
    ``BAD_VALUE`` for fewer than one resample.
    """
    if resamples < 1:
        raise InputError("BAD_VALUE", None, f"{resamples} resamples")
    names, index = np.unique(np.asarray(patients, dtype=np.str_), return_inverse=True)
    rng = np.random.default_rng(seed)
    weights = np.zeros((resamples, len(patients)), dtype=np.uint8)
    for row in range(resamples):
        drawn = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))
        weights[row] = np.minimum(drawn, 255)[index]
    return weights


def permutation_weights(patients: Sequence[str], permutations: int, seed: int) -> NDArray[np.uint8]:
    """Return for each permutation whether a film's two models change places, 0 or 1, whole patients, shape (R, F)."""
    names, index = np.unique(np.asarray(patients, dtype=np.str_), return_inverse=True)
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2, (permutations, len(names)), dtype=np.uint8)[:, index]


def interval(values: Array, level: float = 95.0) -> tuple[float, float] | None:
    """Return the percentile interval of resampled values; None where fewer than half of them exist (NaN)."""
    known = values[np.isfinite(values)]
    if len(known) < max(len(values) / 2, 1):
        return None
    low, high = np.percentile(known, ((100 - level) / 2, (100 + level) / 2))
    return float(low), float(high)


def p_value(observed: float, permuted: Array) -> float | None:
    """Return the two-sided p of a permutation test, (1 + as extreme) / (1 + all); None where nothing can be said."""
    known = permuted[np.isfinite(permuted)]
    if not np.isfinite(observed) or not len(known):
        return None
    extreme = int((np.abs(known) >= abs(observed) - 1e-12).sum())
    return (1 + extreme) / (1 + len(known))
