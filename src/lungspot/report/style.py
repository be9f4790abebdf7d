"""The colours and grey values that every picture of a result shares."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lungspot.findings import taxonomy
from lungspot.images import Radiograph, normalise

__all__ = ["color_of", "film_picture", "glow"]

# Anchors of the heat map's colours, cold to hot, perceptually even enough to be read in grey too.
_HEAT: Final = np.array(
    [(0.0, 30, 10, 90), (0.3, 135, 30, 125), (0.55, 225, 75, 75), (0.8, 250, 160, 45), (1.0, 255, 245, 165)]
)


def color_of(label: str) -> str:
    """Return a label's colour as ``#rrggbb``; bright enough for a dark film."""
    return taxonomy()[label].color


def film_picture(radiograph: Radiograph, *, smallest: int, largest: int) -> Image.Image:
    """Return the film as an 8-bit grey picture whose long side lies between ``smallest`` and ``largest`` pixels.

    Its pixels are square: a film whose own are higher than wide is stretched.
    """
    shape = radiograph.proportions
    long = max(shape)
    factor = min(max(long, smallest), largest) / long
    size = (max(round(shape[0] * factor), 1), max(round(shape[1] * factor), 1))
    picture = Image.fromarray(radiograph.pixels)
    if size != picture.size:
        picture = picture.resize(size, Image.Resampling.LANCZOS if factor < 1 else Image.Resampling.BICUBIC)
    grey = normalise(np.clip(np.asarray(picture, dtype=np.float32), 0, 1))
    return Image.fromarray((grey * 255).round().astype(np.uint8))


def glow(heat: NDArray[np.float32], size: tuple[int, int]) -> Image.Image:
    """Return a map, shape (h, w), as colours with transparency, RGBA at (width, height), relative to its own peak."""
    relative = heat / max(float(heat.max()), 1e-6)
    grown = np.asarray(
        Image.fromarray(relative.astype(np.float32)).resize(size, Image.Resampling.BICUBIC), dtype=np.float32
    ).clip(0, 1)
    channels = [np.interp(grown, _HEAT[:, 0], _HEAT[:, column]) for column in (1, 2, 3)]
    opacity = 165 * np.clip((grown - 0.2) / 0.7, 0, 1)
    return Image.fromarray(np.stack([*channels, opacity], axis=-1).round().astype(np.uint8))
