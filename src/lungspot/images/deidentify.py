"""A DICOM film without its patient: PS3.15 E.1, Basic Application Confidentiality Profile, default-deny.

The film is made anew and nothing is carried over but what :mod:`~lungspot.images.deidentify_rules` names, each value by
a rule of its own: numbers as numbers, coded words from closed lists, no free text, nothing private, no overlay. UIDs,
patient id and dates are replaced by a secret key, the same way for everything of one patient. Pixels are decoded and
written anew, uncompressed, so that nothing that hides in a code stream or in unused bits survives.

What it cannot do: see what is burned into the pixels, or the face in a film of the head. A film that says it has
annotation burned in, and a copy of a film (secondary capture) that does not say it has none, is refused unless the
caller masks rectangles or says that the pixels were looked at.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom import config
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from lungspot.errors import FilmError, InputError
from lungspot.findings import Box, Frame
from lungspot.images.deidentify_rules import DATES, EMPTY, EMPTY_OF, NUMBERS, PADDING, TABLES, UIDS, WORDS
from lungspot.images.dicom_header import Header, open_dicom
from lungspot.images.dicom_lut import table_of
from lungspot.images.dicom_pixels import decode_pixels
from lungspot.images.dicom_values import date_of, text_of, values_of, whole_of, words_of
from lungspot.images.orientation import Orientation
from lungspot.images.sandbox import DEFAULT, run

__all__ = ["Pseudonyms", "deidentified"]

_DAYS: Final = 3650  # dates move back by 1 to this many days
_SMALLEST_KEY: Final = 16  # bytes
_METHODS: Final = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
)
_CLEANED: Final = ("113101", "Clean Pixel Data Option")
_FILMS: Final = ("1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1.1")


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """What replaces identifiers: a keyed hash (HMAC-SHA256), so that one key gives one answer and nobody can go back.

    ``key``: at least 16 secret bytes. Who holds it can tell whether an identifier they guess belongs to a film.
    """

    key: bytes

    def __post_init__(self) -> None:
        """Refuse keys that can be guessed."""
        if len(self.key) < _SMALLEST_KEY:
            raise InputError("BAD_VALUE", None, f"a key of {len(self.key)} bytes; {_SMALLEST_KEY} at least")

    def uid(self, uid: str) -> str:
        """Return the UID that stands for another."""
        return f"2.25.{uuid.UUID(bytes=self._digest('uid', uid)[:16], version=4).int}"

    def patient(self, patient: str) -> str:
        """Return the patient id that stands for another."""
        return f"LS{self._digest('patient', patient).hex()[:14].upper()}"

    def day(self, patient: str, day: date) -> date | None:
        """Return a day moved back by the patient's own number of days; None before the year 1."""
        days = 1 + int.from_bytes(self._digest("days", patient)[:8], "big") % _DAYS
        return day - timedelta(days) if day.toordinal() > days else None

    def _digest(self, kind: str, value: str) -> bytes:
        return hmac.digest(self.key, f"{kind}\0{value}".encode(), "sha256")


def deidentified(
    data: bytes,
    pseudonyms: Pseudonyms,
    *,
    where: str = "<bytes>",
    masks: Sequence[Box] = (),
    pixels_checked: bool = False,
) -> Dataset:
    """Return the film in ``data``, a DICOM file, without its patient: a data set with file meta, ready to be saved.

    ``masks``: rectangles in pixels of the film that become black. ``pixels_checked``: a person has looked at the film
    and nothing is burned in.

    Raises FilmError as :func:`~lungspot.images.read` does, ``BURNED_IN`` where annotation is or may be burned in and
    neither is given, ``UNSUPPORTED`` for several frames; InputError ``BAD_BOX`` for a mask beside the film.
    """
    with config.disable_value_validation():
        header = open_dicom(data, where)
        _require_clean(header, masks=bool(masks), pixels_checked=pixels_checked)
        samples, notices = run(decode_pixels, header, limits=DEFAULT, where=where)
        samples = _masked(samples, header, masks)
        picture = _digest(header, samples, masked=bool(masks))
        made = _made_anew(header.dataset, pseudonyms, hashlib.sha256(data).hexdigest(), picture)
        _add_pixels(made, header, samples)
        if masks or pixels_checked:
            made.BurnedInAnnotation = "NO"
        if any(notice.code == "LOSSY" for notice in notices):
            made.LossyImageCompression = "01"
        if masks:
            made.ImageType = ["DERIVED", *list(made.get("ImageType", ["", "PRIMARY"]))[1:]]
        _sign(made, masked=bool(masks))
    return made


def _require_clean(header: Header, *, masks: bool, pixels_checked: bool) -> None:
    said = text_of(header.dataset, "BurnedInAnnotation").upper()
    if header.frames > 1:
        raise FilmError("UNSUPPORTED", header.where, f"{header.frames} frames", advice="give films of one frame")
    if masks or pixels_checked:
        return
    if said == "YES":
        raise FilmError("BURNED_IN", header.where, "the file says that annotation is burned into the pixels")
    if said != "NO" and text_of(header.dataset, "SOPClassUID") not in _FILMS:
        raise FilmError("BURNED_IN", header.where, "a copy of a film that does not say that nothing is burned in")


def _digest(header: Header, samples: NDArray[np.integer], *, masked: bool) -> str:
    """Return what names the picture that is written: its grey values, their polarity and sides, masked or not.

    Equal whatever the film's transfer syntax. One SOP Instance UID can stand for several pictures (a film is corrected
    and sent again, a mask is added), and they must not become one.
    """
    sides = "\\".join(words_of(header.dataset, "PatientOrientation"))
    said = f"{samples.shape} {header.photometric} {sides} {masked}"
    return hashlib.sha256(said.encode("utf-8", "replace") + samples.astype("<i4").tobytes()).hexdigest()


def _made_anew(old: Dataset, pseudonyms: Pseudonyms, sha256: str, picture: str) -> Dataset:
    """Return what the rules carry over, and what stands for the patient.

    ``sha256`` is the film's, for one without UIDs; ``picture`` names what is written (:func:`_digest`).
    """
    new = Dataset()
    _keep(old, new)
    study = text_of(old, "StudyInstanceUID") or sha256
    issued = "\0".join((text_of(old, "PatientID"), text_of(old, "IssuerOfPatientID"))).strip("\0")
    patient = issued if text_of(old, "PatientID") else study  # an issuer alone is no patient
    for keyword in DATES:
        day = date_of(old, keyword)
        moved = None if day is None else pseudonyms.day(patient, day)
        if moved is not None:
            setattr(new, keyword, moved.strftime("%Y%m%d"))
    for keyword in UIDS:
        value = text_of(old, keyword)  # valid or not: what differs must not become one
        if keyword == "SOPInstanceUID":
            new.SOPInstanceUID = pseudonyms.uid(f"{value or sha256} {picture}")
        elif value:
            setattr(new, keyword, pseudonyms.uid(value))
        elif keyword != "FrameOfReferenceUID":  # a film without a UID that it must have gets one, the same each time
            setattr(new, keyword, pseudonyms.uid(f"{keyword} of {study}"))
    new.PatientID = pseudonyms.patient(patient)
    new.PatientName = f"{new.PatientID}^"
    new.SOPClassUID = text_of(old, "SOPClassUID") or _FILMS[0]
    for keyword in (*EMPTY, *EMPTY_OF.get(new.SOPClassUID, ())):
        if keyword not in new:
            new.add_new(keyword, dictionary_VR(keyword), None)
    if not new.get("BodyPartExamined") and not ("Laterality" in new or "ImageLaterality" in new):
        new.Laterality = ""  # type 2C: required where nothing says that the part has no sides
    return new


def _keep(old: Dataset, new: Dataset) -> None:
    """Carry over words out of closed lists, numbers, and look-up tables."""
    for keyword, accepted in WORDS.items():
        if words := [word for word in words_of(old, keyword) if word in accepted]:
            setattr(new, keyword, words if len(words) > 1 else words[0])
    row, column, *more = (*words_of(old, "PatientOrientation"), "", "")
    if not any(more) and Orientation.of_words(row, column):  # whole, or not at all: half would say something else
        new.PatientOrientation = [row, column]
    for keyword, (written, most) in NUMBERS.items():
        values = values_of(old, keyword)
        numbers = [value for value in values if value is not None]
        if numbers and len(values) <= most + (values[-1] is None) and not ("Spacing" in keyword and min(numbers) <= 0):
            found = ["" if value is None else written(value) for value in values[:most]]  # each in its place
            setattr(new, keyword, found if len(found) > 1 else found[0])
    for keyword in TABLES:
        if (table := table_of(old, keyword)) is not None:
            setattr(new, keyword, [table])
        elif keyword == "ModalityLUTSequence" and old.get(keyword):
            raise FilmError(
                "BAD_HEADER", None, "its Modality LUT is damaged"
            )  # without it the values mean other things


def _masked(samples: NDArray[np.integer], header: Header, masks: Sequence[Box]) -> NDArray[np.integer]:
    """Return the pixels with black where the masks are; what is black is the film's own darkest value."""
    if not masks:
        return samples
    samples = samples.copy()
    black = samples.max() if header.photometric == "MONOCHROME1" else samples.min()
    for mask in masks:
        inside = mask.clip(Frame(header.columns, header.rows))
        if inside is None:
            raise InputError("BAD_BOX", header.where, f"a mask {mask.corners} beside the film")
        samples[int(inside.y0) : int(np.ceil(inside.y1)), int(inside.x0) : int(np.ceil(inside.x1))] = black
    return samples


def _add_pixels(made: Dataset, header: Header, samples: NDArray[np.integer]) -> None:
    grey = header.photometric in {"MONOCHROME1", "MONOCHROME2"}
    signed = header.signed and grey
    wide = header.stored > 8
    made.SamplesPerPixel = 1
    made.PhotometricInterpretation = header.photometric if grey else "MONOCHROME2"
    made.Rows, made.Columns = samples.shape
    made.BitsAllocated = 16 if wide else 8
    made.BitsStored, made.HighBit = header.stored, header.stored - 1
    made.PixelRepresentation = int(signed)
    kind = ("i" if signed else "u") + ("2" if wide else "1")
    for keyword in PADDING:
        value = whole_of(header.dataset, keyword)
        if grey and value is not None and -0x8000 <= value <= 0xFFFF:  # devices get the sign wrong
            made.add_new(keyword, "SS" if signed else "US", int(np.int64(value).astype("i2" if signed else "u2")))
    pixels = samples.astype(f"<{kind}").tobytes()
    made.add_new("PixelData", "OW" if wide else "OB", pixels + bytes(len(pixels) % 2))


def _sign(made: Dataset, *, masked: bool) -> None:
    """Say how the film was de-identified, and add the file meta information."""
    made.PatientIdentityRemoved = "YES"
    made.DeidentificationMethod = "lungspot: PS3.15 E.1 Basic Profile, default-deny"
    made.LongitudinalTemporalInformationModified = "MODIFIED"
    codes = []
    for value, meaning in (*_METHODS, _CLEANED) if masked else _METHODS:
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
        codes.append(code)
    made.DeidentificationMethodCodeSequence = codes
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = made.SOPClassUID, made.SOPInstanceUID
    made.file_meta = meta
    made.preamble = bytes(128)
