"""VinDr-CXR: 18,000 films, 22 findings boxed and 6 called by image, by true readers; VinBigData (Kaggle) is a part.

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
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lungspot.datasets.box_sizes import Sizes
from lungspot.datasets.declaration import Dataset
from lungspot.errors import DatasetError
from lungspot.findings import Box, Finding, Frame, Reading, State
from lungspot.formats import (
    STRICT,
    Case,
    Faults,
    PublishedTable,
    Row,
    Split,
    dicom_facts,
    find_films,
    header_of,
    require_folder,
)
from lungspot.images import DICOM_SUFFIXES, has_suffix

__all__ = ["CONSENSUS", "DATASET", "GLOBAL", "KAGGLE", "LOCAL", "cases", "sizes_known"]

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
_KAGGLE_HEADER: Final = "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max"
KAGGLE_BOXES: Final = PublishedTable(
    names=("train.csv", "train.csv.gz"),
    headers=(_KAGGLE_HEADER, f"{_KAGGLE_HEADER},width,height"),
    needs=("image_id", "class_name", "rad_id", *_CORNERS),
    film="image_id",
)
TRAIN_BOXES: Final = PublishedTable(
    names=("annotations/annotations_train.csv",),
    headers=("image_id,rad_id,class_name,x_min,y_min,x_max,y_max",),
    needs=("image_id", "class_name", *_CORNERS),
    film="image_id",
)
TEST_BOXES: Final = PublishedTable(
    names=("annotations/annotations_test.csv",),
    headers=("image_id,class_name,x_min,y_min,x_max,y_max",),
    needs=("image_id", "class_name", *_CORNERS),
    film="image_id",
)
SIZES: Final = PublishedTable(("train_meta.csv",), ("image_id,dim0,dim1",), ("image_id", "dim0", "dim1"), "image_id")


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
    require_folder(root)
    found = [(Split.TRAIN, KAGGLE_BOXES, None)] if _kaggle(root) else _physionet(root)
    if not found:
        reason = "no train.csv, train.csv.gz or annotations/annotations_train.csv here"
        raise DatasetError("DATASET_INCOMPLETE", root, reason)
    films, frames = find_films([root]), _frames(root)
    for split, boxes, image_labels in found:
        read = _read(boxes, image_labels, root)
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


def _kaggle(root: Path) -> Path | None:
    return next((root / name for name in KAGGLE_BOXES.names if (root / name).is_file()), None)


def sizes_known(root: Path) -> bool:
    """Say whether the films' sizes are known here, so that box sizes relative to the film mean something."""
    table = _kaggle(root)
    if table is not None and "width" in header_of(table):
        return True
    return (root / "train_meta.csv").is_file() or any(
        has_suffix(path, DICOM_SUFFIXES) for path in find_films([root]).values()
    )


def _physionet(root: Path) -> list[tuple[Split, PublishedTable, PublishedTable | None]]:
    found: list[tuple[Split, PublishedTable, PublishedTable | None]] = []
    for split, table in ((Split.TRAIN, TRAIN_BOXES), (Split.TEST, TEST_BOXES)):
        boxes, labels = root / table.names[0], root / f"annotations/image_labels_{split}.csv"
        if boxes.is_file() and not labels.is_file():
            raise DatasetError("DATASET_INCOMPLETE", root, f"annotations/{boxes.name} is here, {labels.name} is not")
        if boxes.is_file():
            found.append((split, table, _image_labels(root, split)))
    return found


def _read(
    table: PublishedTable, image_labels: PublishedTable | None, root: Path, faults: Faults = STRICT
) -> dict[str, _Film]:
    """Read the boxes, and PhysioNet's labels by image."""
    films: dict[str, _Film] = {}
    for where, row in faults.rows(table, root):
        image = faults.word(where, row, "image_id")
        reader = faults.word(where, row, "rad_id") if "rad_id" in row else CONSENSUS
        if image is None or reader is None:
            continue
        film = films.setdefault(image, _Film())
        marked = film.boxes.setdefault(reader, [])
        if film.frame is None and row.get("width") and row.get("height"):
            film.frame = faults.frame(where, row, "width", "height")
        text = row["class_name"]
        if text == NO_FINDING or (text in GLOBAL and not row["x_min"]):
            continue
        label = faults.label(where, text, LOCAL, "class_name")
        box = faults.box(where, f"{image}: {text}", faults.numbers(where, row, _CORNERS), film.frame)
        if label is not None and box is not None:
            marked.append((label, box))
    if image_labels is not None:
        _add_image_labels(films, image_labels, root, faults)
    return films


def _add_image_labels(films: dict[str, _Film], table: PublishedTable, root: Path, faults: Faults) -> None:
    for where, row in faults.rows(table, root):
        image = faults.word(where, row, "image_id")
        reader = faults.word(where, row, "rad_id") if "rad_id" in row else CONSENSUS
        if image is None or reader is None:
            continue
        film = films.setdefault(image, _Film())
        film.boxes.setdefault(reader, [])
        said = {label: _state(where, row, name, faults) for name, label in (LOCAL | GLOBAL).items() if name in row}
        film.globals[reader] = {label: state for label, state in said.items() if state is not None}


def _state(where: str, row: Row, column: str, faults: Faults) -> State | None:
    value = faults.number(where, row, column)
    if value is not None and value not in {0, 1}:
        faults.refuse("ROW_VALUE", where, f"{column} is {row[column]!r}, neither 0 nor 1")
        return None
    return None if value is None else State.PRESENT if value else State.ABSENT


def _image_labels(root: Path, split: Split) -> PublishedTable:
    """Return PhysioNet's table of labels by image; ``Other disease`` and ``Other diseases`` are one column."""
    name = f"annotations/image_labels_{split}.csv"
    header = header_of(root / name) if (root / name).is_file() else ()
    others = [column for column in ("Other diseases", "Other disease") if column in header]
    needs = [column for column in (LOCAL | GLOBAL) if not column.startswith("Other disease")]
    reader = ("rad_id",) if split is Split.TRAIN else ()
    columns = ("image_id", *reader, *needs, *(others or ["Other diseases"]))
    return PublishedTable((name,), (",".join((*columns, NO_FINDING)),), columns, "image_id", once=("image_id", *reader))


def _checked(table: PublishedTable) -> Callable[[Path, Faults], object]:
    """Return what reads one of the tables of boxes for ``data check``, where it is there."""

    def read(root: Path, faults: Faults) -> object:
        return _read(table, None, root, faults)

    return read


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


def _frames(root: Path, faults: Faults = STRICT) -> dict[str, Frame]:
    if not (root / "train_meta.csv").is_file():
        return {}
    found = {row["image_id"]: faults.frame(where, row, "dim1", "dim0") for where, row in faults.rows(SIZES, root)}
    return {name: frame for name, frame in found.items() if frame is not None}


def _holding(film: _Film) -> Frame | None:
    boxes = [box for marked in film.boxes.values() for _, box in marked]
    if not boxes:
        return None
    return Frame(math.ceil(max(box.x1 for box in boxes)), math.ceil(max(box.y1 for box in boxes)))


# Measured over all of VinBigData's training boxes with their films' sizes, which its train.csv does not hold.
_SIZES: Final = (
    Sizes("atelectasis", "vindr", 186, 279, 0.200, 0.193, 0.037, 1.02, 0.32, published=True),
    Sizes("cardiomegaly", "vindr", 2300, 5427, 0.435, 0.135, 0.058, 3.18, 0.60, published=True),
    Sizes("effusion", "vindr", 1032, 2476, 0.087, 0.101, 0.009, 0.83, 0.67, published=True),
    Sizes("nodule_mass", "vindr", 826, 2580, 0.040, 0.035, 0.001, published=True),
    Sizes("pneumothorax", "vindr", 96, 226, 0.27, 0.28, 0.072, None, 0.40, published=True),
)

DATASET: Final = Dataset(
    name="vindr",
    folder="vindr",
    title="VinDr-CXR (PhysioNet), VinBigData (Kaggle)",
    boxed="each reader's",
    citation=(
        "Nguyen HQ, Lam K, Le LT, et al. VinDr-CXR: an open dataset of chest X-rays with radiologist's annotations. "
        "Sci Data 2022;9:429."
    ),
    link=(
        "https://physionet.org/content/vindr-cxr/1.0.0/ and https://www.kaggle.com/c/vinbigdata-chest-xray-"
        "abnormalities-detection"
    ),
    terms="research; do not share the files (PhysioNet: credentialed).",
    research_only=True,
    cases=cases,
    sources=(),
    labels=LOCAL | GLOBAL,
    tables=(_checked(KAGGLE_BOXES), _checked(TRAIN_BOXES), _checked(TEST_BOXES), _frames),
    several_readers=True,
    patients_known=False,
    sizes_known=sizes_known,
    published_sizes=_SIZES,
)
