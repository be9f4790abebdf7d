"""Pictures that lack their last bytes: read with a word where every pixel is there, refused where one is not."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from lungspot.errors import FilmError
from lungspot.images import read

DEEP = (np.add.outer(np.arange(41) * 900, np.arange(37) * 700) + 13).astype(np.uint16)
EIGHT = (DEEP >> 8).astype(np.uint8)
COLOUR = np.dstack([EIGHT, EIGHT[::-1], EIGHT])
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
END = b"\0\0\0\0IEND\xaeB`\x82"


def written(pixels, kind, **options):
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, kind, **options)
    return sink.getvalue()


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(pixels=DEEP, *, interlaced=False, after=b"", parts=1):
    """A grey PNG of 16 bits by hand, in seven passes or one, its content in so many chunks, others after them."""
    lines = b"".join(
        b"\0" + line.tobytes()
        for left, top, across, down in (PASSES if interlaced else ((0, 0, 1, 1),))
        for line in pixels[top::down, left::across].astype(">u2")
    )
    packed = zlib.compress(lines)
    step = -(-len(packed) // parts)
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 16, 0, 0, 0, int(interlaced))
    content = b"".join(chunk(b"IDAT", packed[at : at + step]) for at in range(0, len(packed), step))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + content + after + END


COMMENT = chunk(b"tEXt", b"Comment\0of a scanner")
SIDES = chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0")
# name → a file, and how many of its last bytes may be missing
FILES = {
    "png 8": (written(EIGHT, "PNG"), 20),  # the end, and the checksums of what holds the pixels
    "png 1": (written(EIGHT > 90, "PNG"), 20),
    "png colour": (written(COLOUR, "PNG"), 20),
    "png opacity": (written(np.dstack([COLOUR, EIGHT]), "PNG"), 20),
    "png palette": (written(EIGHT, "PNG", optimize=True), 20),
    "png 16": (png(), 20),
    "png 16 in parts": (png(parts=3), 20),
    "png 16 in passes": (png(interlaced=True), 20),
    "png comment": (png(after=COMMENT), len(COMMENT) + 20),
    "png sides": (png(after=SIDES), 12),
    "webp": (written(EIGHT, "WEBP", lossless=True), 0),
    "webp comment": (written(EIGHT, "WEBP", lossless=True, xmp=b"<x:xmpmeta/>"), 20),
    "webp sides": (written(EIGHT, "WEBP", lossless=True, exif=SIDES[8:-4]), 0),
    "bmp 8": (written(EIGHT, "BMP"), 3),  # a line is filled up to four bytes
    "bmp 24": (written(COLOUR, "BMP"), 1),
}


def outcome(data):
    """The pixels of the film and its notices, or the code that refuses it."""
    try:
        film = read(data, sandboxed=False)
    except FilmError as error:
        return error.code
    return film.pixels.tobytes(), [notice.code for notice in film.notices]


@pytest.mark.parametrize("name", FILES)
def test_nothing_but_pixels_is_missed(name):
    whole, spare = FILES[name]
    pixels, usual = outcome(whole)
    most = len(SIDES) + 12 if name == "png sides" else len(whole) - 12  # nobody knows of a chunk that is all gone
    for cut in (*range(1, min(40, most)), *range(50, most, 97)):
        found = outcome(whole[:-cut])
        assert found in ("TRUNCATED", (pixels, [*usual, "TRUNCATED"])), cut
        assert cut not in {1, spare} or found != "TRUNCATED" or not spare, cut
    assert all(outcome(whole[:-cut]) == "TRUNCATED" for cut in (spare + 4, spare + 12))


def test_what_may_be_cut_of_a_comment_is_all_of_it_but_its_length():
    """Of a chunk that says no name yet nobody knows whether it holds the film's orientation; zeros begin the end."""
    whole, spare = FILES["png comment"]
    refused = [cut for cut in range(1, spare + 1) if outcome(whole[:-cut]) == "TRUNCATED"]
    assert refused == list(range(len(COMMENT) + 12 - 7, len(COMMENT) + 12 - 3))


def test_a_picture_without_a_pixel_is_refused_whatever_its_end():
    packed = zlib.compress(DEEP[:-1].astype(">u2").tobytes())
    short = png()[:33] + chunk(b"IDAT", packed)
    assert outcome(short) == "TRUNCATED"
    huge = bytearray(png())
    huge[16:24] = struct.pack(">II", 50_000, 50_000)
    huge[29:33] = struct.pack(">I", zlib.crc32(bytes(huge[12:29])))
    assert outcome(bytes(huge[:-1])) == "TRUNCATED"
