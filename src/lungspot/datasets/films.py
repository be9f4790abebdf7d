"""Find the films of a dataset by stem, whatever their extension or size, with one scan of each folder."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

__all__ = ["EXTENSIONS", "find_films"]

EXTENSIONS: Final[frozenset[str]] = frozenset({
    ".bmp", ".dcm", ".dicom", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp",
})  # fmt: skip


def find_films(folders: Iterable[Path]) -> dict[str, Path]:
    """Return stem → path of every film below ``folders``; where a stem occurs twice, the first folder's counts.

    Folders that do not exist are skipped. No film is opened. Within one folder, paths count in sorted order.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        for parent, children, names in os.walk(folder):
            children.sort()
            for name in sorted(names):
                stem, dot, extension = name.rpartition(".")
                if dot and f".{extension.lower()}" in EXTENSIONS and not stem.startswith("."):
                    found.setdefault(stem, Path(parent, name))
    return found
