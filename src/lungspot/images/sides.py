"""Which side of the patient is which, written on every picture that shows a film (docs/conventions.md, "Sides")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

__all__ = ["SIDE_UNKNOWN", "draw_sides"]

SIDE_UNKNOWN: Final = "side unknown"  # what a picture says where nobody knows which side of the patient is which
_INK, _PAPER = (12, 16, 22, 215), (236, 240, 245)
_SMALLEST: Final = 0.5  # units: letters of 13 pixels, which can be read on a picture of any size
_PLACES: Final = {"left": (0.0, 0.0), "right": (1.0, 0.0), "top": (0.5, 0.0), "bottom": (0.5, 1.0)}  # across, down

Rectangle = tuple[float, float, float, float]


def draw_sides(draw: ImageDraw, letters: Mapping[str, str], size: tuple[int, int]) -> list[Rectangle]:
    """Write L and R at their edges of a film's picture, or, without letters, that the side is unknown.

    ``letters``: L or R by edge, as :attr:`Orientation.letters` has them. ``size``: width and height of the picture,
    whose corner is (0, 0) of ``draw``. Returns the fields x0, y0, x1, y1 in pixels that were written on: no other name
    may stand there.
    """
    from PIL import ImageFont  # noqa: PLC0415 - only a picture pays for Pillow

    unit = max(max(size) / 1024, _SMALLEST)
    font = ImageFont.load_default(round(26 * unit))
    written = []
    for edge, letter in (letters or {"left": SIDE_UNKNOWN}).items():
        wide, high, gap = font.getlength(letter) + 18 * unit, 36 * unit, 10 * unit
        across, down = _PLACES[edge]
        x0, y0 = gap + across * (size[0] - wide - 2 * gap), gap + down * (size[1] - high - 2 * gap)
        field = (x0, y0, x0 + wide, y0 + high)
        draw.rounded_rectangle(field, round(4 * unit), fill=_INK)
        draw.text((x0 + wide / 2, y0 + high / 2), letter, font=font, fill=_PAPER, anchor="mm")
        written.append(field)
    return written
