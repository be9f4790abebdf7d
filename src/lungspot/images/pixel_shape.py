"""How high to how wide a pixel is, as pictures say it: by two densities (PNG's pHYs, JPEG's JFIF, TIFF) that differ.

The densities alone are not believed: programs write 72 or 96 dots an inch into any picture.
"""

from __future__ import annotations

import re
import struct
import zlib
from fractions import Fraction
from typing import Any, Final

from PIL import Image, TiffImagePlugin

__all__ = ["pixel_shape", "shape_of", "with_pixel_shape", "xmp_orientation"]

_FINEST: Final = 1000
_MOST: Final = 4  # times as high as wide, or as wide as high; more is a slip, not a film
_NEARLY: Final = Fraction(1, 100)  # rounded densities differ by less
_AFTER_HEADER: Final = 33  # bytes of a PNG: its signature and its first chunk
_SWAPPED: Final = frozenset({5, 6, 7, 8})  # EXIF orientations that lay rows as columns
_TIFF_ACROSS, _TIFF_DOWN = 282, 283
_XMP_ORIENTATION: Final = re.compile(rb"tiff:Orientation(?:=['\"]|>)([1-8])")


def shape_of(picture: Image.Image, turn: int) -> tuple[int, int]:
    """Return how high to how wide a pixel of an opened picture is once it is turned; (1, 1) where it does not say.

    ``turn``: the EXIF orientation.
    """
    info: dict[Any, Any] = picture.info
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        across, down = picture.tag_v2.get(_TIFF_ACROSS), picture.tag_v2.get(_TIFF_DOWN)
    else:
        across, down = info.get("jfif_density") or info.get("aspect") or info.get("dpi") or (None, None)
    return pixel_shape(across, down, turn)


def pixel_shape(across: object, down: object, turn: int) -> tuple[int, int]:
    """Return how high to how wide a pixel is, by the dots a length across and down; (1, 1) where they are odd."""
    try:
        ratio = Fraction(float(across) / float(down)).limit_denominator(_FINEST)  # type: ignore[arg-type]
    except (TypeError, ValueError, ArithmeticError):
        return 1, 1
    if not Fraction(1, _MOST) <= ratio <= _MOST or abs(ratio - 1) < _NEARLY:
        return 1, 1
    return (ratio.denominator, ratio.numerator) if turn in _SWAPPED else (ratio.numerator, ratio.denominator)


def xmp_orientation(notes: object) -> int:
    """Return the EXIF orientation that XMP says, 1 to 8; 1 where it says none."""
    text = notes.encode() if isinstance(notes, str) else notes
    found = _XMP_ORIENTATION.search(text) if isinstance(text, bytes) else None
    return int(found[1]) if found else 1


def with_pixel_shape(png: bytes, shape: tuple[int, int]) -> bytes:
    """Return a PNG that says how high to how wide its pixels are, where they are not square."""
    if shape == (1, 1):
        return png
    body = b"pHYs" + struct.pack(">IIB", *shape, 0)  # dots across and down an unknown length
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return png[:_AFTER_HEADER] + chunk + png[_AFTER_HEADER:]
