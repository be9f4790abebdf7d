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


def dicomdir_files(path: Path) -> tuple[list[Path], list[str]]:
    """Return the files that the image records of a DICOMDIR name, in its order; none need be there.

    And the names that lead out of its folder, as they stand; they are not followed. Raises FilmError ``NOT_READABLE``,
    ``BAD_HEADER`` where it is no DICOMDIR, and ``TOO_LARGE`` where it has more than a million records.
    """
    data = film_bytes(path)
    names: list[tuple[str, ...]] = run(_names, data, where=path)
    inside = [path.parent.joinpath(*parts) for parts in names if _leads_inside(parts)]
    return inside, ["\\".join(parts) for parts in names if not _leads_inside(parts)]


def _leads_inside(parts: tuple[str, ...]) -> bool:
    return all(part and part not in {".", ".."} and not set(part) & {"/", "\0"} for part in parts)


def _names(data: bytes) -> list[tuple[str, ...]]:
    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        try:
            records: Any = dcmread(DicomBytesIO(data)).get("DirectoryRecordSequence")
        except Exception as error:
            raise FilmError("BAD_HEADER", None, f"no DICOMDIR ({type(error).__name__})") from error
        if records is None:
            raise FilmError("BAD_HEADER", None, "no DICOMDIR: it has no records")
        if len(records) > _MOST:
            raise FilmError("TOO_LARGE", None, f"a DICOMDIR of {len(records)} records; {_MOST} are allowed")
        found = []
        for record in records:
            name = record.get("ReferencedFileID")
            if record.get("DirectoryRecordType") != "IMAGE" or not name:
                continue
            found.append(tuple(map(str, [name] if isinstance(name, str) else name)))
        return found
