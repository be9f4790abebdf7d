"""Whose film it is: read apart from the pixels, and only by those who must tie films of one patient together."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from datetime import date
from typing import Final

from pydicom import config
from pydicom.dataset import Dataset

from lungspot.images.dicom_facts import age
from lungspot.images.dicom_header import open_dicom
from lungspot.images.dicom_values import date_of, text_of
from lungspot.images.sandbox import DEFAULT, run
from lungspot.images.sniff import DICOM, sniff

__all__ = ["Identity", "read_identity"]

_CLOCKS: Final = (  # the time at which a film was taken, best first, and the date that it belongs to
    ("AcquisitionDate", "AcquisitionTime"),
    ("ContentDate", "ContentTime"),
    ("StudyDate", "StudyTime"),
)
_CLOCK: Final = re.compile(r"([01]\d|2[0-3])[0-5]\d[0-5]\d")


@dataclass(frozen=True, slots=True)
class Identity:
    """What a DICOM film says about its patient and study, empty where it does not say; dates as ISO 8601.

    ``accession``: the order's number. ``age_years``: on the day of the film; None where it does not say. ``issuer``: of
    the patient's ID. ``clock``: the time of day on the study's date, ``HHMMSS``.
    """

    patient_id: str = ""
    patient_name: str = ""
    birth_date: str = ""
    study_date: str = ""
    accession: str = ""
    age_years: float | None = None
    issuer: str = ""
    clock: str = ""


def read_identity(data: bytes, where: str) -> Identity:
    """Return whose film is in ``data``; all empty for a picture, which cannot say.

    The header is parsed in the child process of :mod:`lungspot.images.sandbox`. Raises FilmError as
    :func:`lungspot.images.read` does.
    """
    if sniff(data, where) != DICOM:
        return Identity()
    return run(_identity, data, where, limits=DEFAULT, where=where)


def _identity(data: bytes, where: str) -> Identity:
    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        dataset = open_dicom(data, where).dataset
        born, taken = (date_of(dataset, keyword) for keyword in ("PatientBirthDate", "StudyDate"))
        return Identity(
            text_of(dataset, "PatientID"),
            text_of(dataset, "PatientName"),
            "" if born is None else born.isoformat(),
            "" if taken is None else taken.isoformat(),
            text_of(dataset, "AccessionNumber"),
            age(dataset),
            text_of(dataset, "IssuerOfPatientID"),
            _clock(dataset, taken),
        )


def _clock(dataset: Dataset, taken: date | None) -> str:
    """Return at which time of a day a film was taken, to the second; empty where it does not say."""
    for day, clock in _CLOCKS:
        text = text_of(dataset, clock).partition(".")[0].replace(":", "")
        if taken is not None and date_of(dataset, day) == taken and _CLOCK.fullmatch(text):
            return text
    return ""
