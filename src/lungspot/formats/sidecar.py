"""``lungspot.jsonl``: one line a film beside files of a format that has no room for what lungspot knows, or drops it.

A line is the case JSON (:mod:`lungspot.formats.case_json`) with ``file``, the image file's name without
folders, and ``shown``, its width and height. Lines stand in the order in which the cases were written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

from lungspot.errors import DatasetError
from lungspot.findings import Frame
from lungspot.formats.annotated_image import AnnotatedImage, stated_size

__all__ = ["SIDECAR", "file_key", "read_sidecar", "write_sidecar"]

SIDECAR: Final = "lungspot.jsonl"


def file_key(name: str) -> str:
    """Return what identifies an image file among the files of one folder that lungspot wrote: its name alone."""
    return PurePosixPath(name.replace("\\", "/")).name


def write_sidecar(annotated_images: Sequence[AnnotatedImage], folder: Path) -> None:
    """Write one line an annotated image that carries its case JSON; no file where none does."""
    if not any(annotated.case_json for annotated in annotated_images):
        return
    with (folder / SIDECAR).open("w", encoding="ascii") as lines:
        for annotated in annotated_images:
            if annotated.case_json is not None:
                shown = None if annotated.size is None else [annotated.size.width, annotated.size.height]
                value = {"file": file_key(annotated.film), "shown": shown, **annotated.case_json}
                lines.write(json.dumps(value, allow_nan=False) + "\n")


def read_sidecar(folder: Path) -> dict[str, tuple[Mapping[str, Any], Frame | None]]:
    """Return case JSON and shown frame of each image file's name, in order; empty where the folder has no sidecar."""
    path = folder / SIDECAR
    if not path.is_file():
        return {}
    found: dict[str, tuple[Mapping[str, Any], Frame | None]] = {}
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                value = json.loads(line)
                shown = value["shown"]
                size = None if shown is None else stated_size(shown[0], shown[1], f"{path}:{number}")
                found[str(value["file"])] = (value, size)
            except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
                raise DatasetError("DATASET_ROW", f"{path}:{number}", "not a line of lungspot's sidecar") from error
    return found
