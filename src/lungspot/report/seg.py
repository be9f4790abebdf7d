"""A result's heat maps as a segmentation: one segment a label that was found, how strongly each pixel spoke for it.

The values are class activations between 0 and 1 in steps of 1/255 (FRACTIONAL, PROBABILITY), at the film's own size,
interpolated from the network's coarse grid. They say where the network looked; they are no outline of a disease.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from highdicom import AlgorithmIdentificationSequence, PixelMeasuresSequence, seg
from highdicom.sr import CodedConcept
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import DeflatedExplicitVRLittleEndian

from lungspot import BANNER
from lungspot.findings import name_of
from lungspot.report.analysis import Analysis
from lungspot.report.coded import TERMS, site_term, term_of
from lungspot.report.source import ReportContext, finish

__all__ = ["make_seg"]

_THICKNESS: Final = 1.0  # millimetres; a radiograph has none, but readers want one beside the size of pixels
_CODES: Final = {name: Code(*term) for name, term in TERMS.items()}


def make_seg(context: ReportContext) -> Dataset | None:
    """Return the maps of the labels that are found on the film; None where there is none, or several frames."""
    result, source = context.result, context.source
    if not isinstance(result, Analysis) or result.reading is None or "NumberOfFrames" in source:
        return None
    found = dict.fromkeys(name.label for said in (*context.told.said, *context.told.below) for name in said.names)
    labels = [label for label in found if label in result.heat]
    if not labels:
        return None
    size = (source.Columns, source.Rows)
    maps = np.stack([_at_size(result.heat[label], size) for label in labels], axis=-1)[None]
    made = seg.Segmentation(
        source_images=[context.film],
        pixel_array=maps,
        segmentation_type=seg.SegmentationTypeValues.FRACTIONAL,
        fractional_type=seg.SegmentationFractionalTypeValues.PROBABILITY,
        max_fractional_value=255,
        segment_descriptions=[_segment(context, number, label) for number, label in enumerate(labels, 1)],
        pixel_measures=_measures(result, source),
        omit_empty_frames=False,
        content_label="LUNGSPOT",
        content_description=f"lungspot heat maps. {BANNER}",
        specific_character_set="ISO_IR 192",
        **context.about("seg", 9904, f"lungspot heat maps. {BANNER}"),
    )
    made.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian  # smooth maps: a twentieth
    return finish(made, context, "PatientOrientation")


def _measures(result: Analysis, source: Dataset) -> PixelMeasuresSequence | None:
    """Return a pixel's height and width in millimetres, as the film's file says them; None where it does not."""
    spacing = result.radiograph.pixel_spacing_mm or source.get("PixelSpacing")
    return None if spacing is None else PixelMeasuresSequence([float(each) for each in spacing], _THICKNESS)


def _at_size(heat: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return a map at (width, height), shape (height, width), interpolated, 0 to 1."""
    grown = Image.fromarray(np.ascontiguousarray(heat, dtype=np.float32)).resize(size, Image.Resampling.BICUBIC)
    return np.clip(np.asarray(grown, dtype=np.float32), 0, 1)


def _segment(context: ReportContext, number: int, label: str) -> seg.SegmentDescription:
    name, version = context.model
    item = seg.SegmentDescription(
        segment_number=number,
        segment_label=f"{name_of(label)}: class activation"[:64],
        segmented_property_category=_CODES["abnormal_structure"],
        segmented_property_type=Code(*term_of(label)),
        algorithm_type=seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=AlgorithmIdentificationSequence(
            name=name, family=_CODES["artificial_intelligence"], version=version
        ),
        tracking_uid=context.uid("tracking", "heat", label),
        tracking_id=f"lungspot: {name_of(label)} (heat map)",
        anatomic_regions=[Code(*site_term(label))],
    )
    item.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [
        CodedConcept.from_code(_CODES["class_activation"])
    ]
    return item
