"""LIDC-IDRI projections: 486 synthetic frontal films made from CT, each with one to 23 boxed nodules.

Citation: Armato SG, McLennan G, Bidaut L, et al. The Lung Image Database Consortium (LIDC) and Image Database Resource
Initiative (IDRI): a completed reference database of lung nodules on CT scans. Medical Physics 2011;38:915-931.
Link: https://www.cancerimagingarchive.net/collection/lidc-idri/
Terms: CC BY 3.0.
Boxes: x0, y0, x1, y1 in pixels of the projection before it was made square; its size is in each row. A box is the
shadow of a nodule that was outlined in the CT.
Known faults: these are no radiographs: arms up, lying, no scatter, and much is boxed that no radiograph shows. For
training only, and only where that is shown to help; every film's split is ``train``. Nobody looked for anything else.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lungspot.findings import Box, Frame, Reading
from lungspot.formats.case import Case, Split
from lungspot.formats.films import find_films
from lungspot.formats.tables import need, number, read_rows, refuse_row, row_box, row_frame, word

__all__ = ["READER", "cases"]

READER: Final = "lidc"
_SECOND: Final = re.compile(r"_\d+\Z")  # LIDC-IDRI-0315_2: another CT of one patient
_CORNERS: Final = ("x0", "y0", "x1", "y1")


def cases(root: Path) -> Iterator[Case]:
    """Yield a case for each film of ``nodules.csv``, with its film if that is there."""
    path = need(root, "nodules.csv")
    films = find_films([root / "images"])
    boxes: defaultdict[str, list[tuple[str, Box]]] = defaultdict(list)
    frames: dict[str, Frame] = {}
    for line, row in read_rows(path, ("image", "native_width", "native_height", *_CORNERS)):
        name = word(path, line, row, "image").rpartition(".")[0]
        frame = row_frame(path, line, row, "native_width", "native_height")
        if frames.setdefault(name, frame) != frame:
            raise refuse_row(path, line, f"{name} has two sizes")
        corners = [number(path, line, row, column) for column in _CORNERS]
        boxes[name].append(("nodule_mass", row_box(path, line, corners)))
    for name, found in boxes.items():
        yield Case(
            id=name,
            dataset="lidc_drr",
            patient=f"lidc_{_SECOND.sub('', name)}",
            readings=(Reading.of_boxes(READER, frames[name], found, ("nodule_mass",)),),
            image=films.get(name),
            frame=frames[name],
            split=Split.TRAIN,
        )
