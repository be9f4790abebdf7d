"""Where the network looked: its class-activation map per label, as it lies over the original film."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lungspot.detect import Correction, ModelCard, Raw
from lungspot.findings import Frame

__all__ = ["cam", "in_pixels", "standing_out"]

Heat = NDArray[np.float32]


def cam(raw: Raw, card: ModelCard, correction: Correction) -> Mapping[str, Heat]:
    """Return by label the map, shape (h, w), 0 to 1, that covers the whole film as it is stored; read-only.

    The network answers a little everywhere; what it answers on half of the film or more, each map's median, is taken
    off, so that a map says what stands out. Cells are the network's (on a 3000 x 3000 film a 20 x 20 map has cells of
    150 pixels); :func:`in_pixels` brings a map to the film's size.
    """
    maps = standing_out(np.ascontiguousarray(correction.maps(raw.maps), dtype=np.float32))
    maps.flags.writeable = False
    return MappingProxyType(dict(zip(card.labels, maps, strict=True)))


def standing_out(maps: Heat) -> Heat:
    """Return what stands out in maps, shape (..., h, w): each less its median, and nothing below 0."""
    above: Heat = np.maximum(maps - np.median(maps, axis=(-2, -1), keepdims=True), 0)
    return above


def in_pixels(heat: Heat, frame: Frame) -> Heat:
    """Return a map at the size of the film, shape (height, width), interpolated, 0 to 1."""
    picture = Image.fromarray(np.ascontiguousarray(heat, dtype=np.float32))
    grown = picture.resize((frame.width, frame.height), Image.Resampling.BICUBIC)
    return np.clip(np.asarray(grown, dtype=np.float32), 0, 1)
