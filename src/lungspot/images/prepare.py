"""From a film to the network's input: the only preprocessing there is, and the receipt that moves boxes back.

Training and serving both call :func:`squash` and :func:`normalise`, in this order; a test says that they agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from lungspot.errors import InputError
from lungspot.findings import Box, Frame
from lungspot.images.radiograph import Pixels, Radiograph

__all__ = ["Placement", "Prepared", "normalise", "prepare", "squash"]

_LOW, _HIGH = 0.5, 99.5  # percentiles that become 0 and 1: markers and collimator edges must not set the contrast


@dataclass(frozen=True, slots=True)
class Placement:
    """The receipt of one resize: moves boxes between the original film (``source``) and the network's input."""

    source: Frame
    size: int

    @property
    def target(self) -> Frame:
        """The frame of the network's input, a square."""
        return Frame(self.size, self.size)

    def to_input(self, box: Box) -> Box:
        """Return a box of the original film in pixels of the network's input."""
        return box.move(self.source, self.target)

    def to_original(self, box: Box) -> Box:
        """Return a box of the network's input in pixels of the original film."""
        return box.move(self.target, self.source)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The network's input: ``tensor`` float32, shape (1, 1, size, size), 0 to 1, white is dense; and its receipt."""

    tensor: Pixels
    placement: Placement


def prepare(radiograph: Radiograph, size: int) -> Prepared:
    """Return the film squashed to a ``size`` x ``size`` square with its grey values made comparable."""
    tensor = normalise(squash(radiograph.pixels, size))[None, None]
    tensor.flags.writeable = False
    return Prepared(tensor, Placement(radiograph.frame, size))


def squash(pixels: Pixels, size: int) -> Pixels:
    """Return (height, width) pixels resized to (size, size), anti-aliased, the aspect ratio given up.

    Raises ``BAD_VALUE`` for a size below 1.
    """
    if size < 1:
        raise InputError("BAD_VALUE", None, f"an input of {size} pixels")
    if pixels.shape == (size, size):
        return np.array(pixels, dtype=np.float32)
    picture = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32))
    return np.asarray(
        picture.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=None), dtype=np.float32
    ).copy()


def normalise(pixels: Pixels) -> Pixels:
    """Return the pixels stretched so that the 0.5th and 99.5th percentile become 0 and 1; a flat picture becomes 0."""
    low, high = np.percentile(pixels, (_LOW, _HIGH))
    if high - low < 1e-6:
        return np.zeros_like(pixels, dtype=np.float32)
    share: Pixels = np.clip((pixels - np.float32(low)) / np.float32(high - low), 0, 1).astype(np.float32)
    return share
