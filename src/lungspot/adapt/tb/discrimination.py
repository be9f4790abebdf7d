"""The area under the ROC curve where only a sample was confirmed, with an interval that knows it."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungspot.adapt.tb.chance import Estimate, confusion_of
from lungspot.adapt.tb.verification import Verification

__all__ = ["area_under_roc"]

Floats = NDArray[np.float64]

_STEPS: Final = 40  # of the curve that is drawn
_DRAWS: Final = 2000


def area_under_roc(
    score: Floats, reference: NDArray[np.int8], verification: Verification, level: float = 95.0, seed: int = 0
) -> Estimate:
    """Return the chance that someone with the disease scores above someone without, ties half; weighted.

    (N,) each, as in :func:`~lungspot.adapt.tb.verification.verify`; people without a score do not count. The interval
    is that of :mod:`lungspot.adapt.tb.chance`, on a curve of forty steps. No value where a group was not confirmed at
    all, or one kind of people is missing.
    """
    scored = np.isfinite(score)
    among = verification.part(scored)
    score, reference = score[scored], reference[scored]
    case = reference == 1
    if not case.any() or not (reference == 0).any() or among.blind:
        return Estimate(None)
    others = 1 - among.weight * case  # everybody, less those that the cases stand for
    below = _share_below(score, others, score[case])
    area = float(np.clip(np.average(below, weights=among.weight[case]), 0, 1))
    shares = np.linspace(0, 1, _STEPS + 1)
    steps = np.unique([np.quantile(of, shares, method="lower") for of in (score, score[case])])
    place = np.searchsorted(steps, score, side="right").astype(np.int64)
    cells = confusion_of(place, reference, among, len(steps), np.random.default_rng(seed), _DRAWS, spread=True)
    drawn = _area(cells.drawn)
    coarse = float(_area(np.stack((cells.tp, cells.fp, cells.fn, cells.tn))[:, :, None])[0])
    tail = (100 - level) / 200
    low, high = np.clip(np.quantile(drawn, (tail, 1 - tail)) + area - coarse, 0, 1).tolist()
    return Estimate(area, 0.0 if area == 0 else min(low, area), 1.0 if area == 1 else max(high, area))


def _area(cells: Floats) -> Floats:
    """Return the area below each of many curves: (4, T, draws) as ``Cells`` has them; (draws,)."""
    tp, fp, fn, tn = cells
    edge = np.ones((1, tp.shape[1]))
    up = np.concatenate((edge, tp / (tp + fn), 0 * edge))
    across = np.concatenate((edge, fp / (fp + tn), 0 * edge))
    return np.asarray(((up[:-1] + up[1:]) / 2 * (across[:-1] - across[1:])).sum(axis=0), dtype=np.float64)


def _share_below(values: Floats, weights: Floats, at: Floats) -> Floats:
    """Return the weighted share of ``values`` below each of ``at``, equal ones counting half."""
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    summed = np.concatenate(((0.0,), np.cumsum(weights[order])))
    both = summed[np.searchsorted(ranked, at, "left")] + summed[np.searchsorted(ranked, at, "right")]
    return np.asarray(both / (2 * summed[-1]), dtype=np.float64)
