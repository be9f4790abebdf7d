"""Made opacities, pasted into the lungs of films on which heart and lungs are outlined.

People outline the lungs of healthy films, and a network that learned from those alone sees as lung what holds air: not
the base below an effusion, not a white lung. So fluid, patches, haze and whole white lungs are pasted in, as bright as
the heart is, and the outlines stay as they are.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

__all__ = ["paste_opacities"]

Grey = NDArray[np.float32]

_SHARE: Final = 0.7  # of the lungs
_FLUID, _WHITE, _PATCHES = 0.45, 0.6, 0.85  # kinds, one draw decides: fluid below the first, …, haze above the last
_BRIGHT: Final = 0.8  # the quantile of a film's grey that an opacity has where no heart is outlined
_FEWEST: Final = 100  # pixels of a lung, of which less is none


def paste_opacities(
    picture: NDArray[np.uint8], outlines: NDArray[np.uint8], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return a prepared film, uint8 (S, S), with opacities in one of its lungs or both.

    ``outlines``: heart and two lungs, uint8 (3, h, w), over the whole film.
    """
    size = picture.shape[0]
    film = _grey(picture)
    heart, *lungs = _sized(_grey(outlines), size)
    bright = np.median(film[heart > 0.5]) if (heart > 0.5).sum() >= _FEWEST else np.quantile(film, _BRIGHT)
    veil = np.zeros_like(film)
    for lung in lungs:
        if rng.random() < _SHARE and (lung > 0.5).sum() >= _FEWEST:
            soft = 2 * int(size * rng.uniform(0.01, 0.05)) + 1
            veil = np.maximum(veil, _blurred(_opacity(lung, rng), soft) * rng.uniform(0.5, 1))
    cloud = _sized(rng.normal(0, 0.06, (1, 6, 6)).astype(np.float32), size, "bicubic")[0]
    white = np.clip(bright + rng.normal(0, 0.08) + cloud, 0, 1)
    made = film * (1 - veil) + np.maximum(white, film * 0.9) * veil
    return np.asarray(np.rint(made.clip(0, 1) * 255), dtype=np.uint8)


def _opacity(lung: Grey, rng: np.random.Generator) -> Grey:
    """Return how dense one opacity of a lung, (S, S) of 0 to 1, is at each place: 0 to 1, (S, S)."""
    size = lung.shape[0]
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / np.float32(size)
    rows, columns = np.nonzero(lung > 0.5)
    top, base, left, right = (value / size for value in (rows.min(), rows.max(), columns.min(), columns.max()))
    kind = rng.random()
    if kind < _FLUID:  # up to a meniscus, and as far below the base as fluid pushes the diaphragm
        across = x - (left + right) / 2
        level = base - (base - top) * rng.uniform(0.1, 0.8)
        level = level + rng.uniform(-0.5, 0.5) * across - rng.uniform(0, 2) * across**2
        base, shape = base + rng.uniform(0, 0.1), y > level
    elif kind < _WHITE:
        base, shape = base + 0.02, y > top - 0.02
    elif kind < _PATCHES:
        patches = [_patch(y, x, rows, columns, rng) for _ in range(rng.integers(1, 4))]
        return np.asarray(np.max(patches, axis=0), dtype=np.float32)
    else:
        return (lung > 0.4).astype(np.float32) * np.float32(rng.uniform(0.3, 0.8))
    return np.asarray(shape & (y < base) & (x > left - 0.03) & (x < right + 0.03), dtype=np.float32)


def _patch(y: Grey, x: Grey, rows: NDArray[np.intp], columns: NDArray[np.intp], rng: np.random.Generator) -> Grey:
    """Return an ellipse around one of the places of a lung."""
    at = rng.integers(len(rows))
    down, across = y - rows[at] / len(y), x - columns[at] / len(y)
    angle, (long, wide) = rng.uniform(0, np.pi), rng.uniform(0.04, 0.18, 2)
    along = (across * np.cos(angle) + down * np.sin(angle)) / long
    aside = (down * np.cos(angle) - across * np.sin(angle)) / wide
    return np.asarray(along**2 + aside**2 < 1, dtype=np.float32)


def _grey(values: NDArray[np.uint8]) -> Grey:
    return np.asarray(values, dtype=np.float32) / np.float32(255)


def _sized(layers: Grey, size: int, mode: str = "bilinear") -> Grey:
    grown = functional.interpolate(torch.from_numpy(layers)[None], (size, size), mode=mode, align_corners=False)
    return np.asarray(grown[0].numpy())


def _blurred(layer: Grey, width: int) -> Grey:
    soft = functional.avg_pool2d(torch.from_numpy(layer)[None, None], width, 1, width // 2, count_include_pad=False)
    return np.asarray(soft[0, 0].numpy())
