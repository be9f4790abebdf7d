"""PNG, WebP and BMP files that lack their last bytes and no pixel: completed, so that a decoder takes them.

A PNG ends with a chunk that says so, a WebP may end with notes about its picture, a BMP's lines with bytes of fill.
Transfers cut them off. Whether every pixel is there can be counted; where one is missing, nothing is completed.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from lungspot.images.size import MAX_PIXELS

__all__ = ["completed"]

_SIGNATURE: Final = 8
_CHUNK: Final = 12  # bytes about a chunk's body: length, name, checksum
_PNG_END: Final = b"\0\0\0\0IEND\xaeB`\x82"
_SAMPLES: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # colour type → samples a pixel
# Adam7: first column and row, and the steps between them, of each pass
_PASSES: Final = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
_VP8X_EXIF, _VP8X_XMP = 0x08, 0x04


def completed(data: bytes, kind: str) -> bytes | None:
    """Return a whole file of the pixels in ``data``, which end early; None where more than the end is missing.

    ``kind``: as in :mod:`~lungspot.images.sniff`; of kinds that have no such end, None.
    """
    complete = {"png": _png, "webp": _webp, "bmp": _bmp}.get(kind)
    try:
        return complete(data) if complete else None
    except (struct.error, IndexError, KeyError, zlib.error):
        return None


def _png(data: bytes) -> bytes | None:
    """Return a PNG with an end whose IDAT chunks, the last of which may be cut, hold every line."""
    before, packed, after = bytearray(data[:_SIGNATURE]), bytearray(), bytearray()
    at, cut = _SIGNATURE, b""
    while at < len(data) and not cut:
        chunk = data[at : at + 8]
        length = int.from_bytes(chunk[:4], "big")
        end = at + _CHUNK + length
        if chunk[4:] == b"IDAT":
            packed += data[at + 8 : min(end - 4, len(data))]
        elif end > len(data):
            cut = chunk
        else:
            (after if packed else before).extend(data[at:end])
        at = end
    if not packed or not _may_be_lost(cut):
        return None
    width, height, bits, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", before, _SIGNATURE + 8)
    if not 0 < width * height <= MAX_PIXELS:
        return None
    needed = _bytes_of_lines(width, height, bits * _SAMPLES[colour], interlaced=bool(interlaced))
    lines = zlib.decompressobj().decompress(bytes(packed), needed)
    if len(lines) < needed:
        return None
    return bytes(before) + _png_chunk(b"IDAT", zlib.compress(lines, 1)) + bytes(after) + _PNG_END


def _may_be_lost(cut: bytes) -> bool:
    """Tell whether the chunk that begins so, up to 8 bytes of it, says nothing about how the picture is to be seen."""
    if len(cut) < 8:
        return _PNG_END.startswith(cut)
    return cut[4:] == b"IEND" or (chr(cut[4]).islower() and cut[4:] != b"eXIf")  # EXIF: which side is up


def _bytes_of_lines(width: int, height: int, bits: int, *, interlaced: bool) -> int:
    """Return how many bytes a PNG's lines take, each with one more for its filter; ``bits``: of a pixel."""
    total = 0
    for left, top, across, down in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + -(-columns * bits // 8))
    return total


def _png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _webp(data: bytes) -> bytes | None:
    """Return a WebP of those chunks that are whole; None unless its (first) picture is among them."""
    chunks: dict[bytes, bytes] = {}  # the first of each name
    body = bytearray()
    at = 12
    while at + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        payload = data[at + 8 : at + 8 + length]
        if len(payload) < length:
            break
        chunks.setdefault(name, payload)
        body += data[at : at + 8] + payload + bytes(length % 2)
        at += 8 + length + length % 2
    flags = chunks[b"VP8X"][0] if b"VP8X" in chunks else 0
    if not chunks.keys() & {b"VP8 ", b"VP8L", b"ANMF"} or (flags & _VP8X_EXIF and b"EXIF" not in chunks):
        return None
    if flags & _VP8X_XMP and b"XMP " not in chunks:
        body[body.index(b"VP8X") + 8] &= ~_VP8X_XMP & 0xFF
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + bytes(body)


def _bmp(data: bytes) -> bytes | None:
    """Return a BMP with the fill of its last line."""
    begin, header = struct.unpack_from("<II", data, 10)
    if header >= 40:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    else:
        (width, height, _, bits), compression = struct.unpack_from("<HHHH", data, 18), 0
    stride = (width * bits + 31) // 32 * 4
    missing = begin + stride * abs(height) - len(data)
    fill = stride - -(-width * bits // 8)
    return data + bytes(missing) if compression in {0, 3} and 0 < missing <= fill else None
