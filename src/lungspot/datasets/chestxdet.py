"""ChestX-Det: 3,578 NIH films with boxes and polygons of 13 findings by three radiologists.

Boxes: x0, y0, x1, y1 integers, in pixels of the 1024 x 1024 film.
Known faults: the published file names are not NIH's (``nih_names.csv``, made by comparing films, gives the NIH name of
most). The official split shares 271 of 429 test patients with train. Consolidation is boxed broadly.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from lungspot.datasets import nih
from lungspot.datasets.declaration import Dataset, TruthSource
from lungspot.datasets.nih import FRAME
from lungspot.findings import Box, Reading
from lungspot.formats import STRICT, Case, Faults, PublishedTable, Split, find_films, read_list, require_file

__all__ = ["DATASET", "LABELS", "READER", "cases", "nih_names"]

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
    for name in _FILES:
        require_file(root, name)
    names = nih_names(root, "file_name")
    films = find_films([root, root.parent / nih.DATASET.folder])
    for file, boxes, split in _entries(root):
        stem = file.rpartition(".")[0]
        name = names.get(file, stem)
        yield Case(
            id=name,
            dataset="chestxdet",
            patient=nih.patient_of(name) if file in names else f"cxd_{stem}",
            readings=(Reading.of_boxes(READER, FRAME, boxes, LABELS.values()),),
            image=films.get(name, films.get(stem)),
            frame=FRAME,
            split=split,
        )


def nih_names(root: Path, column: str, faults: Faults = STRICT) -> dict[str, str]:
    """Return the publisher's name → the NIH film's stem, from ``nih_names.csv``; empty where that file is absent."""
    table = PublishedTable(("nih_names.csv",), (f"{column},nih_image",), (column, "nih_image"), column, once=(column,))
    if not (root / "nih_names.csv").is_file():
        return {}
    rows = faults.rows(table, root)
    return {row[column]: row["nih_image"].rpartition(".")[0] for _, row in rows if row["nih_image"]}


def _entries(root: Path, faults: Faults = STRICT) -> Iterator[tuple[str, list[tuple[str, Box]], Split]]:
    """Yield file name, boxes and official split of each entry."""
    films: dict[str, str] = {}
    for path, split in ((root / name, split) for name, split in _FILES.items() if (root / name).is_file()):
        for index, entry in enumerate(read_list(path)):
            found = _entry(f"{path}:{index}", entry, faults)
            if found is None:
                continue
            file, labels, corners = found
            where = f"{path}:{file}"
            if (first := films.setdefault(file, where)) != where:
                faults.note("ROW_DUPLICATED", where, f"as in {Path(first).name}")
            boxes: list[tuple[str, Box]] = []
            for text, four in zip(labels, corners, strict=True):
                label = faults.label(where, text, LABELS)
                box = faults.box(where, text, four, FRAME)
                if label is not None and box is not None:
                    if (label, box) in boxes:
                        faults.note("ROW_DUPLICATED", where, f"{text} {four} twice")
                    boxes.append((label, box))
            yield file, boxes, split


def _entry(where: str, entry: Any, faults: Faults) -> tuple[str, list[str], list[Any]] | None:  # noqa: ANN401
    """Return file name, labels and corners of one entry."""
    try:
        file, labels, corners = entry["file_name"], list(map(str, entry["syms"])), list(entry["boxes"])
        if not isinstance(file, str) or not file or len(labels) != len(corners):
            faults.refuse("ROW_SHORT", where, f"no film with as many syms as boxes: {len(labels)} and {len(corners)}")
            return None
    except (KeyError, TypeError, ValueError) as error:
        reason = f"no film with file_name, syms and boxes ({type(error).__name__}: {error})"
        faults.refuse("ROW_SHORT", where, reason)
        return None
    return file, labels, [four if isinstance(four, list) else [four] for four in corners]


def _checked_names(root: Path, faults: Faults) -> object:
    return nih_names(root, "file_name", faults)


DATASET: Final = Dataset(
    name="chestxdet",
    folder="chestx-det",
    title="ChestX-Det, 13 findings on NIH films",
    boxed="all",
    citation=(
        "Lian J, Liu J, Zhang S, et al. A structure-aware relation network for thoracic diseases detection and "
        "segmentation. IEEE TMI 2021."
    ),
    link="https://github.com/Deepwise-AILab/ChestX-Det-Dataset",
    terms="annotations Apache-2.0; films as NIH ChestX-ray14.",
    cases=cases,
    sources=(TruthSource(READER, means={"pneumonia": ("consolidation",)}, shares=True, ruled=True),),
    labels=LABELS,
    tables=(_entries, _checked_names),
    films_elsewhere=True,
)
