"""What a film without its patient keeps. Whatever is not named here is gone, in every edition of PS3.15 E.1.

Kept are attributes that pictures need and that the table of PS3.15 E.1-1 (2026c) does not name, or names with an action
that :mod:`~lungspot.images.deidentify` carries out (UIDs replaced, dates moved). No text that people type is kept:
words come from closed lists, numbers are read as numbers and written anew. A test plants identifiers in every attribute
of the table and looks for them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

__all__ = ["DATES", "EMPTY", "EMPTY_OF", "NUMBERS", "PADDING", "TABLES", "UIDS", "WORDS"]

# Replaced by others, the same way everywhere.
UIDS: Final = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")

# Coded words, kept where they are one of these.
WORDS: Final[dict[str, frozenset[str]]] = {
    "ImageType": frozenset({"ORIGINAL", "DERIVED", "PRIMARY", "SECONDARY"}),
    "Modality": frozenset({"CR", "DX", "DR", "RG", "XR", "RX", "OT"}),
    "PresentationIntentType": frozenset({"FOR PRESENTATION", "FOR PROCESSING"}),
    "ViewPosition": frozenset({"PA", "AP", "LL", "RL", "LAT", "LATERAL", "LLD", "RLD", "LLO", "RLO"}),
    "BodyPartExamined": frozenset(
        {"CHEST", "THORAX", "LUNG", "RIB", "RIBS", "HEART", "SPINE", "ABDOMEN", "PELVIS", "HIP", "EXTREMITY", "HAND"}
    ),
    "Laterality": frozenset("LRBU"),
    "ImageLaterality": frozenset("LRBU"),
    "PresentationLUTShape": frozenset({"IDENTITY", "INVERSE"}),
    "VOILUTFunction": frozenset({"LINEAR", "LINEAR_EXACT", "SIGMOID"}),
    "RescaleType": frozenset({"US", "OD", "HU"}),
    "PixelIntensityRelationship": frozenset({"LIN", "LOG"}),
    "PixelSpacingCalibrationType": frozenset({"GEOMETRY", "FIDUCIAL"}),
    "BurnedInAnnotation": frozenset({"NO"}),
    "LossyImageCompression": frozenset({"00", "01"}),
    "LossyImageCompressionMethod": frozenset({"ISO_10918_1", "ISO_14495_1", "ISO_15444_1", "ISO_15444_15"}),
    "ConversionType": frozenset({"DV", "DI", "DF", "WSD", "SD", "SI", "DRW", "SYN"}),
}


def _decimal(value: float) -> str:
    return f"{value:.10g}"


# Numbers, kept where they are numbers and not more than so many: how they are written, and how many.
NUMBERS: Final[dict[str, tuple[Callable[[float], str | int], int]]] = {
    "SeriesNumber": (round, 1),
    "InstanceNumber": (round, 1),
    "PixelSpacing": (_decimal, 2),
    "ImagerPixelSpacing": (_decimal, 2),
    "NominalScannedPixelSpacing": (_decimal, 2),
    "PixelAspectRatio": (round, 2),
    "RescaleIntercept": (_decimal, 1),
    "RescaleSlope": (_decimal, 1),
    "WindowCenter": (_decimal, 8),
    "WindowWidth": (_decimal, 8),
    "PixelIntensityRelationshipSign": (round, 1),
    "KVP": (_decimal, 1),
    "ExposureTime": (round, 1),
    "XRayTubeCurrent": (round, 1),
    "Exposure": (round, 1),
    "DistanceSourceToDetector": (_decimal, 1),
    "DistanceSourceToPatient": (_decimal, 1),
    "ExposureIndex": (_decimal, 1),
    "TargetExposureIndex": (_decimal, 1),
    "DeviationIndex": (_decimal, 1),
    "LossyImageCompressionRatio": (_decimal, 8),
}

# Moved back by the patient's number of days. Times of day are not kept.
DATES: Final = ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")

# Stored values, kept where the pixels can have them.
PADDING: Final = ("PixelPaddingValue", "PixelPaddingRangeLimit")

# Sequences of one look-up table each.
TABLES: Final = ("ModalityLUTSequence", "VOILUTSequence")

# Type 2 attributes: there, and empty. Of every film, and of one class.
EMPTY: Final = (
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
    "Manufacturer",
    "SeriesNumber",
    "InstanceNumber",
    "PatientOrientation",
)
_DX: Final = ("AnatomicRegionSequence", "DetectorType", "PositionerType", "AcquisitionContextSequence")
EMPTY_OF: Final = {
    "1.2.840.10008.5.1.4.1.1.1": ("BodyPartExamined", "ViewPosition"),
    "1.2.840.10008.5.1.4.1.1.1.1": _DX,
    "1.2.840.10008.5.1.4.1.1.1.1.1": _DX,
}
