"""Heart and lungs in a TID 1500 report, on request: a group of TID 1410 each with its width, TID 1501 with their ratio.

They name the model as what measured them, so that nobody takes them for a reader's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from highdicom import sr
from pydicom.sr.coding import Code

from lungspot.findings import Box
from lungspot.report.analysis import Analysis
from lungspot.report.coded import TERMS, side_term
from lungspot.report.measurements import Kind, measure
from lungspot.report.organs import OrganMark, organ_marks, ratio_points
from lungspot.report.source import ReportContext
from lungspot.report.sr_evaluations import algorithm_of
from lungspot.report.sr_measurements import UNITS, Group, numbers_of, outline_of, with_places

__all__ = ["anatomy_groups"]

_CODES: Final = {name: Code(*term) for name, term in TERMS.items()}


def anatomy_groups(
    context: ReportContext, known: list[str], film: tuple[str, str], frames: dict[str, Any]
) -> Iterator[Group]:
    """Yield the groups of a film's heart, lungs and ratio where the context asks for them and they may be shown."""
    result = context.result
    if not context.anatomy or not isinstance(result, Analysis):
        return
    marks = organ_marks(result)
    for number, mark in enumerate(marks):
        yield _organ(context, known, result, mark, number, film, frames)
    if marks:
        made = measure(Kind.RATIO, ratio_points(result), result.radiograph, by="model")
        yield sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=_tracking(context, "Cardiothoracic ratio", len(marks)),
            algorithm_id=algorithm_of(context, known),
            measurements=list(numbers_of(made, film, frames)),
            source_images=[sr.SourceImageForMeasurementGroup(*film, **frames)],
        )


def _organ(  # noqa: PLR0913, PLR0917 - an organ, and what is known of it
    context: ReportContext,
    known: list[str],
    result: Analysis,
    mark: OrganMark,
    number: int,
    film: tuple[str, str],
    frames: dict[str, Any],
) -> Group:
    width = measure(Kind.LENGTH, _across(mark.box, result.quarter_turns), result.radiograph, by="model")
    site = sr.FindingSite(_CODES[mark.organ], laterality=None if mark.side is None else Code(*side_term(mark.side)))
    group = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(context, mark.name, number),
        referenced_region=sr.ImageRegion(
            graphic_type=sr.GraphicTypeValues.POLYLINE,
            graphic_data=outline_of((mark.box.corners[:2], mark.box.corners[2:])),
            source_image=sr.SourceImageForRegion(*film, **frames),
        ),
        finding_type=_CODES["anatomical_structure"],
        algorithm_id=algorithm_of(context, known),
        finding_sites=[site],
        measurements=[sr.Measurement(_CODES["width"], width.value, UNITS[width.unit])],
        geometric_purpose=_CODES["bounding_box"],
    )
    return with_places(group, outline_of((mark.box.corners[:2], mark.box.corners[2:])), film, frames)


def _across(box: Box, quarter_turns: int) -> list[tuple[float, float]]:
    """Return the ends of a box's width on the patient: from top to bottom where the film lies on its side."""
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    return [(x, box.y0), (x, box.y1)] if quarter_turns % 2 else [(box.x0, y), (box.x1, y)]


def _tracking(context: ReportContext, name: str, number: int) -> sr.TrackingIdentifier:
    return sr.TrackingIdentifier(uid=context.uid("anatomy", number), identifier=f"lungspot: {name}")
