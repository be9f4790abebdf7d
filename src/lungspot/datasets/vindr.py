"""VinDr-CXR: 18,000 films, 22 findings boxed and 6 called by image, by true readers; VinBigData (Kaggle) is a part.

Citation: Nguyen HQ, Lam K, Le LT, et al. VinDr-CXR: an open dataset of chest X-rays with radiologist's annotations. Sci
Data 2022;9:429.
Link: https://physionet.org/content/vindr-cxr/1.0.0/ and
https://www.kaggle.com/c/vinbigdata-chest-xray-abnormalities-detection
Terms: research; do not share the files (PhysioNet: credentialed).
Boxes: x0, y0, x1, y1, in pixels of the DICOM film. No CSV of the publisher says its size; it comes from, in this order,
columns ``width`` and ``height`` (of a copy), a file ``train_meta.csv`` (dim0 height, dim1 width; of the usual copies),
the header of the DICOM. Where none is here, the frame is the smallest that holds all boxes of the film: good for
comparing readers, not for box sizes relative to the film (:func:`sizes_known`).
Known faults: three of 17 readers read each training film, R8, R9 and R10 wrote 61 % of the rows; they agree little
(docs/reference/datasets.md). No patient ids. PhysioNet's training file says ``Other diseases``, its test file ``Other
disease``. Pneumonia and tuberculosis have no boxes. The test films' boxes are a consensus of five.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lungspot.errors import DatasetError
from lungspot.findings import Box, Finding, Frame, Reading, State
from lungspot.formats.case import Case, Split
from lungspot.formats.films import dicom_facts, find_films
from lungspot.formats.tables import (
    Row,
    header_of,
    need_folder,
    number,
    read_rows,
    refuse_row,
    row_box,
    row_frame,
    word,
)
from lungspot.images import DICOM_SUFFIXES, has_suffix

__all__ = ["CONSENSUS", "GLOBAL", "KAGGLE", "LOCAL", "cases", "sizes_known"]

CONSENSUS: Final = "consensus"
KAGGLE: Final[dict[str, str]] = {
    "Aortic enlargement": "aortic_enlargement",
    "Atelectasis": "atelectasis",
    "Calcification": "calcification",
    "Cardiomegaly": "cardiomegaly",
    "Consolidation": "consolidation",
    "ILD": "interstitial_lung_disease",
    "Infiltration": "infiltration",
    "Lung Opacity": "opacity",
    "Nodule/Mass": "nodule_mass",
    "Other lesion": "other_lesion",
    "Pleural effusion": "effusion",
    "Pleural thickening": "pleural_thickening",
    "Pneumothorax": "pneumothorax",
    "Pulmonary fibrosis": "fibrosis",
}
LOCAL: Final[dict[str, str]] = KAGGLE | {
    "Clavicle fracture": "clavicle_fracture",
    "Edema": "edema",
    "Emphysema": "emphysema",
    "Enlarged PA": "enlarged_pa",
    "Lung cavity": "lung_cavity",
    "Lung cyst": "lung_cyst",
    "Mediastinal shift": "mediastinal_shift",
    "Rib fracture": "rib_fracture",
}
GLOBAL: Final[dict[str, str]] = {
    "COPD": "copd",
    "Lung tumor": "lung_tumor",
    "Other disease": "other_disease",
    "Other diseases": "other_disease",
    "Pneumonia": "pneumonia",
    "Tuberculosis": "tuberculosis",
}
NO_FINDING: Final = "No finding"
_CORNERS = ("x_min", "y_min", "x_max", "y_max")


@dataclass(slots=True)
class _Film:
    """What the rows say about one film so far."""

    boxes: dict[str, list[tuple[str, Box]]] = field(default_factory=dict)
    globals: dict[str, dict[str, State]] = field(default_factory=dict)
    frame: Frame | None = None


def cases(root: Path) -> Iterator[Case]:
    """Yield a case for each film of Kaggle's ``train.csv`` or PhysioNet's ``annotations`` under ``root``.

    Each has one :class:`Reading` a reader, in the order of the file.
    """
    kaggle = [path for name in ("train.csv", "train.csv.gz") if (path := need_folder(root) / name).is_file()]
    found = [(Split.TRAIN, kaggle[0], None)] if kaggle else _physionet(root)
    if not found:
        reason = "no train.csv, train.csv.gz or annotations/annotations_train.csv here"
        raise DatasetError("DATASET_INCOMPLETE", root, reason)
    films, frames = find_films([root]), _frames(root)
    for split, boxes, image_labels in found:
        read = _read(boxes, image_labels)
        for name, film in read.items():
            image = films.get(name)
            facts = dicom_facts(image)
            frame = film.frame or frames.get(name) or facts.frame or _holding(film)
            labels = LOCAL if image_labels else KAGGLE
            yield Case(
                id=name,
                dataset="vindr",
                patient=f"vindr_{name}",  # nobody says whose a film is
                readings=tuple(
                    _reading(reader, frame, marked, labels.values(), film.globals.get(reader, {}))
                    for reader, marked in film.boxes.items()
                ),
                image=image,
                frame=frame,
                split=split if image_labels else None,
                view=facts.view,
                age_years=facts.age_years,
                sex=facts.sex,
            )


def sizes_known(root: Path) -> bool:
    """Say whether the films' sizes are known here, so that box sizes relative to the film mean something."""
    tables = [path for name in ("train.csv", "train.csv.gz") if (path := root / name).is_file()]
    if tables and "width" in header_of(tables[0]):
        return True
    return (root / "train_meta.csv").is_file() or any(
        has_suffix(path, DICOM_SUFFIXES) for path in find_films([root]).values()
    )


def _physionet(root: Path) -> list[tuple[Split, Path, Path | None]]:
    found: list[tuple[Split, Path, Path | None]] = []
    for split in (Split.TRAIN, Split.TEST):
        boxes = root / "annotations" / f"annotations_{split}.csv"
        labels = root / "annotations" / f"image_labels_{split}.csv"
        if boxes.is_file() and not labels.is_file():
            raise DatasetError("DATASET_INCOMPLETE", root, f"annotations/{boxes.name} is here, {labels.name} is not")
        if boxes.is_file():
            found.append((split, boxes, labels))
    return found


def _read(path: Path, image_labels: Path | None) -> dict[str, _Film]:
    """Read the boxes, and PhysioNet's labels by image."""
    films: dict[str, _Film] = {}
    header = header_of(path)
    by_reader, sized = "rad_id" in header, {"width", "height"} <= set(header)
    columns = ("image_id", "class_name", *_CORNERS, *(("rad_id",) if image_labels is None else ()))
    for line, row in read_rows(path, columns):
        film = films.setdefault(word(path, line, row, "image_id"), _Film())
        marked = film.boxes.setdefault(word(path, line, row, "rad_id") if by_reader else CONSENSUS, [])
        if sized and film.frame is None and row["width"]:
            film.frame = row_frame(path, line, row, "width", "height")
        if row["class_name"] == NO_FINDING or (row["class_name"] in GLOBAL and not row["x_min"]):
            continue
        if row["class_name"] not in LOCAL:
            raise refuse_row(path, line, f"unknown class_name {row['class_name']!r}")
        corners = (number(path, line, row, column) for column in _CORNERS)
        marked.append((LOCAL[row["class_name"]], row_box(path, line, corners)))
    if image_labels is not None:
        _add_image_labels(films, image_labels)
    return films


def _add_image_labels(films: dict[str, _Film], path: Path) -> None:
    header = header_of(path)
    by_reader = "rad_id" in header
    columns = {name: label for name, label in (LOCAL | GLOBAL).items() if name in header}
    missing = (set(LOCAL.values()) | set(GLOBAL.values())) - set(columns.values())
    needed = [name for name, label in (LOCAL | GLOBAL).items() if label in missing]
    for line, row in read_rows(path, ("image_id", *columns, *needed)):
        film = films.setdefault(word(path, line, row, "image_id"), _Film())
        reader = word(path, line, row, "rad_id") if by_reader else CONSENSUS
        film.boxes.setdefault(reader, [])
        film.globals[reader] = {label: _state(path, line, row, name) for name, label in columns.items()}


def _state(path: Path, line: int, row: Row, column: str) -> State:
    value = number(path, line, row, column)
    if value not in {0, 1}:
        raise refuse_row(path, line, f"{column} is {row[column]!r}, neither 0 nor 1")
    return State.PRESENT if value else State.ABSENT


def _reading(
    reader: str,
    frame: Frame | None,
    marked: list[tuple[str, Box]],
    looked_for: Iterable[str],
    said: Mapping[str, State],
) -> Reading:
    """Unite boxes and calls by image: a box makes a label boxed, a call without a box present."""
    boxed = dict.fromkeys((label for label, _ in marked), State.BOXED)
    states = dict.fromkeys(looked_for, State.ABSENT) | dict(said) | boxed
    called = [label for label, state in said.items() if state is State.PRESENT and label not in boxed]
    findings = (*(Finding(label, box) for label, box in marked), *(Finding(label) for label in called))
    return Reading(reader, findings, states, frame)


def _frames(root: Path) -> dict[str, Frame]:
    path = root / "train_meta.csv"
    if not path.is_file():
        return {}
    return {
        row["image_id"]: row_frame(path, line, row, "dim1", "dim0")
        for line, row in read_rows(path, ("image_id", "dim0", "dim1"))
    }


def _holding(film: _Film) -> Frame | None:
    boxes = [box for marked in film.boxes.values() for _, box in marked]
    if not boxes:
        return None
    return Frame(math.ceil(max(box.x1 for box in boxes)), math.ceil(max(box.y1 for box in boxes)))
