"""Values out of a DICOM data set that may be damaged: text, numbers, UIDs, each checked; nonsense is as if absent."""

from __future__ import annotations

import math
from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

__all__ = ["is_uid", "number_of", "numbers_of", "text_of", "whole_of"]

_DIGITS: Final = frozenset("0123456789")


def _first(dataset: Dataset, keyword: str) -> Any:  # noqa: ANN401 - a DICOM value has any type
    """Return the first value of an attribute, or None where it is missing, empty or nonsense."""
    try:
        value = dataset.get(keyword)
    except Exception:  # noqa: BLE001 - pydicom meets damaged values with many kinds
        return None
    if isinstance(value, MultiValue | list | tuple):
        value = value[0] if len(value) else None
    return None if value == "" else value


def text_of(dataset: Dataset, keyword: str) -> str:
    """Return the first value of an attribute as stripped text of 128 characters at most; empty where there is none."""
    value = _first(dataset, keyword)
    return "" if value is None else str(value).strip(" \x00")[:128]


def is_uid(text: str) -> bool:
    """Tell whether this is a UID: at most 64 characters, numbers joined by dots (PS3.5 9.1).

    Leading zeros are let through, for devices send them; letters, slashes, control characters and empty parts are not.
    """
    return 0 < len(text) <= 64 and all(part and set(part) <= _DIGITS for part in text.split("."))


def number_of(dataset: Dataset, keyword: str) -> float | None:
    """Return the first value of an attribute as a finite number, or None."""
    found = numbers_of(dataset, keyword)
    return found[0] if found else None


def whole_of(dataset: Dataset, keyword: str) -> int | None:
    """Return the first value of an attribute as a whole number, or None."""
    value = number_of(dataset, keyword)
    return int(value) if value is not None and value == int(value) else None


def numbers_of(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """Return the values of an attribute as finite numbers; none where any is not."""
    try:
        value = dataset.get(keyword)
        values = value if isinstance(value, MultiValue | list | tuple) else [value]
        found = tuple(float(entry) for entry in values)
    except Exception:  # noqa: BLE001 - pydicom meets damaged values with many kinds
        return ()
    return found if all(math.isfinite(entry) for entry in found) else ()
