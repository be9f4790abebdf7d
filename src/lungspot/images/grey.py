"""From stored numbers to grey: the one rule that makes every encoding of a film the same picture.

The lowest and the highest value that the film really holds become 0 and 1, whatever its depth, sign, slope or polarity;
docs/conventions.md, "Pixel values", says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungspot.images.radiograph import Pixels

__all__ = ["Shade", "luma", "stretch", "through_levels"]

_PART: Final = 1 << 14  # pixels at a time

# (levels, weights) → values: what each stored level means, where ``weights`` says how many pixels have that level
Shade = Callable[[NDArray[np.float64], NDArray[np.int64]], NDArray[np.float64]]


def through_levels(
    stored: NDArray[np.integer],
    shade: Shade | None = None,
    *,
    padding: tuple[int, int] | None = None,
    inverted: bool = False,
) -> Pixels:
    """Return integer pixels (any shape, at most 17 bits) as float32 in [0, 1], through one table of their levels.

    ``shade`` maps levels to values (Modality and VOI transformation). ``padding`` is an inclusive range of stored
    values that are no picture: they do not set the grey range, and become 0. ``inverted`` turns low values white.
    """
    flat = stored.reshape(-1)
    low, high = int(flat.min()), int(flat.max())
    levels = np.arange(low, high + 1, dtype=np.float64)
    base = min(low, 0)  # where the tables begin: at 0 unless there are negative values
    counts = np.zeros(high - base + 1, dtype=np.int64)
    for part in _parts(flat, base):
        counts += np.bincount(part, minlength=len(counts))
    weights = counts[low - base :]
    padded = np.zeros(len(levels), dtype=bool)
    if padding is not None:
        padded = (levels >= padding[0]) & (levels <= padding[1])
        if not weights[~padded].any():  # a film made of padding alone is taken as it is
            padded[:] = False
    weights[padded] = 0
    values = levels if shade is None else shade(levels, weights)
    table = _between(values, values[weights > 0], inverted=inverted)
    table[padded] = 0
    table = np.concatenate([np.zeros(low - base, dtype=np.float32), table])
    grey = np.empty(flat.shape, dtype=np.float32)
    for part, place in zip(_parts(flat, base), _parts(grey, 0), strict=True):
        np.take(table, part, out=place, mode="clip")  # unlike "raise", it writes in place; no index is outside
    return grey.reshape(stored.shape)


def stretch(values: NDArray[np.floating], *, inverted: bool = False) -> Pixels:
    """Return real-valued pixels (any shape, finite) as float32 in [0, 1]; a flat picture becomes 0."""
    return _between(values, values, inverted=inverted)


def luma(color: NDArray[Any]) -> NDArray[Any]:
    """Return RGB pixels, shape (height, width, 3), as grey of the same type (ITU-R BT.601), shape (height, width)."""
    exact: type[np.floating] = np.float32 if color.dtype.itemsize <= 2 else np.float64
    grey = np.zeros(color.shape[:2], dtype=exact)
    for channel, weight in enumerate((0.299, 0.587, 0.114)):
        grey += weight * color[..., channel].astype(exact)
    if np.issubdtype(color.dtype, np.integer):
        grey = np.rint(grey)
    return grey.astype(color.dtype)


def _between(values: NDArray[np.floating], present: NDArray[np.floating], *, inverted: bool) -> Pixels:
    low, high = float(present.min()), float(present.max())
    if not high > low:
        return np.zeros(values.shape, dtype=np.float32)
    share = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(1 - share if inverted else share, dtype=np.float32)


def _parts(flat: NDArray[Any], base: int) -> Iterator[NDArray[Any]]:
    """Give a flat array less ``base`` piece by piece: numpy counts and looks up through 8-byte copies."""
    pieces = (flat[start : start + _PART] for start in range(0, len(flat), _PART))
    return pieces if base == 0 else (piece.astype(np.intp) - base for piece in pieces)
