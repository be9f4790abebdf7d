"""What a DICOMDIR names (PS3.3 F.3): the index file of a CD, a stick or an export."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Final

from pydicom import config, dcmread
from pydicom.filebase import DicomBytesIO

from lungspot.errors import FilmError
from lungspot.images.read import film_bytes
from lungspot.images.sandbox import run

__all__ = ["dicomdir_files"]

_MOST: Final = 1_000_000  # records


def dicomdir_files(path: Path) -> list[Path]:
    """Return the files that the image records of a DICOMDIR name, in its order; none need be there.

    A name that leads out of its folder is left out. Raises FilmError ``NOT_READABLE``, or ``BAD_HEADER`` where it is no
    DICOMDIR.
    """
    data = film_bytes(path)
    names: list[tuple[str, ...]] = run(_names, data, where=path)
    return [path.parent.joinpath(*parts) for parts in names]


def _names(data: bytes) -> list[tuple[str, ...]]:
    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        try:
            records: Any = dcmread(DicomBytesIO(data)).get("DirectoryRecordSequence")
        except Exception as error:
            raise FilmError("BAD_HEADER", None, f"no DICOMDIR ({type(error).__name__})") from error
        if records is None:
            raise FilmError("BAD_HEADER", None, "no DICOMDIR: it has no records")
        found = []
        for record in records[:_MOST]:
            name = record.get("ReferencedFileID")
            if record.get("DirectoryRecordType") != "IMAGE" or not name:
                continue
            parts = tuple(map(str, [name] if isinstance(name, str) else name))
            if all(part and part not in {".", ".."} and not set(part) & {"/", "\0"} for part in parts):
                found.append(parts)
        return found
