"""A walk over the elements of a DICOM file that costs little, before a parser is let near it.

A parser makes objects of every element and recurses into every sequence: 8 MB of empty items cost it 12 seconds and
700 MB. :func:`require_sane` counts the elements and their depth first, without recursion. It judges nothing else;
where a length leads nowhere the walk ends, and the parser may complain.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from lungspot.errors import FilmError

__all__ = ["MAX_DEPTH", "MAX_ELEMENTS", "require_sane"]

MAX_ELEMENTS: Final = 50_000  # items count too; a film has a few hundred
MAX_DEPTH: Final = 32  # sequences inside sequences; a film has three

_UNDEFINED: Final = 0xFFFFFFFF
_LONG: Final = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_SHORT: Final = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS"}
    | {b"ST", b"TM", b"UI", b"UL", b"US"}
)
_EITHER: Final = _LONG | _SHORT
_BYTES: Final = frozenset({b"OB", b"OW", b"OF", b"OD", b"OL", b"OV"})
_DELIMITERS, _ITEM = 0xFFFE, 0xE000


class _Element(NamedTuple):
    """One element's head: its tag, its VR (empty where implicit), its length, and where its value begins."""

    group: int
    number: int
    vr: bytes
    length: int
    at: int


def require_sane(data: bytes, where: object = None) -> None:
    """Refuse (FilmError BAD_HEADER) a DICOM file with more elements, or deeper sequences, than any film has.

    ``data`` is a whole file, with or without preamble and file meta group; the walk ends at its pixel data.
    """
    at, order, implicit = _meta(data, where)
    ends: list[int] = []  # where each open sequence and item ends; 0: at its delimiter
    count = 0
    while at + 8 <= len(data):
        while ends and 0 < ends[-1] <= at:
            ends.pop()
        count += 1
        if count > MAX_ELEMENTS:
            raise FilmError("BAD_HEADER", where, f"its header has more than {MAX_ELEMENTS} elements")
        if len(ends) > 2 * MAX_DEPTH:  # a sequence and its item are two
            raise FilmError("BAD_HEADER", where, "its sequences are nested deeper than any film's")
        found = _head(data, at, order, implicit=implicit)
        at = found.at
        if found.group == 0x7FE0 and not ends:
            return
        if found.group == _DELIMITERS and found.number != _ITEM:
            del ends[-1:]
        elif found.length == _UNDEFINED and found.vr in _BYTES:
            at, count = _skip_fragments(data, at, count)
        elif found.length == _UNDEFINED:
            ends.append(0)
        elif found.group == _DELIMITERS or found.vr == b"SQ" or _opens_with_item(data, found):
            ends.append(at + found.length)
        else:
            at += found.length


def _head(data: bytes, at: int, order: str, *, implicit: bool) -> _Element:
    group, number, length = struct.unpack_from(order + "HHI", data, at)
    vr = data[at + 4 : at + 6]
    if implicit or group == _DELIMITERS or vr not in _EITHER:
        return _Element(group, number, b"", length, at + 8)
    field = data[at + 8 : at + 12] if vr in _LONG else data[at + 6 : at + 8]
    length = int.from_bytes(field, "little" if order == "<" else "big")
    return _Element(group, number, vr, length, at + (12 if vr in _LONG else 8))


def _opens_with_item(data: bytes, found: _Element) -> bool:
    """Tell whether a value of unknown VR is a sequence: it begins with an item's tag."""
    return found.vr in {b"", b"UN"} and data[found.at : found.at + 4] in {b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00"}


def _meta(data: bytes, where: object) -> tuple[int, str, bool]:
    """Walk the file meta group; return where it ends, the byte order of what follows, and whether that is implicit."""
    at = 132 if data[128:132] == b"DICM" else 0
    count = 0
    while data[at : at + 2] == b"\x02\x00":
        long_form = data[at + 4 : at + 6] in _LONG
        length = data[at + 8 : at + 12] if long_form else data[at + 6 : at + 8]
        at += (12 if long_form else 8) + int.from_bytes(length, "little")
        count += 1
        if count > MAX_ELEMENTS:
            raise FilmError("BAD_HEADER", where, f"its header has more than {MAX_ELEMENTS} elements")
    order = ">" if data[at : at + 1] == b"\0" and data[at + 1 : at + 2] != b"\0" else "<"
    return at, order, data[at + 4 : at + 6] not in _EITHER


def _skip_fragments(data: bytes, at: int, count: int) -> tuple[int, int]:
    """Return where a value in fragments ends, and the count with each fragment counted."""
    while data[at : at + 4] == b"\xfe\xff\x00\xe0" and count <= MAX_ELEMENTS:
        at += 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        count += 1
    return at + 8, count  # behind the delimiter
