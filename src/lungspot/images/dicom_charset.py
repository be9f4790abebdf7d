"""Text with code extensions (ISO 2022), as East Asian devices write names: PS3.5 6.1.2.5 and its annexes H, I and K.

pydicom leaves the escape sequences of Chinese text (ISO 2022 IR 58) in it and needs each set to be declared. Here the
escape sequences are believed, declared or not; text without any is left to pydicom.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Any, Final

from pydicom.charset import python_encoding
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from lungspot.images.dicom_values import words_of

__all__ = ["decode_extensions", "decode_text"]

_ESCAPE: Final = 0x1B
_TEXT: Final = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_ALONE: Final = frozenset({"ISO_IR 192", "GB18030", "GBK"})  # they admit no code extensions
# escape sequence → the half of the code table that it sets (G0: below 128, G1: above), and what that half then holds
_SETS: Final = {
    b"(B": (0, "ascii"),
    b"(J": (0, "ascii"),  # JIS X 0201 romaji: a yen sign where ASCII has a backslash, which DICOM keeps for itself
    b"$B": (0, "jis-x-0208"),
    b"$@": (0, "jis-x-0208"),
    b"$(D": (0, "jis-x-0212"),
    b")I": (1, "katakana"),
    b"$)C": (1, "euc_kr"),
    b"$)A": (1, "gb2312"),
    b"-A": (1, "latin_1"),
    b"-B": (1, "iso8859_2"),
    b"-C": (1, "iso8859_3"),
    b"-D": (1, "iso8859_4"),
    b"-F": (1, "iso8859_7"),
    b"-G": (1, "iso8859_6"),
    b"-H": (1, "iso8859_8"),
    b"-L": (1, "iso8859_5"),
    b"-M": (1, "iso8859_9"),
    b"-T": (1, "tis_620"),
    b"-b": (1, "iso8859_15"),
}
_DOUBLE: Final = frozenset({"jis-x-0208", "jis-x-0212", "euc_kr", "gb2312"})
_CODECS: Final = {"jis-x-0208": "euc_jp", "jis-x-0212": "euc_jp", "katakana": "shift_jis", "shift_jis": "shift_jis"}

for _name in {*python_encoding.values(), *(name for _, name in _SETS.values())}:
    codecs.lookup(_CODECS.get(_name, _name))  # here, for the child that reads these texts must import nothing


def decode_extensions(dataset: Dataset, inherited: tuple[str, ...] = ()) -> None:
    """Decode, in place, those texts of a data set and of the items in it that hold escape sequences.

    An item without character sets of its own has those of the data set that it is in, ``inherited`` (PS3.5 7.5.3).
    """
    sets = words_of(dataset, "SpecificCharacterSet") or inherited
    alone = bool(sets) and sets[0] in _ALONE
    for tag in list(dataset.keys()):
        element: Any = dataset.get_item(tag)
        raw = isinstance(element.value, bytes)
        if raw and _ESCAPE not in element.value:
            continue
        vr = _vr_of(tag, element)
        for item in _items_at(dataset, tag) if vr == "SQ" else ():
            decode_extensions(item, sets)
        if raw and vr in _TEXT and not alone:
            text = decode_text(element.value, sets[0] if sets else "", name=vr == "PN")
            dataset[tag] = DataElement(tag, vr, text)


def _vr_of(tag: BaseTag, element: Any) -> str:  # noqa: ANN401 - pydicom's raw or converted element
    if element.VR not in {None, "UN"}:
        return str(element.VR)
    return dictionary_VR(tag) if dictionary_has_tag(tag) else "UN"


def _items_at(dataset: Dataset, tag: BaseTag) -> list[Dataset]:
    """Return the items of a sequence; none of one that cannot be read."""
    try:
        return list(dataset[tag].value or ())
    except Exception:  # noqa: BLE001 - pydicom meets damaged sequences with many kinds
        return []


def decode_text(value: bytes, first: str, *, name: bool = False) -> str:
    """Return a text with escape sequences without them; ``first``: the first of the declared character sets.

    Control characters, backslashes and, with ``name``, the ``^`` and ``=`` of a person's name set the first character
    set again. What no character set has becomes U+FFFD; an escape sequence that nobody knows is left out.
    """
    upper = _upper_half(first)
    resets = frozenset(b"\t\n\f\r\\" + (b"^=" if name else b""))
    halves = ["ascii", upper]
    pieces = []
    for kind, part in _parts(value, resets, halves):
        if kind is None:
            halves[:] = "ascii", upper
            pieces.append(part.decode("ascii"))
        elif part and part[0] == _ESCAPE:
            half, holds = _SETS.get(part[1:], (0, halves[0]))
            halves[half] = holds
        else:
            pieces.append(_decoded(part, halves[kind]))
    return "".join(pieces).rstrip(" \x00")


def _upper_half(first: str) -> str:
    """Return what the bytes above 128 are before any escape sequence."""
    codec = python_encoding.get(first.replace("ISO 2022 IR", "ISO_IR"), "") or python_encoding.get(first, "")
    if codec in {"", "iso8859"}:
        return "latin_1"
    return {"shift_jis": "katakana", "iso_ir_58": "gb2312", "iso2022_jp": "latin_1", "iso2022_jp_2": "latin_1"}.get(
        codec, codec
    )


def _parts(value: bytes, resets: frozenset[int], halves: list[str]) -> Iterator[tuple[int | None, bytes]]:
    """Give (None, delimiter), (0, escape sequence) or (half, a character of it); ``halves`` may change meanwhile."""
    at = 0
    while at < len(value):
        byte = value[at]
        half = byte >> 7
        if byte == _ESCAPE:
            length = next((n for n in (3, 2) if value[at + 1 : at + 1 + n] in _SETS), 2)
            yield 0, value[at : at + 1 + length]
            at += 1 + length
        elif halves[half] in _DOUBLE and at + 1 < len(value) and byte > 0x20 and value[at + 1] >> 7 == half:
            yield half, value[at : at + 2]
            at += 2
        elif byte in resets:
            yield None, value[at : at + 1]
            at += 1
        else:
            yield half, value[at : at + 1]
            at += 1


def _decoded(part: bytes, holds: str) -> str:
    if holds in {"jis-x-0208", "jis-x-0212"} and len(part) == 2:
        part = bytes(byte | 0x80 for byte in part)
        part = b"\x8f" + part if holds == "jis-x-0212" else part
    return part.decode(_CODECS.get(holds, holds), errors="replace")
