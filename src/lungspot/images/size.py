"""How large a film may be, said before anything is decoded."""

from __future__ import annotations

from typing import Final

from lungspot.errors import FilmError

__all__ = ["MAX_PIXELS", "MAX_SIDE", "check_size"]

MAX_SIDE: Final = 20_000  # the largest stitched film is half of that
MAX_PIXELS: Final = 50_000_000  # a chest film has 4 to 15 million


def check_size(width: int, height: int, where: str) -> None:
    """Refuse (FilmError DIMENSIONS, TOO_LARGE) a size in pixels that no chest film has, before anything is decoded."""
    if width < 1 or height < 1:
        raise FilmError("DIMENSIONS", where, f"the header says {width} x {height} pixels")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        allowed = f"at most {MAX_SIDE} on a side and {MAX_PIXELS // 1_000_000} million in all"
        raise FilmError("TOO_LARGE", where, f"the header says {width} x {height} pixels; {allowed} are read")
