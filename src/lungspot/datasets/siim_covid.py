"""SIIM-FISABIO-RSNA COVID-19 Detection 2021: 6,334 films of 3,261 patients, opacity boxes, four study classes.

Boxes: x0, y0, x1, y1 (``label``), in pixels of the DICOM; its size is in ``meta.csv`` of the
usual copies (dim0 height, dim1 width), else in the DICOM itself.
Known faults: a study's class is not an image's: 304 films of positive studies have no box and are no negatives. Most
films of the BIMCV and RICORD collections are here too. Patient ids are in the DICOM files and ``train_meta.csv`` only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from lungspot.datasets.declaration import Dataset, TruthSource
from lungspot.errors import DatasetError
from lungspot.findings import Box, Finding, Frame, Reading, State
from lungspot.formats import STRICT, Case, Faults, PublishedTable, Row, dicom_facts, find_films, require_file

__all__ = ["CLASSES", "DATASET", "READER", "cases"]

READER: Final = "siim"
NEGATIVE: Final = "Negative for Pneumonia"
# What the boxes of a study of this class are. An undecided opacity is said to be an opacity, no more.
CLASSES: Final[dict[str, str | None]] = {
    NEGATIVE: None,
    "Typical Appearance": "covid19",
    "Indeterminate Appearance": "opacity",
    "Atypical Appearance": "opacity",
}
IMAGES: Final = PublishedTable(
    names=("train_image_level.csv",),
    headers=("id,boxes,label,StudyInstanceUID",),
    needs=("id", "label", "StudyInstanceUID"),
    film="id",
    once=("id",),
)
STUDIES: Final = PublishedTable(
    ("train_study_level.csv",), (",".join(("id", *CLASSES)),), ("id", *CLASSES), "id", once=("id",)
)
SIZES: Final = PublishedTable(
    ("meta.csv",), ("image_id,dim0,dim1,split",), ("image_id", "dim0", "dim1"), "image_id", once=("image_id",)
)
PATIENTS: Final = PublishedTable(
    names=("train_meta.csv",),
    headers=("patientid,studyid,series_id,imageid,SeriesNumber,InstanceNumber",),
    needs=("imageid", "patientid"),
    film="imageid",
    once=("imageid",),
)


def cases(root: Path) -> Iterator[Case]:
    """Yield a case for each row of ``train_image_level.csv``, with film, size and patient where they are known."""
    require_file(root, *IMAGES.names)
    studies = _studies(root)
    films = find_films([root / "train"])
    frames, patients = _frames(root), _patients(root)
    for where, name, study, boxes in _images(root, frames):
        if study not in studies:
            raise DatasetError("DATASET_ROW", where, f"study {study} is not in train_study_level.csv")
        image = films.get(name)
        facts = dicom_facts(image)
        frame = frames.get(name) or facts.frame
        if boxes and studies[study] == NEGATIVE:
            raise DatasetError("DATASET_ROW", where, f"a box in study {study}, which is negative")
        if boxes and frame is None and image is not None:
            raise DatasetError("DATASET_INCOMPLETE", where, f"no size of {name} in meta.csv, nor a DICOM film")
        yield Case(
            id=name,
            dataset="siim_covid",
            patient=f"siim_{patients.get(name) or facts.patient or study}",
            # Without film and size the places mean nothing: the class stays, without boxes.
            readings=(_reading(studies[study], frame, boxes if frame else []),),
            image=image,
            frame=frame,
            view=facts.view,
            age_years=facts.age_years,
            sex=facts.sex,
        )


def _reading(study: str, frame: Frame | None, boxes: list[Box]) -> Reading:
    label = CLASSES[study]
    if label is None:
        return Reading(READER, (), dict.fromkeys(("covid19", "pneumonia"), State.ABSENT), frame)
    findings = tuple(Finding(label, box) for box in boxes) or (Finding(label),)
    return Reading(READER, findings, {label: State.BOXED if boxes else State.PRESENT}, frame)


def _images(
    root: Path, frames: Mapping[str, Frame], faults: Faults = STRICT
) -> Iterator[tuple[str, str, str, list[Box]]]:
    """Yield place, film, study and boxes of each row of ``train_image_level.csv``."""
    for where, row in faults.rows(IMAGES, root):
        identifier = faults.word(where, row, "id")
        name = (identifier or "").removesuffix("_image")
        boxes = _boxes(where, row, frames.get(name), faults)
        if identifier is not None:
            yield where, name, row["StudyInstanceUID"], boxes


def _boxes(where: str, row: Row, frame: Frame | None, faults: Faults) -> list[Box]:
    """Read ``opacity 1 x0 y0 x1 y1 …`` or ``none 1 0 0 1 1``."""
    words = row["label"].split()
    unread = f"label is {row['label'][:60]!r}, not opacity 1 x0 y0 x1 y1 …"
    if not set(words[::6]) <= {"opacity", "none"}:
        faults.refuse("LABEL_UNKNOWN", where, unread)
        return []
    if not words or len(words) % 6:
        faults.refuse("BOX_NOT_A_NUMBER", where, unread)
        return []
    boxes: list[Box | None] = []
    for start in range(0, len(words), 6):
        four: Row = dict(zip(("x0", "y0", "x1", "y1"), words[start + 2 : start + 6], strict=True))
        if words[start] == "opacity":
            corners = faults.numbers(where, four, four)
            boxes.append(faults.box(where, f"{row['id']}: opacity", corners, frame))
    return [box for box in boxes if box is not None]


def _studies(root: Path, faults: Faults = STRICT) -> dict[str, str]:
    found: dict[str, str] = {}
    for where, row in faults.rows(STUDIES, root):
        classes = [name for name in CLASSES if row[name] == "1"]
        if len(classes) == 1:
            found[row["id"].removesuffix("_study")] = classes[0]
        else:
            faults.refuse("ROW_VALUE", where, f"{len(classes)} classes where a study has one")
    return found


def _frames(root: Path, faults: Faults = STRICT) -> dict[str, Frame]:
    if not (root / "meta.csv").is_file():
        return {}
    found = {row["image_id"]: faults.frame(where, row, "dim1", "dim0") for where, row in faults.rows(SIZES, root)}
    return {name: frame for name, frame in found.items() if frame is not None}


def _patients(root: Path, faults: Faults = STRICT) -> dict[str, str]:
    if not (root / "train_meta.csv").is_file():
        return {}
    return {row["imageid"]: row["patientid"] for _, row in faults.rows(PATIENTS, root)}


def _checked_images(root: Path, faults: Faults) -> Iterator[object]:
    """Read the boxes with the films' sizes at hand; what is wrong with the sizes is said of their own table."""
    return _images(root, _frames(root, Faults([])), faults)


DATASET: Final = Dataset(
    name="siim_covid",
    folder="siim-covid",
    title="SIIM-FISABIO-RSNA COVID-19 2021",
    boxed="lung opacity by class of the study",
    citation=(
        "Lakhani P, Mongan J, Singhal C, et al. The 2021 SIIM-FISABIO-RSNA machine learning COVID-19 challenge: "
        "annotation and standard exam classification of COVID-19 chest radiographs. J Digit Imaging 2023;36:365-372."
    ),
    link="https://www.kaggle.com/c/siim-covid19-detection",
    terms="research, non-commercial (CC BY-NC 4.0).",
    research_only=True,
    mirrored_films=(
        "0f501fe67203",
        "27c6b4e08f27",
        "55e22c0c5de0",
        "6a93346150a4",
        "a5e191b5b944",
        "be47d4efb679",
        "ea74b77e1d4d",
    ),
    cases=cases,
    sources=(TruthSource(READER, means={"pneumonia": ("pneumonia", "opacity")}, ruled=True),),
    labels={name: label for name, label in CLASSES.items() if label is not None},
    tables=(_checked_images, _studies, _frames, _patients),
)
