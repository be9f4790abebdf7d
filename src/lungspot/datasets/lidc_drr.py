"""LIDC-IDRI projections: 486 synthetic frontal films made from CT, each with one to 23 boxed nodules.

Boxes: x0, y0, x1, y1 in pixels of the projection before it was made square; its size is in each row. A box is the
shadow of a nodule that was outlined in the CT.
Known faults: these are no radiographs: arms up, lying, no scatter, and much is boxed that no radiograph shows. For
training only, and only where that is shown to help; every film's split is ``train``. Nobody looked for anything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lungspot.datasets.declaration import Dataset, TruthSource
from lungspot.findings import Box, Frame, Reading
from lungspot.formats import STRICT, Case, Faults, PublishedTable, Split, find_films, require_folder

__all__ = ["DATASET", "READER", "cases"]

READER: Final = "lidc"
_SECOND: Final = re.compile(r"_\d+\Z")  # LIDC-IDRI-0315_2: another CT of one patient
_CORNERS: Final = ("x0", "y0", "x1", "y1")
NODULES: Final = PublishedTable(
    names=("nodules.csv",),
    headers=("image,native_width,native_height,x0,y0,x1,y1",),
    needs=("image", "native_width", "native_height", *_CORNERS),
    film="image",
)


def cases(root: Path) -> Iterator[Case]:
    """Yield a case for each film of ``nodules.csv``, with its film if that is there."""
    films = find_films([require_folder(root) / "images"])
    for name, (frame, boxes) in _films(root).items():
        yield Case(
            id=name,
            dataset="lidc_drr",
            patient=f"lidc_{_SECOND.sub('', name)}",
            readings=(Reading.of_boxes(READER, frame, boxes, ("nodule_mass",)),),
            image=films.get(name),
            frame=frame,
            split=Split.TRAIN,
        )


def _films(root: Path, faults: Faults = STRICT) -> dict[str, tuple[Frame, list[tuple[str, Box]]]]:
    found: dict[str, tuple[Frame, list[tuple[str, Box]]]] = {}
    for where, row in faults.rows(NODULES, root):
        image, frame = faults.word(where, row, "image"), faults.frame(where, row, "native_width", "native_height")
        box = faults.box(where, f"{image}: nodule", faults.numbers(where, row, _CORNERS), frame)
        if image is None or frame is None or box is None:
            continue
        name = image.rpartition(".")[0]
        size, boxes = found.setdefault(name, (frame, []))
        if size != frame:
            faults.refuse("ROW_CONTRADICTS", where, f"{name} has two sizes")
            continue
        boxes.append(("nodule_mass", box))
    return found


DATASET: Final = Dataset(
    name="lidc_drr",
    folder="lidc-drr",
    title="projections of LIDC-IDRI's CTs: synthetic, for training only",
    boxed="nodules",
    citation=(
        "Armato SG, McLennan G, Bidaut L, et al. The Lung Image Database Consortium (LIDC) and Image Database "
        "Resource Initiative (IDRI): a completed reference database of lung nodules on CT scans. Medical Physics "
        "2011;38:915-931."
    ),
    link="https://www.cancerimagingarchive.net/collection/lidc-idri/",
    terms="CC BY 3.0.",
    cases=cases,
    sources=(TruthSource(READER),),
    tables=(_films,),
)
