"""Pictures of a film that is done, drawn when they are asked for."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

import numpy as np
from PIL import Image

from lungspot.explain import in_pixels
from lungspot.findings import Frame
from lungspot.report import Analysis, glow

__all__ = ["PIECE", "draw", "film_png", "heat_png", "pieces"]

PIECE: Final = 1 << 18  # bytes of an answer at a time; a slow client keeps a file waiting, not memory
_HEAT_SIDE: Final = 512


def draw(picture: Callable[[], Image.Image]) -> Iterator[bytes]:
    """Return a picture as PNG, piece by piece, from a file without a name; drawn at once, in this thread."""
    file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the answer that reads it
    try:
        picture().save(file, "png", compress_level=1)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return pieces(file)


def pieces(file: BinaryIO) -> Iterator[bytes]:
    """Yield what is left of a file, and close it."""
    with file:
        while piece := file.read(PIECE):
            yield piece


def film_png(
    pixels: np.ndarray[tuple[int, int], np.dtype[np.uint16]], bits: int, max_side: int | None, tall: float = 1.0
) -> Image.Image:
    """Return stored pixels, shape (height, width), as a grey picture of 8 or 16 bits.

    One that is scaled down has square pixels: ``tall`` is how high to how wide the film's are.
    """
    if bits == 16:
        return Image.fromarray(np.ascontiguousarray(pixels, dtype=np.uint16))
    picture = Image.fromarray(((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8))
    seen = (picture.width, picture.height * tall)
    if max_side is None or max(seen) <= max_side:
        return picture
    wide, high = (max(round(side * max_side / max(seen)), 1) for side in seen)
    return picture.resize((wide, high), Image.Resampling.LANCZOS, reducing_gap=2.0)


def heat_png(result: Analysis, label: str, style: str) -> Image.Image:
    """Return one label's map over the whole film: in colours with transparency, or as grey values."""
    frame = result.radiograph.frame
    factor = _HEAT_SIDE / max(frame.width, frame.height)
    size = Frame(max(round(frame.width * factor), 1), max(round(frame.height * factor), 1))
    if style == "grey":
        return Image.fromarray((in_pixels(result.heat[label], size) * 255).round().astype(np.uint8))
    return glow(result.heat[label], (size.width, size.height))
