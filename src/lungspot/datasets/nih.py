"""NIH ChestX-ray14: 112,120 frontal films of 30,805 patients, 14 text-mined labels, 984 boxes on 880 films.

Citation: Wang X, Peng Y, Lu L, Lu Z, Bagheri M, Summers RM. ChestX-ray8: Hospital-scale chest X-ray database and
benchmarks. CVPR 2017.
Link: https://nihcc.app.box.com/v/ChestXray-NIHCC
Terms: free use; link to the source, cite the paper, acknowledge the NIH Clinical Center.
Boxes: x, y, width, height, in pixels of the published 1024 x 1024 PNG, from the top-left corner.
Known faults: labels were mined from reports, so their absence is noisy. A boxed film has one box a class, and 594 of
880 have another positive label without a box: an unboxed label is not absent, a boxed one not exhaustively boxed.
``Infiltrate`` in the box list is ``Infiltration`` in the entries. Version 2017 writes ages as 058Y and has some above
400. "No Finding" may mean "no change". The box list's header has six columns, its rows six or nine values.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lungspot.findings import Box, Finding, Frame, Reading, State
from lungspot.formats.case import Case, Split
from lungspot.formats.films import find_films
from lungspot.formats.tables import age_in_years, need, number, read_lines, read_rows, refuse_row, row_box, sex, view

__all__ = ["BOXES", "FRAME", "LABELS", "REPORTS", "cases"]

REPORTS: Final = "nih"  # the reader of the text-mined labels
BOXES: Final = "nih-boxes"  # the reader of BBox_List_2017.csv
FRAME: Final = Frame(1024, 1024)
LABELS: Final[dict[str, str]] = {
    "Atelectasis": "atelectasis",
    "Cardiomegaly": "cardiomegaly",
    "Consolidation": "consolidation",
    "Edema": "edema",
    "Effusion": "effusion",
    "Emphysema": "emphysema",
    "Fibrosis": "fibrosis",
    "Hernia": "hernia",
    "Infiltration": "infiltration",
    "Mass": "mass",
    "Nodule": "nodule",
    "Pleural_Thickening": "pleural_thickening",
    "Pneumonia": "pneumonia",
    "Pneumothorax": "pneumothorax",
}
_NO_FINDING = "No Finding"
_BOX_COLUMNS = ("image", "label", "x", "y", "w", "h")
_FILE = re.compile(r"(\d{8})_\d{3}\.\w+\Z")
_LISTS = {"train_val_list.txt": Split.TRAIN, "test_list.txt": Split.TEST}


def cases(root: Path) -> Iterator[Case]:
    """Yield a case for each film of the entries or the box list under ``root``, with the film if it is there."""
    entries = need(root, "Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
    films = find_films([root])
    boxed = {name: (_boxed(found),) for name, found in _boxes(root).items()}
    splits = _official(root)
    columns = ("Image Index", "Finding Labels", "Patient ID", "Patient Age", "Patient Gender", "View Position")
    for line, row in read_rows(entries, columns):
        name = _stem(entries, line, row["Image Index"])
        positive = set(row["Finding Labels"].split("|")) - {_NO_FINDING}
        if unknown := positive - LABELS.keys():
            raise refuse_row(entries, line, f"unknown label {', '.join(sorted(unknown))}")
        states = {label: State.PRESENT if key in positive else State.ABSENT for key, label in LABELS.items()}
        findings = tuple(Finding(label) for key, label in LABELS.items() if key in positive)
        readings = (Reading(REPORTS, findings, states, FRAME), *boxed.pop(name, ()))
        yield Case(
            id=name,
            dataset="nih",
            patient=f"nih_{name[:8]}",
            readings=readings,
            image=films.get(name),
            frame=FRAME,
            split=splits.get(name),
            view=view(row["View Position"]),
            age_years=age_in_years(row["Patient Age"]),
            sex=sex(row["Patient Gender"]),
        )
    for name, readings in boxed.items():  # a part of the download: boxes of films that the entries do not hold
        yield Case(
            id=name,
            dataset="nih",
            patient=f"nih_{name[:8]}",
            readings=readings,
            image=films.get(name),
            frame=FRAME,
            split=splits.get(name),
        )


def _boxed(boxes: list[tuple[str, Box]]) -> Reading:
    findings = tuple(Finding(label, box) for label, box in boxes)
    return Reading(BOXES, findings, {finding.label: State.PRESENT for finding in findings}, FRAME)


def _boxes(root: Path) -> dict[str, list[tuple[str, Box]]]:
    path = need(root, "BBox_List_2017.csv")
    labels = LABELS | {"Infiltrate": "infiltration"}
    found: defaultdict[str, list[tuple[str, Box]]] = defaultdict(list)
    for line, row in read_rows(path, ("Image Index", "Finding Label"), _BOX_COLUMNS):
        if row["label"] not in labels:
            raise refuse_row(path, line, f"unknown label {row['label']}")
        x, y, width, height = (number(path, line, row, column) for column in "xywh")
        box = row_box(path, line, (x, y, x + width, y + height))
        found[_stem(path, line, row["image"])].append((labels[row["label"]], box))
    return found


def _stem(path: Path, line: int, file: str) -> str:
    if not _FILE.match(file):
        raise refuse_row(path, line, f"{file!r} is no NIH film (00000001_000.png)")
    return file.rpartition(".")[0]


def _official(root: Path) -> dict[str, Split]:
    splits: dict[str, Split] = {}
    for name, split in _LISTS.items():
        if (root / name).is_file():
            splits |= {line.rpartition(".")[0]: split for line in read_lines(root / name)}
    return splits
