"""How a value leaves the sandbox's child: as its pickle and the raw buffers of its arrays, in shared memory.

Only plain data, numpy arrays and lungspot's own values come back: the child has seen a stranger's film, and is not
believed.
"""

from __future__ import annotations

import contextlib
import io
import mmap
import pickle
from collections.abc import Sequence
from enum import Enum
from typing import Any, Final

from lungspot.errors import LungspotError

__all__ = ["copy_parts", "pack", "unpack"]

_MOST_PARTS: Final = 4096
_ALIGN: Final = 64  # bytes; numpy is fastest on arrays that begin at a multiple of this
_POPULATE_WRITE: Final = 23  # MADV_POPULATE_WRITE, Linux 5.14


def pack(value: object) -> list[memoryview]:
    """Return the value as its pickle and the raw buffers of its arrays."""
    buffers: list[pickle.PickleBuffer] = []
    text = io.BytesIO()
    _Pickler(text, protocol=5, buffer_callback=buffers.append).dump(value)
    return [text.getbuffer(), *(buffer.raw() for buffer in buffers)]


class _Pickler(pickle.Pickler):
    """Writes an enumeration's member as its class and value; early Pythons 3.11 would name ``getattr``."""

    def reducer_override(self, value: object) -> Any:  # noqa: ANN401 - NotImplemented, or how to make the value again
        return (type(value), (value.value,)) if isinstance(value, Enum) else NotImplemented


def copy_parts(parts: Sequence[memoryview], area: mmap.mmap) -> list[tuple[int, int]]:
    """Copy the parts into the shared memory, one after the other; return where they lie, nothing if too big."""
    table = []
    end = 0
    for part in parts:
        start = -(-end // _ALIGN) * _ALIGN
        end = start + part.nbytes
        table.append((start, part.nbytes))
    if end > len(area) or len(table) > _MOST_PARTS:
        return []
    with contextlib.suppress(OSError, ValueError):  # one call instead of a fault a page, where the kernel has it
        area.madvise(_POPULATE_WRITE, 0, end + -end % mmap.PAGESIZE)
    for (start, length), part in zip(table, parts, strict=True):
        area[start : start + length] = part
    return table


def unpack(views: Sequence[memoryview]) -> Any:  # noqa: ANN401 - any value
    """Return the value of a pickle (the first view) and its buffers, or raise what ``pickle`` raises at nonsense."""
    return _Unpickler(io.BytesIO(views[0]), buffers=views[1:]).load()


class _Unpickler(pickle.Unpickler):
    """Reads plain data, numpy arrays and lungspot's own values; nothing else that a child might name."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - a class or a function, as pickle has it
        if name in _PLAIN.get(module.split(".", maxsplit=1)[0], ()):
            return super().find_class(module, name)
        if module.split(".", maxsplit=1)[0] == "lungspot" and "." not in name:
            found = super().find_class(module, name)
            error = (module, name) == (LungspotError.__module__, "_rebuild")  # how errors are pickled
            if error or (isinstance(found, type) and found.__module__ == module):
                return found
        raise pickle.UnpicklingError(f"{module}.{name}")


_PLAIN = {
    "builtins": frozenset({"bytearray", "complex", "frozenset", "range", "set", "slice"}),
    "numpy": frozenset({"_frombuffer", "_reconstruct", "dtype", "ndarray", "scalar"}),
}
