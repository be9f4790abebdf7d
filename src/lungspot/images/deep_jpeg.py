"""JPEG films that are no DICOM and have more than 8 bits a sample, which Pillow does not read: 12 bits, or lossless.

libjpeg-turbo reads them, as it does those in DICOM films. Of the metadata the orientation and a pixel's shape count.
"""

from __future__ import annotations

import contextlib
import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from imagecodecs import jpeg8_decode
from numpy.typing import NDArray
from PIL import ExifTags, Image

from lungspot.errors import FilmError
from lungspot.images.codestream import LOSSLESS_FRAMES, CutError, segments
from lungspot.images.pixel_shape import xmp_orientation
from lungspot.images.size import check_size

__all__ = ["JpegFacts", "jpeg_facts", "read_deep_jpeg"]

_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_HIERARCHICAL: Final = frozenset({0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF})
_APP0, _APP1, _SCAN = 0xE0, 0xE1, 0xDA
_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"


@dataclass(frozen=True, slots=True)
class JpegFacts:
    """What a JPEG says of itself before its pixels.

    ``process``: the code of its frame header (ISO/IEC 10918-1 table B.1). ``orientation``: as EXIF has it, 1 to 8.
    ``density``: dots a length, across and down; 0 where it does not say.
    """

    process: int
    bits: int
    width: int
    height: int
    samples: int
    orientation: int
    density: tuple[float, float]

    @property
    def lossless(self) -> bool:
        """Say whether its pixels are as they were before they were compressed."""
        return self.process in LOSSLESS_FRAMES

    @property
    def problem(self) -> str:
        """Return what about it no decoder here reads, else ""."""
        if self.process in _HIERARCHICAL:
            return "a hierarchical JPEG"
        if self.process == 0xCB:
            return "a lossless JPEG with arithmetic coding"
        return f"a JPEG of {self.samples} samples a pixel" if self.samples not in {1, 3, 4} else ""


def jpeg_facts(data: bytes) -> JpegFacts | None:
    """Return what a JPEG says of itself; None where it is damaged before it has said how large it is."""
    turn, density = 1, (0.0, 0.0)
    with contextlib.suppress(CutError, struct.error, IndexError):
        for code, start, end in segments(data, near_lossless=False):
            content = data[start:end]
            if code == _APP0 and content.startswith(b"JFIF\0"):
                density = struct.unpack_from(">HH", content, 8)
            elif code == _APP1 and content.startswith(b"Exif\0\0"):
                turn = _orientation(content)
            elif code == _APP1 and content.startswith(_XMP) and turn == 1:
                turn = xmp_orientation(content)
            elif code in _FRAMES:
                bits, height, width, samples = struct.unpack_from(">BHHB", data, start)
                return JpegFacts(code, bits, width, height, samples, turn, density)
            elif code == _SCAN:
                break
    return None


def read_deep_jpeg(data: bytes, facts: JpegFacts, where: str) -> NDArray[Any]:
    """Return the samples of a JPEG, shape (height, width) or (height, width, 3), colours as RGB.

    Raises FilmError UNSUPPORTED, or as :func:`~lungspot.images.size.check_size` does, and what the decoder raises.
    """
    if facts.problem or facts.samples == 4:
        problem = facts.problem or f"a JPEG for print of {facts.bits} bits"
        raise FilmError("UNSUPPORTED", where, problem)
    check_size(facts.width, facts.height, where)
    return np.asarray(jpeg8_decode(data))


def _orientation(content: bytes) -> int:
    exif = Image.Exif()
    try:
        exif.load(content)
        turn = exif.get(ExifTags.Base.Orientation, 1)
    except (OSError, SyntaxError, ValueError, struct.error, KeyError, TypeError):
        return 1
    return turn if isinstance(turn, int) and 1 <= turn <= 8 else 1
