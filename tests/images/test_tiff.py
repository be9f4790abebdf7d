"""TIFF films of every depth, sign, byte order and polarity: read, or said to be of a kind that is not."""

import io
import logging
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from lungspot.errors import FilmError
from lungspot.images.radiograph import Origin
from lungspot.images.raster import read_raster

SHARE = np.linspace(0, 1, 48 * 40).reshape(48, 40)
TWELVE = np.rint(SHARE * 4095).astype(np.uint16)


def written(stored, **options):
    sink = io.BytesIO()
    tifffile.imwrite(sink, stored, metadata=None, **options)
    return sink.getvalue()


def opened(data):
    return read_raster(data, Origin("film", "0" * 64, "tiff"))


def codes(film):
    return [notice.code for notice in film.notices]


def twelve_bit(order, *, photometric=1):
    """A TIFF of 12 bits a sample, two in three bytes, as film scanners write them; by hand, for nobody writes both."""
    flat = TWELVE.reshape(-1, 2).astype(int)
    packed = np.stack([flat[:, 0] >> 4, (flat[:, 0] & 15) << 4 | flat[:, 1] >> 8, flat[:, 1] & 255], axis=-1)
    pixels = packed.astype(np.uint8).tobytes()
    tags = [(256, 4, 40), (257, 4, 48), (258, 3, 12), (259, 3, 1), (262, 3, photometric), (273, 4, 8), (277, 3, 1)]
    tags += [(278, 4, 48), (279, 4, len(pixels))]
    entries = b"".join(
        struct.pack(f"{order}HHI", tag, kind, 1) + struct.pack(order + ("H2x" if kind == 3 else "I"), value)
        for tag, kind, value in tags
    )
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(pixels)) + pixels
    return head + struct.pack(order + "H", len(tags)) + entries + bytes(4)


def changed(tag, was, now):
    """A TIFF of 12 bits with one entry of its header changed."""
    return twelve_bit("<").replace(struct.pack("<HHII", tag, 4, 1, was), struct.pack("<HHII", tag, 4, 1, now))


KINDS = {
    "u8": (np.rint(SHARE * 255).astype(np.uint8), 8),
    "i8": (np.rint(SHARE * 255 - 128).astype(np.int8), 8),
    "u16": (np.rint(SHARE * 65535).astype(np.uint16), 16),
    "i16": (np.rint(SHARE * 60000 - 30000).astype(np.int16), 16),
    "u32": (np.rint(SHARE * 4e9).astype(np.uint32), 32),
    "i32": (np.rint(SHARE * 4e9 - 2e9).astype(np.int32), 32),
    "f16": (SHARE.astype(np.float16), 16),
    "f32": (SHARE.astype(np.float32) * 7 - 3, 32),
    "f64": (SHARE * 7 - 3, 64),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("options", [{}, {"compression": "zstd"}, {"compression": "deflate", "tile": (16, 16)}])
def test_every_kind_is_the_same_film(kind, order, photometric, options):
    stored, bits = KINDS[kind]
    film = opened(written(stored, byteorder=order, photometric=photometric, **options))
    expected = 1 - SHARE if photometric == "miniswhite" else SHARE
    np.testing.assert_allclose(film.pixels, expected, atol=1 / 250 if bits == 8 else 1e-3)
    assert (film.bits, film.inverted) == (bits, photometric == "miniswhite")
    assert codes(film) == []


@pytest.mark.parametrize("kind", ["u8", "i16", "f32"])
@pytest.mark.parametrize(
    "options",
    [
        {"compression": "lzw", "predictor": True, "byteorder": ">"},
        {"compression": "lzma", "bigtiff": True},
        {"compression": "packbits", "rowsperstrip": 7},
    ],
)
def test_compression_loses_nothing(kind, options):
    film = opened(written(KINDS[kind][0], **options))
    np.testing.assert_array_equal(film.pixels, opened(written(KINDS[kind][0])).pixels)
    assert codes(film) == []


@pytest.mark.parametrize("kind", ["u8", "u16"])
@pytest.mark.parametrize("order", "<>")
def test_a_file_that_ends_in_its_second_picture_says_so(kind, order):
    stored = KINDS[kind][0]
    whole = written(np.stack([stored, stored[::-1]]), photometric="minisblack", byteorder=order)
    assert codes(opened(whole)) == ["FRAME_CHOSEN"]
    cut = opened(whole[: -stored.nbytes // 4])
    np.testing.assert_array_equal(cut.pixels, opened(whole).pixels)
    assert codes(cut) == ["TRUNCATED"]  # where the second picture would be described is beyond the end


@pytest.mark.parametrize(
    ("pixels", "options", "expected"),
    [
        ((255 * SHARE).astype(np.uint8), {"compression": "jpeg"}, "LOSSY"),
        (np.dstack([(255 * SHARE).astype(np.uint8)] * 3), {"compression": "webp", "photometric": "rgb"}, "UNSUPPORTED"),
    ],
)
def test_a_picture_within_says_what_it_is(pixels, options, expected):
    try:
        found = codes(opened(written(pixels, **options)))
    except FilmError as error:
        found = [error.code]
    assert found == [expected]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("photometric", "expected"), [(1, SHARE), (0, 1 - SHARE)])
def test_12_bits_are_read_packed(order, photometric, expected):
    film = opened(twelve_bit(order, photometric=photometric))
    np.testing.assert_allclose(film.pixels, expected, atol=1 / 4000)
    assert (film.bits, film.inverted) == (12, photometric == 0)


@pytest.mark.parametrize(("order", "photometric"), [("<", "rgb"), (">", "rgb")])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colour_of_16_bits_keeps_them(order, photometric, planar):
    deep = KINDS["u16"][0]
    stack = np.stack([deep] * 3, axis=-1 if planar == "contig" else 0)
    film = opened(written(stack, byteorder=order, photometric=photometric, planarconfig=planar))
    np.testing.assert_allclose(film.pixels, SHARE, atol=2 / 65535)
    assert (film.bits, codes(film)) == (16, [])
    stack = np.stack([deep, deep // 2, deep // 2], axis=-1 if planar == "contig" else 0)
    assert codes(opened(written(stack, photometric=photometric, planarconfig=planar))) == ["COLOR_CONVERTED"]


def test_what_is_transparent_is_black():
    deep = KINDS["u16"][0]
    half = np.where(np.arange(40) < 20, 65535, 0).astype(np.uint16) * np.ones((48, 1), np.uint16)
    film = opened(written(np.stack([deep, half], axis=-1), photometric="minisblack", extrasamples=["unassalpha"]))
    expected = np.where(np.arange(40) < 20, SHARE, 0)
    np.testing.assert_allclose(film.pixels, expected / expected.max(), atol=1e-4)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["u8", "u16", "f64"])
def test_it_stands_as_its_orientation_says(kind, turn):
    stored = {
        1: SHARE,
        2: np.fliplr(SHARE),
        3: np.rot90(SHARE, 2),
        4: np.flipud(SHARE),
        5: SHARE.T,
        6: np.rot90(SHARE),
        7: np.rot90(SHARE, 2).T,
        8: np.rot90(SHARE, -1),
    }[turn]
    scale = {"u8": 255, "u16": 65535, "f64": 1}[kind]
    pixels = (stored * scale).astype(KINDS[kind][0].dtype)
    film = opened(written(np.ascontiguousarray(pixels), extratags=[(274, 3, 1, turn, True)]))
    np.testing.assert_allclose(film.pixels, SHARE, atol=1 / 120)


def test_of_several_pages_the_first_is_read():
    sink = io.BytesIO()
    with tifffile.TiffWriter(sink) as file:
        file.write(KINDS["f64"][0], metadata=None)
        file.write(KINDS["f64"][0][::-1], metadata=None)
    film = opened(sink.getvalue())
    np.testing.assert_allclose(film.pixels, SHARE, atol=1e-6)
    assert codes(film) == ["FRAME_CHOSEN"]


@pytest.mark.parametrize(
    "data",
    [
        written(SHARE.astype(np.complex64)),
        written(KINDS["u16"][0], photometric="palette", colormap=np.zeros((3, 65536), np.uint16)),
        written(np.stack([KINDS["u16"][0]] * 5, axis=-1), planarconfig="contig", photometric="minisblack"),
        written(KINDS["u16"][0], compression="jpeg2000"),
        written(KINDS["f32"][0], compression="lerc"),
        written(np.rint(SHARE * 4e9).astype(np.uint64)),
        *(
            written(np.where(SHARE > 0.5, odd, SHARE).astype(kind))
            for odd in (np.nan, np.inf)
            for kind in ("f2", ">f4", "f8")
        ),
        written(np.stack([np.where(SHARE > 0.5, np.nan, SHARE)] * 3, axis=-1), photometric="rgb"),
        written(
            np.stack([np.full_like(SHARE, np.nan), SHARE], axis=-1), extrasamples=["unassalpha"], planarconfig="contig"
        ),
    ],
)
def test_another_kind_is_unsupported_never_damaged(data):
    with pytest.raises(FilmError) as caught:
        opened(data)
    assert caught.value.code == "UNSUPPORTED"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (written(KINDS["u16"][0])[:-2], "TRUNCATED"),
        (written(KINDS["u16"][0]).replace(b"\x3f\0\0\0", b"\0\0\0\0"), None),
        (twelve_bit("<", photometric=77), "NOT_DECODABLE"),
        (b"II*\0\x08\0\0\0\xff\xff", "NOT_DECODABLE"),
        (b"II*\0\xff\xff\0\0", "TRUNCATED"),
        (changed(279, 2880, 0), "TRUNCATED"),  # a strip of no bytes
        (changed(279, 2880, 99), "NOT_DECODABLE"),
        (changed(256, 40, 60_000), "TOO_LARGE"),
        (changed(256, 40, 0), "DIMENSIONS"),
    ],
)
def test_damage_is_said(data, code):
    if code is None:
        assert opened(data).bits == 16
        return
    with pytest.raises(FilmError) as caught:
        opened(data)
    assert caught.value.code == code


def test_pillow_and_tifffile_see_one_film():
    stored = KINDS["u16"][0]
    sink = io.BytesIO()
    Image.fromarray(stored).save(sink, "TIFF")
    np.testing.assert_array_equal(opened(sink.getvalue()).pixels, opened(written(stored)).pixels)


def test_the_library_says_nothing_of_its_own(capfd):
    with pytest.raises(FilmError):
        opened(b"II*\0\x08\0\0\0\x01\0\x00\x01\x04\0\x01\0\0\0\x01\0\0\0\x04\0\0\0")
    assert not logging.getLogger("tifffile").disabled
    assert capfd.readouterr() == ("", "")
