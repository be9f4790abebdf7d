"""From stored values to shown ones: Modality LUT or rescale, then VOI LUT or window (PS3.3 C.11.1, C.11.2).

A film has at most 65536 levels, so each transformation runs over its table of levels, not over its pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from lungspot.errors import FilmError
from lungspot.images.dicom_header import Header
from lungspot.images.dicom_values import number_of, numbers_of, text_of, values_of
from lungspot.images.radiograph import Notice

__all__ = ["padding_range", "shader", "table_of"]

Values = NDArray[np.float64]
_MODALITY_TYPES: Final = frozenset({"HU", "OD", "US"})
_KEPT: Final = 0.5  # of the pixels between the darkest and the brightest level; a window that shows fewer is not used


@dataclass(frozen=True, slots=True)
class _Table:
    """A lookup table of the file: ``values`` for the inputs from ``first`` on."""

    first: int
    values: Values

    def __call__(self, inputs: Values) -> Values:
        index = np.clip(np.floor(inputs + 0.5).astype(np.int64) - self.first, 0, len(self.values) - 1)
        return self.values[index]


def shader(header: Header, notices: list[Notice]) -> Callable[[Values, NDArray[np.int64]], Values]:
    """Return the function from stored levels (and how many pixels have each) to shown values.

    It appends to ``notices`` what it chose or left out. Raises FilmError BAD_HEADER for a Modality LUT that is damaged:
    without it the values mean something else.
    """

    def shade(levels: Values, weights: NDArray[np.int64]) -> Values:
        values = _modality(header)(levels)
        choices = _voi(header.dataset)
        if not choices:
            notices.append(Notice("NO_WINDOW", "neither a window nor a VOI LUT; the full range is used"))
            return values
        if len(choices) > 1:
            notices.append(Notice("WINDOW_CHOSEN", f"the first of {len(choices)} was used"))
        shown = choices[0](values)
        if _shows_the_film(shown, weights):
            return shown
        notices.append(Notice("WINDOW_IGNORED", "the window would hide most of the film; the full range is used"))
        return values

    return shade


def padding_range(header: Header) -> tuple[int, int] | None:
    """Return the inclusive range of stored values that pad the film (PixelPaddingValue, PixelPaddingRangeLimit)."""
    value = number_of(header.dataset, "PixelPaddingValue")
    if value is None:
        return None
    limit = number_of(header.dataset, "PixelPaddingRangeLimit")
    ends = sorted(_resigned(header, int(end)) for end in (value, value if limit is None else limit))
    return ends[0], ends[1]


def table_of(dataset: Dataset, keyword: str) -> Dataset | None:
    """Return the first look-up table of a sequence made anew, without words of people; None where there is none.

    ``keyword``: ``ModalityLUTSequence`` (its type is kept where it is known, else unspecified) or ``VOILUTSequence``.
    """
    try:
        item = dataset[keyword].value[0]
        first = numbers_of(item, "LUTDescriptor")
        packed = _entries(item).astype(np.int64).astype("<u2").tobytes()
    except Exception:  # noqa: BLE001 - no such table, or pydicom meets damaged ones with many kinds
        return None
    if len(first) != 3:
        return None
    table = Dataset()
    wrapped = np.asarray(first, dtype=np.int64).astype(np.uint16)
    below_zero = first[1] < 0  # inputs of a VOI LUT are rescaled values
    table.add_new("LUTDescriptor", "SS" if below_zero else "US", wrapped.astype("i2" if below_zero else "u2").tolist())
    table.add_new("LUTData", "OW", packed)
    if keyword == "ModalityLUTSequence":
        kind = text_of(item, "ModalityLUTType").upper()
        table.ModalityLUTType = kind if kind in _MODALITY_TYPES else "US"
    return table


def _resigned(header: Header, value: int) -> int:
    """Return a value that was read as US where the pixels are signed, or as SS where they are not, as meant."""
    if header.signed and value > 32767:
        return value - 65536
    return value + 65536 if not header.signed and value < 0 else value


def _modality(header: Header) -> Callable[[Values], Values]:
    items = _items(header.dataset, "ModalityLUTSequence")
    if items:
        table = _table(items[0], header)
        if table is None:
            raise FilmError("BAD_HEADER", header.where, "its Modality LUT is damaged")
        return table
    slope = number_of(header.dataset, "RescaleSlope") or 1.0  # a slope of 0 would erase the film
    intercept = number_of(header.dataset, "RescaleIntercept") or 0.0
    return lambda levels: levels * slope + intercept


def _voi(dataset: Dataset) -> list[Callable[[Values], Values]]:
    """Return every way of showing the film that the file offers, VOI LUTs first; each returns 0 to 1."""
    tables = [_table(item, None) for item in _items(dataset, "VOILUTSequence")]
    found: list[Callable[[Values], Values]] = [_scaled(table) for table in tables if table is not None]
    if found:
        return found
    kind = text_of(dataset, "VOILUTFunction").upper() or "LINEAR"
    centers, widths = values_of(dataset, "WindowCenter"), values_of(dataset, "WindowWidth")
    return [
        window
        for center, width in zip(centers, widths, strict=False)
        if center is not None and width is not None and (window := _window(kind, center, width)) is not None
    ]


def _scaled(table: _Table) -> Callable[[Values], Values]:
    low, high = table.values.min(), table.values.max()
    return lambda inputs: (table(inputs) - low) / max(high - low, 1.0)


def _window(kind: str, center: float, width: float) -> Callable[[Values], Values] | None:
    """Return a window function (PS3.3 C.11.2.1.2, C.11.2.1.3), None where the standard forbids its width."""
    if kind == "SIGMOID":
        return (lambda x: 1 / (1 + np.exp(np.clip(-4 * (x - center) / width, -700, 700)))) if width > 0 else None
    if kind == "LINEAR_EXACT":
        return (lambda x: np.clip((x - center) / width + 0.5, 0, 1)) if width > 0 else None
    if width < 1:
        return None
    return lambda x: np.clip((x - (center - 0.5)) / max(width - 1, 1e-9) + 0.5, 0, 1)


def _shows_the_film(shown: Values, weights: NDArray[np.int64]) -> bool:
    """Tell whether a window leaves most pixels distinguishable.

    The film's darkest and brightest level do not count: collimator borders, markers and saturated air lie there.
    """
    present = np.flatnonzero(weights)
    inner = np.zeros(len(weights), dtype=bool)
    inner[present[1:-1]] = True
    total = int(weights[inner].sum())
    kept = int(weights[inner & (shown > 1e-6) & (shown < 1 - 1e-6)].sum())
    return kept >= _KEPT * total and bool(np.ptp(shown[present]) > 0)


def _items(dataset: Dataset, keyword: str) -> list[Dataset]:
    try:
        return list(dataset.get(keyword) or ())
    except Exception:  # noqa: BLE001 - pydicom meets damaged sequences with many kinds
        return []


def _table(item: Dataset, header: Header | None) -> _Table | None:
    """Return the lookup table of one sequence item; None where it is damaged.

    With ``header`` its inputs are stored values, whose sign the first mapped value shares.
    """
    descriptor = numbers_of(item, "LUTDescriptor")
    if len(descriptor) != 3:
        return None
    count = int(descriptor[0]) & 0xFFFF or 65536
    try:
        data, raw = item.get("LUTData"), _entries(item)
        if len(raw) < count and isinstance(data, bytes) and len(data) >= count:  # 8-bit entries, two in a word
            raw = raw.astype("<u2").view(np.uint8)
        values = raw[:count].astype(np.float64)
    except (KeyError, TypeError, ValueError):
        return None
    if len(values) != count:
        return None
    first = int(descriptor[1])
    return _Table(first if header is None else _resigned(header, first), values)


def _entries(item: Dataset) -> NDArray[np.generic]:
    """Return the words of a table's data; pydicom leaves bytes (VR OW) in the order of the file."""
    data = item["LUTData"].value
    if not isinstance(data, bytes):
        return np.atleast_1d(np.asarray(data))
    big_endian = item.original_encoding[1] is False
    return np.frombuffer(data, dtype=">u2" if big_endian else "<u2")
