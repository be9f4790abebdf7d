"""What a DICOM header says about the film and the patient: facts, each checked, none guessed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import astuple
from fractions import Fraction
from typing import Final

from pydicom.dataset import Dataset

from lungspot.images.dicom_values import date_of, items_of, numbers_of, text_of, values_of, words_of
from lungspot.images.facts_in_words import parse_sex, parse_view
from lungspot.images.orientation import UNKNOWN_ORIENTATION, Orientation
from lungspot.images.radiograph import Device, Notice, Sex, View

__all__ = [
    "age",
    "aspect",
    "body_part",
    "device",
    "laterality",
    "notices",
    "orientation",
    "patient_facts",
    "sex",
    "spacing",
    "view",
]

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
_TAKEN: Final = ("StudyDate", "AcquisitionDate", "SeriesDate", "ContentDate", "AcquisitionDateTime")
_SPACINGS: Final = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
_SMALLEST, _LARGEST = 0.001, 20.0  # millimetres a pixel
_MOST_ASPECT: Final = 10_000.0  # PixelAspectRatio is of whole numbers
_FINEST: Final = 1000
_STEEPEST: Final = 10  # times as high as wide, or as wide as high; no film is, and no picture could show it
_NEARLY_AN_AXIS: Final = 0.8  # of a direction cosine: less is an oblique that no side can be told from


def view(dataset: Dataset) -> View:
    """Return the view by ViewPosition, else by the view code."""
    said = parse_view(text_of(dataset, "ViewPosition"))
    if said is not View.UNKNOWN:
        return said
    codes = [text_of(item, "CodeValue") for item in items_of(dataset, "ViewCodeSequence")]
    return next((_VIEW_CODES[code] for code in codes if code in _VIEW_CODES), View.UNKNOWN)


def laterality(dataset: Dataset) -> str | None:
    """Return "L", "R", "B" (both) or "U" (unpaired) by ImageLaterality, else Laterality; None where neither says."""
    found = (text_of(dataset, keyword).upper() for keyword in ("ImageLaterality", "Laterality"))
    return next((side for side in found if side in {"L", "R", "B", "U"}), None)


def age(dataset: Dataset) -> float | None:
    """Return the patient's age in years, by PatientAge, else from the dates of birth and of the film."""
    for said in words_of(dataset, "PatientAge"):
        found = re.fullmatch(r"(\d{1,4}(?:[.,]\d{1,3})?)[\s,.]*([YMWD]?)", said)
        years = float(found[1].replace(",", ".")) * _AGE_UNITS[found[2]] if found else 0.0
        if 0 < years <= _OLDEST:  # 000Y is how devices say that they do not know
            return round(years, 2)
    born = date_of(dataset, "PatientBirthDate")
    taken = next((day for keyword in _TAKEN if (day := date_of(dataset, keyword))), None)
    if born is None or taken is None:
        return None
    years = (taken - born).days / 365.25
    return round(years, 2) if 0 <= years <= _OLDEST else None


def sex(dataset: Dataset) -> Sex:
    """Return the patient's sex by PatientSex."""
    return parse_sex(text_of(dataset, "PatientSex"))


def patient_facts(dataset: Dataset) -> tuple[View, float | None, Sex]:
    """Return the view, the patient's age in years and the sex."""
    return view(dataset), age(dataset), sex(dataset)


def body_part(dataset: Dataset) -> str | None:
    """Return BodyPartExamined in capitals, None where the file does not say."""
    return text_of(dataset, "BodyPartExamined").upper() or None


def device(dataset: Dataset) -> Device:
    """Return maker, model and station of the device (PS3.3 C.7.5.1), each 64 characters at most."""
    said = (text_of(dataset, keyword)[:64] for keyword in ("Manufacturer", "ManufacturerModelName", "StationName"))
    return Device(*said)


def spacing(dataset: Dataset) -> tuple[float, float] | None:
    """Return (row, column) millimetres a pixel: in the patient where calibrated, else at the detector (PS3.3 10.7.1.1).

    PixelSpacing is a calibration where the file says so, where it differs from the detector's ImagerPixelSpacing, or
    where it is all there is. Where no attribute has two values, one of which only one can be read means square pixels.
    """
    return _first_of(_pair, dataset) or _first_of(_square, dataset)


def aspect(dataset: Dataset) -> tuple[int, int]:
    """Return how high to how wide a pixel is, in the smallest whole numbers; (1, 1) where the file does not say.

    By the spacing where there is one, else by PixelAspectRatio (PS3.3 C.7.6.3.1.7).
    """
    pair = spacing(dataset) or _pair(dataset, "PixelAspectRatio", most=_MOST_ASPECT)
    if pair is None:
        return 1, 1
    ratio = Fraction(pair[0] / pair[1]).limit_denominator(_FINEST)
    return (ratio.numerator, ratio.denominator) if Fraction(1, _STEEPEST) <= ratio <= _STEEPEST else (1, 1)


def orientation(dataset: Dataset) -> tuple[Orientation, str]:
    """Return which side of the patient lies at which edge, and what is wrong with what the file says (else "").

    By PatientOrientation, else by ImageOrientationPatient (CR and DX films seldom have it). Where the two contradict
    each other, or the first makes no sense, nothing is known. View and flips of the field of view have no say: the
    orientation describes the picture as it is stored (PS3.3 C.7.6.1.1.1).
    """
    row, column, *more = (*words_of(dataset, "PatientOrientation"), "", "")
    by_words = None if any(more) else Orientation.of_words(row, column)
    cosines = _by_cosines(numbers_of(dataset, "ImageOrientationPatient"))
    if by_words is None:
        return UNKNOWN_ORIENTATION, "PatientOrientation makes no sense"
    if not by_words:
        return cosines, ""
    if cosines and any(a and b and a != b for a, b in zip(astuple(by_words), astuple(cosines), strict=True)):
        return UNKNOWN_ORIENTATION, "PatientOrientation and ImageOrientationPatient contradict each other"
    return by_words, ""


def _by_cosines(cosines: tuple[float, ...]) -> Orientation:
    """Return the orientation that ImageOrientationPatient means: x leads to the left, y to the back, z to the head."""
    if len(cosines) != 6:
        return UNKNOWN_ORIENTATION
    words = []
    for vector in (cosines[:3], cosines[3:]):
        axis = max(range(3), key=lambda i: abs(vector[i]))
        if not _NEARLY_AN_AXIS < abs(vector[axis]) <= 1.01:
            return UNKNOWN_ORIENTATION
        words.append(("RL", "AP", "FH")[axis][vector[axis] > 0])
    return Orientation.of_words(*words) or UNKNOWN_ORIENTATION


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
    return [*found, *_geometry_notices(dataset)]


def _geometry_notices(dataset: Dataset) -> list[Notice]:
    found = []
    if _first_of(_pair, dataset) is None and (square := _first_of(_square, dataset)) is not None:
        found.append(Notice("SPACING", f"{square[0]:g} mm in one direction, nothing in the other"))
    sides, problem = orientation(dataset)
    if problem:
        found.append(Notice("ORIENTATION", problem))
    if sides.mirrored:
        found.append(Notice("MIRRORED", "PatientOrientation says so"))
    return found


def _first_of(
    read: Callable[[Dataset, str], tuple[float, float] | None], dataset: Dataset
) -> tuple[float, float] | None:
    return next((pair for keyword in _SPACINGS if (pair := read(dataset, keyword)) is not None), None)


def _pair(dataset: Dataset, keyword: str, most: float = _LARGEST) -> tuple[float, float] | None:
    """Return the two values of an attribute; None where there are more or fewer, or one is out of bounds."""
    values = values_of(dataset, keyword)
    numbers = tuple(value for value in values if value is not None and _SMALLEST < value < most)
    if len(numbers) != 2 or values[:2] != numbers or any(value is not None for value in values[2:]):
        return None
    return numbers[0], numbers[1]


def _square(dataset: Dataset, keyword: str) -> tuple[float, float] | None:
    """Return the one number of an attribute of two values, the other of which is empty or nonsense, for both."""
    values = values_of(dataset, keyword)
    numbers = [value for value in values if value is not None]
    if len(values) != 2 or len(numbers) != 1 or not _SMALLEST < numbers[0] < _LARGEST:
        return None
    return numbers[0], numbers[0]
