"""Boxes out of an activation map, for labels that were learnt without any box."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lungspot.findings import Box, Frame

__all__ = ["boxes_from_map", "cut_map", "regions"]

_FINER = 4  # the map is interpolated to this many times its cells, so that a box may end within a cell
_SHARE = 0.25  # of the strongest region's activation, that another region needs
_MOST = 4


def boxes_from_map(heat: NDArray[np.float32], fraction: float, frame: Frame) -> tuple[Box, ...]:
    """Return the boxes of :func:`cut_map` from ``heat``, shape (h, w), at four times its resolution."""
    height, width = heat.shape[0] * _FINER, heat.shape[1] * _FINER
    fine = np.asarray(Image.fromarray(heat).resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32)
    return cut_map(fine, fraction, frame)


def cut_map(heat: NDArray[np.float32], fraction: float, frame: Frame) -> tuple[Box, ...]:
    """Return boxes around the regions of ``heat``, shape (h, w), where it reaches ``fraction`` of its peak.

    The map covers the whole of ``frame``, in whose pixels the boxes are; strongest region first, at most four. A region
    that has less than a quarter of what the strongest has is left out; of a map without anything above 0, all is.
    """
    if heat.max() <= 0:
        return ()
    found = sorted(regions(heat >= fraction * heat.max()), key=lambda cells: -float(heat[cells].sum()))
    strongest = float(heat[found[0]].sum())
    scale_x, scale_y = frame.width / heat.shape[1], frame.height / heat.shape[0]
    return tuple(
        Box(xs.min() * scale_x, ys.min() * scale_y, (xs.max() + 1) * scale_x, (ys.max() + 1) * scale_y)
        for ys, xs in found[:_MOST]
        if float(heat[ys, xs].sum()) >= _SHARE * strongest
    )


def regions(hot: NDArray[np.bool_]) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return the (rows, columns) of each region of neighbouring (4-connected) cells."""
    wide = hot.shape[1] + 1  # a cell's number leaves one empty column, so that no row runs into the next
    rows, columns = np.nonzero(hot)
    left = set((rows * wide + columns).tolist())
    found = []
    while left:
        queue = [min(left)]
        left.discard(queue[0])
        for cell in queue:  # grows while it is walked
            for neighbour in (cell - wide, cell + wide, cell - 1, cell + 1):
                if neighbour in left:
                    left.discard(neighbour)
                    queue.append(neighbour)
        found.append(np.divmod(np.array(queue, dtype=np.intp), wide))
    return found
