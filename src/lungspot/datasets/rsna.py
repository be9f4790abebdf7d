"""RSNA Pneumonia Detection Challenge 2018, stage 2: 26,684 NIH films, boxes of lung opacity, three classes.

Boxes: x, y, width, height, in pixels of the 1024 x 1024 DICOM.
Known faults: a box is an opacity suspicious for pneumonia, not a diagnosis. "No Lung Opacity / Not Normal" says only
that there is no such opacity. The ids are not NIH's (``nih_names.csv`` gives the NIH name of a part).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lungspot.datasets import nih
from lungspot.datasets.chestxdet import nih_names
from lungspot.datasets.declaration import Dataset, TruthSource
from lungspot.datasets.nih import FRAME
from lungspot.findings import Box, Reading
from lungspot.formats import (
    STRICT,
    Case,
    Faults,
    PublishedTable,
    dicom_facts,
    everything_absent,
    find_films,
    require_file,
)

__all__ = ["CLASSES", "DATASET", "READER", "cases"]

READER: Final = "rsna"
NORMAL: Final = "Normal"
CLASSES: Final = (NORMAL, "No Lung Opacity / Not Normal", "Lung Opacity")
_BOX: Final = ("x", "y", "width", "height")
BOX_LIST: Final = PublishedTable(
    names=("stage_2_train_labels.csv",),
    headers=("patientId,x,y,width,height,Target",),
    needs=("patientId", *_BOX, "Target"),
    film="patientId",
    agree="Target",
)
CLASS_LIST: Final = PublishedTable(
    names=("stage_2_detailed_class_info.csv",),
    headers=("patientId,class",),
    needs=("patientId", "class"),
    film="patientId",
    once=None,  # Kaggle's file has a row for each box
    agree="class",
)


def cases(root: Path) -> Iterator[Case]:
    """Yield a case for each patientId of the two CSV files; its id is the NIH name where that is known."""
    require_file(root, *BOX_LIST.names)
    classes = _classes(root)
    names = nih_names(root, "patientId")
    films = find_films([root, root.parent / nih.DATASET.folder])
    normal, clear = everything_absent(READER, FRAME), Reading.of_boxes(READER, FRAME, (), ("opacity",))
    for identifier, found in _boxes(root).items():
        name = names.get(identifier, identifier)
        if found:
            reading = Reading.of_boxes(READER, FRAME, found, ("opacity",))
        else:
            reading = normal if classes.get(identifier) == NORMAL else clear
        image = films.get(name, films.get(identifier))
        facts = dicom_facts(image)
        yield Case(
            id=name,
            dataset="rsna",
            patient=nih.patient_of(name) if identifier in names else f"rsna_{identifier}",
            readings=(reading,),
            image=image,
            frame=FRAME,
            view=facts.view,
            age_years=facts.age_years,
            sex=facts.sex,
        )


def _boxes(root: Path, faults: Faults = STRICT) -> dict[str, list[tuple[str, Box]]]:
    boxes: defaultdict[str, list[tuple[str, Box]]] = defaultdict(list)
    for where, row in faults.rows(BOX_LIST, root):
        identifier = faults.word(where, row, "patientId")
        found = [] if identifier is None else boxes[identifier]
        if row["Target"] == "1":
            four = faults.numbers(where, row, _BOX)
            corners = None if four is None else (four[0], four[1], four[0] + four[2], four[1] + four[3])
            box = faults.box(where, f"{identifier}: opacity", corners, FRAME)
            found += [] if box is None else [("opacity", box)]
        elif row["Target"] != "0":
            faults.refuse("LABEL_UNKNOWN", where, f"Target is {row['Target']!r}, neither 0 nor 1")
    return boxes


def _classes(root: Path, faults: Faults = STRICT) -> dict[str, str]:
    known = {name: name for name in CLASSES}
    found = {
        row["patientId"]: faults.label(where, row["class"], known, "class")
        for where, row in faults.rows(CLASS_LIST, root)
    }
    return {identifier: name for identifier, name in found.items() if name is not None}


def _checked_names(root: Path, faults: Faults) -> object:
    return nih_names(root, "patientId", faults)


DATASET: Final = Dataset(
    name="rsna",
    folder="rsna",
    title="RSNA Pneumonia Detection Challenge 2018, NIH films",
    boxed="lung opacity",
    citation=(
        "Shih G, Wu CC, Halabi SS, et al. Augmenting the National Institutes of Health chest radiograph dataset with "
        "expert annotations of possible pneumonia. Radiology: Artificial Intelligence 2019;1(1):e180041."
    ),
    link="https://www.kaggle.com/c/rsna-pneumonia-detection-challenge",
    terms="research, non-commercial; do not share the files.",
    research_only=True,
    cases=cases,
    sources=(
        TruthSource(
            READER, means={"pneumonia": ("opacity",)}, settles=frozenset({"pneumonia"}), shares=True, ruled=True
        ),
    ),
    labels={"Lung Opacity": "opacity"},
    tables=(_boxes, _classes, _checked_names),
    films_elsewhere=True,
)
