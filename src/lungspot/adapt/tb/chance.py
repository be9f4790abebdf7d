"""The four cells of the table at every threshold together, and how sure they are.

How many people score at or above a threshold is known of everybody; how many of them have the disease, only of those
who were confirmed. So cases are counted by weights (:mod:`lungspot.adapt.tb.verification`), and people without the
disease are all others: the cells of a side add up to the people on it, and sensitivity falls as a threshold rises.

Chance is drawn: each confirmed person has a weight from a gamma distribution (a Bayesian bootstrap; Rubin, Ann Stat 9
(1981) 130), those who are not confirmed another each, and each cell that can hold anybody half a person more (Jeffreys'
prior), shared among groups of one kind by their size. Where everybody is confirmed the intervals are Jeffreys' for a
proportion (Brown, Cai, DasGupta, Stat Sci 16 (2001) 101); where only a sample is, they know how few were looked at, and
stay honest where none of those few was a case. Neighbouring thresholds share their draws, so that limits rise and fall
as smoothly as what they enclose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungspot.adapt.tb.verification import Verification

__all__ = ["DRAWS", "Confusion", "Estimate", "confusion_of", "estimate", "ratio"]

DRAWS: Final = 4000
_PRIOR: Final = 0.5

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its interval; None: it cannot be known from these people."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """True and false positives, false and true negatives at T thresholds, in people.

    Each is (T,), NaN where a group that nobody was confirmed of has people on that side; ``drawn``: (4, T, draws) in
    the order ``tp, fp, fn, tn``, in as many people of a population like this one.
    """

    tp: Floats
    fp: Floats
    fn: Floats
    tn: Floats
    drawn: Floats


def confusion_of(  # noqa: PLR0913, PLR0917 - what is drawn, and how
    place: NDArray[np.int64],
    reference: NDArray[np.int8],
    verification: Verification,
    thresholds: int,
    rng: np.random.Generator,
    draws: int = DRAWS,
    *,
    spread: bool = False,
) -> Confusion:
    """Return the cells at ``thresholds`` T rising thresholds, of people whose score reaches so many of them.

    ``place`` (N,): how many of the lowest each reaches, 0 to T. ``reference`` (N,): 1, 0, or -1 where not confirmed.
    ``spread``: the prior's half persons lie where people do, as a whole curve has them, and not on either side of each
    threshold, as a single one needs them.
    """
    total = len(place)
    exact = np.zeros((4, thresholds))
    drawn = np.zeros((4, thresholds, draws))
    sizes = rng.standard_gamma([[group.people] for group in verification.groups], (len(verification.groups), draws))
    sizes /= sizes.sum(axis=0)
    for number, group in enumerate(verification.groups):
        mine = verification.group == number
        people = np.bincount(place[mine], minlength=thresholds + 1)
        yes, no = (np.bincount(place[mine & (reference == truth)], minlength=thresholds + 1) for truth in (1, 0))
        side = np.stack((_reached(people), _short(people))).astype(np.float64)  # (2, T): at or above, below
        if not group.confirmed:
            exact += np.where(side[[0, 0, 1, 1]] > 0, np.nan, 0.0)
            continue
        cases = np.stack((_reached(yes), _short(yes))) * group.weight
        exact += _cells(cases, side)
        prior = _PRIOR * group.people / sum(each.people for each in verification.groups if each.kind == group.kind)
        half = prior * people / group.people if spread else np.zeros(thresholds + 1)
        extra = rng.standard_gamma(0.0 if spread else prior, (2, 2, 1, draws)) * (side > 0)[None, :, :, None]
        seen = rng.standard_gamma((np.stack((yes, no)) + half)[..., None], (2, thresholds + 1, draws))
        rest = rng.standard_gamma((people - yes - no)[:, None], (thresholds + 1, draws))
        sick, well = (np.stack((_reached(of, 0), _short(of, 0))) + more for of, more in zip(seen, extra, strict=True))
        whole = sick + well + np.stack((_reached(rest, 0), _short(rest, 0)))
        mass = whole.sum(axis=0)
        sick *= mass / (sick + well).sum(axis=0)  # those who are not confirmed have as many cases as those who are
        drawn += _cells(sick, whole) * (total * sizes[number] / mass)
    return Confusion(exact[0], exact[1], exact[2], exact[3], drawn)


def _cells(cases: Floats, people: Floats) -> Floats:
    """Return tp, fp, fn, tn of cases and people at or above and below, (2, …) each; no cell is below zero."""
    others = np.maximum(people - cases, 0)
    return np.stack((cases[0], others[0], cases[1], others[1]))


def _reached(counts: NDArray[np.generic], axis: int = -1) -> NDArray[np.generic]:
    """Return, for each threshold, the sum over places that reach it: those behind the first."""
    summed = np.flip(np.cumsum(np.flip(counts, axis), axis), axis)
    return np.take(summed, range(1, counts.shape[axis]), axis)


def _short(counts: NDArray[np.generic], axis: int = -1) -> NDArray[np.generic]:
    """Return, for each threshold, the sum over places that do not reach it."""
    return np.take(np.cumsum(counts, axis), range(counts.shape[axis] - 1), axis)


def ratio(part: Floats, whole: Floats) -> Floats:
    """Return part / whole, NaN where there is no whole."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(whole > 0, part / whole, np.nan), dtype=np.float64)


def estimate(
    values: Floats,
    drawn: Floats,
    level: float,
    *,
    least: Sequence[bool] | None = None,
    most: Sequence[bool] | None = None,
) -> list[Estimate]:
    """Return numbers (T,) with intervals of ``level`` per cent from their draws (T, draws).

    ``least``, ``most``: where the number is as small, as large as it can be, and so the interval ends there.
    """
    tail = (100 - level) / 200
    limits = np.quantile(drawn, (tail, 1 - tail), axis=1) if drawn.shape[0] else np.zeros((2, 0))
    found = []
    for at, value in enumerate(values.tolist()):
        if not np.isfinite(value):
            found.append(Estimate(None))
            continue
        low, high = limits[:, at].tolist()
        found.append(
            Estimate(
                value,
                value if least is not None and least[at] else min(low, value),
                value if most is not None and most[at] else max(high, value),
            )
        )
    return found
