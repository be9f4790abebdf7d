"""One look-up table of a DICOM file as it was meant, whatever the VR, length and sign it was written with.

A descriptor says how many entries there are (0: 65536), which input the first one is for, and how many bits an entry
has. Entries are unsigned 16-bit words, whatever their VR says (US, SS, OW, OB, UN, none); where the descriptor says 8
bits they may also be bytes. Devices write a few entries too few or too many: then, as DCMTK does, those that are there
count, and the last one stands for what lies beyond. A table that lacks more than a tenth, or has more than a tenth too
many, is not believed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

__all__ = ["LookupTable", "table_in"]

Values = NDArray[np.float64]
_TOLERANCE: Final = 10  # one part in so many may be missing, or be too many


@dataclass(frozen=True, slots=True)
class LookupTable:
    """A look-up table: ``values`` (float64, whole, 0 to 65535) for the inputs from ``first`` on.

    ``bits``: what the descriptor says an entry has. ``packed``: the entries were bytes. ``announced``: how many entries
    the descriptor says there are.
    """

    first: int
    values: Values
    bits: int
    packed: bool
    announced: int

    def __call__(self, inputs: Values) -> Values:
        """Return the entry of each input; inputs outside the table have that of its nearer end."""
        index = np.clip(np.floor(inputs + 0.5).astype(np.int64) - self.first, 0, len(self.values) - 1)
        return self.values[index]

    @property
    def is_as_announced(self) -> bool:
        """Say whether the table has as many entries as its descriptor says."""
        return len(self.values) == self.announced


def table_in(
    item: Dataset, span: tuple[float, float], *, descriptor: str = "LUTDescriptor", data: str = "LUTData"
) -> LookupTable | None:
    """Return the look-up table that two attributes of a data set make; None where they make no sense.

    ``span``: the least and the greatest input. The second value of the descriptor is signed where inputs are
    (PS3.3 C.11.2.1.1), but files get its VR wrong, and without VRs there is none: it is read so that the table covers
    more of the span; its VR decides where that is equal.
    """
    try:
        said, signed, _ = _words(item, descriptor)
        words, _, raw = _words(item, data)
    except Exception:  # noqa: BLE001 - not there, or pydicom meets damaged values with many kinds
        return None
    if len(said) < 3:
        return None
    announced, first, bits = int(said[0]) or 65536, int(said[1]), int(said[2])
    entries: NDArray[np.unsignedinteger[Any]] = words
    packed = bits == 8 and raw is not None and 2 * len(raw) < 3 * announced
    if packed and raw is not None:
        entries = raw[
            : announced if len(raw) == announced + announced % 2 else None
        ]  # an odd number has a byte of fill
    if not len(entries) or abs(len(entries) - announced) * _TOLERANCE > announced:
        return None
    first = _signed_as_meant(first, len(entries), span, signed=signed)
    return LookupTable(first, entries.astype(np.float64), bits, packed, announced)


def _signed_as_meant(first: int, count: int, span: tuple[float, float], *, signed: bool) -> int:
    if first < 0x8000:
        return first
    choices = (first - 0x10000, first) if signed else (first, first - 0x10000)
    return max(choices, key=lambda start: min(start + count - 1, span[1]) - max(start, span[0]))  # the first of equals


def _words(item: Dataset, keyword: str) -> tuple[NDArray[np.uint16], bool, NDArray[np.uint8]]:
    """Return an attribute's 16-bit words, whether its VR says that they are signed, and its bytes, the low ones first.

    The bytes are taken as the file has them where pydicom has not yet made numbers of them.
    """
    element: Any = item.get_item(keyword)
    value, signed = element.value, element.VR == "SS"
    if not isinstance(value, bytes):
        numbers = np.atleast_1d(np.asarray(value, dtype=np.int64))
        words = (numbers & 0xFFFF).astype("<u2")
        return words, signed, words.view(np.uint8)
    order = _byte_order(item, element)
    words = np.frombuffer(value[: len(value) // 2 * 2], dtype=f"{order}u2").astype("<u2")
    swapped = order == ">" and element.VR != "OB"  # two entries in a word, the first in its low byte
    return words, signed, words.view(np.uint8) if swapped else np.frombuffer(value, dtype=np.uint8)


def _byte_order(item: Dataset, element: Any) -> Literal["<", ">"]:  # noqa: ANN401 - pydicom's raw or converted element
    little = getattr(element, "is_little_endian", None)  # a raw element knows
    if little is None:
        little = item.original_encoding[1] is not False
    return "<" if little else ">"
