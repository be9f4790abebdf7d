"""PNG, JPEG, TIFF, WebP and BMP films: one upright grey picture, its size checked before any pixel is decoded."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import Any, Final

import numpy as np
from imagecodecs import png_decode
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    ExifTags,
    Image,
    ImageOps,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from lungspot.errors import FilmError
from lungspot.images.codestream import tiff_pages
from lungspot.images.deep_jpeg import JpegFacts, jpeg_facts, read_deep_jpeg
from lungspot.images.end_marker import decode_whole
from lungspot.images.grey import luma, stretch, through_levels
from lungspot.images.pixel_shape import pixel_shape, shape_of
from lungspot.images.radiograph import Notice, Origin, Pixels, Radiograph
from lungspot.images.size import check_size
from lungspot.images.tiff import is_tiff, needs_tifffile, read_tiff
from lungspot.outputs import DRAWN

__all__ = ["read_raster"]

# Pillow imports its plugins when a file is opened. Here that would be in each film's child: 5 to 30 ms for every film,
# and for ever where another thread had half imported one at the moment of the fork.
_PLUGINS: Final = (
    BmpImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
Image.preinit()

_TINT: Final = 8  # levels between the channels of a grey film that lossy compression may leave
_CONVERTED: Final = Notice("COLOR_CONVERTED", "colour turned into grey")
# EXIF orientation → what sets a picture upright
_TURNS: Final[dict[int, Callable[[NDArray[Any]], NDArray[Any]]]] = {
    2: np.fliplr,
    3: lambda picture: np.rot90(picture, 2),
    4: np.flipud,
    5: lambda picture: np.swapaxes(picture, 0, 1),
    6: lambda picture: np.rot90(picture, -1),
    7: lambda picture: np.swapaxes(np.rot90(picture, 2), 0, 1),
    8: np.rot90,
}
_DEEP: Final = 16  # bits a sample, which Pillow reads of grey PNGs only
_PILLOWS: Final = 8  # bits a sample of a JPEG
_PHOTOMETRIC: Final = 262  # the TIFF tag that says which values are white
# how a TIFF is compressed that Pillow reads, wherever it was built
_TIFF_KINDS: Final = frozenset(
    {
        *("raw", "tiff_raw_16", "tiff_ccitt", "group3", "group4", "tiff_lzw", "tiff_jpeg", "jpeg", "packbits"),
        *("tiff_adobe_deflate", "tiff_thunderscan", "tiff_deflate", "zstd", "lzma"),
    }
)


def read_raster(data: bytes, origin: Origin) -> Radiograph:
    """Return the film in ``data``, a file of kind ``origin.kind``, turned upright as its EXIF orientation says.

    Raises FilmError TRUNCATED, NOT_DECODABLE, TOO_LARGE, DIMENSIONS or UNSUPPORTED.
    """
    where = origin.path or "<bytes>"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a decoder's doubts about metadata are not the reader's
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        film, cut = decode_whole(
            data, origin.kind, lambda whole: _decode(whole, origin, where), lambda made: made.pixels, where
        )
    return replace(film, notices=(*film.notices, *cut)) if cut else film


def _decode(data: bytes, origin: Origin, where: str) -> Radiograph:
    try:
        if origin.kind == "tiff" and needs_tifffile(data):
            return _decode_tiff(data, origin, where)
        facts = jpeg_facts(data) if origin.kind == "jpeg" else None
        if facts is not None and (facts.bits > _PILLOWS or facts.problem):
            return _decode_deep_jpeg(data, facts, origin, where)
        return _decode_with_pillow(data, facts, origin, where)
    except FilmError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise FilmError("TOO_LARGE", where, "the header asks for far more pixels than a film has") from error
    except UnidentifiedImageError as error:
        if origin.kind == "tiff" and is_tiff(data):
            raise FilmError("UNSUPPORTED", where, "a TIFF of a kind that is not read") from error
        raise FilmError(
            "NOT_DECODABLE", where, f"it begins like a {origin.kind.upper()}, but is damaged or unusual"
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, … at damage
        code = "TRUNCATED" if "truncated" in str(error).lower() else "NOT_DECODABLE"
        raise FilmError(code, where, f"the {origin.kind.upper()} cannot be decoded ({error})") from error


def _decode_with_pillow(data: bytes, facts: JpegFacts | None, origin: Origin, where: str) -> Radiograph:
    with Image.open(BytesIO(data), formats=(origin.kind.upper(),)) as picture:
        _refuse_drawing(picture, where)
        check_size(*picture.size, where)
        notices = _notices(picture, data, facts)
        inverted = False
        if isinstance(picture, TiffImagePlugin.TiffImageFile):
            inverted = picture.tag_v2.get(_PHOTOMETRIC) == 0
            if (how := picture.info.get("compression")) not in _TIFF_KINDS:
                raise FilmError("UNSUPPORTED", where, f"a TIFF compressed as {how}")
        shape = shape_of(picture, picture.getexif().get(ExifTags.Base.Orientation, 1))
        picture.load()
        deep = origin.kind == "png" and data[24] == _DEEP
        pixels, bits, colored = _deep_png(data, picture) if deep else _grey(_upright(picture))
    notices = (*notices, _CONVERTED) if colored else notices
    return Radiograph(pixels, replace(origin), bits, inverted=inverted, pixel_aspect=shape, notices=notices)


def _refuse_drawing(picture: Image.Image, where: str) -> None:
    """Refuse a picture of lungspot's with boxes or a map drawn over the film."""
    if picture.info.get("Software") == DRAWN:
        advice = "give the film that it was drawn over"
        raise FilmError("NOT_A_RADIOGRAPH", where, "a drawing of lungspot over a film", advice=advice)


def _decode_tiff(data: bytes, origin: Origin, where: str) -> Radiograph:
    """Return a TIFF film whose samples have more than 8 bits, a sign or a point."""
    found = read_tiff(data, where)
    if not np.isfinite(found.stored).all():
        raise FilmError("UNSUPPORTED", where, "a TIFF with samples that are no numbers (NaN, or infinite)")
    notices = _pages(*tiff_pages(data))
    pixels, colored = _from_samples(found.stored, found.orientation, alpha=found.alpha, inverted=found.white_is_zero)
    if colored:
        notices = (*notices, _CONVERTED)
    shape = pixel_shape(*found.density, found.orientation)
    return Radiograph(
        pixels, replace(origin), found.bits, inverted=found.white_is_zero, pixel_aspect=shape, notices=notices
    )


def _decode_deep_jpeg(data: bytes, facts: JpegFacts, origin: Origin, where: str) -> Radiograph:
    """Return a JPEG film whose samples have more than 8 bits."""
    stored = read_deep_jpeg(data, facts, where)
    pixels, colored = _from_samples(stored, facts.orientation, top=(1 << facts.bits) - 1)
    notices = (*(() if facts.lossless else (_lossy("JPEG"),)), *((_CONVERTED,) if colored else ()))
    shape = pixel_shape(*facts.density, facts.orientation)
    return Radiograph(pixels, replace(origin), facts.bits, pixel_aspect=shape, notices=notices)


def _deep_png(data: bytes, picture: Image.Image) -> tuple[Pixels, int, bool]:
    """Return a PNG of 16 bits a sample: grey or colour, with opacity or without; Pillow keeps the first kind only."""
    stored = np.asarray(png_decode(data))
    key = picture.info.get("transparency")
    if key is not None and stored.ndim == (2 if isinstance(key, int) else 3):  # one colour that is transparent
        hidden = stored == key if isinstance(key, int) else (stored[..., :3] == key).all(axis=-1)
        stored = np.where(hidden if stored.ndim == 2 else hidden[..., None], 0, stored).astype(stored.dtype)
    turn = picture.getexif().get(ExifTags.Base.Orientation, 1)
    pixels, colored = _from_samples(stored, turn, alpha=stored.ndim == 3 and stored.shape[-1] in {2, 4})
    return pixels, _DEEP, colored


def _from_samples(
    stored: NDArray[Any], turn: int, *, alpha: bool = False, inverted: bool = False, top: float | None = None
) -> tuple[Pixels, bool]:
    """Return stored samples, shape (height, width) or (height, width, samples), as grey, and whether there was colour.

    ``turn``: the EXIF orientation. ``alpha``: the last sample is opacity. ``inverted``: zero is white. ``top``: the
    greatest value, where it is not the type's.
    """
    stored = _TURNS.get(turn, np.asarray)(stored)
    if stored.ndim == 2:
        stored = stored[..., None]
    whole = np.issubdtype(stored.dtype, np.integer)
    top = top or (np.iinfo(stored.dtype).max if whole else 1.0)
    colors = 3 if stored.shape[-1] >= 3 else 1
    colored = colors == 3 and float(np.ptp(stored[..., :3].astype(np.float64), axis=-1).max()) > _TINT * top / 255
    grey = luma(stored[..., :3]) if colors == 3 else stored[..., 0]
    if alpha:  # what is transparent is outside the film: black
        values = (top - grey if inverted else grey) * (stored[..., -1].astype(np.float64) / top)
        return stretch(values), colored
    if whole and stored.dtype.itemsize <= 2:
        return through_levels(grey, inverted=inverted), colored
    return stretch(grey.astype(np.float64), inverted=inverted), colored


def _grey(picture: Image.Image) -> tuple[Pixels, int, bool]:
    """Return grey pixels in [0, 1], the bits a sample, and whether there was colour to lose."""
    mode = picture.mode
    if mode == "1":
        return through_levels(np.asarray(picture.convert("L"))), 1, False
    if mode == "L":
        return through_levels(np.asarray(picture)), 8, False
    return _from_color(picture)


def _from_color(picture: Image.Image) -> tuple[Pixels, int, bool]:
    if picture.has_transparency_data:  # what is transparent is outside the film: black
        solid = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", solid.size, (0, 0, 0, 255)), solid)
    color = np.asarray(picture.convert("RGB"))
    tint = int(np.ptp(color, axis=-1).max())
    return through_levels(luma(color)), 8, tint > _TINT


def _upright(picture: Image.Image) -> Image.Image:
    if picture.getexif().get(ExifTags.Base.Orientation, 1) == 1:
        return picture
    return ImageOps.exif_transpose(picture)


def _notices(picture: Image.Image, data: bytes, facts: JpegFacts | None) -> tuple[Notice, ...]:
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        found = _pages(*tiff_pages(data))  # Pillow would read every page to count them
        return (*found, _lossy("JPEG")) if picture.info.get("compression") in {"jpeg", "tiff_jpeg"} else found
    found = _pages(getattr(picture, "n_frames", 1), whole=True)
    lossy = picture.format in {"JPEG", "MPO"} and not (facts and facts.lossless)
    if lossy or (picture.format == "WEBP" and b"VP8 " in data[:64]):
        return (*found, _lossy(str(picture.format).replace("MPO", "JPEG")))
    return found


def _pages(count: int, whole: bool) -> tuple[Notice, ...]:  # noqa: FBT001 - as tiff_pages returns them
    found = [Notice("FRAME_CHOSEN", f"the first of {count} pictures was read")] if count > 1 else []
    return (*found, *(() if whole else (Notice("TRUNCATED", "the file ends early; its first picture is whole"),)))


def _lossy(kind: str) -> Notice:
    return Notice("LOSSY", f"compressed with loss ({kind})")
