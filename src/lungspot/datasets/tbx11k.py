"""TBX11K: 11,200 films (healthy, sick without TB, TB), boxes of active and obsolete tuberculosis.

Citation: Liu Y, Wu YH, Ban Y, Wang H, Cheng MM. Rethinking computer-aided tuberculosis diagnosis. CVPR 2020.
Link: https://mmcheng.net/tb/
Terms: research, non-commercial.
Boxes: Pascal VOC x0, y0, x1, y1, in pixels of the film before it was made 512 x 512: the XML file's ``size`` says
which (2840 x 2827 and others). The COCO files give x, y, width, height in pixels of the 512 x 512 film.
Known faults: ``imgs/tb/tb1199`` has no annotation. ``imgs/extra`` holds Montgomery, Shenzhen and DA/DB.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lungspot.datasets.case import Case
from lungspot.datasets.films import find_films
from lungspot.datasets.tables import need_folder, refuse_row, row_box
from lungspot.errors import DatasetError
from lungspot.findings import Box, Finding, Frame, Reading, State

__all__ = ["LABELS", "READER", "cases"]

READER: Final = "tbx11k"
LABELS: Final[dict[str, str]] = {
    "ActiveTuberculosis": "tuberculosis_active",
    "ObsoletePulmonaryTuberculosis": "tuberculosis_old",
}


def cases(root: Path) -> Iterator[Case]:
    """Yield a case for each XML file of ``annotations/xml``, with its film if that is there."""
    folder = need_folder(root) / "annotations" / "xml"
    paths = sorted(folder.glob("*.xml"))
    if not paths:
        raise DatasetError("DATASET_INCOMPLETE", root, "no annotations/xml/*.xml here")
    films = find_films([root / "imgs"])
    for path in paths:
        frame, boxes = _read(path)
        if boxes:
            reading = Reading.of_boxes(READER, frame, boxes, LABELS.values())
        else:
            reading = Reading(READER, (Finding("tuberculosis"),), {"tuberculosis": State.PRESENT}, frame)
        yield Case(
            id=path.stem,
            dataset="tbx11k",
            patient=f"tbx_{path.stem}",
            readings=(reading,),
            image=films.get(path.stem),
            frame=frame,
        )


def _read(path: Path) -> tuple[Frame, list[tuple[str, Box]]]:
    try:
        root = ET.fromstring(path.read_bytes())  # noqa: S314
        frame = Frame(int(root.findtext("size/width", "")), int(root.findtext("size/height", "")))
        found = [
            (item.findtext("name", ""), [float(item.findtext(f"bndbox/{key}", "")) for key in _CORNERS])
            for item in root.iter("object")
        ]
    except (OSError, ET.ParseError, ValueError) as error:
        raise DatasetError("DATASET_ROW", path, f"not a Pascal VOC annotation ({error})") from error
    if unknown := {name for name, _ in found} - LABELS.keys():
        raise refuse_row(path, "object", f"unknown label {', '.join(sorted(unknown))}")
    return frame, [(LABELS[name], row_box(path, name, corners)) for name, corners in found]


_CORNERS = ("xmin", "ymin", "xmax", "ymax")
