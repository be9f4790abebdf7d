"""Whose film it is: read apart from the pixels, and only by those who must tie films of one patient together."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from pydicom import config

from lungspot.images.dicom_facts import age
from lungspot.images.dicom_header import open_dicom
from lungspot.images.dicom_values import date_of, text_of
from lungspot.images.sandbox import DEFAULT, run
from lungspot.images.sniff import DICOM, sniff

__all__ = ["Identity", "read_identity"]


@dataclass(frozen=True, slots=True)
class Identity:
    """What a DICOM film says about its patient and study, empty where it does not say; dates as ISO 8601.

    ``accession``: the order's number. ``age_years``: on the day of the film; None where it does not say.
    """

    patient_id: str = ""
    patient_name: str = ""
    birth_date: str = ""
    study_date: str = ""
    accession: str = ""
    age_years: float | None = None


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
        )
