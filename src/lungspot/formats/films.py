"""Find the films of a dataset by stem, whatever their extension or size, with one scan of each folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lungspot.errors import DatasetError
from lungspot.findings import Frame
from lungspot.formats.tables import age_in_years, sex, view
from lungspot.images import Sex, View

__all__ = ["EXTENSIONS", "Facts", "dicom_facts", "find_films", "list_films"]

DICOM: Final[frozenset[str]] = frozenset({".dcm", ".dicom"})
EXTENSIONS: Final[frozenset[str]] = DICOM | {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
_TAGS = ["Rows", "Columns", "PatientID", "PatientAge", "PatientSex", "ViewPosition"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a film's header says that the publisher's tables do not."""

    frame: Frame | None = None
    patient: str = ""
    view: View = View.UNKNOWN
    age_years: float | None = None
    sex: Sex = Sex.UNKNOWN


def find_films(folders: Iterable[Path]) -> dict[str, Path]:
    """Return stem → path of every film below ``folders``; where a stem occurs twice, the first folder's counts.

    Folders that do not exist are skipped. No film is opened. Within one folder, paths count in sorted order.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        for path in list_films(folder):
            found.setdefault(path.stem, path)
    return found


def list_films(folder: Path) -> Iterator[Path]:
    """Yield every film below ``folder`` in sorted order, by its extension; hidden files are none."""
    for parent, children, names in os.walk(folder):
        children.sort()
        for name in sorted(names):
            stem, dot, extension = name.rpartition(".")
            if dot and f".{extension.lower()}" in EXTENSIONS and not stem.startswith("."):
                yield Path(parent, name)


def dicom_facts(path: Path | None) -> Facts:
    """Return what the header of a DICOM film says; nothing for other films or None. No pixel is read.

    Raises :class:`DatasetError` where a file called ``.dcm`` or ``.dicom`` has no readable header.
    """
    if path is None or path.suffix.lower() not in DICOM:
        return Facts()
    from pydicom import dcmread  # noqa: PLC0415 - 0.2 s that only a download of DICOM films pays
    from pydicom.errors import InvalidDicomError  # noqa: PLC0415

    try:
        header = dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))
        rows, columns = int(header.get("Rows") or 0), int(header.get("Columns") or 0)
    except (OSError, InvalidDicomError, ValueError, TypeError, AttributeError, EOFError, KeyError) as error:
        raise DatasetError("DATASET_INCOMPLETE", path, f"not a DICOM film ({type(error).__name__}: {error})") from error
    return Facts(
        frame=Frame(columns, rows) if rows > 0 and columns > 0 else None,
        patient=str(header.get("PatientID") or "").strip(),
        view=view(str(header.get("ViewPosition") or "")),
        age_years=age_in_years(str(header.get("PatientAge") or "")),
        sex=sex(str(header.get("PatientSex") or "")),
    )
