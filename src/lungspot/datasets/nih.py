"""NIH ChestX-ray14: 112,120 frontal films of 30,805 patients, 14 text-mined labels, 984 boxes on 880 films.

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

from lungspot.datasets.declaration import Dataset, TruthRank, TruthSource
from lungspot.findings import Box, Finding, Frame, Reading, State
from lungspot.formats import (
    STRICT,
    Case,
    Faults,
    PublishedTable,
    Row,
    Split,
    find_films,
    read_lines,
    require_file,
    require_folder,
)
from lungspot.images import age_in_years, parse_sex, parse_view

__all__ = ["BOXES", "DATASET", "FRAME", "LABELS", "REPORTS", "cases", "patient_of"]

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
_BOX: Final = ("Bbox [x", "y", "w", "h]")
_FILE = re.compile(r"(\d{8})_\d{3}\.\w+\Z")
_FACTS: Final = ("Patient ID", "Patient Age", "Patient Gender", "View Position")
_ENTRY: Final = ("Image Index", "Finding Labels", "Follow-up #", *_FACTS)
ENTRIES: Final = PublishedTable(
    names=("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv"),
    headers=(",".join((*_ENTRY, "OriginalImage[Width,Height]", "OriginalImagePixelSpacing[x,y]")),),
    needs=("Image Index", "Finding Labels", *_FACTS),
    film="Image Index",
    once=("Image Index",),
)
BOX_LIST: Final = PublishedTable(
    names=("BBox_List_2017.csv",),
    headers=("Image Index,Finding Label,Bbox [x,y,w,h],,,",),
    needs=("Image Index", "Finding Label", *_BOX),
    film="Image Index",
)
_LISTS = {"train_val_list.txt": Split.TRAIN, "test_list.txt": Split.TEST}


def patient_of(film: str) -> str:
    """Return the patient of a film by its NIH name: ``00000001_000`` is of ``nih_00000001``."""
    return f"nih_{film[:8]}"


def cases(root: Path) -> Iterator[Case]:
    """Yield a case for each film of the entries or the box list under ``root``, with the film if it is there."""
    films = find_films([require_folder(root)])
    require_file(root, *ENTRIES.names)
    boxed = {name: (_boxed(found),) for name, found in _boxes(root).items()}
    splits = _official(root)
    for name, row, positive in _entries(root):
        states = {label: State.PRESENT if label in positive else State.ABSENT for label in LABELS.values()}
        findings = tuple(Finding(label) for label in LABELS.values() if label in positive)
        readings = (Reading(REPORTS, findings, states, FRAME), *boxed.pop(name, ()))
        yield Case(
            id=name,
            dataset="nih",
            patient=patient_of(name),
            readings=readings,
            image=films.get(name),
            frame=FRAME,
            split=splits.get(name),
            view=parse_view(row["View Position"]),
            age_years=age_in_years(row["Patient Age"]),
            sex=parse_sex(row["Patient Gender"]),
        )
    for name, readings in boxed.items():  # a part of the download: boxes of films that the entries do not hold
        yield Case(
            id=name,
            dataset="nih",
            patient=patient_of(name),
            readings=readings,
            image=films.get(name),
            frame=FRAME,
            split=splits.get(name),
        )


def _boxed(boxes: list[tuple[str, Box]]) -> Reading:
    findings = tuple(Finding(label, box) for label, box in boxes)
    return Reading(BOXES, findings, {finding.label: State.PRESENT for finding in findings}, FRAME)


def _entries(root: Path, faults: Faults = STRICT) -> Iterator[tuple[str, Row, set[str]]]:
    """Yield film, row and labels of each entry."""
    for where, row in faults.rows(ENTRIES, root):
        name = _stem(where, row["Image Index"], faults)
        positive = set(row["Finding Labels"].split("|")) - {_NO_FINDING}
        found = {faults.label(where, word, LABELS) for word in sorted(positive)}
        if name is not None:
            yield name, row, {label for label in found if label is not None}


def _boxes(root: Path, faults: Faults = STRICT) -> dict[str, list[tuple[str, Box]]]:
    found: defaultdict[str, list[tuple[str, Box]]] = defaultdict(list)
    for where, row in faults.rows(BOX_LIST, root):
        name, text = _stem(where, row["Image Index"], faults), row["Finding Label"]
        label = faults.label(where, text, LABELS | {"Infiltrate": "infiltration"})
        cells = dict(zip("xywh", (row[column] for column in _BOX), strict=True))
        four = faults.numbers(where, cells, cells)
        corners = None if four is None else (four[0], four[1], four[0] + four[2], four[1] + four[3])
        box = faults.box(where, f"{row['Image Index']}: {text}", corners, FRAME)
        if name is not None and label is not None and box is not None:
            found[name].append((label, box))
    return found


def _stem(where: str, file: str, faults: Faults) -> str | None:
    if _FILE.match(file):
        return file.rpartition(".")[0]
    faults.refuse("ROW_VALUE", where, f"{file!r} is no NIH film (00000001_000.png)")
    return None


def _official(root: Path) -> dict[str, Split]:
    splits: dict[str, Split] = {}
    for name, split in _LISTS.items():
        if (root / name).is_file():
            splits |= {line.rpartition(".")[0]: split for line in read_lines(root / name)}
    return splits


DATASET: Final = Dataset(
    name="nih",
    folder="nih",
    title="NIH ChestX-ray14, labels mined from reports",
    boxed="984, not exhaustive",
    citation=(
        "Wang X, Peng Y, Lu L, Lu Z, Bagheri M, Summers RM. ChestX-ray8: Hospital-scale chest X-ray database and "
        "benchmarks. CVPR 2017."
    ),
    link="https://nihcc.app.box.com/v/ChestXray-NIHCC",
    terms="free use; link to the source, cite the paper, acknowledge the NIH Clinical Center.",
    cases=cases,
    sources=(
        TruthSource(REPORTS, TruthRank.MINED, shares=True, ruled=True),
        TruthSource(BOXES, TruthRank.LIST, shares=True, ruled=True),
    ),
    labels=LABELS,
    tables=(_entries, _boxes),
)
