"""One number of one stream, week by week: how unlike the baseline, at seven days of the week and over four weeks.

A week is looked at at the end of each of its days, as far as it has come, beside the same days of the baseline's weeks
(Mondays beside Mondays); when it is over, the last four weeks are looked at together. Each look has a p: how likely
films so unlike are where nothing has changed (:mod:`lungspot.adapt.watch.twosample`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungspot.adapt.watch import twosample

__all__ = [
    "Look",
    "Placed",
    "counts_over_weeks",
    "looks_at_features",
    "looks_at_number",
    "looks_at_share",
    "looks_at_volume",
]

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

FEWEST: Final = 5  # films that a look needs
MONTH: Final = 4  # weeks
_STEPS: Final = 60  # of the baseline's distribution
_BINS: Final = 10  # of the stability index
_OUTER: Final = 0.01  # the baseline's outermost hundredth at either end
_UNEVEN: Final = 0.05


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of ``weeks`` weeks from the first on; NaN where too few films came to say.

    ``p``: (weeks, 8): the seven days, then four weeks together. ``n``: (weeks, 8) films of each. ``value``: (weeks,):
    share or median; ``low``, ``high``: tenth and ninetieth percentile. ``psi`` and ``psi_chance``: how far from the
    baseline the week lies, and what chance alone stays below (95 %). ``spread``: how many times more than chance the
    baseline's own weeks differ; all looks count films for so much less. ``ends``: (weeks, 8, 2), how many films lie
    below and above the baseline's outermost hundredth, and ``by_ends``, (weeks, 8), whether p comes from there.
    ``share``: (weeks, 8), of a share.
    """

    p: Array
    n: Array
    value: Array
    low: Array
    high: Array
    psi: Array
    psi_chance: Array
    before: float
    before_films: int
    spread: float = 1.0
    share: Array | None = None
    ends: Array | None = None
    by_ends: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """Values of one number where known: of the baseline, and of the weeks after it, counted from 0."""

    before: Array
    before_week: Ints
    before_day: Ints
    now: Array
    week: Ints
    day: Ints
    weeks: int


def looks_at_number(at: Placed) -> Look:
    """Return the looks at a number that films have much or little of: the distribution, and its two ends.

    A look's p is three times the smallest of the three's: of the distance of Kolmogorov and Smirnov over sixty steps of
    the baseline's distribution, and of how many films lie beyond the baseline's outermost hundredth, below and above.
    """
    edges = np.unique(np.quantile(at.before, np.linspace(0, 1, _STEPS + 1), method="inverted_cdf"))
    steps = len(edges) + 1
    spread = _spread(_ranks(at.before), at.before_week)
    base = _cumulated(at.before_day, np.searchsorted(edges, at.before), None, steps, 1)[0]
    now = _cumulated(at.day, np.searchsorted(edges, at.now), at.week, steps, at.weeks)
    both = np.concatenate((now, counts_over_weeks(now[:, -1])[:, None]), 1)  # (weeks, 8, steps)
    base8 = np.concatenate((base, base[-1:]))
    n, n0 = both.sum(-1), base8.sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = np.abs(both[..., :-1].cumsum(-1) / n[..., None] - base8[..., :-1].cumsum(-1) / n0[..., None])
    ks = twosample.ks_p(np.nan_to_num(apart).max(-1, initial=0.0), n0 / spread, n / spread)
    ends, by_ends = _ends(at, n, n0, spread)
    p = np.minimum(1.0, 3 * np.minimum(ks, by_ends))
    tenths = np.unique(np.quantile(at.before, np.linspace(0, 1, _BINS + 1)[1:-1], method="inverted_cdf"))
    bins = len(tenths) + 1
    shared = [
        _by_week(np.searchsorted(tenths, values), week, bins, weeks)
        for values, week, weeks in ((at.before, at.before_week * 0, 1), (at.now, at.week, at.weeks))
    ]
    quantiles = _quantiles(at.now, at.week, at.weeks)
    return Look(
        _known(p, n, n0),
        n,
        quantiles[:, 1],
        quantiles[:, 0],
        quantiles[:, 2],
        _known(twosample.psi(shared[0], shared[1]), n[:, 6], n0[6]),
        twosample.psi_by_chance(bins, n0[6], n[:, 6]),
        float(np.median(at.before)),
        len(at.before),
        spread,
        ends=ends,
        by_ends=by_ends < ks,
    )


def looks_at_share(at: Placed) -> Look:
    """Return the looks at a number that is 0 or 1 a film, by Fisher's exact test."""
    spread = _spread(at.before, at.before_week)
    base = _cumulated(at.before_day, at.before.astype(np.int64), None, 2, 1)[0]
    now = _cumulated(at.day, at.now.astype(np.int64), at.week, 2, at.weeks)
    both = np.concatenate((now, counts_over_weeks(now[:, -1])[:, None]), 1)
    base8 = np.concatenate((base, base[-1:]))
    n, n0 = both.sum(-1), base8.sum(-1)
    counts = (base8[:, 1], n0, both[..., 1], n)
    p = twosample.share_p(*(counts if spread == 1 else [np.round(count / spread) for count in counts]))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = both[..., 1] / n
    nothing = np.full(at.weeks, np.nan)
    return Look(
        _known(p, n, n0),
        n,
        share[:, 6],
        nothing,
        nothing,
        _known(twosample.psi(base[-1][None], now[:, -1]), n[:, 6], n0[6]),
        twosample.psi_by_chance(2, n0[6], n[:, 6]),
        float(at.before.mean()),
        len(at.before),
        spread,
        share=share,
    )


def looks_at_features(before: Array, now: Array, week: Ints, weeks: int, smallest: float) -> Look:
    """Return the looks at features, as waves (n, k): when a week is over, and at four together, by permutation."""
    p = np.full((weeks, 8), np.nan)
    n = np.zeros((weeks, 8))
    value = np.full(weeks, np.nan)
    starts = np.searchsorted(week, np.arange(weeks + 1))
    for number in range(weeks):
        for look, first in ((6, number), (7, number - MONTH + 1)):
            if first < 0:
                continue
            films = now[starts[first] : starts[number + 1]]
            n[number, look] = len(films)
            if len(films) >= FEWEST:
                seen, p[number, look] = twosample.mmd(before, films, smallest, 8 * number + look)
                value[number] = seen if look == 6 else value[number]
    nothing = np.full(weeks, np.nan)
    return Look(p, n, value, nothing, nothing, nothing, nothing, 0.0, len(before))


def looks_at_volume(before: Array, now: Array, closed: int) -> Look:
    """Return the looks at films a week, of those ``closed`` weeks that are over.

    By Student's t of the square roots, which vary alike whether films are many or few (Anscombe 1948); weeks vary by
    chance at least, and by as much as the baseline's weeks do.
    """
    weeks = len(now)
    p = np.full((weeks, 8), np.nan)
    roots, middle = 2 * np.sqrt(now + 0.375), 2 * np.sqrt(before + 0.375)
    if len(before) > 2:
        scatter = max(1.0, float(middle.var(ddof=1))) * (1 + 1 / len(before))
        for number in range(min(closed, weeks)):
            gap = float(roots[number] - middle.mean()) / scatter**0.5
            p[number, 6] = twosample.student_p(gap, len(before) - 1)
    n = np.repeat(now[:, None], 8, 1)
    nothing = np.full(weeks, np.nan)
    return Look(p, n, now, nothing, nothing, nothing, nothing, float(before.mean()), int(before.sum()))


def counts_over_weeks(week: Array) -> Array:
    """Return sums over each week and the three before it, along the first axis; NaN-free, 0 before the fourth week."""
    total = np.cumsum(week, axis=0)
    months = np.zeros_like(total)
    months[MONTH - 1 :] = total[MONTH - 1 :]
    months[MONTH:] -= total[:-MONTH]
    return months


def _ends(at: Placed, n: Array, n0: Array, spread: float) -> tuple[Array, Array]:
    """Return how many films lie beyond the baseline's outermost hundredth, (weeks, 8, 2), and the smaller p of both."""
    below, above = np.zeros((2, at.weeks, 8))
    rank = np.ones(8)
    for day in range(7):
        known = np.sort(at.before[at.before_day <= day])
        if not len(known):
            continue
        rank[day] = max(1, round(_OUTER * len(known)))
        so_far = at.day <= day
        low, high = known[int(rank[day]) - 1], known[-int(rank[day])]
        for counts, beyond in ((below, at.now < low), (above, at.now > high)):
            counts[:, day] = np.bincount(at.week[so_far & beyond], minlength=at.weeks)
    rank[7] = rank[6]
    found = []
    for counts in (below, above):
        counts[:, 7] = counts_over_weeks(counts[:, 6])
        values = (
            (rank, n0, np.floor(counts / spread), n)
            if spread == 1
            else (*(rank, np.round(n0 / spread)), np.floor(counts / spread), np.round(n / spread))
        )
        found.append(twosample.exceedance_p(*values))
    return np.stack((below, above), -1), np.minimum(*found)


def _cumulated(day: Ints, step: Ints, week: Ints | None, steps: int, weeks: int) -> Array:
    """Return how many films of each week had come by the end of each day, by step: (weeks, 7, steps)."""
    place = (day if week is None else week * 7 + day) * steps + step
    counts = np.bincount(place, minlength=weeks * 7 * steps).reshape(weeks, 7, steps)
    return counts.cumsum(1).astype(np.float64)


def _by_week(step: Ints, week: Ints, steps: int, weeks: int) -> Array:
    return np.bincount(week * steps + step, minlength=weeks * steps).reshape(weeks, steps).astype(np.float64)


def _known(p: Array, n: Array, n0: Array | float) -> Array:
    """Return p where enough films came, of the baseline too; else NaN."""
    return np.where((n >= FEWEST) & (np.asarray(n0) >= FEWEST), p, np.nan)


def _quantiles(values: Array, week: Ints, weeks: int, shares: Sequence[float] = (0.1, 0.5, 0.9)) -> Array:
    """Return quantiles by week, (weeks, len(shares)); NaN where no film came."""
    order = np.lexsort((values, week))
    ordered = values[order]
    starts = np.searchsorted(week[order], np.arange(weeks + 1))
    counts = np.diff(starts)
    found = np.full((weeks, len(shares)), np.nan)
    some = counts > 0
    for column, share in enumerate(shares):
        found[some, column] = ordered[starts[:-1][some] + ((counts[some] - 1) * share).round().astype(np.int64)]
    return found


def _ranks(values: Array) -> Array:
    """Return where each value stands among all, 0 to 1; equal values share their middle."""
    ordered = np.sort(values)
    return (np.searchsorted(ordered, values) + np.searchsorted(ordered, values, "right")) / (2 * len(values))


def _spread(scores: Array, week: Ints) -> float:
    """Return how many times more than chance the weeks' means differ; 1 where that may be chance (Laney 2002)."""
    _, place = np.unique(week, return_inverse=True)
    counts = np.bincount(place)
    variance = float(scores.var(ddof=1)) if len(scores) > 1 else 0.0
    if len(counts) < 3 or variance <= 0:
        return 1.0
    means = np.bincount(place, scores) / counts
    square = float((counts * (means - scores.mean()) ** 2).sum() / variance)
    freedom = len(counts) - 1
    return square / freedom if twosample.chi_square_tail(square, freedom) < _UNEVEN and square > freedom else 1.0
