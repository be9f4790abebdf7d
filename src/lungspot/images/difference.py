"""Where two aligned films of one person differ, and how much more than they differ elsewhere.

The earlier film is laid on this one and its greys are taken through the curve that gives them this film's histogram, so
that windows and exposure do not count. What is left is a map of what has become denser and what has become less dense.
How much of it means anything is measured on the pair itself: patients breathe and turn, so that films differ all over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungspot.findings import Box, Frame
from lungspot.images.align import Alignment, Thumbnail, blurred, warped
from lungspot.images.radiograph import Pixels

__all__ = ["Difference", "LocalChange", "difference"]

_LEVELS: Final = 65  # quantiles that the curve of greys goes through
_FLOOR: Final = 0.02  # deviations of grey: below this nothing differs, on whatever film
_COVERED: Final = 0.8  # of a box that both films must show
_FEWEST: Final = 10  # places to compare one with
_HALF: Final = 0.5
_MOST: Final = 95  # per cent of the cells lie below what counts as the most
_BROAD: Final = 14  # pixels of the thumbnail: what changes over more than that is the film's exposure


@dataclass(frozen=True, slots=True)
class LocalChange:
    """How a place differs: ``grey``: denser (over 0) or less dense, in standard deviations of this film's greys.

    ``surprise``: that in robust deviations of what places of the same size elsewhere on the two films differ by.
    ``filled``: how much of the ellipse around what differs does differ, 0 to 1: little where it is a rim, for what was
    there before is still there, and what changed is its size.
    """

    grey: float
    surprise: float
    filled: float = 1.0


@dataclass(frozen=True, slots=True)
class Difference:
    """The map: ``greys`` (h, w) over this film of ``frame``, 0 where the earlier film shows nothing (``shared``)."""

    greys: Pixels
    shared: NDArray[np.bool_]
    frame: Frame

    def at(self, box: Box) -> LocalChange | None:
        """Return how a place of this film differs; None where one of the films does not show it."""
        if box.intersection(Box(0, 0, self.frame.width, self.frame.height)) < _COVERED * box.area:
            return None
        height, width = self.greys.shape
        wide, high = self.frame.width / width, self.frame.height / height
        x0, y0 = (
            int(np.clip(round(each), 0, most - 2)) for each, most in ((box.x0 / wide, width), (box.y0 / high, height))
        )
        x1, y1 = (
            int(np.clip(round(each), least + 2, most))
            for each, least, most in ((box.x1 / wide, x0, width), (box.y1 / high, y0, height))
        )
        sums, counts = _sums(self.greys, x1 - x0, y1 - y0), _sums(self.shared, x1 - x0, y1 - y0)
        means, known = sums / np.maximum(counts, 1), counts >= _COVERED * (x1 - x0) * (y1 - y0)
        others = means[known]
        if not known[y0, x0] or others.size < _FEWEST:
            return None
        middle = float(np.median(others))
        spread = 1.4826 * float(np.median(np.abs(others - middle))) + _FLOOR
        mine = float(means[y0, x0])
        return LocalChange(mine, (mine - middle) / spread, _filled(self.greys[y0:y1, x0:x1] * np.sign(mine)))


def difference(alignment: Alignment, now: Thumbnail, before: Thumbnail) -> Difference:
    """Return where this film differs from the earlier one that ``alignment`` lays on it."""
    (wide, high), (w, h) = now.scale, before.scale
    to_now = np.diag([1 / wide, 1 / high, 1]) @ np.vstack([alignment.matrix, (0, 0, 1)]) @ np.diag([w, h, 1])
    there, shared = warped(before.greys, np.linalg.inv(to_now)[:2], now.greys.shape)
    steps = np.linspace(0, 1, _LEVELS)
    mine, theirs = np.quantile(now.greys[shared], steps), np.quantile(there[shared], steps)
    same = np.interp(there, theirs + np.arange(_LEVELS) * 1e-7, mine)
    rest = np.where(shared, now.greys - same, 0).astype(np.float32)
    trend = blurred(rest, _BROAD) / np.maximum(blurred(shared.astype(np.float32), _BROAD), 0.05)
    deviation = float(now.greys[shared].std()) or 1.0
    return Difference(np.where(shared, rest - trend, 0).astype(np.float32) / deviation, shared, now.frame)


def _filled(greys: Pixels) -> float:
    """Return how much of the ellipse with the moments of what differs does: at least half as much as its most."""
    differs = greys >= max(_HALF * float(np.percentile(greys, _MOST)), 1e-6)
    ys, xs = np.nonzero(differs)
    if not len(ys):
        return 1.0
    rows, columns = np.mgrid[: greys.shape[0], : greys.shape[1]]
    down, across = (rows - ys.mean()) / (2 * ys.std() + 1), (columns - xs.mean()) / (2 * xs.std() + 1)
    return float(differs[down**2 + across**2 <= 1].mean())


def _sums(values: NDArray[np.generic], wide: int, high: int) -> NDArray[np.float64]:
    """Return the sums over every window of a size, by its top left corner."""
    table = np.pad(np.cumsum(np.cumsum(values, 0, dtype=np.float64), 1), ((1, 0), (1, 0)))
    found: NDArray[np.float64] = (
        table[high:, wide:] - table[:-high, wide:] - table[high:, :-wide] + table[:-high, :-wide]
    )
    return found
