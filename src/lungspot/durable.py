"""Files that survive a power cut: written beside their place, synced, then moved; none is ever seen in part."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["sync_path", "write_atomic"]


def write_atomic(target: Path, data: bytes) -> None:
    """Write ``data`` to ``target`` so that no reader, and no crash, ever sees a part of it."""
    handle, name = tempfile.mkstemp(prefix=".lungspot-", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def sync_path(path: Path) -> None:
    """Bring a file's bytes, or the entries of a folder, to the disk: what was renamed into it is there after a crash.

    Raises OSError.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
