r"""Values out of a DICOM data set that may be damaged: text, words, numbers, dates, UIDs, each checked.

What makes no sense is as if it were absent, and takes nothing else with it: of ``1800\abc`` the 1800 is left. pydicom
refuses such an attribute as a whole; then its bytes are read here.
"""

from __future__ import annotations

import math
import re
import struct
from datetime import date
from typing import Any, Final

from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

__all__ = ["date_of", "is_uid", "items_of", "number_of", "numbers_of", "text_of", "values_of", "whole_of", "words_of"]

_DIGITS: Final = frozenset("0123456789")
_NUMBER: Final = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?")  # some devices write a decimal comma
_DATE: Final = re.compile(r"(\d{4})([.,/ -]?)(\d{2})\2(\d{2})(?!\d)")
_DATE_AND_TIME: Final = re.compile(r"(\d{4})()(\d{2})(\d{2})\d{2,6}")
_BINARY: Final = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}


def text_of(dataset: Dataset, keyword: str) -> str:
    """Return the first value of an attribute that is not empty, stripped, 128 characters at most; "" for none."""
    return next((text for entry in _entries(dataset, keyword) if (text := _text(entry))), "")[:128]


def words_of(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """Return all values of an attribute in capitals and stripped, each in its place; those that are empty as ""."""
    return tuple(_text(entry).upper() for entry in _entries(dataset, keyword))


def is_uid(text: str) -> bool:
    """Tell whether this is a UID: at most 64 characters, numbers joined by dots (PS3.5 9.1).

    Leading zeros are let through, for devices send them; letters, slashes, control characters and empty parts are not.
    """
    return 0 < len(text) <= 64 and all(part and set(part) <= _DIGITS for part in text.split("."))


def values_of(dataset: Dataset, keyword: str) -> tuple[float | None, ...]:
    """Return the values of an attribute as finite numbers, each in its place; None for one that is empty or nonsense.

    A decimal comma is read as a point; values with decimal points may be parted by commas.
    """
    return tuple(_number(part) for entry in _entries(dataset, keyword) for part in _parts(entry))


def numbers_of(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """Return those values of an attribute that are finite numbers, in their order."""
    return tuple(value for value in values_of(dataset, keyword) if value is not None)


def number_of(dataset: Dataset, keyword: str) -> float | None:
    """Return the first value of an attribute that is a finite number, or None."""
    found = numbers_of(dataset, keyword)
    return found[0] if found else None


def whole_of(dataset: Dataset, keyword: str) -> int | None:
    """Return the first number of an attribute, if it is a whole one, or None."""
    value = number_of(dataset, keyword)
    return int(value) if value is not None and value == int(value) else None


def date_of(dataset: Dataset, keyword: str) -> date | None:
    """Return the first date of an attribute: ``19630201``, with one kind of mark between the parts, or with a time."""
    for entry in _entries(dataset, keyword):
        text = _text(entry)
        found = _DATE.match(text) or _DATE_AND_TIME.match(text)
        if found:
            try:
                return date(int(found[1]), int(found[3]), int(found[4]))
            except ValueError:
                continue
    return None


def items_of(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Return the items of a sequence; none where there is no such sequence, or it cannot be read."""
    try:
        return list(dataset.get(keyword) or ())
    except Exception:  # noqa: BLE001 - pydicom meets damaged sequences with many kinds
        return []


def _entries(dataset: Dataset, keyword: str) -> list[Any]:
    try:
        value = dataset.get(keyword)
    except Exception:  # noqa: BLE001 - pydicom meets damaged values with many kinds
        return _raw_entries(dataset, keyword)
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, MultiValue | list | tuple) else [value]


def _raw_entries(dataset: Dataset, keyword: str) -> list[Any]:
    """Return the values of an attribute that pydicom cannot convert, out of its bytes."""
    try:
        element: Any = dataset.get_item(keyword)  # as it stands in the file
        value = element.value
        vr = element.VR if element.VR in {*_BINARY, "DS", "IS"} else dictionary_VR(keyword).split(" ")[0]
    except Exception:  # noqa: BLE001 - as above
        return []
    if not isinstance(value, bytes):
        return []
    if vr not in _BINARY:
        return value.decode("latin-1").split("\\")
    form = ("<" if element.is_little_endian else ">") + _BINARY[vr]
    size = struct.calcsize(form)
    return [each[0] for each in struct.iter_unpack(form, value[: len(value) // size * size])]


def _parts(entry: object) -> list[object]:
    """Return the values of an entry that parts them by commas (``0.143,0.143``), else the entry."""
    if isinstance(entry, str) and "," in entry and "." in entry:
        return list(entry.split(","))
    return [entry]


def _text(entry: object) -> str:
    return "" if entry is None else str(entry).strip(" \x00")


def _number(entry: object) -> float | None:
    if isinstance(entry, bytes):
        return None
    if not isinstance(entry, int | float):
        text = _text(entry)
        if not _NUMBER.fullmatch(text):
            return None
        entry = text.replace(",", ".")
    value = float(entry)
    return value if math.isfinite(value) else None
