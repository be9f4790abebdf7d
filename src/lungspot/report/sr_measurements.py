"""What a reader measured as groups of a TID 1500 report: TID 1501 with TID 300 measurements, each with its points.

A length, an angle and the cardiothoracic ratio are numbers inferred from polylines, the ratio with both widths; a
region is a TID 1410 group with its outline, area and greys. Groups without an algorithm are the person's, whom the
report names as its observer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from highdicom import sr
from numpy.typing import NDArray
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from lungspot.report.coded import OWN_SCHEME, TERMS
from lungspot.report.measurements import Kind, Measurement
from lungspot.report.source import ReportContext

__all__ = ["UNITS", "Group", "measurement_groups", "numbers_of", "outline_of", "reader_of", "with_places"]

Group = sr.MeasurementsAndQualitativeEvaluations | sr.PlanarROIMeasurementsAndQualitativeEvaluations

_CODES: Final = {name: Code(*term) for name, term in TERMS.items()} | {
    "cardiothoracic_ratio": Code("cardiothoracic_ratio", OWN_SCHEME, "Cardiothoracic ratio")  # no public term was found
}
# By a measurement's unit what UCUM calls it.
UNITS: Final = {
    "mm": Code("mm", "UCUM", "millimeter"),
    "px": Code("{pixels}", "UCUM", "pixels"),
    "mm2": Code("mm2", "UCUM", "square millimeter"),
    "px2": Code("{pixels}", "UCUM", "pixels"),
    "deg": Code("deg", "UCUM", "degree"),
    "1": Code("1", "UCUM", "no units"),
    "%": Code("%", "UCUM", "percent"),
}
_NAMES: Final = {
    Kind.LENGTH: "Distance",
    Kind.ANGLE: "Angle",
    Kind.REGION: "Region",
    Kind.RATIO: "Cardiothoracic ratio",
}


def measurement_groups(context: ReportContext, film: tuple[str, str], frames: dict[str, Any]) -> Iterator[Group]:
    """Yield a group a measurement of the context's review. ``film``: class and instance; ``frames``: which frame."""
    for number, made in enumerate(() if context.review is None else context.review.measurements, 1):
        name = f"{_NAMES[made.kind]} {number}"
        tracking = sr.TrackingIdentifier(
            uid=context.uid("measurement", number, *context.whose), identifier=f"lungspot: {name}"
        )
        if made.kind is Kind.REGION:
            yield _region(made, tracking, film, frames)
        else:
            yield sr.MeasurementsAndQualitativeEvaluations(
                tracking_identifier=tracking,
                measurements=list(numbers_of(made, film, frames)),
                source_images=[sr.SourceImageForMeasurementGroup(*film, **frames)],
            )


def reader_of(context: ReportContext) -> sr.ObserverContext | None:
    """Return the reader as an observer; None where there is no review, or nobody named."""
    name = "" if context.review is None else context.review.reader
    plain = " ".join(
        "".join(" " if letter in "^=\\" or not letter.isprintable() else letter for letter in name).split()
    )
    if not plain:
        return None
    person = sr.PersonObserverIdentifyingAttributes(name=f"{plain[:60]}^")
    return sr.ObserverContext(observer_type=codes.DCM.Person, observer_identifying_attributes=person)


def numbers_of(made: Measurement, film: tuple[str, str], frames: dict[str, Any]) -> Iterator[sr.Measurement]:
    """Yield the numbers of a length, an angle, or the ratio with its two widths, each with its points."""

    def number(name: str, value: float, unit: str, lines: Sequence[Sequence[tuple[float, float]]], **more: Any) -> Any:  # noqa: ANN401 - highdicom's
        places = [_line(np.array(line), film, frames) for line in lines]
        return sr.Measurement(_CODES[name], value, UNITS[unit], referenced_coordinates=places, **more)

    if made.kind is not Kind.RATIO or made.widths is None:
        yield number("length" if made.kind is Kind.LENGTH else "angle", made.value, made.unit, [made.points])
        return
    heart, chest, widths = made.points[:2], made.points[2:], made.widths
    # the four borders as one SCOORD: OHIF draws nothing of a report in which a group has no number with just one
    borders = _line(np.array(made.points), film, frames, sr.GraphicTypeValues.MULTIPOINT)
    yield sr.Measurement(_CODES["cardiothoracic_ratio"], made.value, UNITS["1"], referenced_coordinates=[borders])
    for organ, width, line in (("heart", widths.heart, heart), ("thorax", widths.chest, chest)):
        yield number("width", width, widths.unit, [line], finding_sites=[sr.FindingSite(_CODES[organ])])


def _region(made: Measurement, tracking: sr.TrackingIdentifier, film: tuple[str, str], frames: dict[str, Any]) -> Group:
    greys = made.greys
    parts = [] if greys is None else [("mean", greys.mean), ("deviation", greys.deviation), ("minimum", greys.least)]
    parts += [] if greys is None else [("maximum", greys.most)]
    group = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking,
        referenced_region=sr.ImageRegion(
            graphic_type=sr.GraphicTypeValues.POLYLINE,
            graphic_data=outline_of(made.points),
            source_image=sr.SourceImageForRegion(*film, **frames),
        ),
        measurements=[
            sr.Measurement(_CODES["area"], made.value, UNITS[made.unit]),
            *(sr.Measurement(_CODES[name], value, UNITS["%"]) for name, value in parts),
        ],
    )
    return with_places(group, outline_of(made.points), film, frames)


def with_places(group: Group, points: NDArray[np.float64], film: tuple[str, str], frames: dict[str, Any]) -> Group:
    """Return a group whose numbers are each inferred from the polyline (n, 2): where viewers look for a drawing.

    TID 1410 says it once, of the whole group, and may be extended; highdicom writes it as it stands.
    """
    for item in group[0].ContentSequence:
        if item.ValueType == "NUM":
            line = _line(points, film, frames)
            item.ContentSequence = sr.ContentSequence([line, *item.get("ContentSequence", [])])  # first
    return group


def _line(
    points: NDArray[np.float64],
    film: tuple[str, str],
    frames: dict[str, Any],
    kind: sr.GraphicTypeValues = sr.GraphicTypeValues.POLYLINE,
) -> sr.CoordinatesForMeasurement:
    return sr.CoordinatesForMeasurement(kind, points, sr.SourceImageForRegion(*film, **frames))


def outline_of(corners: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """Return a rectangle's corners clockwise from the top left, shape (5, 2), the first again at the end."""
    (x0, x1), (y0, y1) = (sorted(corner[axis] for corner in corners) for axis in (0, 1))
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)])
