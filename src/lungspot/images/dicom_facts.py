"""What a DICOM header says about the film and the patient: facts, each checked, none guessed."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from pydicom.dataset import Dataset

from lungspot.images.dicom_values import numbers_of, text_of
from lungspot.images.radiograph import Notice, Sex, View

__all__ = ["age", "body_part", "laterality", "notices", "sex", "spacing", "view"]

_VIEWS: Final = {
    "PA": View.PA,
    "AP": View.AP,
    "LL": View.LATERAL,
    "RL": View.LATERAL,
    "LLAT": View.LATERAL,
    "RLAT": View.LATERAL,
    "LAT": View.LATERAL,
    "LATERAL": View.LATERAL,
}
# view codes of PS3.16 CID 4010: SNOMED CT, and the SNOMED-RT ids of older files
_VIEW_CODES: Final = {
    "399348003": View.AP,
    "R-10206": View.AP,
    "272479007": View.PA,
    "R-10214": View.PA,
    "R-40888": View.PA,
    "399067008": View.LATERAL,
    "R-102CD": View.LATERAL,
    "399173006": View.LATERAL,  # left lateral
    "R-10236": View.LATERAL,
    "399198007": View.LATERAL,  # right lateral
    "R-10232": View.LATERAL,
}
_AGE_UNITS: Final = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25, "": 1.0}
_CHEST: Final = ("CHEST", "THORAX", "LUNG", "RIB", "HEART", "TORSO", "TRUNK", "BODY")
_ADULT: Final = 16  # years
_OLDEST: Final = 130


def view(dataset: Dataset) -> View:
    """Return the view by ViewPosition, else by the view code."""
    said = text_of(dataset, "ViewPosition").upper()
    if said in _VIEWS:
        return _VIEWS[said]
    try:
        codes = [text_of(item, "CodeValue") for item in dataset.get("ViewCodeSequence") or ()]
    except Exception:  # noqa: BLE001 - pydicom meets damaged sequences with many kinds
        codes = []
    return next((_VIEW_CODES[code] for code in codes if code in _VIEW_CODES), View.UNKNOWN)


def laterality(dataset: Dataset) -> str | None:
    """Return "L", "R", "B" (both) or "U" (unpaired) by ImageLaterality, else Laterality; None where neither says."""
    found = (text_of(dataset, keyword).upper() for keyword in ("ImageLaterality", "Laterality"))
    return next((side for side in found if side in {"L", "R", "B", "U"}), None)


def age(dataset: Dataset) -> float | None:
    """Return the patient's age in years, by PatientAge, else from the dates of birth and study."""
    found = re.fullmatch(r"(\d{1,4})\s*([YMWD]?)", text_of(dataset, "PatientAge").upper())
    if found:
        years = int(found[1]) * _AGE_UNITS[found[2]]
        return round(years, 2) if 0 < years <= _OLDEST else None  # 000Y is how devices say that they do not know
    born, taken = _date(dataset, "PatientBirthDate"), _date(dataset, "StudyDate")
    if born is None or taken is None:
        return None
    years = (taken - born).days / 365.25
    return round(years, 2) if 0 <= years <= _OLDEST else None


def sex(dataset: Dataset) -> Sex:
    """Return the patient's sex by PatientSex."""
    said = text_of(dataset, "PatientSex").upper()
    return Sex(said) if said in {"F", "M", "O"} else Sex.UNKNOWN


def body_part(dataset: Dataset) -> str | None:
    """Return BodyPartExamined in capitals, None where the file does not say."""
    return text_of(dataset, "BodyPartExamined").upper() or None


def spacing(dataset: Dataset) -> tuple[float, float] | None:
    """Return (row, column) millimetres a pixel: in the patient where calibrated, else at the detector (PS3.3 10.7.1.1).

    PixelSpacing is a calibration where the file says so, where it differs from the detector's ImagerPixelSpacing, or
    where it is all there is.
    """
    calibrated = _pair(dataset, "PixelSpacing")
    return calibrated or _pair(dataset, "ImagerPixelSpacing") or _pair(dataset, "NominalScannedPixelSpacing")


def notices(dataset: Dataset) -> list[Notice]:
    """Return what the header alone makes worth knowing."""
    found = []
    if any((group, element) in dataset for group in range(0x6000, 0x6020, 2) for element in (0x3000, 0x0102)):
        found.append(Notice("OVERLAY_IGNORED", "it has overlay planes"))
    if text_of(dataset, "BurnedInAnnotation").upper() == "YES":
        found.append(Notice("BURNED_IN", "BurnedInAnnotation is YES"))
    if text_of(dataset, "PresentationIntentType").upper() == "FOR PROCESSING":
        found.append(Notice("RAW", "PresentationIntentType is FOR PROCESSING"))
    if text_of(dataset, "SOPClassUID").startswith("1.2.840.10008.5.1.4.1.1.7"):
        found.append(Notice("SECONDARY_CAPTURE", "the object is a secondary capture"))
    years = age(dataset)
    if years is not None and years < _ADULT:
        found.append(Notice("CHILD", f"the patient is {years:g} years old"))
    part = body_part(dataset)
    if part is not None and not any(word in part for word in _CHEST):
        found.append(Notice("BODY_PART", f"BodyPartExamined is {part}"))
    shape = text_of(dataset, "PresentationLUTShape").upper()
    photometric = text_of(dataset, "PhotometricInterpretation").upper()
    if (shape, photometric) in {("INVERSE", "MONOCHROME2"), ("IDENTITY", "MONOCHROME1")}:
        found.append(Notice("POLARITY", f"{photometric} with PresentationLUTShape {shape}; {photometric} was followed"))
    return found


def _pair(dataset: Dataset, keyword: str) -> tuple[float, float] | None:
    found = numbers_of(dataset, keyword)
    if len(found) != 2 or not all(0.001 < millimetres < 20 for millimetres in found):
        return None
    return found[0], found[1]


def _date(dataset: Dataset, keyword: str) -> date | None:
    try:
        return date.fromisoformat(text_of(dataset, keyword)[:8])
    except ValueError:
        return None
