"""What compressed pixel data say about themselves, and whether they are all there; nothing is decoded here.

A decoder allocates what its codestream asks for, not what the DICOM header promised. So :func:`contradiction` compares
the two before any decoder runs, and :func:`require_complete` refuses data that end early: several decoders fill the
missing part with grey and call it a film. Both are plain walks over markers, linear in the size of the data.

``kind`` is a DICOM transfer syntax UID, or ``png``, ``jpeg``, ``tiff``, ``bmp``, ``webp``. The layouts are those of
ISO/IEC 10918-1 (JPEG), 14495-1 (JPEG-LS), 15444-1 and -15 (JPEG 2000, HTJ2K), DICOM PS3.5 Annex G (RLE), the PNG
specification, TIFF 6.0 with BigTIFF, and the RIFF container.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from lungspot.errors import FilmError

__all__ = [
    "JPEG",
    "JPEG_2000",
    "JPEG_LS",
    "LOSSLESS_FRAMES",
    "Codestream",
    "CutError",
    "codestream_start",
    "contradiction",
    "describe",
    "require_complete",
    "segments",
    "tiff_pages",
]

# the kinds, DICOM's transfer syntaxes and ours
JPEG: Final = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70)) | {"jpeg"}
JPEG_LS: Final = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (80, 81))
JPEG_2000: Final = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (90, 91, 92, 93, 201, 202, 203))
_RLE: Final = "1.2.840.10008.1.2.5"

_BARE: Final = frozenset({0x01, *range(0xD0, 0xD8)})  # TEM and RSTn: markers without a length
LOSSLESS_FRAMES: Final = frozenset({0xC3, 0xC7, 0xCB, 0xCF})  # of SOFn, those of lossless processes
_FRAME_HEADERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}  # SOFn, SOF55
_NEXT_MARKER: Final = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]")  # in JPEG entropy data: neither stuffing nor RSTn
_NEXT_MARKER_LS: Final = re.compile(rb"\xff+[\x80-\xcf\xd8-\xfe]")  # in JPEG-LS a bit is stuffed after FF, not a byte
_MOST_SCANS = 256  # a progressive film has about ten
_MOST_CHUNKS = 100_000
_MOST_STRIPS = 1_000_000
_MOST_PAGES = 1000
_PACKBITS = 64  # two bytes of RLE become 128 at most


@dataclass(frozen=True, slots=True)
class Codestream:
    """What a codestream says: width and height in pixels, bits a sample, components a pixel, signed samples or not."""

    width: int
    height: int
    bits: int
    components: int
    signed: bool = False


class CutError(Exception):
    """The data end inside what they announce."""


def describe(data: bytes, kind: str) -> Codestream | None:
    """Return what a JPEG, JPEG-LS or JPEG 2000 codestream says about itself; None if it is not one of that kind."""
    try:
        if kind in JPEG | JPEG_LS:
            return _describe_jpeg(data, near_lossless=kind in JPEG_LS)
        if kind in JPEG_2000:
            return _describe_jpeg_2000(data)
    except (struct.error, CutError, IndexError):
        pass
    return None


def contradiction(data: bytes, kind: str, header: Codestream) -> str | None:
    """Return why one frame's data cannot be the picture that its header announces, or None.

    ``header``: what the DICOM header says; its bits are BitsAllocated, its components SamplesPerPixel. Data of a kind
    without a codestream (uncompressed) contradict nothing here.
    """
    if kind == _RLE:
        return _rle_contradiction(data, header)
    if kind not in JPEG | JPEG_LS | JPEG_2000:
        return None
    found = describe(data, kind)
    problem = None
    if found is None:
        problem = "its pixel data are not what its transfer syntax says"
    elif (found.width, found.height) != (header.width, header.height):
        problem = f"its header says {header.width} x {header.height} pixels, its data {found.width} x {found.height}"
    elif found.components != header.components:
        problem = f"its header says {header.components} samples a pixel, its pixel data {found.components}"
    elif found.bits > header.bits:
        problem = f"its header has room for {header.bits} bits a sample, its pixel data have {found.bits}"
    return problem


def require_complete(data: bytes, kind: str, where: object = None) -> None:
    """Refuse data that end early (FilmError TRUNCATED) or that are damaged where they are counted (NOT_DECODABLE)."""
    try:
        if kind in JPEG | JPEG_LS:
            _walk_jpeg(data, where, near_lossless=kind in JPEG_LS)
        elif kind in JPEG_2000:
            _walk_jpeg_2000(data)
        elif kind == _RLE:
            _rle_offsets(data)
        elif kind in _RASTERS:
            _RASTERS[kind](data, where)
    except (struct.error, IndexError):
        raise FilmError("TRUNCATED", where, "its pixel data end inside a header") from None
    except CutError as cut:
        raise FilmError("TRUNCATED", where, str(cut)) from None


# ------------------------------------------------------------------------------------------------------ JPEG, JPEG-LS


def segments(data: bytes, *, near_lossless: bool) -> Iterator[tuple[int, int, int]]:
    """Give each marker's code and where its segment's content begins and ends, until EOI, or raise CutError."""
    if data[:2] != b"\xff\xd8":
        raise CutError("its pixel data do not begin as JPEG")
    search = (_NEXT_MARKER_LS if near_lossless else _NEXT_MARKER).search
    at = 2
    while True:
        found = search(data, at)  # garbage between segments is skipped, as libjpeg does
        if found is None:
            raise CutError("its JPEG data have no end")
        code, at = data[found.end() - 1], found.end()
        if code == 0xD9:
            return
        if code in _BARE or code == 0xD8:
            continue
        end = at + int(struct.unpack_from(">H", data, at)[0])
        if end > len(data):
            raise CutError("its JPEG data end inside a header")
        yield code, at + 2, end
        at = end


def _describe_jpeg(data: bytes, *, near_lossless: bool) -> Codestream | None:
    for code, start, _ in segments(data, near_lossless=near_lossless):
        if code in _FRAME_HEADERS:
            bits, height, width, components = struct.unpack_from(">BHHB", data, start)
            return Codestream(width, height, bits, components) if (code == 0xF7) == near_lossless else None
    return None


def _walk_jpeg(data: bytes, where: object, *, near_lossless: bool) -> None:
    scans = 0
    for code, _, _ in segments(data, near_lossless=near_lossless):
        scans += code == 0xDA
        if scans > _MOST_SCANS:
            raise FilmError("NOT_DECODABLE", where, f"its JPEG data have more than {_MOST_SCANS} scans")
    if not scans:
        raise CutError("its JPEG data hold no picture")


# ---------------------------------------------------------------------------------------------------------- JPEG 2000


def codestream_start(data: bytes) -> int:
    """Return where the codestream begins: at once, or in the jp2c box of a JP2 file."""
    if data[:4] == b"\xff\x4f\xff\x51":
        return 0
    if data[4:8] != b"jP  ":
        return -1
    at = 0
    for _ in range(_MOST_CHUNKS):
        length, name = struct.unpack_from(">I4s", data, at)
        header = 8
        if length == 1:
            length, header = struct.unpack_from(">Q", data, at + 8)[0], 16
        if name == b"jp2c":
            return at + header if data[at + header : at + header + 4] == b"\xff\x4f\xff\x51" else -1
        if length < header:
            return -1
        at += length
    return -1


def _describe_jpeg_2000(data: bytes) -> Codestream | None:
    at = codestream_start(data)
    if at < 0:
        return None
    right, bottom, left, top, tile_width, tile_height, tile_left, tile_top, components = struct.unpack_from(
        ">8IH", data, at + 8
    )
    samples = [struct.unpack_from("3B", data, at + 42 + 3 * i) for i in range(components)]
    if not samples or not tile_width or not tile_height or right <= left or bottom <= top:
        return None
    tiles = -(-(right - tile_left) // tile_width) * -(-(bottom - tile_top) // tile_height)
    if tiles > 65535 or tile_left > left or tile_top > top or any(not dx or not dy for _, dx, dy in samples):
        return None
    widths = [-(-right // dx) - -(-left // dx) for _, dx, _ in samples]
    heights = [-(-bottom // dy) - -(-top // dy) for _, _, dy in samples]
    bits = max((depth & 0x7F) + 1 for depth, _, _ in samples)
    return Codestream(max(widths), max(heights), bits, components, signed=bool(samples[0][0] & 0x80))


def _walk_jpeg_2000(data: bytes) -> None:
    """Follow the tile-parts to the end marker; where their lengths lead nowhere, ask for the end marker alone."""
    start = codestream_start(data)
    if start < 0:
        raise CutError("its pixel data do not begin as JPEG 2000")
    at = start + 2
    while True:
        marker = data[at : at + 2]
        if len(marker) < 2:
            raise CutError("its JPEG 2000 data have no end")
        if marker == b"\xff\xd9":
            return
        if marker == b"\xff\x90":
            length = int(struct.unpack_from(">I", data, at + 6)[0])  # 0: the tile-part ends with the codestream
            if at + length > len(data):
                raise CutError("its JPEG 2000 data end inside a tile")
            if length >= 14:
                at += length
                continue
        elif marker[0] == 0xFF:
            at += 2 + int(struct.unpack_from(">H", data, at + 2)[0])
            continue
        if data.rstrip(b"\x00")[-2:] == b"\xff\xd9":
            return
        raise CutError("its JPEG 2000 data have no end")


# ---------------------------------------------------------------------------------------------------------------- RLE


def _rle_offsets(data: bytes) -> list[int]:
    """Return where each segment begins, and where the last ends."""
    if len(data) < 64:
        raise CutError("its RLE data end inside their header")
    count, *offsets = struct.unpack_from("<16I", data)
    if not 1 <= count <= 15:
        raise CutError("its RLE header counts no segments")
    offsets = [*offsets[:count], len(data)]
    if offsets[0] != 64 or any(b < a for a, b in pairwise(offsets)):
        raise CutError("its RLE segments begin after its end")
    return offsets


def _rle_contradiction(data: bytes, header: Codestream) -> str | None:
    pixels, planes = header.width * header.height, header.bits // 8 * header.components
    try:
        offsets = _rle_offsets(data)
    except CutError as cut:
        return str(cut)
    if len(offsets) - 1 != planes:
        return f"its header needs {planes} RLE segments, its pixel data have {len(offsets) - 1}"
    if any((b - a) * _PACKBITS < pixels for a, b in pairwise(offsets)):
        return f"its RLE data are too short for {pixels} pixels"
    return None


# ------------------------------------------------------------------------------------------------------------- rasters


def _walk_png(data: bytes, where: object) -> None:
    at = 8
    for _ in range(_MOST_CHUNKS):
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise CutError("its PNG data end inside a chunk")
        if zlib.crc32(memoryview(data)[at + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            raise FilmError("NOT_DECODABLE", where, "a checksum of its PNG data is wrong")
        if name == b"IEND":
            return
        at = end
    raise FilmError("NOT_DECODABLE", where, f"its PNG data have more than {_MOST_CHUNKS} chunks")


def _walk_tiff(data: bytes, where: object) -> None:
    """Ask that the strips or tiles of the first picture lie inside the file."""
    _require_strips(data, *_tiff_start(data), where)


def _tiff_start(data: bytes) -> tuple[str, bool, int]:
    """Return a TIFF's byte order, whether it is a BigTIFF, and where its first picture is described."""
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    return order, big, int(struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0])


def _require_strips(data: bytes, order: str, big: bool, at: int, where: object) -> None:  # noqa: FBT001 - of a header
    """Refuse, as :func:`require_complete` does, where the picture described at ``at`` lies beyond the file's end."""
    word, entry, count = ("Q", 20, "Q") if big else ("I", 12, "H")
    entries = int(struct.unpack_from(order + count, data, at)[0])
    at += struct.calcsize(count)
    if entries > 4096:
        raise FilmError("NOT_DECODABLE", where, "its TIFF header has more than 4096 entries")
    lists: dict[int, tuple[int, ...]] = {}
    for i in range(entries):
        tag, form, number = struct.unpack_from(order + "HH" + word, data, at + i * entry)
        kind = {3: "H", 4: "I", 16: "Q"}.get(form)
        if tag not in {273, 279, 324, 325} or kind is None:  # strip and tile offsets and lengths
            continue
        if number > _MOST_STRIPS:
            raise FilmError("NOT_DECODABLE", where, f"its TIFF data have more than {_MOST_STRIPS} strips")
        place = at + i * entry + 4 + struct.calcsize(word)
        if number * struct.calcsize(kind) > struct.calcsize(word):
            place = int(struct.unpack_from(order + word, data, place)[0])
        lists[tag] = struct.unpack_from(f"{order}{number}{kind}", data, place)
    for offsets, lengths in ((273, 279), (324, 325)):
        for begin, length in zip(lists.get(offsets, ()), lists.get(lengths, ()), strict=False):
            if begin + length > len(data):
                raise CutError("its TIFF data end inside a strip")


def tiff_pages(data: bytes) -> tuple[int, bool]:
    """Return how many pictures a TIFF chains, counting to 1000 at most, and whether all of them lie in the file.

    A chain that bites its tail ends there.
    """
    seen: set[int] = set()
    try:
        order, big, at = _tiff_start(data)
        word, entry, count = ("Q", 20, "Q") if big else ("I", 12, "H")
        while at and at not in seen and len(seen) < _MOST_PAGES:
            entries = int(struct.unpack_from(order + count, data, at)[0])
            seen.add(at)
            _require_strips(data, order, big, at, None)
            at = int(struct.unpack_from(order + word, data, at + struct.calcsize(count) + entries * entry)[0])
    except (struct.error, CutError, FilmError):  # the chain leads out of the file, or to what is no picture
        return max(len(seen), 1), False
    return max(len(seen), 1), True


def _walk_bmp(data: bytes, _where: object) -> None:
    begin, header, width, height = struct.unpack_from("<IIii", data, 10)
    if header >= 40:
        bits, compression = struct.unpack_from("<HI", data, 28)
        rows = (width * bits + 31) // 32 * 4 * abs(height) if compression in {0, 3} else 0
    else:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        rows = (width * bits + 31) // 32 * 4 * height
    announced = int(struct.unpack_from("<I", data, 2)[0]) if not rows else begin + rows
    if announced > len(data):
        raise CutError("its BMP data end early")


def _walk_webp(data: bytes, _where: object) -> None:
    if 8 + int(struct.unpack_from("<I", data, 4)[0]) > len(data):
        raise CutError("its WebP data end early")


_RASTERS: Final[dict[str, Callable[[bytes, object], None]]] = {
    "bmp": _walk_bmp,
    "png": _walk_png,
    "tiff": _walk_tiff,
    "webp": _walk_webp,
}
