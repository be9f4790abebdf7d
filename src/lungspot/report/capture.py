"""A result as a secondary capture: the picture that ``overlay`` draws, for archives that show nothing else."""

from __future__ import annotations

import numpy as np
from highdicom import sc
from pydicom.dataset import Dataset

from lungspot import BANNER
from lungspot.images import text_of
from lungspot.report.analysis import Analysis
from lungspot.report.overlay import overlay
from lungspot.report.source import ReportContext, finish

__all__ = ["make_capture"]


def make_capture(context: ReportContext) -> Dataset | None:
    """Return the film with boxes, names, banner and version burned in, RGB; None where there are no pixels to show."""
    result, source = context.result, context.source
    if not isinstance(result, Analysis):
        return None
    made = sc.SCImage(
        pixel_array=np.asarray(overlay(result, experimental=context.experimental)),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "F"),  # the film's own, below: highdicom knows none of three letters
        study_instance_uid=source.StudyInstanceUID,
        specific_character_set="ISO_IR 192",
        **{argument: context.film[keyword].value for argument, keyword in _PATIENT.items()},
        **context.about("sc", f"lungspot picture. {BANNER}"),
    )
    made.PatientOrientation = list(source.get("PatientOrientation", []))
    made.BurnedInAnnotation = "YES"
    made.DerivationDescription = f"Boxes and names drawn by lungspot. {BANNER}"
    if text_of(context.header, "LossyImageCompression") == "01":
        made.LossyImageCompression = "01"
    film = Dataset()
    film.ReferencedSOPClassUID, film.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    made.SourceImageSequence = [film]
    return finish(made, context, "sc")


_PATIENT = {
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
