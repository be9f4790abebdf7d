"""ChestX-Det: 3,578 NIH films with boxes and polygons of 13 findings by three radiologists.

Citation: Lian J, Liu J, Zhang S, et al. A structure-aware relation network for thoracic diseases detection and
segmentation. IEEE TMI 2021.
Link: https://github.com/Deepwise-AILab/ChestX-Det-Dataset
Terms: annotations Apache-2.0; films as NIH ChestX-ray14.
Boxes: x0, y0, x1, y1 integers, in pixels of the 1024 x 1024 film.
Known faults: the published file names are not NIH's (``nih_names.csv``, made by comparing films, gives the NIH name of
most). The official split shares 271 of 429 test patients with train. Consolidation is boxed broadly.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from lungspot.datasets.nih import FRAME
from lungspot.findings import Reading
from lungspot.formats.case import Case, Split
from lungspot.formats.films import find_films
from lungspot.formats.tables import need, read_list, read_rows, refuse_row, row_box

__all__ = ["LABELS", "READER", "cases", "nih_names"]

READER: Final = "chestxdet"
LABELS: Final[dict[str, str]] = {
    "Atelectasis": "atelectasis",
    "Calcification": "calcification",
    "Cardiomegaly": "cardiomegaly",
    "Consolidation": "consolidation",
    "Diffuse Nodule": "diffuse_nodule",
    "Effusion": "effusion",
    "Emphysema": "emphysema",
    "Fibrosis": "fibrosis",
    "Fracture": "fracture",
    "Mass": "mass",
    "Nodule": "nodule",
    "Pleural Thickening": "pleural_thickening",
    "Pneumothorax": "pneumothorax",
}
_FILES = {"ChestX_Det_train.json": Split.TRAIN, "ChestX_Det_test.json": Split.TEST}


def cases(root: Path) -> Iterator[Case]:
    """Yield a case for each film of the two JSON files; its id is the NIH name where that is known."""
    files = {need(root, name): split for name, split in _FILES.items()}
    names = nih_names(root, "file_name")
    films = find_films([root, root.parent / "nih"])
    for path, split in files.items():
        for index, entry in enumerate(read_list(path)):
            file, reading = _read(path, index, entry)
            stem = file.rpartition(".")[0]
            name = names.get(file, stem)
            yield Case(
                id=name,
                dataset="chestxdet",
                patient=f"nih_{name[:8]}" if file in names else f"cxd_{stem}",
                readings=(reading,),
                image=films.get(name, films.get(stem)),
                frame=FRAME,
                split=split,
            )


def nih_names(root: Path, column: str) -> dict[str, str]:
    """Return the publisher's name → the NIH film's stem, from ``nih_names.csv``; empty where that file is absent."""
    path = root / "nih_names.csv"
    if not path.is_file():
        return {}
    rows = read_rows(path, (column, "nih_image"))
    return {row[column]: row["nih_image"].rpartition(".")[0] for _, row in rows if row["nih_image"]}


def _read(path: Path, index: int, entry: Any) -> tuple[str, Reading]:  # noqa: ANN401
    """Return the file name and the reading of one entry."""
    try:
        file = str(entry["file_name"])
        found = [(LABELS[name], corners) for name, corners in zip(entry["syms"], entry["boxes"], strict=True)]
    except (KeyError, TypeError, ValueError) as error:
        reason = f"no film with file_name, syms and boxes of known labels ({type(error).__name__}: {error})"
        raise refuse_row(path, index, reason) from error
    boxes = [(label, row_box(path, file, corners)) for label, corners in found]
    return file, Reading.of_boxes(READER, FRAME, boxes, LABELS.values())
