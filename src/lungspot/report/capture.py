"""A result as a secondary capture: the picture that ``overlay`` draws, for archives that show nothing else.

It is a JPEG, which every archive and viewer reads: a fifteenth of what its pixels take. The film itself stays as it is.
"""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from highdicom import sc
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from lungspot import BANNER
from lungspot.report.analysis import Analysis
from lungspot.report.overlay import overlay
from lungspot.report.source import ReportContext, finish

__all__ = ["make_capture"]


def make_capture(context: ReportContext) -> Dataset | None:
    """Return the film with boxes, names, banner and version burned in, RGB; None where there are no pixels to show."""
    result, source = context.result, context.source
    if not isinstance(result, Analysis):
        return None
    picture = overlay(result, experimental=context.experimental)
    made = sc.SCImage(
        pixel_array=np.asarray(picture),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "F"),  # the film's own, below: highdicom knows none of three letters
        study_instance_uid=source.StudyInstanceUID,
        specific_character_set="ISO_IR 192",
        **{argument: context.film[keyword].value for argument, keyword in _PATIENT.items()},
        **context.about("sc", 9903, f"lungspot picture. {BANNER}"),
    )
    made.PatientOrientation = list(source.get("PatientOrientation", []))
    made.BurnedInAnnotation = "YES"
    made.DerivationDescription = f"Boxes and names drawn by lungspot. {BANNER}"
    film = Dataset()
    film.ReferencedSOPClassUID, film.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    made.SourceImageSequence = [film]
    _as_jpeg(made, picture)
    return finish(made, context, "Laterality")


def _as_jpeg(made: Dataset, picture: Image.Image) -> None:
    """Put a picture into a capture as JPEG Baseline, colour at half the width (YBR_FULL_422)."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY, subsampling="4:2:2")
    pixels = 3 * picture.width * picture.height
    made.PixelData = encapsulate([buffer.getvalue()])
    made["PixelData"].VR, made["PixelData"].is_undefined_length = "OB", True
    made.PhotometricInterpretation = "YBR_FULL_422"
    made.LossyImageCompression, made.LossyImageCompressionMethod = "01", "ISO_10918_1"
    made.LossyImageCompressionRatio = f"{pixels / len(buffer.getvalue()):.1f}"
    made.file_meta.TransferSyntaxUID = JPEGBaseline8Bit


_QUALITY: Final = 90  # of Pillow's 100: lines and letters stay sharp
_PATIENT: Final = {
    "patient_id": "PatientID",
    "patient_name": "PatientName",
    "patient_birth_date": "PatientBirthDate",
    "patient_sex": "PatientSex",
    "accession_number": "AccessionNumber",
    "study_id": "StudyID",
    "study_date": "StudyDate",
    "study_time": "StudyTime",
    "referring_physician_name": "ReferringPhysicianName",
}
