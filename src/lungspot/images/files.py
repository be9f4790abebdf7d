"""Which files are films, by their names, and what a folder holds: written once for every room."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Final

__all__ = ["DICOM_SUFFIXES", "IMAGE_SUFFIXES", "has_suffix", "is_hidden", "list_files", "walk"]

DICOM_SUFFIXES: Final = (".dcm", ".dicom", ".dic")  # what names of DICOM files end with, if with anything
# What a film's file may end in, in the order in which one is preferred to another of the same stem.
IMAGE_SUFFIXES: Final = (".png", ".jpg", ".jpeg", *DICOM_SUFFIXES, ".tif", ".tiff", ".webp", ".bmp")
_MACOS: Final = "__MACOSX"


def has_suffix(path: Path, suffixes: Collection[str] = IMAGE_SUFFIXES) -> bool:
    """Say whether a file's name ends in one of ``suffixes`` (lower case, with the dot), whatever its letters' case."""
    return path.suffix.lower() in suffixes


def is_hidden(parts: Iterable[str]) -> bool:
    """Say whether a path is hidden, by its parts below the folder or in the archive that was asked for.

    It is where one of them begins with a dot, or is the folder in which macOS packs its own notes. ``.`` and ``..``
    hide nothing.
    """
    return any(part == _MACOS or (part.startswith(".") and part not in {".", ".."}) for part in parts)


def list_files(folder: Path, pattern: str = "*") -> list[Path]:
    """Return the files of a folder whose path below it matches ``pattern`` (:meth:`pathlib.Path.glob`), sorted.

    What is hidden is left out, as by :func:`walk`; so are folders. A folder that is not there holds nothing.
    """
    found = (path for path in folder.glob(pattern) if not is_hidden(path.relative_to(folder).parts))
    return sorted(path for path in found if not path.is_dir())


def walk(
    folder: Path,
    suffixes: Collection[str] | None = None,
    *,
    ordered: bool = True,
    without: Path | None = None,
    failed: Callable[[OSError], object] = lambda _: None,
) -> Iterator[Path]:
    """Yield every file below ``folder``, sorted by the names along its path; only those with ``suffixes``, if given.

    Not ``ordered``, they come as the system gives them, and no list is made of a folder that holds millions.
    Hidden files and what is in hidden folders (:func:`is_hidden`) are left out, unless ``folder`` itself is hidden. So
    is the folder ``without``, by whatever name it is met, but ``folder`` itself never. Links to files count as files,
    links to folders are not followed. A folder that is not there or may not be read holds nothing; ``failed`` is called
    with the error of each that could not be listed, or not to its end.
    """
    entries = _entries(folder, failed)
    for entry in sorted(entries, key=lambda entry: entry.name) if ordered else entries:
        try:
            is_folder, is_file = entry.is_dir(follow_symlinks=False), entry.is_file()
        except OSError as error:  # a link that leads to itself, or where one may not look
            failed(error)
            continue
        if is_folder:
            if without is None or os.path.realpath(entry.path) != os.path.realpath(without):
                yield from walk(Path(entry.path), suffixes, ordered=ordered, without=without, failed=failed)
        elif is_file and (suffixes is None or has_suffix(Path(entry.name), suffixes)):
            yield Path(entry.path)


def _entries(folder: Path, failed: Callable[[OSError], object]) -> Iterator[os.DirEntry[str]]:
    """Yield what a folder holds and does not hide, as far as it may be read."""
    try:
        found = os.scandir(folder)
    except OSError as error:
        failed(error)
        return
    with found:
        while True:
            try:
                entry = next(found, None)
            except OSError as error:  # of a network drive that goes away meanwhile
                failed(error)
                return
            if entry is None:
                return
            if not is_hidden((entry.name,)):
                yield entry
