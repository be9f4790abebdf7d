"""Files that survive a power cut: written beside their place, synced, then moved; none is ever seen in part."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["move_new", "sync_path", "write_atomic"]


def write_atomic(target: Path, data: bytes, *, replace: bool = True, private: bool = False) -> None:
    """Write ``data`` to ``target`` so that no reader, and no crash, ever sees a part of it.

    Without ``replace`` a file that is there, or appears meanwhile, stays, and FileExistsError is raised. ``private``:
    nobody else may read it.
    """
    handle, name = tempfile.mkstemp(prefix=".lungspot-", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if not private:  # as it is made
            Path(name).chmod(0o666 & ~_umask())
        if replace:
            Path(name).replace(target)
        else:
            move_new(Path(name), target)
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


def move_new(source: Path, target: Path) -> None:
    """Give a file its name where no file has it, in one step; raises FileExistsError."""
    try:
        target.hardlink_to(source)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: the name is taken first, empty
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        source.replace(target)
    else:
        source.unlink()


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
