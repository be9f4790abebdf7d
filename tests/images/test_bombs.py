"""Films made to exhaust the reader: each is refused with its code within one second of CPU and 200 MB of memory.

The bounds are limits of the system, set on a child that reads the film: to overrun them is to fail.
"""

import functools
import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from lungspot.errors import CODES, FilmError
from lungspot.images.read import read
from lungspot.images.sandbox import Limits, run

# The interpreter with its decoders takes about 90 MB; what a film may add makes 200 MB. Address space: more than RSS.
BOUND = Limits(memory=110 << 20, cpu=1, wall=60, result=16 << 20)

IMPLICIT, NATIVE, DEFLATED, BIG, RLE = (f"1.2.840.10008.1.2{n}" for n in ("", ".1", ".1.99", ".2", ".5"))
JPEG, LOSSLESS, JLS, J2K, HTJ2K = (f"1.2.840.10008.1.2.4.{n}" for n in (50, 70, 80, 90, 201))
LONG = {b"OB", b"OW", b"SQ", b"UN", b"UT"}
ITEM, ITEM_END, SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0" + bytes(4), b"\xfe\xff\xdd\xe0" + bytes(4)
UNDEFINED = b"\xff\xff\xff\xff"


def element(group, number, vr, value, length=None):
    value += b"\0" * (len(value) % 2)
    length = len(value) if length is None else length
    size = struct.pack("<2xI" if vr in LONG else "<H", length)
    return struct.pack("<HH", group, number) + vr + size + value


def us(number, value):
    return element(0x28, number, b"US", struct.pack("<H", value))


def fragments(*streams):
    parts = b"".join(
        ITEM + struct.pack("<I", len(part) + len(part) % 2) + part + b"\0" * (len(part) % 2) for part in streams
    )
    return element(0x7FE0, 0x10, b"OB", b"", length=0xFFFFFFFF) + ITEM + bytes(4) + parts + SEQUENCE_END


def film(
    pixels, syntax=NATIVE, *, modality=b"DX", middle=b"", size=(64, 64), frames=b"1", bits=(16, 12, 11), **replaced
):
    """Return a DX object; ``pixels`` is its last element, ``middle`` stands before group 28."""
    rows = replaced.get("rows", us(0x10, size[0]))
    columns = replaced.get("columns", us(0x11, size[1]))
    sop_class = b"1.2.840.10008.5.1.4.1.1.1.1"
    meta = element(2, 2, b"UI", sop_class) + element(2, 3, b"UI", b"1.2.3") + element(2, 0x10, b"UI", syntax.encode())
    body = (
        element(8, 0x16, b"UI", sop_class)
        + element(8, 0x18, b"UI", b"1.2.3")
        + element(8, 0x60, b"CS", modality)
        + middle
        + us(2, replaced.get("samples", 1))
        + element(0x28, 4, b"CS", replaced.get("photometric", b"MONOCHROME2"))
        + element(0x28, 8, b"IS", frames)
        + rows
        + columns
        + us(0x100, bits[0])
        + us(0x101, bits[1])
        + us(0x102, bits[2])
        + us(0x103, 0)
        + replaced.get("late", b"")
        + pixels
    )
    if syntax == DEFLATED:
        body = deflate(body)
    return bytes(128) + b"DICM" + element(2, 0, b"UL", struct.pack("<I", len(meta))) + meta + body


def native(value, length=None):
    return element(0x7FE0, 0x10, b"OW", value, length=length)


def deflate(head, zeros=0, tail=b""):
    """Return a raw deflate stream of ``head``, that many MiB of zeros, ``tail``: a thousand to one, made at once."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    first = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + block * zeros + packer.compress(tail) + packer.flush()


def deflated_film(before, zeros, after=b""):
    whole = film(b"", DEFLATED)
    start = whole.rindex(DEFLATED.encode()) + len(DEFLATED) + len(DEFLATED) % 2
    plain = film(before)
    body = plain[plain.rindex(NATIVE.encode()) + len(NATIVE) + len(NATIVE) % 2 :]
    return whole[:start] + deflate(body, zeros, after)


NOISE = np.random.default_rng(5).integers(0, 4096, (64, 64), dtype=np.uint16)
BYTES = (NOISE >> 4).astype(np.uint8)
STREAMS = {
    J2K: imagecodecs.jpeg2k_encode(NOISE, codecformat="j2k", bitspersample=12, reversible=True, level=0),
    JLS: imagecodecs.jpegls_encode(NOISE),
    LOSSLESS: imagecodecs.jpeg8_encode(NOISE, lossless=True, bitspersample=12),
    JPEG: imagecodecs.jpeg8_encode(BYTES),
}


def lie(syntax, width, height):
    """Return a codestream of 64 x 64 pixels that says it is larger."""
    stream = bytes(STREAMS[syntax])
    if syntax == J2K:
        assert struct.unpack_from(">II", stream, 8) == (64, 64)
        patched = stream[:8] + struct.pack(">II", width, height) + stream[16:24] + struct.pack(">II", width, height)
        return patched + stream[32:]
    at = next(i for i in range(len(stream)) if stream[i] == 0xFF and stream[i + 1] in {0xC0, 0xC1, 0xC3, 0xF7})
    assert struct.unpack_from(">HH", stream, at + 5) == (64, 64)
    return stream[: at + 5] + struct.pack(">HH", height, width) + stream[at + 9 :]


def eight(syntax):
    return (8, 8, 7) if syntax == JPEG else (16, 12, 11)


def rle(*lengths):
    offsets = [64 + sum(lengths[:i]) for i in range(len(lengths))]
    header = struct.pack("<16I", len(lengths), *offsets, *[0] * (15 - len(lengths)))
    return header + b"\x81\x00" * (sum(lengths) // 2)  # each pair becomes 128 bytes


def nested(depth, *, defined=False):
    if defined:
        value = b""
        for _ in range(depth):
            value = ITEM + struct.pack("<I", len(value)) + value
            value = element(8, 0x1115, b"SQ", value)
        return value
    opening = element(8, 0x1115, b"SQ", b"", length=0xFFFFFFFF) + ITEM + UNDEFINED
    return opening * depth + (ITEM_END + SEQUENCE_END) * depth


def wide(items):
    return element(8, 0x1115, b"SQ", b"", length=0xFFFFFFFF) + (ITEM + bytes(4)) * items + SEQUENCE_END


WHOLE = native(bytes(64 * 64 * 2))

DICOM_BOMBS = {
    "deflated: 1 GiB where 8 kB are needed": (lambda: deflated_film(native(b"", length=1 << 30), 1024), "TOO_LARGE"),
    "deflated: 1 GiB behind the pixels": (lambda: deflated_film(WHOLE, 1024), "TOO_LARGE"),
    "deflated: 1 GiB before the pixels": (
        lambda: deflated_film(element(9, 0x10, b"OB", b"", length=1 << 30), 1024, WHOLE),
        "TOO_LARGE",
    ),
    "deflated: size lie": (lambda: film(native(b""), DEFLATED, size=(65535, 65535)), "TOO_LARGE"),
    "deflated: 1000 frames": (lambda: film(native(b""), DEFLATED, size=(5000, 5000), frames=b"1000"), "TOO_LARGE"),
    **{
        f"{name} says 40000 x 40000, its header 64 x 64": (
            lambda syntax=syntax: film(fragments(lie(syntax, 40000, 40000)), syntax, bits=eight(syntax)),
            "NOT_DECODABLE",
        )
        for name, syntax in (("JPEG 2000", J2K), ("JPEG-LS", JLS), ("JPEG lossless", LOSSLESS), ("JPEG", JPEG))
    },
    **{
        f"{name} and its header say 40000 x 40000": (
            lambda syntax=syntax: film(fragments(lie(syntax, 40000, 40000)), syntax, size=(40000, 40000)),
            "TOO_LARGE",
        )
        for name, syntax in (("JPEG 2000", J2K), ("JPEG-LS", JLS), ("JPEG lossless", LOSSLESS), ("JPEG", JPEG))
    },
    "JPEG 2000 of 4e9 tiles": (
        lambda: film(
            fragments(lie(J2K, 64, 64).replace(struct.pack(">4I", 64, 64, 0, 0), bytes(7) + b"\1" + bytes(8))), J2K
        ),
        "NOT_DECODABLE",
    ),
    "JPEG 2000 called HTJ2K, of 16384 components": (
        lambda: film(fragments(STREAMS[J2K][:40] + b"\x40\x00" + b"\x0b\x01\x01" * 16384 + STREAMS[J2K][45:]), HTJ2K),
        "NOT_DECODABLE",
    ),
    "JPEG of 10000 scans": (
        lambda: film(
            fragments(STREAMS[JPEG][:-2] + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" * 10000 + b"\xff\xd9"),
            JPEG,
            bits=(8, 8, 7),
        ),
        "NOT_DECODABLE",
    ),
    "RLE of 644 bytes, 65535 x 65535": (lambda: film(fragments(rle(580)), RLE, size=(65535, 65535)), "TOO_LARGE"),
    "RLE of 644 bytes, 7000 x 7000": (lambda: film(fragments(rle(290, 290)), RLE, size=(7000, 7000)), "NOT_DECODABLE"),
    "RLE larger than its header": (lambda: film(fragments(rle(20000, 20000)), RLE), "NOT_DECODABLE"),
    "RLE of no segments": (lambda: film(fragments(bytes(64)), RLE), "NOT_DECODABLE"),
    "200000 fragments of one frame": (
        lambda: film(fragments(*[b"\xff\xd8"] * 200_000), JPEG, bits=(8, 8, 7)),
        "NOT_DECODABLE",
    ),
    "200000 fragments of 1000 frames": (
        lambda: film(fragments(*[b"ab"] * 200_000), J2K, frames=b"1000"),
        "NOT_DECODABLE",
    ),
    "65535 x 65535": (lambda: film(native(b""), size=(65535, 65535)), "TOO_LARGE"),
    "12000 x 12000": (lambda: film(native(b""), size=(12000, 12000)), "TOO_LARGE"),
    "1 x 65535": (lambda: film(native(b""), size=(1, 65535)), "TOO_LARGE"),
    "no rows": (lambda: film(WHOLE, size=(0, 64)), "DIMENSIONS"),
    "no columns": (lambda: film(WHOLE, size=(64, 0)), "DIMENSIONS"),
    "rows as UL of 2**32 - 1": (lambda: film(WHOLE, rows=element(0x28, 0x10, b"UL", UNDEFINED)), "TOO_LARGE"),
    "rows as UL of 2**16 + 64": (
        lambda: film(WHOLE, rows=element(0x28, 0x10, b"UL", struct.pack("<I", 65536 + 64))),
        "TOO_LARGE",
    ),
    "rows as SS of -64": (lambda: film(WHOLE, rows=element(0x28, 0x10, b"SS", struct.pack("<h", -64))), "DIMENSIONS"),
    "rows as text": (lambda: film(WHOLE, rows=element(0x28, 0x10, b"LO", b"many")), "DIMENSIONS"),
    "rows as FD infinite": (
        lambda: film(WHOLE, rows=element(0x28, 0x10, b"FD", struct.pack("<d", 9e999))),
        "DIMENSIONS",
    ),
    "1e9 frames": (lambda: film(WHOLE, frames=b"1000000000"), "TOO_LARGE"),
    "-1 frames": (lambda: film(WHOLE, frames=b"-1"), "TOO_LARGE"),
    **{
        f"bits {bits}": (lambda bits=bits: film(WHOLE, bits=bits), "DIMENSIONS")
        for bits in ((0, 0, 0), (9, 9, 8), (17, 17, 16), (16, 17, 16), (65535, 12, 11), (16, 12, 0), (16, 12, 40000))
    },
    "65535 samples a pixel": (lambda: film(WHOLE, samples=65535, photometric=b"RGB"), "DIMENSIONS"),
    "a value of 4 GB": (lambda: film(WHOLE, middle=element(9, 0x10, b"OB", b"", length=0xFFFFFFF0)), "TRUNCATED"),
    "pixel data of 4 GB": (lambda: film(native(bytes(64), length=0xFFFFFFF0)), "TRUNCATED"),
    "nested 40": (lambda: film(WHOLE, middle=nested(40)), "BAD_HEADER"),
    "nested 20000": (lambda: film(WHOLE, middle=nested(20_000)), "BAD_HEADER"),
    "nested 200000": (lambda: film(WHOLE, middle=nested(200_000)), "BAD_HEADER"),
    "nested 2000 with lengths": (lambda: film(WHOLE, middle=nested(2000, defined=True)), "BAD_HEADER"),
    "nested behind the pixels": (lambda: film(WHOLE + nested(20_000)), None),
    "200000 items": (lambda: film(WHOLE, middle=wide(200_000)), "BAD_HEADER"),
    "200000 elements": (lambda: film(WHOLE, middle=element(9, 0x10, b"LO", b"") * 200_000), "BAD_HEADER"),
    "200000 elements behind the pixels": (lambda: film(WHOLE + element(0x7FE1, 0x10, b"LO", b"") * 200_000), None),
    "a file meta group of 200000 elements": (
        lambda: bytes(128) + b"DICM" + element(2, 0x13, b"SH", b"x") * 200_000 + film(WHOLE)[132:],
        "BAD_HEADER",
    ),
    "a modality of 10 MB": (lambda: film(WHOLE, middle=element(8, 0x60, b"UT", b"X" * 10_000_000)), "NOT_A_RADIOGRAPH"),
    "a VOI LUT that promises 65536 entries": (
        lambda: film(
            WHOLE,
            late=element(
                0x28,
                0x3010,
                b"SQ",
                ITEM
                + struct.pack("<I", 26)
                + element(0x28, 0x3002, b"US", struct.pack("<3H", 0, 0, 16))
                + element(0x28, 0x3006, b"OW", b""),
            ),
        ),
        None,
    ),
    "a palette that is not there": (lambda: film(WHOLE, photometric=b"PALETTE COLOR"), "NOT_DECODABLE"),
}


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width=64, height=64, *extra, depth=8):
    rows = zlib.compress(b"".join(b"\0" + bytes(64) for _ in range(64)))
    header = chunk(b"IHDR", struct.pack(">2I5B", width, height, depth, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def zlib_bomb(mebibytes):
    return b"\x78\x9c" + deflate(b"", mebibytes) + bytes(4)


def tiff(width, height, *, pages=1, loop=False, entries=()):
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8)]
    tags += [(277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, 4), *entries]
    page = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    starts = [8 if loop else 8 + i * (len(page) + 4) for i in range(pages)]
    return b"II*\0" + b"".join(struct.pack("<I", start) + page for start in starts) + bytes(4)


def saved(picture, form, **options):
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def tall_webp():
    # VP8L: signature, then 14 bits of width - 1 and of height - 1
    content = b"/" + struct.pack("<I", 16382 | 16382 << 14) + bytes(32)
    return b"RIFF" + struct.pack("<I", 12 + len(content)) + b"WEBPVP8L" + struct.pack("<I", len(content)) + content


def bmp(width, height, bits=24, compression=0):
    head = struct.pack("<IIiiHHIIiiII", 54, 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<I4x", 60) + head + bytes(64)


RASTER_BOMBS = {
    "PNG 12000 x 12000": (lambda: saved(Image.new("1", (12000, 12000)), "PNG"), "TOO_LARGE"),
    "PNG 30000 x 30000": (lambda: png(30000, 30000), "TOO_LARGE"),
    "PNG 2**31 - 1 squared": (lambda: png(2**31 - 1, 2**31 - 1), "TOO_LARGE"),
    "PNG 0 x 0": (lambda: png(0, 0), "NOT_DECODABLE"),
    "PNG with 1 GiB of text": (lambda: png(64, 64, chunk(b"zTXt", b"k\0\0" + zlib_bomb(1024))), "NOT_DECODABLE"),
    "PNG with 1 GiB of UTF-8": (lambda: png(64, 64, chunk(b"iTXt", b"k\0\1\0\0\0" + zlib_bomb(1024))), "NOT_DECODABLE"),
    "PNG with 1 GiB of colour profile": (
        lambda: png(64, 64, chunk(b"iCCP", b"k\0\0" + zlib_bomb(1024))),
        "NOT_DECODABLE",
    ),
    "PNG of 200000 chunks": (lambda: png(64, 64, chunk(b"tEXt", b"k\0v") * 200_000), "NOT_DECODABLE"),
    "PNG animation of 4e9 frames": (lambda: png(64, 64, chunk(b"acTL", UNDEFINED + bytes(4))), None),
    "JPEG 65500 x 65500": (lambda: lie(JPEG, 65500, 65500), "TOO_LARGE"),
    "JPEG of 10000 scans": (
        lambda: STREAMS[JPEG][:-2] + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" * 10000 + b"\xff\xd9",
        "NOT_DECODABLE",
    ),
    "TIFF 65535 x 65535": (lambda: tiff(65535, 65535), "TOO_LARGE"),
    "TIFF 2**32 - 1 squared": (lambda: tiff(2**32 - 1, 2**32 - 1), "TOO_LARGE"),
    "TIFF of pages in a circle": (lambda: tiff(2, 2, pages=3, loop=True), None),
    "TIFF of 100000 pages": (lambda: tiff(2, 2, pages=100_000), None),
    "TIFF tag of 4e9 values": (lambda: tiff(2, 2, entries=[(320, 3, 2**32 - 1, 8)]), None),
    "TIFF of 65535 samples a pixel": (lambda: tiff(2, 2, entries=[(277, 3, 1, 65535)]), None),
    "WebP 16383 x 16383": (tall_webp, "TOO_LARGE"),
    "BMP 2**31 - 1 squared": (lambda: bmp(2**31 - 1, 2**31 - 1), "TRUNCATED"),
    "BMP run lengths, 30000 x 30000": (lambda: bmp(30000, 30000, 8, 1), "TOO_LARGE"),
    "BMP of negative height": (lambda: bmp(30000, -30000), "TRUNCATED"),
}
BOMBS = DICOM_BOMBS | RASTER_BOMBS


@functools.cache
def bomb(name):
    return BOMBS[name][0]()


def outcome(data):
    """Return the code that refuses the film and its line; "read" and its notices for a film."""
    try:
        found = read(data, sandboxed=False)
    except FilmError as error:
        return error.code, str(error)
    return None, str(found.notices)


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_within_a_second_and_200_mb(name):
    code = BOMBS[name][1]
    found, line = run(outcome, bomb(name), limits=BOUND, where=name)
    assert found == code, line
    assert len(line) < 400
    assert "\n" not in line


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_by_read_with_the_same_code(name):
    code = BOMBS[name][1]
    if code is None:
        assert read(bomb(name)).pixels.size <= 64 * 64
        return
    assert code in CODES
    with pytest.raises(FilmError) as caught:
        read(bomb(name))
    assert caught.value.code == code


def test_the_films_that_carry_the_bombs_are_films():
    assert read(film(native(NOISE.tobytes()))).frame.width == 64
    assert read(film(native(NOISE.tobytes()), DEFLATED)).frame.width == 64
    for syntax, stream in STREAMS.items():
        assert read(film(fragments(stream), syntax, bits=eight(syntax))).frame.height == 64
    assert read(film(fragments(rle(64, 64)), RLE)).frame.height == 64
    assert read(png()).frame.width == 64
    assert read(tiff(2, 2)).frame.width == 2
    assert read(deflated_film(native(bytes(8192)), 0)).frame.width == 64
    assert read(film(WHOLE, middle=nested(8) + wide(100))).frame.width == 64
