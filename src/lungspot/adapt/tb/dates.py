"""Dates as programmes write them: 2026-11-30, 20261130, 30.11.2026, 30/11/2026. What could be two days is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["dates_of"]

_ISO: Final = re.compile(r"(\d{4})[-/.]?(\d{2})[-/.]?(\d{2})(?:[T ].*)?\Z")
_DOTS: Final = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})\Z")
_SLASHES: Final = re.compile(r"(\d{1,2})[/-](\d{1,2})[/-](\d{4})\Z")


def dates_of(rows: Sequence[tuple[int, str]], refuse: Callable[[int, str], None]) -> NDArray[np.datetime64]:
    """Return the days of (line, text), NaT where empty; ``refuse`` hears of a line whose text is no date.

    Whether 03/04/2026 is in April or in March is told by the other rows; where they do not tell, the first one is
    refused.
    """
    slashed = [match for _, text in rows if (match := _SLASHES.match(text))]
    day_first = any(int(match[1]) > 12 for match in slashed)
    month_first = any(int(match[2]) > 12 for match in slashed)
    doubtful = bool(slashed) and day_first == month_first
    found: list[date | None] = []
    for line, text in rows:
        if not text:
            found.append(None)
            continue
        if doubtful and _SLASHES.match(text):
            refuse(line, f"{text!r} may be two days: write dates as 2026-11-30")
            doubtful = False  # said once
        found.append(_date(text, day_first=day_first))
        if found[-1] is None:
            refuse(line, f"{text!r} is no date: write 2026-11-30")
    return np.array(found, dtype="datetime64[D]")


def _date(text: str, *, day_first: bool) -> date | None:
    try:
        if match := _ISO.match(text):
            return date(int(match[1]), int(match[2]), int(match[3]))
        if match := _DOTS.match(text):
            return date(int(match[3]), int(match[2]), int(match[1]))
        if match := _SLASHES.match(text):
            day, month = (1, 2) if day_first else (2, 1)
            return date(int(match[3]), int(match[month]), int(match[day]))
    except ValueError:
        pass
    return None
