"""Thresholds with a promise: conformal risk control, and learning then testing. Nothing is assumed of the scores.

What is controlled is a *risk*: the share of targets that a threshold misses (or of films without the label that it
calls), which rises with it.

- :func:`on_average`: over all sites that draw their people as this one did, the risk of the threshold is at most
  ``most`` in the mean (Angelopoulos, Bates, Fisch, Lei & Schuster, Conformal risk control, 2022, theorem 1).
- :func:`with_confidence`: the risk of *this* threshold is at most ``most``, and with the stated confidence that is true
  (Angelopoulos, Bates, Candès, Jordan & Lei, Learn then test, 2021, fixed-sequence testing with the binomial test; the
  risk rises, so that the promise holds for all steps at once: Bates et al., Journal of the ACM 2021).

Where everybody has one target both are exact for any scores; they ask only that people to come are of the same kind
("exchangeable"). Where some have several, the targets count as so many as they are worth (:func:`worth`), which is an
approximation; docs/benchmarks.md says how well it holds.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lungspot.adapt.proportion import worth
from lungspot.extras import extra

__all__ = ["effective", "fewest", "on_average", "risks", "with_confidence"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_EXACT = 1e-9  # what sums may be off by


def risks(score: Array) -> tuple[Array, Array]:
    """Return the steps of the risk: the distinct scores, (S,), rising, and (S,) which share each misses.

    ``score``: (P,), from which on each target is called. A threshold *at* a step still calls the targets of that score.
    """
    steps, first = np.unique(np.sort(score), return_index=True)
    return steps, np.asarray(first / max(len(score), 1), dtype=np.float64)


def effective(score: Array, person: Integers, most: float) -> float:
    """Return how many targets of different people these, (P,), are worth, where about ``most`` of them are missed."""
    if not len(score):
        return 0.0
    return worth(score >= np.quantile(score, most, method="lower"), person)


def on_average(risk: Array, people: float, most: float) -> NDArray[np.bool_]:
    """Return (S,) which steps have a risk of at most ``most`` in the mean over sites of this kind."""
    return np.asarray(risk <= most - (1 - most) / max(people, _EXACT) + _EXACT, dtype=np.bool_)


def with_confidence(risk: Array, people: float, most: float, confidence: float) -> NDArray[np.bool_]:
    """Return (S,) which steps have a risk of at most ``most``, with ``confidence`` per cent.

    ``risk`` must rise along the steps: they are tested from the first, and the first that fails ends it. Raises
    ``MISSING_EXTRA`` without SciPy.
    """
    with extra("eval", "a guarantee"):
        from scipy.special import betainc  # noqa: PLC0415 - an optional package
    missed = risk * people
    chance = betainc(np.maximum(people - missed, _EXACT), missed + 1, 1 - most)  # of so few misses, were it ``most``
    failed = np.flatnonzero(chance > (100 - confidence) / 100 + _EXACT)
    good = np.ones(len(risk), dtype=np.bool_)
    if len(failed):
        good[failed[0] :] = False
    return good


def fewest(most: float, confidence: float | None = None) -> int:
    """Return how many people are the fewest for a promise, if nothing at all is missed on them."""
    if confidence is None:
        return math.ceil(1 / most - 1 - _EXACT)
    return math.ceil(math.log((100 - confidence) / 100) / math.log1p(-most) - _EXACT)
