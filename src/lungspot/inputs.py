"""What a run may read: files, and nothing that would be waited for. The room lies below those that read."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

__all__ = ["regular"]


def regular(path: Path) -> Path:
    """Return ``path`` where it is a file, by whatever links, or nothing is there; else raise OSError.

    A pipe would be waited for, perhaps for ever, and a device may have no end.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # said by whoever opens it
        return path
    if stat.S_ISREG(mode):
        return path
    number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
    raise OSError(number, os.strerror(number) if stat.S_ISDIR(mode) else "not a file", str(path))
