"""JPEG pictures of more than 8 bits, and lossless ones: as they are in DICOM films, only without the header."""

import io
import struct

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from lungspot.errors import FilmError
from lungspot.images import read

TWELVE = np.add.outer(np.arange(40) * 60, np.arange(48) * 30).astype(np.uint16)
SHARE = TWELVE / TWELVE.max()
RED = np.dstack([TWELVE, *[TWELVE // 2] * 2])


def encoded(pixels, **options):
    return bytes(imagecodecs.jpeg8_encode(pixels, **options))


def codes(film):
    return [notice.code for notice in film.notices]


@pytest.mark.parametrize(
    ("data", "bits", "tolerance", "said"),
    [
        (encoded(TWELVE, level=98, bitspersample=12), 12, 0.01, ["LOSSY"]),
        (encoded(np.dstack([TWELVE] * 3), level=98, bitspersample=12), 12, 0.01, ["LOSSY"]),
        (encoded(TWELVE, lossless=True, predictor=1, bitspersample=12), 12, 1e-6, []),
        (encoded(TWELVE << 3, lossless=True, predictor=6, bitspersample=16), 16, 1e-6, []),
        (encoded((TWELVE >> 4).astype(np.uint8), lossless=True, predictor=1), 8, 1 / 250, []),
    ],
)
def test_a_deep_jpeg_keeps_its_bits(data, bits, tolerance, said):
    film = read(data, sandboxed=False)
    np.testing.assert_allclose(film.pixels, SHARE, atol=tolerance)
    assert (film.bits, codes(film)) == (bits, said)


def segment(code, content):
    return bytes([0xFF, code]) + struct.pack(">H", len(content) + 2) + content


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_deep_jpeg_stands_as_its_orientation_says(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    note = exif.tobytes()
    density = b"JFIF\0\1\1\1" + struct.pack(">HH", 200, 100) + b"\0\0"
    data = encoded(TWELVE, lossless=True, predictor=1, bitspersample=12)
    assert data[2:4] == b"\xff\xe0"
    rest = data[4 + int.from_bytes(data[4:6], "big") :]
    plain = io.BytesIO()
    Image.fromarray((TWELVE >> 4).astype(np.uint8)).save(plain, "PNG", exif=exif)
    film = read(data[:2] + segment(0xE0, density) + segment(0xE1, note) + rest, sandboxed=False)
    np.testing.assert_allclose(film.pixels, read(plain.getvalue(), sandboxed=False).pixels, atol=0.01)
    assert film.pixel_aspect == ((1, 2) if orientation > 4 else (2, 1))


def refusal(data):
    with pytest.raises(FilmError) as caught:
        read(data, sandboxed=False)
    return caught.value.code


def test_what_no_decoder_here_reads_is_unsupported_and_what_is_damaged_is_not():
    data = encoded(TWELVE, level=90, bitspersample=12)
    at = data.index(b"\xff\xc1")
    assert refusal(data[:at] + b"\xff\xcd" + data[at + 2 :]) == "UNSUPPORTED"  # hierarchical
    assert refusal(data[: at + 9] + b"\x02" + data[at + 10 :]) == "UNSUPPORTED"  # two samples a pixel
    assert refusal(data[: at + 5] + struct.pack(">HH", 30_000, 30_000) + data[at + 9 :]) == "TOO_LARGE"
    assert refusal(data[: len(data) // 2]) == "TRUNCATED"
    broken = bytearray(data)
    broken[at + 10 : at + 13] = b"\xff" * 3
    assert refusal(bytes(broken)) == "NOT_DECODABLE"
