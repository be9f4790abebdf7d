"""Files that are either whole or not there: written beside their place, then moved into it."""

from __future__ import annotations

import io
import json
import os
import tempfile
from pathlib import Path

from lungspot.report.analysis import Analysis, Refusal
from lungspot.report.document import document
from lungspot.report.overlay import overlay
from lungspot.report.page import page

__all__ = ["FORMATS", "write", "write_atomic"]

FORMATS = ("json", "png", "html")


def write(result: Analysis | Refusal, target: Path, kind: str, *, heatmap: bool = False) -> Path:
    """Write one result as ``json``, ``png`` or ``html`` to ``target`` and return it; OSError where that is impossible.

    ``heatmap``: the PNG shows the activation maps too. Of a file that could not be read there is only JSON.
    """
    if kind == "json":
        data = (json.dumps(document(result), ensure_ascii=False, allow_nan=False, indent=1) + "\n").encode()
    elif isinstance(result, Refusal):
        raise ValueError(f"no {kind} of a file that could not be read")
    elif kind == "png":
        buffer = io.BytesIO()
        overlay(result, heatmap=heatmap).save(buffer, "png", compress_level=3)
        data = buffer.getvalue()
    elif kind == "html":
        data = page(result).encode()
    else:
        raise ValueError(f"no format {kind!r}")
    write_atomic(target, data)
    return target


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


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
