"""What a result takes over from its film's header: the same patient, study and frame of reference, and nothing else.

Headers of real films break the standard in many ways, and a result must not inherit that: identity (UIDs, patient,
accession number) is taken as it stands, dates and coded words only where they are valid, all else is left behind.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from pydicom import config
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.uid import UID
from pydicom.valuerep import DA, TM

from lungspot import __version__
from lungspot.errors import FilmError, InputError
from lungspot.images import AXES, Radiograph, is_uid, numbers_of, text_of, whole_of
from lungspot.report.analysis import Analysis, Refusal
from lungspot.report.changes import Before
from lungspot.report.observations import Review
from lungspot.report.statement import Statement, statement

__all__ = [
    "IMPLEMENTATION_UID",
    "ReportContext",
    "against_of",
    "context_of",
    "finish",
    "key_of",
    "pixels_sha256",
    "source_of",
    "threshold_set",
    "uid_in",
]

# The implementation class UID of every DICOM object and association of ours (PS3.7 D.3.3.2).
IMPLEMENTATION_UID: Final = "2.25.167264579340824028094579654174061193254"
_NAMESPACE: Final = uuid.UUID("6f1d2b0e-6f0b-5d37-9a40-7c4cf0a2b8e1")
_UIDS: Final = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_IDENTITY: Final = ("PatientName", "PatientID", "AccessionNumber", "StudyID", "ReferringPhysicianName")
_TIMES: Final = {
    "InstanceCreationDate": "InstanceCreationTime",
    "ContentDate": "ContentTime",
    "PresentationCreationDate": "PresentationCreationTime",
    "DateOfSecondaryCapture": "TimeOfSecondaryCapture",
}
_NAMES: Final = ("PatientName", "ReferringPhysicianName")
_LONGEST: Final = {"AccessionNumber": 16, "StudyID": 16}  # VR SH; what is longer leads nowhere and is left out
_MULTIFRAME: Final = "1.2.840.10008.5.1.4.1.1.7."  # secondary captures whose class has frames, be it one
_DEVICE: Final = "device"
_ROWS: Final = 256  # of a film that are hashed at a time


@dataclass(frozen=True, slots=True)
class ReportContext:
    """What every kind of object is made from.

    ``header`` is the film's, whole; ``source`` the part that is taken over; ``film`` the same without names of people,
    for highdicom, which warns and logs about names: :func:`finish` puts them in.
    """

    header: Dataset
    source: Dataset
    film: Dataset
    result: Analysis | Refusal
    told: Statement
    key: str
    now: datetime
    review: Review | None = None
    before: Before | None = None
    anatomy: bool = False

    def uid(self, *parts: str | int) -> str:
        """Return the UID of one part of this result: the same for ever (PS3.5 B.2: made of a UUID)."""
        return uid_in(self.key, *parts)

    @property
    def whose(self) -> tuple[str, ...]:
        """What tells the report of one review, against one earlier film, or with anatomy, from others and from neither.

        Of an earlier film this includes what is said of it: an archive keeps the first of two objects with one UID.
        """
        reviewed = () if self.review is None else (self.review.reader, self.review.created or "")
        if self.anatomy:
            reviewed = ("with anatomy", *reviewed)
        return (*reviewed, *against_of(self.before))

    @property
    def experimental(self) -> bool:
        """Whether experimental labels are said too."""
        return self.told.experimental

    @property
    def model(self) -> tuple[str, str]:
        """Name and version of who read the film; lungspot itself where it could not be read."""
        if isinstance(self.result, Refusal):
            return "lungspot", __version__
        return self.result.model.card.name, self.result.model.card.version

    @property
    def device_uid(self) -> str:
        """The UID of the observer: of this version with this model, wherever it runs."""
        sha256 = "" if isinstance(self.result, Refusal) else self.result.model.sha256
        return f"2.25.{uuid.uuid5(_NAMESPACE, json.dumps([_DEVICE, __version__, sha256])).int}"

    def about(self, kind: str, series: int, description: str, *settings: str) -> dict[str, Any]:
        """Return what every highdicom object is told about its series, itself and its maker.

        ``series``: a number that no other kind has, from 9901 on, above those that modalities give.
        """
        return {
            "series_instance_uid": self.uid(kind, "series", *settings),
            "series_number": series,
            "series_description": description,
            "sop_instance_uid": self.uid(kind, "instance", *settings),
            "instance_number": 1,
            "manufacturer": "lungspot",
            "manufacturer_model_name": " ".join(self.model)[:64],
            "software_versions": __version__,
            "device_serial_number": self.device_uid.rpartition(".")[2],
        }


def against_of(before: Before | None) -> tuple[str, ...]:
    """Return what tells a report against an earlier film from others: that film, and a digest of what is said of it."""
    if before is None:
        return ()
    uids = [sorted(each.items()) for each in (before.tracking, before.own)]
    said = repr((before.days, before.lines, before.aligned is not None, uids))
    return "against", before.film or before.name or "", hashlib.sha256(said.encode()).hexdigest()


def source_of(header: Dataset) -> Dataset:
    """Return the part of a film's header that its results are made from; the header itself is not changed.

    Raises FilmError ``NO_STUDY`` where the film has no study, series or instance UID that a result could refer to.
    """
    with config.disable_value_validation():
        return _source(header)


def _source(header: Dataset) -> Dataset:
    source = Dataset()
    for keyword in _UIDS:
        value = text_of(header, keyword)
        if not is_uid(value):
            raise FilmError("NO_STUDY", None, f"{keyword} is missing or is not a UID")
        setattr(source, keyword, value)
    source.SpecificCharacterSet = "ISO_IR 192"
    for keyword in _IDENTITY:
        value = _value(header, keyword)
        parts = value if isinstance(value, MultiValue | list) else [] if value is None else [value]
        words = "\\".join(map(str, parts)).encode("utf-8", "replace").decode()
        setattr(source, keyword, "" if len(words) > _LONGEST.get(keyword, len(words)) else words)
    if issuer := text_of(header, "IssuerOfPatientID"):
        source.IssuerOfPatientID = issuer
    source.PatientBirthDate = _date(header, "PatientBirthDate")
    source.PatientSex = sex if (sex := text_of(header, "PatientSex").upper()) in {"F", "M", "O"} else ""
    source.StudyDate = _date(header, "StudyDate")
    source.StudyTime = _time(header, "StudyTime")
    source.Modality = text_of(header, "Modality").upper()
    source.Rows, source.Columns = whole_of(header, "Rows") or 1, whole_of(header, "Columns") or 1
    source.PhotometricInterpretation = text_of(header, "PhotometricInterpretation").upper() or "MONOCHROME2"
    if (orientation := _orientation(header)) is not None:
        source.PatientOrientation = orientation
    frames = whole_of(header, "NumberOfFrames") or 1
    if frames > 1 or source.SOPClassUID.startswith(_MULTIFRAME):
        source.NumberOfFrames = frames
    frame = text_of(header, "FrameOfReferenceUID")
    if is_uid(frame):
        source.FrameOfReferenceUID = frame
        source.PositionReferenceIndicator = text_of(header, "PositionReferenceIndicator")
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        spacing = numbers_of(header, keyword)
        if len(spacing) == 2 and min(spacing) > 0:
            setattr(source, keyword, [f"{each:.10g}" for each in spacing])
    return source


def context_of(  # noqa: PLR0913 - each choice has a name
    header: Dataset,
    result: Analysis | Refusal,
    now: datetime,
    *,
    experimental: bool = False,
    review: Review | None = None,
    before: Before | None = None,
    anatomy: bool = False,
) -> ReportContext:
    """Return what the result's objects are made from; ``experimental``: say experimental labels too.

    ``review``: a reader's, whose measurements a structured report holds; ``before``: the earlier film that it compares
    with; ``anatomy``: heart and lungs are in it too.

    Raises FilmError ``NO_STUDY`` as :func:`source_of` does, and InputError ``BAD_VALUE`` where the header is another
    film's.
    """
    source = source_of(header)
    uid = result.radiograph.origin.sop_instance_uid if isinstance(result, Analysis) else None
    if uid not in {None, source.SOPInstanceUID}:
        raise InputError("BAD_VALUE", str(source.SOPInstanceUID), f"the result is of another film, {uid}")
    film = deepcopy(source)  # data sets share their elements otherwise
    for keyword in _NAMES:
        setattr(film, keyword, "Name^")
    key = key_of(result, source, experimental=experimental)
    told = statement(result, experimental=experimental)
    return ReportContext(header, source, film, result, told, key, now, review, before, anatomy)


def uid_in(key: str, *parts: str | int) -> str:
    """Return the UID of one part of the result with this key (:func:`key_of`)."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, json.dumps([key, *parts])).int}"


def key_of(result: Analysis | Refusal, source: Dataset | None, *, experimental: bool = False) -> str:
    """Return the text that names a result: film, pixels, model, settings and version. Equal results have equal keys.

    The pixels, which way they face, and what the results take over from the header count, for a film that was corrected
    keeps its SOP Instance UID: its result must not replace, nor be taken for, that of the film as it was.
    """
    film = [] if source is None else [hashlib.sha256(source.to_json().encode()).hexdigest()]
    if isinstance(result, Refusal):
        return json.dumps([*(film or [result.path]), __version__, result.error.code, result.error.reason])
    model = (result.model.sha256, result.model.card.sha256)
    settings = (result.point, result.min_score, list(result.reasons), experimental)
    facing = result.radiograph.orientation
    pixels = (pixels_sha256(result.radiograph), facing.right, facing.bottom, result.radiograph.pixel_aspect)
    return json.dumps([*(film or [result.radiograph.origin.sha256]), __version__, *model, *settings, *pixels])


def pixels_sha256(film: Radiograph) -> str:
    """Return the SHA-256 of a film's pixels in 65536 steps of grey, row by row, and of its size."""
    digest = hashlib.sha256(f"{film.frame.width} {film.frame.height}".encode())
    for row in range(0, film.frame.height, _ROWS):
        digest.update(np.rint(film.pixels[row : row + _ROWS] * np.float32(65535)).astype("<u2").tobytes())
    return digest.hexdigest()


def finish(made: Dataset, context: ReportContext, *unknown: str) -> Dataset:
    """Return a made object with our own file meta information and one time of making throughout.

    ``unknown``: keywords of type 2C that are there without a value, where the film says none: a chest has no side, and
    an orientation that nobody knows is said to be so.
    """
    day, time = context.now.strftime("%Y%m%d"), context.now.strftime("%H%M%S")
    made.SeriesDate, made.SeriesTime = day, time
    for date, clock in _TIMES.items():
        if date in made:
            setattr(made, date, day)
            setattr(made, clock, time)
    for keyword in _NAMES:
        setattr(made, keyword, context.source[keyword].value)
    if "IssuerOfPatientID" in context.source:
        made.IssuerOfPatientID = context.source.IssuerOfPatientID
    for keyword in unknown:
        if keyword not in made:
            setattr(made, keyword, "")
    for equipment in made.get("ContributingEquipmentSequence", ()):
        if "ContributionDateTime" in equipment:
            equipment.ContributionDateTime = day + time
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = made.file_meta.TransferSyntaxUID
    meta.MediaStorageSOPClassUID = made.SOPClassUID
    meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    meta.ImplementationVersionName = f"LUNGSPOT_{__version__}"[:16]
    made.file_meta = meta
    made.preamble = bytes(128)
    return made


def threshold_set(result: Analysis) -> str:
    """Return what names the thresholds in use: operating point, lowest score shown, and a hash of their values."""
    card = result.model.card
    pairs = ((label, card.threshold(label, result.point)) for label in card.labels)
    limits = {label: [each.box, each.image] for label, each in pairs}
    digest = hashlib.sha256(json.dumps(limits, sort_keys=True).encode()).hexdigest()
    site = "" if card.site is None else f", of site file sha256 {card.site.sha256[:16]}"
    floor = "" if result.min_score is None else f", boxes from {result.min_score:g}"
    return f"{result.point}{floor}, sha256 {digest[:16]}{site}"


def _value(header: Dataset, keyword: str) -> Any:  # noqa: ANN401 - a DICOM value has any type
    try:
        return header.get(keyword)
    except Exception:  # noqa: BLE001 - pydicom meets damaged values with many kinds
        return None


def _orientation(header: Dataset) -> list[str] | None:
    value = _value(header, "PatientOrientation")
    words = [str(each) for each in value] if isinstance(value, MultiValue | list | tuple) else []
    axes = [[AXES.get(letter) for letter in word] for word in words]
    valid = all(each and None not in each and len(set(each)) == len(each) for each in axes)
    return words if len(words) == 2 and valid else None


def _date(header: Dataset, keyword: str) -> str:
    value = text_of(header, keyword)
    try:
        return value if len(value) == 8 and DA(value) else ""
    except ValueError:
        return ""


def _time(header: Dataset, keyword: str) -> str:
    value = text_of(header, keyword)
    try:
        return value if TM(value) is not None and value.replace(".", "").isdigit() else ""
    except (ValueError, TypeError):
        return ""
