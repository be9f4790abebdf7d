"""PNG, JPEG, TIFF, WebP and BMP films: one upright grey picture, its size checked before any pixel is decoded."""

from __future__ import annotations

import warnings
from dataclasses import replace
from io import BytesIO
from typing import Final

import numpy as np
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
from lungspot.images.codestream import require_complete, tiff_pages
from lungspot.images.grey import luma, stretch, tabulate
from lungspot.images.radiograph import Notice, Origin, Pixels, Radiograph
from lungspot.outputs import DRAWN

__all__ = ["MAX_PIXELS", "MAX_SIDE", "check_size", "read_raster"]

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

MAX_SIDE: Final = 20_000  # the largest stitched film is half of that
MAX_PIXELS: Final = 50_000_000  # a chest film has 4 to 15 million
_TINT: Final = 8  # levels between the channels of a grey film that lossy compression may leave
_MIN_IS_WHITE: Final = 262  # the TIFF tag PhotometricInterpretation


def check_size(width: int, height: int, where: str) -> None:
    """Refuse (FilmError DIMENSIONS, TOO_LARGE) a size in pixels that no chest film has, before anything is decoded."""
    if width < 1 or height < 1:
        raise FilmError("DIMENSIONS", where, f"the header says {width} x {height} pixels")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        allowed = f"at most {MAX_SIDE} on a side and {MAX_PIXELS // 1_000_000} million in all"
        raise FilmError("TOO_LARGE", where, f"the header says {width} x {height} pixels; {allowed} are read")


def read_raster(data: bytes, origin: Origin) -> Radiograph:
    """Return the film in ``data``, a file of kind ``origin.kind``, turned upright as its EXIF orientation says.

    Raises FilmError TRUNCATED, NOT_DECODABLE, TOO_LARGE, DIMENSIONS or UNSUPPORTED.
    """
    where = origin.path or "<bytes>"
    require_complete(data, origin.kind, where)  # decoders may fill in what is missing and say nothing
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a decoder's doubts about metadata are not the reader's
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return _decode(data, origin, where)


def _decode(data: bytes, origin: Origin, where: str) -> Radiograph:
    try:
        with Image.open(BytesIO(data), formats=(origin.kind.upper(),)) as picture:
            _refuse_drawing(picture, where)
            check_size(*picture.size, where)
            notices = _notices(picture, data, origin.kind)
            white_is_zero = origin.kind == "tiff" and _zero_is_white(picture)
            picture.load()
            upright = _upright(picture)
            pixels, bits, colored = _grey(upright, inverted=white_is_zero)
    except FilmError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise FilmError("TOO_LARGE", where, "the header asks for far more pixels than a film has") from error
    except UnidentifiedImageError as error:
        raise FilmError(
            "NOT_DECODABLE", where, f"it begins like a {origin.kind.upper()}, but is damaged or unusual"
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, … at damage
        code = "TRUNCATED" if "truncated" in str(error).lower() else "NOT_DECODABLE"
        raise FilmError(code, where, f"the {origin.kind.upper()} cannot be decoded ({error})") from error
    if colored:
        notices = (*notices, Notice("COLOR_CONVERTED", "colour turned into grey"))
    return Radiograph(pixels, replace(origin), bits, inverted=white_is_zero, notices=notices)


def _refuse_drawing(picture: Image.Image, where: str) -> None:
    """Refuse a picture of lungspot's with boxes or a map drawn over the film."""
    if picture.info.get("Software") == DRAWN:
        advice = "give the film that it was drawn over"
        raise FilmError("NOT_A_RADIOGRAPH", where, "a drawing of lungspot over a film", advice=advice)


def _grey(picture: Image.Image, *, inverted: bool) -> tuple[Pixels, int, bool]:
    """Return grey pixels in [0, 1], the bits a sample, and whether there was colour to lose."""
    mode = picture.mode
    if mode in {"I;16", "I;16L", "I;16B", "I;16N"}:
        stored = np.asarray(picture).astype(np.uint16)
        return tabulate(stored, inverted=inverted), 16, False
    if mode == "I":
        return stretch(np.asarray(picture).astype(np.float64), inverted=inverted), 32, False
    if mode == "F":
        values = np.asarray(picture).astype(np.float64)
        if not np.isfinite(values).all():
            raise ValueError("it holds values that are not numbers")
        return stretch(values, inverted=inverted), 32, False
    if mode == "1":
        return tabulate(np.asarray(picture.convert("L"))), 1, False
    if mode == "L":
        return tabulate(np.asarray(picture)), 8, False
    return _from_color(picture)


def _from_color(picture: Image.Image) -> tuple[Pixels, int, bool]:
    if picture.has_transparency_data:  # what is transparent is outside the film: black
        solid = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", solid.size, (0, 0, 0, 255)), solid)
    color = np.asarray(picture.convert("RGB"))
    tint = int(np.ptp(color, axis=-1).max())
    return tabulate(luma(color)), 8, tint > _TINT


def _upright(picture: Image.Image) -> Image.Image:
    if picture.getexif().get(ExifTags.Base.Orientation, 1) == 1:
        return picture
    return ImageOps.exif_transpose(picture)


def _zero_is_white(picture: Image.Image) -> bool:
    """Tell whether a TIFF stores white as 0 and Pillow left it so (it inverts only up to 8 bits)."""
    tags = getattr(picture, "tag_v2", {})
    return tags.get(_MIN_IS_WHITE) == 0 and picture.mode not in {"1", "L"}


def _notices(picture: Image.Image, data: bytes, kind: str) -> tuple[Notice, ...]:
    found = []
    frames = tiff_pages(data) if kind == "tiff" else getattr(picture, "n_frames", 1)  # Pillow reads every page for it
    if frames > 1:
        found.append(Notice("FRAME_CHOSEN", f"the first of {frames} pictures was read"))
    if kind == "jpeg" or (kind == "webp" and b"VP8 " in data[:64]):
        found.append(Notice("LOSSY", f"compressed with loss ({kind.upper()})"))
    return tuple(found)
