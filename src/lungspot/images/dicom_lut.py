"""From stored values to shown ones: Modality LUT or rescale, then VOI LUT or window (PS3.3 C.11.1, C.11.2).

A film has at most 65536 levels, so each transformation runs over its table of levels, not over its pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from lungspot.errors import FilmError
from lungspot.images.dicom_header import Header
from lungspot.images.dicom_table import LookupTable, table_in
from lungspot.images.dicom_values import items_of, number_of, text_of, values_of, whole_of
from lungspot.images.radiograph import Notice

__all__ = ["padding_range", "shader", "table_of"]

Values = NDArray[np.float64]
_MODALITY_TYPES: Final = frozenset({"HU", "OD", "US"})
_KEPT: Final = 0.5  # of the pixels between the darkest and the brightest level; a window that shows fewer is not used


def shader(header: Header, notices: list[Notice]) -> Callable[[Values, NDArray[np.int64]], Values]:
    """Return the function from stored levels (and how many pixels have each) to shown values.

    It appends to ``notices`` what it chose, mended or left out. Raises FilmError BAD_HEADER for a Modality LUT that is
    damaged: without it the values mean something else.
    """

    def shade(levels: Values, weights: NDArray[np.int64]) -> Values:
        values = _modality(header, levels, notices)(levels)
        choices = _voi(header.dataset, values, notices)
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
    """Return the first usable look-up table of a sequence made anew, without words of people; None where there is none.

    ``keyword``: ``ModalityLUTSequence`` (its type is kept where it is known, else unspecified) or ``VOILUTSequence``.
    The descriptor counts the entries that there are, and its VR is that of its sign.
    """
    span = _stored_span(dataset)
    if keyword == "VOILUTSequence":
        span = _modality_span(dataset, span)
    for item in items_of(dataset, keyword):
        table = table_in(item, span)
        if table is None:
            if keyword == "ModalityLUTSequence":
                return None
            continue
        made = Dataset()
        below_zero = table.first < 0
        bits = table.bits if 8 <= table.bits <= 16 else 16
        said = np.asarray([len(table.values), table.first, bits], dtype=np.int64).astype(np.uint16)
        made.add_new("LUTDescriptor", *(("SS", said.astype("i2").tolist()) if below_zero else ("US", said.tolist())))
        entries = table.values.astype("u1" if table.packed else "<u2").tobytes()
        made.add_new("LUTData", "OW", entries + bytes(len(entries) % 2))
        if keyword == "ModalityLUTSequence":
            kind = text_of(item, "ModalityLUTType").upper()
            made.ModalityLUTType = kind if kind in _MODALITY_TYPES else "US"
        return made
    return None


def _stored_span(dataset: Dataset) -> tuple[float, float]:
    """Return the least and the greatest stored value that the header admits."""
    bits = whole_of(dataset, "BitsStored") or whole_of(dataset, "BitsAllocated") or 16
    levels = float(1 << min(max(bits, 1), 16))
    signed = whole_of(dataset, "PixelRepresentation") == 1
    return (-levels / 2, levels / 2 - 1) if signed else (0.0, levels - 1)


def _modality_span(dataset: Dataset, stored: tuple[float, float]) -> tuple[float, float]:
    """Return the least and the greatest value that stored ones can mean."""
    items = items_of(dataset, "ModalityLUTSequence")
    table = table_in(items[0], stored) if items else None
    ends = np.asarray(stored)
    values = table.values if table is not None else _rescale(dataset)(ends)
    return float(values.min()), float(values.max())


def _resigned(header: Header, value: int) -> int:
    """Return a value that was read as US where the pixels are signed, or as SS where they are not, as meant."""
    if header.signed and value > 32767:
        return value - 65536
    return value + 65536 if not header.signed and value < 0 else value


def _modality(header: Header, levels: Values, notices: list[Notice]) -> Callable[[Values], Values]:
    items = items_of(header.dataset, "ModalityLUTSequence")
    if not items:
        return _rescale(header.dataset)
    table = table_in(items[0], (float(levels[0]), float(levels[-1])))
    if table is None:
        raise FilmError("BAD_HEADER", header.where, "its Modality LUT is damaged")
    _note_length(table, "Modality LUT", notices)
    return table


def _rescale(dataset: Dataset) -> Callable[[Values], Values]:
    slope = number_of(dataset, "RescaleSlope") or 1.0  # a slope of 0 would erase the film
    intercept = number_of(dataset, "RescaleIntercept") or 0.0
    return lambda levels: levels * slope + intercept


def _voi(dataset: Dataset, values: Values, notices: list[Notice]) -> list[Callable[[Values], Values]]:
    """Return every way of showing the film that the file offers, VOI LUTs first; each returns 0 to 1."""
    span = float(values.min()), float(values.max())
    tables = [table_in(item, span) for item in items_of(dataset, "VOILUTSequence")]
    usable = [table for table in tables if table is not None]
    if len(usable) < len(tables):
        notices.append(Notice("LUT_IGNORED", f"{len(tables) - len(usable)} of {len(tables)} VOI LUTs"))
    if usable:
        _note_length(usable[0], "VOI LUT", notices)
        return [_scaled(table) for table in usable]
    kind = text_of(dataset, "VOILUTFunction").upper() or "LINEAR"
    centers, widths = values_of(dataset, "WindowCenter"), values_of(dataset, "WindowWidth")
    return [
        window
        for center, width in zip(centers, widths, strict=False)
        if center is not None and width is not None and (window := _window(kind, center, width)) is not None
    ]


def _note_length(table: LookupTable, name: str, notices: list[Notice]) -> None:
    if not table.is_as_announced:
        said = f"{name}: {len(table.values)} entries where {table.announced} are announced"
        notices.append(Notice("LUT_LENGTH", said))


def _scaled(table: LookupTable) -> Callable[[Values], Values]:
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
