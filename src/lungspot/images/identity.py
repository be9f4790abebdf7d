"""Whose film it is and when it was taken: read apart from the pixels, by those who tie a patient's films together."""

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

__all__ = ["Identity", "read_identity", "taken_at"]

# Dates with the times that belong to them, best first: when a film was taken, else when its study began.
_WHEN: Final = (("AcquisitionDate", "AcquisitionTime"), ("ContentDate", "ContentTime"), ("StudyDate", "StudyTime"))
_CLOCK: Final = re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d|60)?)?")


@dataclass(frozen=True, slots=True)
class Identity:
    """What a DICOM film says about its patient and study, empty where it does not say; dates as ISO 8601.

    ``accession``: the order's number. ``age_years``: on the day of the film; None where it does not say. ``issuer``: of
    the patient's ID. ``taken`` and ``clock``: the day and the time of day that :func:`taken_at` says. ``film``: its SOP
    Instance UID.
    """

    patient_id: str = ""
    patient_name: str = ""
    birth_date: str = ""
    study_date: str = ""
    accession: str = ""
    age_years: float | None = None
    issuer: str = ""
    taken: str = ""
    clock: str = ""
    film: str = ""


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
        born, study = (date_of(dataset, keyword) for keyword in ("PatientBirthDate", "StudyDate"))
        taken, clock = taken_at(dataset)
        return Identity(
            text_of(dataset, "PatientID"),
            text_of(dataset, "PatientName"),
            "" if born is None else born.isoformat(),
            "" if study is None else study.isoformat(),
            text_of(dataset, "AccessionNumber"),
            age(dataset),
            text_of(dataset, "IssuerOfPatientID"),
            "" if taken is None else taken.isoformat(),
            clock,
            text_of(dataset, "SOPInstanceUID"),
        )


def taken_at(header: Dataset) -> tuple[date | None, str]:
    """Return the day on which a film was taken, and the time of that day: ``HH``, ``HHMM`` or ``HHMMSS``, as it says.

    None and "" where the header does not say so, or says no such time. The first that is there counts: acquisition,
    content, study.
    """
    for day, clock in _WHEN:
        if (found := date_of(header, day)) is not None:
            text = text_of(header, clock).partition(".")[0].replace(":", "")
            return found, text if _CLOCK.fullmatch(text) else ""
    return None, ""
