"""What a training step allocates, it allocates again: the C library is asked to keep it in between."""

from __future__ import annotations

import ctypes
from typing import Final

__all__ = ["keep_memory"]

# Parameters of glibc's mallopt(3): the least that is given back, what is asked for at once, blocks mapped apart.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_NEVER: Final = -1
_AT_ONCE: Final = 256 << 20


def keep_memory() -> bool:
    """Ask glibc to keep what this process gives back to it; tell whether it could be asked (Linux, mostly).

    The arrays of a step, tens of megabytes each, are else mapped anew every time, and the kernel fills them with zeros:
    a third of the processor's time (docs/explanation/training-log.md, "Speed"). The process then stays as large as it
    has ever been.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # another C library, or none to be asked
        return False
    return all(
        mallopt(option, value) for option, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _NEVER), (_TOP_PAD, _AT_ONCE))
    )
