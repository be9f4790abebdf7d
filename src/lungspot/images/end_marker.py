"""Pixel data that end early and lack no pixel: JPEG, JPEG-LS and JPEG 2000 without their end marker, and pictures.

Some devices and transfers cut the last two bytes off. JPEG 2000 counts its bytes, and so do PNG, WebP and BMP
(:mod:`~lungspot.images.raster_end`). Of the others nobody can see in the markers whether all pixels are there, and
decoders fill in what is missing and say nothing; so they are decoded several times, each time with other bytes before
an end marker. A JPEG's pixels that were there are the same each time, those that were made up are not; a JPEG-LS
decoder refuses bytes that it does not need, and takes those that were missing.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from lungspot.errors import FilmError
from lungspot.images.codestream import (
    JPEG,
    JPEG_2000,
    JPEG_LS,
    LOSSLESS_FRAMES,
    CutError,
    codestream_start,
    require_complete,
    segments,
)
from lungspot.images.radiograph import Notice
from lungspot.images.raster_end import completed

__all__ = ["decode_whole"]

T = TypeVar("T")
_END: Final = b"\xff\xd9"
_FILLS: Final = (b"", b"\xfe" * 48, b"\x9d\x62" * 24, b"\x5b\xb4" * 24)  # none of them holds a marker
_BYTES: Final = (b"\x00", b"\x55", b"\xaa", b"\xfe")
_MARKER: Final = re.compile(rb"\xff+([\x01-\xfe])")
_RESTARTS: Final = frozenset(bytes([code]) for code in range(0xD0, 0xD8))
_PROGRESSIVE: Final = frozenset({0xC2, 0xC6, 0xCA, 0xCE})


def decode_whole(
    data: bytes,
    kind: str,
    decode: Callable[[bytes], T],
    pixels_of: Callable[[T], NDArray[Any]],
    where: object,
) -> tuple[T, list[Notice]]:
    """Return what ``decode`` makes of data that are whole, or that lack their end only; then with a notice.

    ``kind`` as in :mod:`~lungspot.images.codestream`; ``pixels_of``: the pixels of what ``decode`` returns. Raises
    FilmError as :func:`~lungspot.images.codestream.require_complete` does, and what ``decode`` raises.
    """
    try:
        require_complete(data, kind, where)
    except FilmError as error:
        if error.code != "TRUNCATED":
            raise
        if kind in JPEG | JPEG_LS | JPEG_2000:
            made = _without_end(data, kind, decode, pixels_of)
        else:
            whole = completed(data, kind)
            made = None if whole is None else decode(whole)
        if made is None:
            raise
        return made, [Notice("TRUNCATED", "it ends early; all pixels are there")]
    return decode(data), []


def _without_end(
    data: bytes, kind: str, decode: Callable[[bytes], T], pixels_of: Callable[[T], NDArray[Any]]
) -> T | None:
    """Return what ``decode`` makes of data without an end marker, None where more than that is missing."""
    plain = data if kind == "jpeg" else data.removesuffix(b"\0")  # DICOM fills odd data with a zero
    rest = plain.removesuffix(b"\xff")  # half of the marker
    if kind in JPEG_2000:
        rest = next((each for each in (data, plain, rest) if _holds(_tiles_are_whole, each)), b"")
        return _try(decode, rest + _END) if rest else None
    if kind in JPEG_LS:
        taken = any(_try(decode, rest + fill + _END) is not None for fill in _BYTES)
        return None if taken else _try(decode, rest + _END)
    if not _holds(_scans_are_there, rest):
        return None
    first, *others = (_try(decode, rest + fill + _END) for fill in _FILLS)
    whole = [other for other in others if other is not None]
    if first is None or len(whole) < len(others):
        return None
    return first if all(np.array_equal(pixels_of(first), pixels_of(other)) for other in whole) else None


def _try(decode: Callable[[bytes], T], data: bytes) -> T | None:
    """Return what ``decode`` makes of the data, None where it refuses them."""
    try:
        return decode(data)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - each decoder has its own kinds
        return None


def _holds(check: Callable[[bytes], bool], data: bytes) -> bool:
    """Tell whether a walk over markers says yes; one that leads out of the data says no."""
    try:
        return check(data)
    except (FilmError, CutError, struct.error, IndexError, ValueError, KeyError, ZeroDivisionError):
        return False


def _tiles_are_whole(data: bytes) -> bool:
    """Tell whether JPEG 2000 data end just where their last tile-part does, and every tile has its parts."""
    start = codestream_start(data)
    if start < 0:
        return False
    right, bottom, _, _, wide, high, left, top = struct.unpack_from(">8I", data, start + 8)
    tiles = -(-(right - left) // wide) * -(-(bottom - top) // high)
    parts: dict[int, int] = {}
    announced: dict[int, int] = {}
    at = start + 2
    while at < len(data):
        marker, length = struct.unpack_from(">2sH", data, at)
        if marker == b"\xff\x90":
            tile, length, _, count = struct.unpack_from(">HIBB", data, at + 4)
            if length < 14:
                return False  # the tile-part ends with the codestream: nobody knows where
            parts[tile] = parts.get(tile, 0) + 1
            announced[tile] = max(announced.get(tile, 0), count)
            at += length
        else:
            at += 2 + length
    return at == len(data) and len(parts) == tiles and all(parts[tile] >= announced[tile] for tile in parts)


def _scans_are_there(data: bytes) -> bool:
    """Tell whether JPEG data end within or behind their last scan: every component has one, or all its bits.

    A decoder passes over missing restart intervals, whatever lies there; so the last scan must have all of them.
    """
    needed: set[tuple[int, int]] = set()
    progressive = False
    frame = _Frame(0, 0, {}, lossless=False)
    interval = 0
    missing = 0
    for code, begin, end in segments(data + _END, near_lossless=False):
        if code == 0xDA:
            count = data[begin]
            components = [data[begin + 1 + 2 * i] for i in range(count)]
            low, high, bits = data[begin + 1 + 2 * count : end]
            whole = not progressive or bits & 0x0F == 0
            band = range(low, high + 1) if progressive else range(64)
            needed -= {(component, i) for component in components for i in band} if whole else set()
            expected = -(-frame.units(components) // interval) - 1 if interval else 0
            missing = expected - _restarts(data, end)
        elif code == 0xDD:
            interval = int(struct.unpack_from(">H", data, begin)[0])
        elif 0xC0 <= code <= 0xCF and code not in {0xC4, 0xC8, 0xCC}:
            progressive = code in _PROGRESSIVE
            height, width = (int(each) for each in struct.unpack_from(">HH", data, begin + 1))
            factors = {data[begin + 6 + 3 * i]: divmod(data[begin + 7 + 3 * i], 16) for i in range(data[begin + 5])}
            frame = _Frame(width, height, factors, lossless=code in LOSSLESS_FRAMES)
            needed = {(component, band) for component in factors for band in range(64)}
    return bool(frame.factors) and not needed and missing <= 0


@dataclass(frozen=True, slots=True)
class _Frame:
    """A JPEG's size, and the sampling factors (across, down) of its components."""

    width: int
    height: int
    factors: dict[int, tuple[int, int]]
    lossless: bool

    def units(self, components: list[int]) -> int:
        """Return how many coded units (MCUs) a scan of these components has (ISO/IEC 10918-1 A.2)."""
        across, down = (max(each) for each in zip(*self.factors.values(), strict=True))
        side = 1 if self.lossless else 8
        if len(components) > 1:
            return int(-(-self.width // (side * across)) * -(-self.height // (side * down)))
        wide, high = self.factors[components[0]]
        columns, rows = -(-self.width * wide // across), -(-self.height * high // down)
        return int(-(-columns // side) * -(-rows // side))


def _restarts(data: bytes, begin: int) -> int:
    """Return how many restart markers follow in a scan's data."""
    count = 0
    for found in _MARKER.finditer(data, begin):
        if found[1] not in _RESTARTS:
            break
        count += 1
    return count
