"""Find the films of a dataset by stem, whatever their extension or size, with one scan of each folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lungspot.errors import DatasetError, FilmError
from lungspot.findings import Frame
from lungspot.images import (
    DICOM_SUFFIXES,
    IMAGE_SUFFIXES,
    Sex,
    View,
    has_suffix,
    read_header,
    walk,
)
from lungspot.inputs import regular

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["Facts", "dicom_facts", "dicom_header", "find_films", "list_films", "patient_named"]

_TAGS: Final = (
    *("Rows", "Columns", "PatientID", "PatientAge", "PatientSex", "ViewPosition", "ViewCodeSequence"),
    *("PatientBirthDate", "StudyDate", "AcquisitionDate", "SeriesDate", "ContentDate", "AcquisitionDateTime"),
)
# What stands for a patient where nobody knows: it is no patient, whom all such films would share.
_NOBODY: Final = frozenset(
    {
        *("", "nan", "na", "n/a", "none", "null", "nil", "unknown", "unk", "missing", "-", "--", "?", "."),
        *("anonymous", "anonymized", "anonymised", "anon", "no patient", "desconocido", "unbekannt", "inconnu"),
    }
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a film's header says that the publisher's tables do not."""

    frame: Frame | None = None
    patient: str = ""
    view: View = View.UNKNOWN
    age_years: float | None = None
    sex: Sex = Sex.UNKNOWN


def patient_named(text: str) -> str:
    """Return the patient that a field or header names; empty where it says that nobody knows.

    pandas writes a column of whole numbers with gaps as ``10.0``: that is 10.
    """
    stripped = text.strip()
    whole = re.fullmatch(r"(\d+)\.0+", stripped)
    return "" if stripped.casefold() in _NOBODY else whole[1] if whole else stripped


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
    """Yield every film below ``folder`` in sorted order, by its suffix; hidden files are none."""
    return walk(folder, IMAGE_SUFFIXES)


def dicom_header(path: Path, tags: Iterable[str]) -> Dataset:
    """Return some attributes of a DICOM file, also of one without preamble; no pixel is read.

    Raises what pydicom raises, and FilmError where the file is not known as DICOM.
    """
    from pydicom import dcmread  # noqa: PLC0415 - as below
    from pydicom.errors import InvalidDicomError  # noqa: PLC0415

    try:
        return dcmread(regular(path), stop_before_pixels=True, specific_tags=list(tags))
    except InvalidDicomError:
        return read_header(path)


def dicom_facts(path: Path | None) -> Facts:
    """Return what the header of a DICOM film says; nothing for other films or None. No pixel is read.

    Raises :class:`DatasetError` where a file called ``.dcm``, ``.dicom`` or ``.dic`` has no readable header.
    """
    if path is None or not has_suffix(path, DICOM_SUFFIXES):
        return Facts()
    from lungspot.images import patient_facts  # noqa: PLC0415 - 0.2 s that only a download of DICOM films pays

    try:
        header = dicom_header(path, _TAGS)
        rows, columns = int(header.get("Rows") or 0), int(header.get("Columns") or 0)
        view, age_years, sex = patient_facts(header)
    except (OSError, FilmError, ValueError, TypeError, AttributeError, EOFError, KeyError) as error:
        raise DatasetError("DATASET_INCOMPLETE", path, f"not a DICOM film ({type(error).__name__}: {error})") from error
    return Facts(
        frame=Frame(columns, rows) if rows > 0 and columns > 0 else None,
        patient=patient_named(str(header.get("PatientID") or "")),
        view=view,
        age_years=age_years,
        sex=sex,
    )
