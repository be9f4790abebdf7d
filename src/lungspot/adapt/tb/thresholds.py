"""Which thresholds a table shows, and which of them a programme may want: chosen by rule, each with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["SCALES", "scale_of", "thresholds_of"]

Floats = NDArray[np.float64]

_STEPS: Final = 100  # of a scale that is known
_OF_CASES: Final = 99  # further thresholds, where sensitivity changes
_FEW: Final = 200  # different scores that are all shown

# Scales of scores: the highest score that each has; beyond them there is none that we know.
SCALES: Final = (1.0, 100.0)


def scale_of(score: Floats) -> float | None:
    """Return 1 or 100 for scores from 0 to 1, or to 100; None for any other. Scores that are NaN do not count."""
    known = score[np.isfinite(score)]
    return next((most for most in SCALES if len(known) and known.min() >= 0 and known.max() <= most), None)


def thresholds_of(score: Floats, reference: NDArray[np.int8], further: Sequence[float] = ()) -> Floats:
    """Return rising thresholds, the lowest of which everybody with a score reaches.

    All scores that there are, up to 200; of more, a hundred steps of the scale (of the scores' quantiles where the
    scale is not 0 to 1 or 0 to 100), and those at which cases are lost. ``further``: thresholds that must be there.
    """
    known = score[np.isfinite(score)]
    distinct = np.unique(known)
    if len(distinct) > _FEW:
        most = scale_of(score)
        shares = np.linspace(0, 1, _STEPS + 1)
        steps = np.quantile(known, shares, method="lower") if most is None else np.round(shares * most, 10)
        steps = steps[(steps >= distinct[0]) & (steps <= distinct[-1])]
        cases = np.unique(score[np.isfinite(score) & (reference == 1)])
        if len(cases) > _OF_CASES:
            cases = np.quantile(cases, np.linspace(0, 1, _OF_CASES), method="lower")
        distinct = np.unique(np.concatenate((distinct[:1], steps, [_rounded_down(case) for case in cases.tolist()])))
        distinct = distinct[distinct >= known.min()]
    return np.unique(np.concatenate((distinct, [each for each in further if np.isfinite(each)])))


def _rounded_down(value: float) -> float:
    """Return a number of four digits that a score of ``value`` still reaches."""
    if value == 0:
        return 0.0
    digits = 3 - int(np.floor(np.log10(abs(value))))
    step = 10.0**digits
    rounded = float(np.floor(value * step) / step)
    return min(round(rounded, digits), value)
