"""TIFF films that Pillow does not read, or reads with loss: more than 8 bits, signed, floating-point."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import numpy as np
from imagecodecs import (
    bitorder_decode,
    deflate_decode,
    delta_decode,
    float24_decode,
    floatpred_decode,
    lzma_decode,
    lzw_decode,
    packbits_decode,
    packints_decode,
    zlib_decode,
    zstd_decode,
)
from numpy.typing import NDArray
from tifffile import TiffFile, TiffPage

from lungspot.errors import FilmError
from lungspot.images.pixel_shape import xmp_orientation
from lungspot.images.size import check_size

__all__ = ["TiffPicture", "is_tiff", "needs_tifffile", "read_tiff"]

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_PHOTOMETRIC: Final = frozenset({*range(7), 8, 9, 10, 32803, 32844, 32845, 34892})
_COMPRESSIONS: Final = frozenset({1, 5, 8, 32773, 32946, 34925, 50000})  # none, LZW, deflate, PackBits, LZMA, Zstandard
# What tifffile asks imagecodecs for; imported here, for a child that imports would do so for every film.
_CODECS: Final = (
    *(lzw_decode, deflate_decode, zlib_decode, packbits_decode, lzma_decode, zstd_decode),
    *(delta_decode, floatpred_decode, float24_decode, packints_decode, bitorder_decode),
)
_ORIENTATION, _XMP = 274, 700
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_DEPTHS: Final = {_UNSIGNED: range(1, 33), _SIGNED: (8, 16, 32), _FLOAT: (16, 24, 32, 64)}


@dataclass(frozen=True, slots=True)
class TiffPicture:
    """A TIFF's first picture as it is stored: shape (height, width) or (height, width, samples).

    ``alpha``: the last sample is opacity, from 0 to the greatest value. ``orientation``: as EXIF has it, 1 to 8.
    ``density``: dots a length, across and down; 0 where it does not say.
    """

    stored: NDArray[Any]
    bits: int
    white_is_zero: bool
    alpha: bool
    orientation: int
    density: tuple[float, float]


def is_tiff(data: bytes) -> bool:
    """Tell whether a TIFF's header can be parsed and names a kind of picture that there is."""
    with _first_page(data) as page:
        return page is not None and int(page.photometric) in _PHOTOMETRIC and page.dtype is not None


def needs_tifffile(data: bytes) -> bool:
    """Tell whether a TIFF's samples have more than 8 bits, a sign, or a point."""
    with _first_page(data) as page:
        return page is not None and (page.bitspersample > 8 or page.sampleformat != _UNSIGNED)


def read_tiff(data: bytes, where: str) -> TiffPicture:
    """Return the first picture of a TIFF.

    Raises FilmError UNSUPPORTED, TRUNCATED or NOT_DECODABLE, or as :func:`~lungspot.images.size.check_size` does.
    """
    with _first_page(data) as page:
        if page is None:
            raise FilmError("NOT_DECODABLE", where, "its TIFF header is damaged")
        photometric, samples, bits = int(page.photometric), page.samplesperpixel, page.bitspersample
        if photometric not in _PHOTOMETRIC:
            raise FilmError("NOT_DECODABLE", where, f"a TIFF of photometric interpretation {photometric}")
        problem = _problem(page)
        if problem:
            raise FilmError("UNSUPPORTED", where, f"a TIFF {problem}")
        check_size(page.imagewidth, page.imagelength, where)
        if len(page.databytecounts) < math.prod(page.chunked) or not all((*page.databytecounts, *page.dataoffsets)):
            raise FilmError("TRUNCATED", where, "a strip of its TIFF data is empty")
        try:
            stored = np.asarray(page.asarray(maxworkers=1))
        except MemoryError:
            raise
        except Exception as error:  # tifffile and its codecs have many kinds
            raise FilmError("NOT_DECODABLE", where, f"the TIFF cannot be decoded ({error})") from error
        if "S" in page.axes and page.axes.index("S") == 0:
            stored = np.moveaxis(stored, 0, -1)
        turn = _orientation(page)
        alpha = samples == (2 if photometric != _RGB else 4) and 2 in map(int, page.extrasamples)
        density = _density(page, 282), _density(page, 283)
        return TiffPicture(stored, bits, photometric == _WHITE_IS_ZERO, alpha, turn, density)


def _orientation(page: TiffPage) -> int:
    """Return the orientation, 1 to 8; where its tag is missing that of the XMP in the file, as Pillow has it."""
    tag, notes = page.tags.get(_ORIENTATION), page.tags.get(_XMP)
    if tag is not None:
        return int(tag.value) if tag.value in range(1, 9) else 1
    return xmp_orientation(notes.value) if notes is not None else 1


def _density(page: TiffPage, code: int) -> float:
    """Return a resolution, stored as a fraction; 0 where there is none."""
    tag = page.tags.get(code)
    try:
        return float(tag.value[0]) / float(tag.value[1]) if tag is not None else 0.0
    except (TypeError, ValueError, IndexError, ArithmeticError):
        return 0.0


def _problem(page: TiffPage) -> str:
    """Return what about a TIFF is not read, else ""."""
    photometric, samples = int(page.photometric), page.samplesperpixel
    if int(page.compression) not in _COMPRESSIONS:
        return f"of compression {int(page.compression)}"
    if photometric not in {_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB}:
        return f"of photometric interpretation {photometric}"
    if page.sampleformat not in _DEPTHS or page.bitspersample not in _DEPTHS[page.sampleformat]:
        return f"of {page.bitspersample} bits a sample, format {page.sampleformat}"
    if page.dtype is None or samples not in ({3, 4} if photometric == _RGB else {1, 2}):
        return f"of {samples} samples a pixel"
    if page.axes not in {"YX", "YXS", "SYX"}:
        return f"of the axes {page.axes}"
    return ""


@contextmanager
def _first_page(data: bytes) -> Iterator[TiffPage | None]:
    """Give the first page of a TIFF, None where there is none; what the library has to say is not the reader's."""
    log = logging.getLogger("tifffile")
    before, log.disabled = log.disabled, True
    try:
        try:
            file = TiffFile(BytesIO(data))
            page = file.pages[0]
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - tifffile has many kinds
            yield None
            return
        with file:
            yield page if isinstance(page, TiffPage) else None
    finally:
        log.disabled = before
