"""RSNA Pneumonia Detection Challenge 2018, stage 2: 26,684 NIH films, boxes of lung opacity, three classes.

Citation: Shih G, Wu CC, Halabi SS, et al. Augmenting the National Institutes of Health chest radiograph dataset with
expert annotations of possible pneumonia. Radiology: Artificial Intelligence 2019;1(1):e180041.
Link: https://www.kaggle.com/c/rsna-pneumonia-detection-challenge
Terms: research, non-commercial; do not share the files.
Boxes: x, y, width, height, in pixels of the 1024 x 1024 DICOM.
Known faults: a box is an opacity suspicious for pneumonia, not a diagnosis. "No Lung Opacity / Not Normal" says only
that there is no such opacity. The ids are not NIH's (``nih_names.csv`` gives the NIH name of a part).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lungspot.datasets.chestxdet import nih_names
from lungspot.datasets.nih import FRAME
from lungspot.findings import Box, Reading
from lungspot.formats.case import Case, everything_absent
from lungspot.formats.films import dicom_facts, find_films
from lungspot.formats.tables import need, number, read_rows, refuse_row, row_box, word

__all__ = ["CLASSES", "READER", "cases"]

READER: Final = "rsna"
NORMAL: Final = "Normal"
CLASSES: Final = (NORMAL, "No Lung Opacity / Not Normal", "Lung Opacity")


def cases(root: Path) -> Iterator[Case]:
    """Yield a case for each patientId of the two CSV files; its id is the NIH name where that is known."""
    labels = need(root, "stage_2_train_labels.csv")
    classes = _classes(root)
    names = nih_names(root, "patientId")
    films = find_films([root, root.parent / "nih"])
    boxes: defaultdict[str, list[tuple[str, Box]]] = defaultdict(list)
    for line, row in read_rows(labels, ("patientId", "x", "y", "width", "height", "Target")):
        found = boxes[word(labels, line, row, "patientId")]
        if row["Target"] == "1":
            x, y, width, height = (number(labels, line, row, column) for column in ("x", "y", "width", "height"))
            found.append(("opacity", row_box(labels, line, (x, y, x + width, y + height))))
        elif row["Target"] != "0":
            raise refuse_row(labels, line, f"Target is {row['Target']!r}, neither 0 nor 1")
    normal, clear = everything_absent(READER, FRAME), Reading.of_boxes(READER, FRAME, (), ("opacity",))
    for identifier, found in boxes.items():
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
            patient=f"nih_{name[:8]}" if identifier in names else f"rsna_{identifier}",
            readings=(reading,),
            image=image,
            frame=FRAME,
            view=facts.view,
            age_years=facts.age_years,
            sex=facts.sex,
        )


def _classes(root: Path) -> dict[str, str]:
    path = need(root, "stage_2_detailed_class_info.csv")
    found: dict[str, str] = {}
    for line, row in read_rows(path, ("patientId", "class")):
        if row["class"] not in CLASSES:
            raise refuse_row(path, line, f"unknown class {row['class']!r}")
        found[row["patientId"]] = row["class"]
    return found
