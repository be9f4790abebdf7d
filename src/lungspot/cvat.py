"""CVAT's auto-annotation function: ``cvat-cli … --function-module lungspot.cvat`` (docs/how-to/cvat.md).

CVAT calls :func:`create` once, with the parameters of ``-p``, and ``detect`` for each film; run at once, over a task
that is there, or by an agent, whenever somebody asks in CVAT's page. Its films come as pictures: it makes one of a
DICOM film itself when the task is made.
"""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lungspot.adapt import load_for_site
from lungspot.detect import DEFAULT_POINT, OPERATING_POINTS, Detector
from lungspot.errors import FilmError, InputError
from lungspot.extras import extra
from lungspot.findings import Box, taxonomy
from lungspot.pipeline import analyze
from lungspot.report import NOT_ASSESSED, Analysis

if TYPE_CHECKING:
    from PIL.Image import Image

with extra("cvat", "CVAT's auto-annotation"):
    from cvat_sdk import auto_annotation

__all__ = ["DetectionFunction", "create"]

_LOG = logging.getLogger("lungspot.cvat")


@dataclass(frozen=True, slots=True)
class DetectionFunction:
    """What CVAT asks for boxes: ``spec`` says which labels there are, ``detect`` boxes one film.

    ``point``: the operating point whose thresholds count where CVAT names no threshold. ``region``: only boxes whose
    centre lies in this part of the film, in per cent of its sides from the top left.
    """

    spec: Any
    detector: Detector
    point: str = DEFAULT_POINT
    region: Box | None = None

    def detect(self, context: Any, image: Image) -> list[Any]:  # noqa: ANN401 - classes of an optional package
        """Return rectangles in pixels of ``image``; none, and a warning, where it is no film that can be judged.

        ``context.conf_threshold``: the score that boxes must reach, where the caller of CVAT chose one.
        """
        threshold = context.conf_threshold
        try:
            result = analyze(_png_of(image), self.detector, point=self.point, min_score=threshold)
        except FilmError as error:
            _LOG.warning("%s: %s", context.frame_name, error)
            return []
        if not result.assessed:
            _LOG.warning("%s: %s (%s)", context.frame_name, NOT_ASSESSED.lower(), ", ".join(result.reasons))
            return []
        return [
            auto_annotation.rectangle(self.detector.card.labels.index(label), list(box.corners))
            for label, box in _boxes(result, chosen=threshold is not None)
            if self.region is None or _inside(box, self.region, image.size)
        ]


def create(
    model: str = "default", point: str = DEFAULT_POINT, site: str = "", names: str = "id", region: str = ""
) -> DetectionFunction:
    """Return the function of a model.

    ``model``: ``default`` or a model file; ``site``: a site file. ``names``: whether the task's labels are called by
    ids (``nodule_mass``, as `lungspot data pool` has them) or by ``name`` (``Pleural effusion``). ``region``:
    ``x0,y0,x1,y1`` in per cent. Raises ``BAD_VALUE``, and what loading the model raises.
    """
    if point not in OPERATING_POINTS:
        raise InputError("BAD_VALUE", "point", repr(point), advice=f"use one of {', '.join(OPERATING_POINTS)}")
    if names not in {"id", "name"}:
        raise InputError("BAD_VALUE", "names", repr(names), advice="use id or name")
    detector = load_for_site(model, Path(site) if site else None)
    known = taxonomy()
    labels = []
    for number, label in enumerate(detector.card.labels):
        name = known[label].name if names == "name" and label in known else label
        colour = {"color": known[label].color} if label in known else {}
        labels.append(auto_annotation.label_spec(name, number, type="rectangle", **colour))
    return DetectionFunction(
        auto_annotation.DetectionFunctionSpec(labels=labels), detector, point, _region_of(region) if region else None
    )


def _boxes(result: Analysis, *, chosen: bool) -> list[tuple[str, Box]]:
    """Return labels and boxes that reach the caller's threshold or, where there is none, the point's."""
    return [
        (finding.label, finding.box)
        for finding in result.boxed
        if finding.box is not None and (chosen or result.is_positive(finding))
    ]


def _inside(box: Box, region: Box, size: tuple[int, int]) -> bool:
    x, y = ((low + high) / 2 for low, high in ((box.x0, box.x1), (box.y0, box.y1)))
    across, down = 100 * x / size[0], 100 * y / size[1]
    return region.x0 <= across <= region.x1 and region.y0 <= down <= region.y1


def _region_of(text: str) -> Box:
    try:
        x0, y0, x1, y1 = (float(part) for part in text.split(","))
        box = Box(x0, y0, x1, y1)
    except ValueError as error:
        advice = "give x0,y0,x1,y1 in per cent of the film's width and height"
        raise InputError("BAD_VALUE", "region", repr(text[:100]), advice=advice) from error
    return box


def _png_of(image: Image) -> bytes:
    """Return the picture as a file, so that it is read as every film is."""
    buffer = io.BytesIO()
    image.save(buffer, "png", compress_level=1)
    return buffer.getvalue()
