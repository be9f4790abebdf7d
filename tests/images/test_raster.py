import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from lungspot.errors import FilmError
from lungspot.images.radiograph import Origin
from lungspot.images.raster import read_raster
from lungspot.images.size import MAX_PIXELS, check_size

GRADIENT = np.arange(30 * 20, dtype=np.uint16).reshape(30, 20) * 109  # 0 to 65291
SHARE = GRADIENT / GRADIENT.max()
EIGHT = np.rint(SHARE * 255).astype(np.uint8)
ONE_LEVEL = 1 / 255


def written(picture, kind, **options):
    sink = io.BytesIO()
    picture.save(sink, kind, **options)
    return sink.getvalue()


def opened(data, kind):
    return read_raster(data, Origin("film", "0" * 64, kind))


def codes(film):
    return [notice.code for notice in film.notices]


def with_alpha(alpha):
    return Image.fromarray(np.dstack([EIGHT, alpha]))


def palette():
    picture = Image.fromarray(EIGHT).convert("P")
    picture.putpalette([level for level in range(256) for _ in range(3)])
    return picture


@pytest.mark.parametrize(
    ("picture", "kind", "options", "bits", "tolerance"),
    [
        (Image.fromarray(EIGHT), "png", {}, 8, ONE_LEVEL),
        (Image.fromarray(EIGHT), "bmp", {}, 8, ONE_LEVEL),
        (Image.fromarray(EIGHT), "tiff", {}, 8, ONE_LEVEL),
        (Image.fromarray(EIGHT), "tiff", {"compression": "tiff_lzw"}, 8, ONE_LEVEL),
        (Image.fromarray(EIGHT), "tiff", {"compression": "tiff_deflate"}, 8, ONE_LEVEL),
        (Image.fromarray(EIGHT), "webp", {"lossless": True}, 8, ONE_LEVEL),
        (Image.fromarray(EIGHT), "jpeg", {"quality": 100}, 8, 3 * ONE_LEVEL),
        (Image.fromarray(EIGHT), "jpeg", {"quality": 100, "progressive": True}, 8, 3 * ONE_LEVEL),
        (Image.fromarray(GRADIENT), "png", {}, 16, 1e-6),
        (Image.fromarray(GRADIENT >> 4), "png", {}, 16, 1 / 4000),  # 12 bits in 16
        (Image.fromarray(GRADIENT), "tiff", {}, 16, 1e-6),
        (Image.fromarray(GRADIENT.astype(">u2")), "tiff", {}, 16, 1e-6),
        (Image.fromarray(GRADIENT.astype(np.int32) - 40_000), "tiff", {}, 32, 1e-6),
        (Image.fromarray(SHARE.astype(np.float32) * 7 - 3), "tiff", {}, 32, 1e-6),
        (Image.fromarray(np.dstack([EIGHT] * 3)), "png", {}, 8, ONE_LEVEL),
        (with_alpha(np.full_like(EIGHT, 255)), "png", {}, 8, ONE_LEVEL),
        (with_alpha(np.full_like(EIGHT, 255)).convert("RGBA"), "png", {}, 8, ONE_LEVEL),
        (palette(), "png", {}, 8, ONE_LEVEL),
        (palette(), "bmp", {}, 8, ONE_LEVEL),
    ],
)
def test_a_film_is_the_same_in_every_raster(picture, kind, options, bits, tolerance):
    film = opened(written(picture, kind, **options), kind)
    assert film.bits == bits
    assert not film.inverted
    assert codes(film) == (["LOSSY"] if kind == "jpeg" else [])
    np.testing.assert_allclose(film.pixels, SHARE, atol=tolerance)


def test_one_bit_is_black_and_white():
    film = opened(written(Image.fromarray(EIGHT > 100), "png"), "png")
    assert film.bits == 1
    np.testing.assert_array_equal(film.pixels, EIGHT > 100)


def test_what_is_transparent_is_black():
    alpha = np.full_like(EIGHT, 255)
    alpha[:, :5] = 0
    film = opened(written(with_alpha(alpha), "png"), "png")
    assert film.pixels[:, :5].max() == 0
    np.testing.assert_allclose(film.pixels[:, 5:], SHARE[:, 5:], atol=ONE_LEVEL)


def test_a_transparent_palette_entry_is_black():
    film = opened(written(palette(), "png", transparency=255), "png")
    assert film.pixels.max() < 1.001
    assert film.pixels[-1, -1] == 0


def test_colour_becomes_brightness_and_says_so():
    red = np.dstack([EIGHT, EIGHT * 0, EIGHT * 0])
    film = opened(written(Image.fromarray(red), "png"), "png")
    assert codes(film) == ["COLOR_CONVERTED"]
    np.testing.assert_allclose(film.pixels, SHARE, atol=0.02)


def test_a_colour_jpeg_for_print_is_read():
    film = opened(written(Image.fromarray(np.dstack([EIGHT] * 3)).convert("CMYK"), "jpeg", quality=100), "jpeg")
    np.testing.assert_allclose(film.pixels, SHARE, atol=0.05)


STORED = {  # EXIF orientation → how a film that is to be seen as EIGHT lies in the file
    1: EIGHT,
    2: np.fliplr(EIGHT),
    3: np.rot90(EIGHT, 2),
    4: np.flipud(EIGHT),
    5: EIGHT.T,
    6: np.rot90(EIGHT),
    7: np.rot90(EIGHT, 2).T,
    8: np.rot90(EIGHT, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff"])
def test_the_film_stands_as_its_exif_orientation_says(orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100} if kind in {"jpeg", "webp"} else {}
    picture = Image.fromarray(np.ascontiguousarray(STORED[orientation]))
    film = opened(written(picture, kind, exif=exif, **options), kind)
    np.testing.assert_allclose(film.pixels, SHARE, atol=0.05)


def tiff(stored, *, photometric, order="<"):
    """Write a plain TIFF of one strip by hand: Pillow writes no white-is-zero of 16 bits."""
    bits = stored.dtype.itemsize * 8
    tags = [
        (256, 4, stored.shape[1]),
        (257, 4, stored.shape[0]),
        (258, 3, bits),
        (259, 3, 1),
        (262, 3, photometric),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, stored.shape[0]),
        (279, 4, stored.nbytes),
    ]
    entries = b"".join(
        struct.pack(f"{order}HHI", tag, kind, 1) + struct.pack(order + ("H2x" if kind == 3 else "I"), value)
        for tag, kind, value in tags
    )
    mark = b"II*\0" if order == "<" else b"MM\0*"
    pixels = stored.astype(stored.dtype.newbyteorder(order)).tobytes()
    return (
        mark
        + struct.pack(order + "I", 8 + len(pixels))
        + pixels
        + struct.pack(order + "H", len(tags))
        + entries
        + b"\0" * 4
    )


@pytest.mark.parametrize(
    ("stored", "order"), [(65535 - GRADIENT, "<"), (65535 - GRADIENT, ">"), (255 - EIGHT, "<"), (255 - EIGHT, ">")]
)
def test_a_tiff_whose_zero_is_white_is_turned(stored, order):
    film = opened(tiff(stored, photometric=0, order=order), "tiff")
    np.testing.assert_allclose(film.pixels, SHARE, atol=ONE_LEVEL)


def test_the_first_of_several_pictures_is_read():
    pages = [Image.fromarray(EIGHT), Image.fromarray(255 - EIGHT)]
    for kind in ("tiff", "png", "webp"):
        options = {"lossless": True} if kind == "webp" else {}
        film = opened(written(pages[0], kind, save_all=True, append_images=pages[1:], **options), kind)
        assert "FRAME_CHOSEN" in codes(film)
        np.testing.assert_allclose(film.pixels, SHARE, atol=ONE_LEVEL)


def test_a_lossy_webp_says_so():
    assert codes(opened(written(Image.fromarray(EIGHT), "webp", quality=90), "webp")) == ["LOSSY"]


@pytest.mark.parametrize(
    ("width", "height", "code"),
    [
        (0, 10, "DIMENSIONS"),
        (10, -1, "DIMENSIONS"),
        (20_001, 10, "TOO_LARGE"),
        (10, 20_001, "TOO_LARGE"),
        (10_000, MAX_PIXELS // 10_000 + 1, "TOO_LARGE"),
    ],
)
def test_a_size_that_no_film_has_is_refused(width, height, code):
    with pytest.raises(FilmError) as caught:
        check_size(width, height, "film")
    assert caught.value.code == code


def test_the_largest_size_is_read():
    check_size(10_000, MAX_PIXELS // 10_000, "film")


def png_of(width, height):
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    sink = io.BytesIO(b"")
    sink.write(b"\x89PNG\r\n\x1a\n")
    for name, body in ((b"IHDR", header), (b"IDAT", b"\x78\x9c\x03\x00\x00\x00\x00\x01"), (b"IEND", b"")):
        PngImagePlugin.putchunk(sink, name, body)
    return sink.getvalue()


@pytest.mark.parametrize("side", [10_000, 20_001, 65_000, 2_000_000_000])
def test_a_bomb_is_refused_by_its_header(side):
    with pytest.raises(FilmError) as caught:
        opened(png_of(side, side), "png")
    assert caught.value.code == "TOO_LARGE"


@pytest.mark.parametrize(
    ("data", "kind", "code"),
    [
        (png_of(40, 40), "png", "TRUNCATED"),
        (b"\x89PNG\r\n\x1a\n" + png_of(40, 40)[33:], "png", "NOT_DECODABLE"),
        (written(Image.fromarray(EIGHT), "jpeg")[:-3], "jpeg", "TRUNCATED"),
        (written(Image.fromarray(EIGHT), "bmp")[:-1], "bmp", "TRUNCATED"),
        (written(Image.fromarray(EIGHT), "webp")[:-9], "webp", "TRUNCATED"),
        (tiff(EIGHT, photometric=77), "tiff", "NOT_DECODABLE"),
        (written(Image.fromarray(np.full((4, 4), np.nan, np.float32)), "tiff"), "tiff", "UNSUPPORTED"),
    ],
)
def test_damage_is_refused_with_its_code(data, kind, code):
    with pytest.raises(FilmError) as caught:
        opened(data, kind)
    assert (caught.value.code, caught.value.where) == (code, "film")


def test_a_want_of_memory_is_not_taken_for_damage(monkeypatch):
    def want(*_, **__):
        raise MemoryError

    monkeypatch.setattr(Image, "open", want)
    with pytest.raises(MemoryError):
        opened(png_of(4, 4), "png")


def deep_png(samples, *, kind, **chunks):
    """A PNG of 16 bits a sample by hand: Pillow writes grey ones only. ``kind``: 0 grey, 2 RGB, 4 and 6 with alpha."""
    rows, columns = samples.shape[:2]
    header = struct.pack(">IIBBBBB", columns, rows, 16, kind, 0, 0, 0)
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in samples)
    parts = [
        (b"IHDR", header),
        *((name.encode(), data) for name, data in chunks.items()),
        (b"IDAT", zlib.compress(lines)),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in [*parts, (b"IEND", b"")]
    )


FULL = np.full_like(GRADIENT, 65535)


@pytest.mark.parametrize(
    ("samples", "kind"),
    [
        (GRADIENT, 0),
        (np.dstack([GRADIENT, FULL]), 4),
        (np.dstack([GRADIENT] * 3), 2),
        (np.dstack([*[GRADIENT] * 3, FULL]), 6),
    ],
)
def test_a_png_of_16_bits_keeps_them(samples, kind):
    film = opened(deep_png(samples, kind=kind), "png")
    np.testing.assert_allclose(film.pixels, SHARE, atol=2 / 65535)
    assert len(np.unique(film.pixels)) > 590  # of 600 levels; 8 bits have 256
    assert (film.bits, codes(film)) == (16, [])


def test_a_deep_colour_png_says_that_it_was_turned_into_grey():
    film = opened(deep_png(np.dstack([GRADIENT, GRADIENT // 2, GRADIENT // 2]), kind=2), "png")
    np.testing.assert_allclose(film.pixels, SHARE, atol=2 / 65535)
    assert codes(film) == ["COLOR_CONVERTED"]


@pytest.mark.parametrize("kind", [4, 6])
def test_what_is_transparent_in_a_deep_png_is_black(kind):
    alpha = np.where(np.arange(20) < 10, 65535, 0) * np.ones_like(GRADIENT)
    grey = [GRADIENT] * (1 if kind == 4 else 3)
    film = opened(deep_png(np.dstack([*grey, alpha.astype(np.uint16)]), kind=kind), "png")
    seen = np.where(np.arange(20) < 10, SHARE, 0)
    np.testing.assert_allclose(film.pixels, seen / seen.max(), atol=1e-4)


@pytest.mark.parametrize(("samples", "kind", "key"), [(GRADIENT, 0, 1), (np.dstack([GRADIENT] * 3), 2, 3)])
def test_the_one_transparent_colour_of_a_deep_png_is_black(samples, kind, key):
    film = opened(deep_png(samples, kind=kind, tRNS=struct.pack(f">{key}H", *[int(GRADIENT[29, 19])] * key)), "png")
    expected = GRADIENT.copy()
    expected[29, 19] = 0
    np.testing.assert_allclose(film.pixels, expected / expected.max(), atol=1e-4)


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("colors", [1, 3])
def test_a_deep_png_stands_as_its_orientation_says(orientation, colors):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(STORED[orientation]).astype(np.uint16) * 257
    samples = stored if colors == 1 else np.dstack([stored] * 3)
    data = deep_png(samples, kind=0 if colors == 1 else 2, eXIf=exif.tobytes().removeprefix(b"Exif\0\0"))
    np.testing.assert_allclose(opened(data, "png").pixels, SHARE, atol=ONE_LEVEL)
