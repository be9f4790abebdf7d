"""How a film looks as a picture, in nine numbers: what changes when a device, its settings or an interface do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self

import numpy as np

from lungspot.errors import InputError
from lungspot.images.radiograph import Pixels

__all__ = ["ImageStatistics", "image_statistics"]

_SIDE: Final = 192  # pixels that are looked at along a side, about
_LEVELS: Final = 256
_DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class ImageStatistics:
    """What a film's pixels are like; all of pixels from 0 to 1, white is dense (docs/conventions.md, "Pixel values").

    ``p5`` to ``p95``: percentiles. ``entropy``: Shannon's, of 256 levels, in bits. ``roughness``: mean absolute
    difference of neighbouring samples; it leaps where upper bits are lost and values wrap around. ``levels``: how many
    different greys the samples have; it falls where lower bits are lost. ``clipped``: the share that is pure black or
    white.
    """

    p5: float
    p25: float
    p50: float
    p75: float
    p95: float
    entropy: float
    roughness: float
    levels: int
    clipped: float

    def __post_init__(self) -> None:
        """Refuse what no picture has."""
        if not all(np.isfinite(value) and value >= 0 for value in asdict(self).values()):
            raise InputError("BAD_VALUE", None, f"statistics of a picture {asdict(self)}")

    def to_json(self) -> dict[str, float]:
        """Return the numbers by name, as JSON holds them."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return what :meth:`to_json` wrote; keys of a later version are left out."""
        return cls(**{each.name: value[each.name] for each in fields(cls)})


def image_statistics(pixels: Pixels) -> ImageStatistics:
    """Return the statistics of a film's pixels, shape (height, width), of about 192 x 192 samples on an even grid.

    Samples, not means: what a wrong bit does to single pixels must be seen. The same pixels give the same numbers.
    """
    height, width = pixels.shape
    sample = pixels[:: max(height // _SIDE, 1), :: max(width // _SIDE, 1)]
    shares = np.bincount((sample * (_LEVELS - 1)).astype(np.int64).ravel(), minlength=_LEVELS) / sample.size
    shares = shares[shares > 0]
    steps = [np.abs(np.diff(sample, axis=axis)) for axis in (0, 1)]
    count = sum(step.size for step in steps)
    p5, p25, p50, p75, p95 = (round(float(grey), _DIGITS) for grey in np.percentile(sample, (5, 25, 50, 75, 95)))
    return ImageStatistics(
        *(p5, p25, p50, p75, p95),
        entropy=round(abs(float((shares * np.log2(shares)).sum())), _DIGITS),
        roughness=round(sum(float(step.sum(dtype=np.float64)) for step in steps) / max(count, 1), _DIGITS),
        levels=len(np.unique(sample)),
        clipped=round(float(np.mean((sample <= 0) | (sample >= 1))), _DIGITS),
    )
