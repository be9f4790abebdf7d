"""Pictures whose pixels are not square: by two densities that differ, never by one that any program writes."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from lungspot.images import read, with_pixel_shape

GREY = np.arange(24, dtype=np.uint8).reshape(4, 6)


def written(kind, picture=GREY, **options):
    sink = io.BytesIO()
    Image.fromarray(picture).save(sink, kind, **options)
    return sink.getvalue()


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def deep_tiff(**options):
    sink = io.BytesIO()
    tifffile.imwrite(sink, GREY.astype(np.uint16), metadata=None, **options)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("data", "shape"),
    [
        (with_pixel_shape(written("PNG"), (2, 1)), (2, 1)),
        (with_pixel_shape(written("PNG"), (2, 3)), (2, 3)),
        (with_pixel_shape(written("PNG"), (1, 1)), (1, 1)),
        (with_pixel_shape(written("PNG", exif=turned(6)), (2, 1)), (1, 2)),
        (with_pixel_shape(written("PNG", exif=turned(3)), (2, 1)), (2, 1)),
        (with_pixel_shape(written("PNG", GREY.astype(np.uint16)), (4, 3)), (4, 3)),
        (written("PNG", dpi=(200, 100)), (2, 1)),  # a fax's lines lie twice as far apart
        (written("PNG", dpi=(96, 96)), (1, 1)),
        (written("PNG", dpi=(72, 72.009)), (1, 1)),
        (written("JPEG", dpi=(100, 300)), (1, 3)),
        (written("JPEG", dpi=(72, 1)), (1, 1)),  # no pixel is 72 times as high as wide
        (written("JPEG", dpi=(0, 0)), (1, 1)),
        (written("TIFF", dpi=(200, 100)), (2, 1)),
        (written("BMP", dpi=(200, 100)), (2, 1)),
        (deep_tiff(resolution=(200, 100)), (2, 1)),
        (deep_tiff(resolution=(200, 100), extratags=[(274, "H", 1, 6)]), (1, 2)),
        (deep_tiff(resolution=((0, 1), (0, 1))), (1, 1)),
        (deep_tiff(), (1, 1)),
        (written("WEBP", lossless=True), (1, 1)),
    ],
)
def test_the_shape_of_a_pixel_is_read(data, shape):
    film = read(data, sandboxed=False)
    assert film.pixel_aspect == shape
    assert film.pixel_spacing_mm is None  # dots an inch are what a program wrote, not what a detector has
    assert film.proportions == (film.frame.width, film.frame.height * shape[0] / shape[1])
