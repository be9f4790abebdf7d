"""SIIM-FISABIO-RSNA COVID-19 Detection 2021: 6,334 films of 3,261 patients, opacity boxes, four study classes.

Citation: Lakhani P, Mongan J, Singhal C, et al. The 2021 SIIM-FISABIO-RSNA machine learning COVID-19 challenge:
annotation and standard exam classification of COVID-19 chest radiographs. J Digit Imaging 2023;36:365-372.
Link: https://www.kaggle.com/c/siim-covid19-detection
Terms: research, non-commercial (CC BY-NC 4.0).
Boxes: x0, y0, x1, y1 (``label``), in pixels of the DICOM; its size is in ``meta.csv`` of the
usual copies (dim0 height, dim1 width), else in the DICOM itself.
Known faults: a study's class is not an image's: 304 films of positive studies have no box and are no negatives. Most
films of the BIMCV and RICORD collections are here too. Patient ids are in the DICOM files and ``train_meta.csv`` only.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lungspot.errors import DatasetError
from lungspot.findings import Box, Finding, Frame, Reading, State
from lungspot.formats.case import Case
from lungspot.formats.films import dicom_facts, find_films
from lungspot.formats.tables import Row, need, number, read_rows, refuse_row, row_box, row_frame, word

__all__ = ["CLASSES", "READER", "cases"]

READER: Final = "siim"
NEGATIVE: Final = "Negative for Pneumonia"
# What the boxes of a study of this class are. An undecided opacity is said to be an opacity, no more.
CLASSES: Final[dict[str, str | None]] = {
    NEGATIVE: None,
    "Typical Appearance": "covid19",
    "Indeterminate Appearance": "opacity",
    "Atypical Appearance": "opacity",
}


def cases(root: Path) -> Iterator[Case]:
    """Yield a case for each row of ``train_image_level.csv``, with film, size and patient where they are known."""
    path = need(root, "train_image_level.csv")
    studies = _studies(root)
    films = find_films([root / "train"])
    frames, patients = _frames(root), _patients(root)
    for line, row in read_rows(path, ("id", "label", "StudyInstanceUID")):
        name, study = word(path, line, row, "id").removesuffix("_image"), row["StudyInstanceUID"]
        if study not in studies:
            raise refuse_row(path, line, f"study {study} is not in train_study_level.csv")
        image = films.get(name)
        facts = dicom_facts(image)
        frame = frames.get(name) or facts.frame
        boxes = _boxes(path, line, row["label"])
        if boxes and studies[study] == NEGATIVE:
            raise refuse_row(path, line, f"a box in study {study}, which is negative")
        if boxes and frame is None and image is not None:
            raise DatasetError(
                "DATASET_INCOMPLETE", f"{path}:{line}", f"no size of {name} in meta.csv, nor a DICOM film"
            )
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


def _boxes(path: Path, line: int, text: str) -> list[Box]:
    """Read ``opacity 1 x0 y0 x1 y1 …`` or ``none 1 0 0 1 1``."""
    words = text.split()
    if not words or len(words) % 6 or not set(words[::6]) <= {"opacity", "none"}:
        raise refuse_row(path, line, f"label is {text[:60]!r}, not opacity 1 x0 y0 x1 y1 …")
    boxes: list[Box] = []
    for start in range(0, len(words), 6):
        row: Row = dict(zip(("x0", "y0", "x1", "y1"), words[start + 2 : start + 6], strict=True))
        if words[start] == "opacity":
            boxes.append(row_box(path, line, [number(path, line, row, key) for key in row]))
    return boxes


def _studies(root: Path) -> dict[str, str]:
    path = need(root, "train_study_level.csv")
    found: dict[str, str] = {}
    for line, row in read_rows(path, ("id", *CLASSES)):
        classes = [name for name in CLASSES if row[name] == "1"]
        if len(classes) != 1:
            raise refuse_row(path, line, f"{len(classes)} classes where a study has one")
        found[row["id"].removesuffix("_study")] = classes[0]
    return found


def _frames(root: Path) -> dict[str, Frame]:
    path = root / "meta.csv"
    if not path.is_file():
        return {}
    return {
        row["image_id"]: row_frame(path, line, row, "dim1", "dim0")
        for line, row in read_rows(path, ("image_id", "dim0", "dim1"))
    }


def _patients(root: Path) -> dict[str, str]:
    path = root / "train_meta.csv"
    if not path.is_file():
        return {}
    return {row["imageid"]: row["patientid"] for _, row in read_rows(path, ("imageid", "patientid"))}
