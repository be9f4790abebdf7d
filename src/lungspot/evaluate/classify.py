"""How well a probability tells films with a finding from films without."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["auroc"]


def auroc(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Return the chance that a positive film scores above a negative one, ties counting half; NaN without both."""
    count = int(positive.sum())
    if count in {0, len(positive)}:
        return float("nan")
    values, where, often = np.unique(scores, return_inverse=True, return_counts=True)
    del values
    ranks = (np.cumsum(often) - (often - 1) / 2)[where]
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(positive) - count)))
