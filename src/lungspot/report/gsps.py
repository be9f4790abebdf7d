"""A result as a grayscale softcopy presentation state: boxes and names on a layer of their own, over the film itself.

The film is shown as its own header says (modality LUT, window, polarity), or without a window where the header's hides
the film. Coordinates are in pixels with (0, 0) at the top-left corner of the film, as boxes are (PS3.3 C.10.5).
"""

from __future__ import annotations

from copy import deepcopy
from typing import Final

import numpy as np
from highdicom import PresentationLUTTransformation, pr
from highdicom.color import CIELabColor
from pydicom.dataset import Dataset

from lungspot import BANNER
from lungspot.findings import Frame
from lungspot.images import number_of, table_of, text_of, values_of
from lungspot.report.analysis import Analysis
from lungspot.report.marks import PlaceMark, marks_of
from lungspot.report.source import ReportContext, finish

__all__ = ["make_gsps"]

_LAYER: Final = "LUNGSPOT"
_AMBER: Final = CIELabColor(82, 12, 70)
_LINE: Final = 0.022  # height of a line of text, as a part of the film's
_FUNCTIONS: Final = frozenset({"LINEAR", "LINEAR_EXACT", "SIGMOID"})


def make_gsps(context: ReportContext) -> Dataset | None:
    """Return the boxes as a presentation state; None for a film in colour, of several frames, or not assessed."""
    result, source = context.result, context.source
    if not isinstance(result, Analysis) or not result.assessed or "NumberOfFrames" in source:
        return None
    if source.PhotometricInterpretation not in {"MONOCHROME1", "MONOCHROME2"}:
        return None
    film = deepcopy(context.film)
    film.SamplesPerPixel = 1
    layer = pr.GraphicLayer(_LAYER, 1, description=BANNER, display_color=_AMBER)
    marks = marks_of(context.told)
    note = pr.GraphicAnnotation(
        referenced_images=[film],
        graphic_layer=layer,
        graphic_objects=[each for mark in marks if (each := _outline(context, mark))] or None,
        text_objects=[_banner(context, result), *(_label(result, mark) for mark in marks)],
    )
    inverted = source.PhotometricInterpretation == "MONOCHROME1"
    made = pr.GrayscaleSoftcopyPresentationState(
        referenced_images=[film],
        content_label=_LAYER,
        content_description=f"lungspot boxes. {BANNER}",
        graphic_annotations=[note],
        graphic_layers=[layer],
        presentation_lut_transformation=PresentationLUTTransformation(
            presentation_lut_shape="INVERSE" if inverted else "IDENTITY"
        ),
        specific_character_set="ISO_IR 192",
        **context.about("gsps", 9902, f"lungspot boxes. {BANNER}"),
    )
    for area in made.DisplayedAreaSelectionSequence:
        area.PresentationPixelAspectRatio = list(result.radiograph.pixel_aspect)
    hidden = any(notice.code == "WINDOW_IGNORED" for notice in result.radiograph.notices)
    _show_as_the_film(made, context.header, window=not hidden)
    return finish(made, context, "Laterality")


def _outline(context: ReportContext, mark: PlaceMark) -> pr.GraphicObject | None:
    box = mark.box.clip(Frame(context.source.Columns, context.source.Rows))
    if box is None:
        return None
    x0, y0, x1, y1 = box.corners
    return pr.GraphicObject(
        graphic_type=pr.GraphicTypeValues.POLYLINE,
        graphic_data=np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]),
        units=pr.AnnotationUnitsValues.PIXEL,
        tracking_id=f"lungspot: place {mark.place}",
        tracking_uid=context.uid("tracking", "place", mark.place),
    )


def _label(result: Analysis, mark: PlaceMark) -> pr.TextObject:
    """Return a place's label in a strip above its frame, or within it where the film ends."""
    frame = result.radiograph.frame
    line = max(_LINE * frame.height, 4.0)
    high = line * len(mark.lines)
    box = mark.box
    top = box.y0 - high if box.y0 >= high else box.y0
    lines = mark.lines if mark.solid else (*mark.lines[:-1], f"{mark.lines[-1]} (below threshold)")
    left = max(min(box.x0, frame.width - 2.0), 0.0)
    right = min(max(box.x1, left + 0.55 * line * max(map(len, lines))), float(frame.width))
    corners = (left, max(top, 0.0), right, min(max(top, 0.0) + high, float(frame.height)))
    return _text("\r\n".join(lines), corners)


def _banner(context: ReportContext, result: Analysis) -> pr.TextObject:
    frame = result.radiograph.frame
    name, version = context.model
    words = [said.text for said in context.told.whole_film]
    words += [f"{BANNER} lungspot, model {name} {version}", " ".join((*context.told.caveats, context.told.percentages))]
    top = (1 - _LINE * len(words)) * frame.height
    return _text("\r\n".join(words), (0.0, max(top, 0.0), float(frame.width), float(frame.height)))


def _text(words: str, corners: tuple[float, float, float, float]) -> pr.TextObject:
    return pr.TextObject(
        text_value=words,
        units=pr.AnnotationUnitsValues.PIXEL,
        bounding_box=corners,
        text_justification=pr.TextJustificationValues.LEFT,
    )


def _show_as_the_film(made: Dataset, header: Dataset, *, window: bool) -> None:
    """Take over the film's modality LUT and, with ``window``, its first VOI LUT or window."""
    slope, intercept = number_of(header, "RescaleSlope"), number_of(header, "RescaleIntercept")
    if modality := table_of(header, "ModalityLUTSequence"):
        made.ModalityLUTSequence = [modality]
    elif slope and intercept is not None:
        made.RescaleSlope, made.RescaleIntercept = f"{slope:.10g}", f"{intercept:.10g}"
        made.RescaleType = text_of(header, "RescaleType") or "US"
    shown = Dataset()
    pairs = zip(values_of(header, "WindowCenter"), values_of(header, "WindowWidth"), strict=False)
    window_of = next(((c, w) for c, w in pairs if c is not None and w is not None and w >= 1), None)
    if voi := table_of(header, "VOILUTSequence"):
        shown.VOILUTSequence = [voi]
    elif window_of is not None:
        shown.WindowCenter, shown.WindowWidth = (f"{value:.10g}" for value in window_of)
        if (function := text_of(header, "VOILUTFunction").upper()) in _FUNCTIONS:
            shown.VOILUTFunction = function
    if len(shown) and window:
        made.SoftcopyVOILUTSequence = [shown]
