"""The wire format of protocol buffers, only as much as judging a model file and giving it another card need.

Every length is checked against the bytes that are there; groups (wire types 3 and 4) are refused. Source: the encoding
chapter of the Protocol Buffers documentation.
"""

from __future__ import annotations

from collections.abc import Iterator

from lungspot.errors import ModelError

__all__ = ["encode", "fields", "integer", "message", "text"]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield (field number, value) of one message: an int for a varint, a view of the bytes for everything else."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise _broken("field number 0")
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == _BYTES:
            size, at = _varint(data, at)
        elif wire in {_FIXED64, _FIXED32}:
            size = 8 if wire == _FIXED64 else 4
        else:
            raise _broken(f"wire type {wire}")
        if size > end - at:
            raise _broken("a field longer than its message")
        yield number, data[at : at + size]
        at += size


def encode(number: int, value: int | bytes | memoryview) -> bytes:
    """Return one field: an int (not negative) as a varint, bytes with their length; fixed-width fields are not made."""
    if isinstance(value, int):
        return _as_varint(number << 3 | _VARINT) + _as_varint(value)
    return _as_varint(number << 3 | _BYTES) + _as_varint(len(value)) + bytes(value)


def integer(value: int | memoryview) -> int:
    """Return a field's value that must be a varint."""
    if isinstance(value, memoryview):
        raise _broken("bytes where a number belongs")
    return value


def message(value: int | memoryview) -> memoryview:
    """Return a field's value that must be bytes or a message."""
    if not isinstance(value, memoryview):
        raise _broken("a number where bytes belong")
    return value


def text(value: int | memoryview) -> str:
    """Return a field's value that must be UTF-8 text."""
    try:
        return str(message(value), "utf-8")
    except UnicodeDecodeError as error:
        raise _broken("text that is not UTF-8") from error


def _as_varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise _broken("it ends within a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            if value >> 64:
                raise _broken("a number of more than 64 bits")
            return value, at
    raise _broken("a number of more than ten bytes")


def _broken(what: str) -> ModelError:
    return ModelError("MODEL_FORMAT", None, f"not an ONNX file: {what}")
