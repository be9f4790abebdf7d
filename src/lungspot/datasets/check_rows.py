"""Check the publishers' tables row by row, as they are on disk, before an adapter makes sense of them.

An adapter stops at the first row that it cannot trust. This reads the same files with less trust and goes on to the
end, so that all that is wrong is known at once: header, labels, boxes, repeated and contradicting rows.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lungspot.datasets import chestxdet, nih, rsna, siim_covid, tbx11k, vindr
from lungspot.findings import Frame
from lungspot.formats.problems import Problem

__all__ = ["CHECKED", "check_rows"]

Cells = Mapping[str, str]
Corners = tuple[float, float, float, float]
Marks = list[tuple[str, Corners | None]]

_SLACK: Final = 0.5  # pixels past the edge that are rounding


@dataclass(frozen=True, slots=True)
class Table:
    """One CSV file: its names, the headers it was published with, and what its rows say.

    ``films``: the column that names the film. ``marks``: labels, each with x0, y0, x1, y1 or None. ``known``: labels
    that may stand there. ``once``: columns whose values no two rows share; none: no two rows are alike; None: rows may
    repeat. ``agree``: a column with the same value in all rows of a film. ``size``: the columns, if there, with the
    film's width and height.
    """

    names: tuple[str, ...]
    headers: tuple[str, ...]
    films: str
    marks: Callable[[Cells], Marks] | None = None
    known: frozenset[str] = frozenset()
    once: tuple[str, ...] | None = ()
    agree: str = ""
    frame: Frame | None = None
    size: tuple[str, str] | None = None


@dataclass(slots=True)
class _Seen:
    """What came before in one file."""

    rows: dict[tuple[str, ...], str] = field(default_factory=dict)
    said: dict[str, tuple[str, str]] = field(default_factory=dict)


def check_rows(name: str, root: Path) -> Iterator[Problem]:
    """Yield the problems in the tables of one dataset, in the order of files and rows.

    Nothing for a dataset without such tables (:data:`CHECKED`). A file that is not there, or is no text, is left to the
    adapter, which says so.
    """
    for check in CHECKED.get(name, ()):
        try:
            yield from check(root) if callable(check) else _check_table(check, root)
        except (OSError, EOFError, UnicodeDecodeError, ValueError, csv.Error, ET.ParseError):
            continue


def check_box(where: str, what: str, corners: Corners, frame: Frame | None) -> Iterator[Problem]:
    """Yield what is wrong with x0, y0, x1, y1 of ``what`` on a film of ``frame``."""
    x0, y0, x1, y1 = corners
    shown = f"{what} from ({x0:g}, {y0:g}) to ({x1:g}, {y1:g})"
    if not all(map(math.isfinite, corners)):
        yield Problem("BOX_NOT_A_NUMBER", where, shown)
    elif x1 < x0 or y1 < y0:
        yield Problem("BOX_INVERTED", where, shown)
    elif x0 == x1 or y0 == y1:
        yield Problem("BOX_DEGENERATE", where, shown)
    elif min(x0, y0) < -_SLACK or (frame is not None and (x1 > frame.width + _SLACK or y1 > frame.height + _SLACK)):
        size = "the film" if frame is None else f"a film of {frame.width} x {frame.height}"
        yield Problem("BOX_OUTSIDE", where, f"{shown}, on {size}")


def _check_table(table: Table, root: Path, frames: Mapping[str, Frame] | None = None) -> Iterator[Problem]:
    path = next((root / name for name in table.names if (root / name).is_file()), None)
    if path is None:
        return
    seen = _Seen()
    with _open(path) as file:
        reader = csv.reader(file)
        header = [name.strip() for name in next(reader, [])]
        drift, is_usable = _drift(header, [next(csv.reader([text])) for text in table.headers])
        if drift:
            yield Problem("HEADER_DRIFT", f"{path}:1", drift)
        if not is_usable:
            return
        width = max(index for index, name in enumerate(header) if name) + 1
        for values in reader:
            where = f"{path}:{reader.line_num}"
            if values and len(values) < width:
                yield Problem("ROW_SHORT", where, f"{len(values)} values where the header has {width}")
            elif values:
                cells = dict(zip(header, values, strict=False))
                frame = (frames or {}).get(cells[table.films].removesuffix("_image"), table.frame)
                yield from _check_cells(table, cells, where, frame, seen)


def _drift(header: list[str], published: list[list[str]]) -> tuple[str, bool]:
    """Return how a header differs from the nearest published one, and whether its rows can be checked."""
    bare = [[name.strip() for name in names if name.strip()] for names in published]
    found = [name for name in header if name]
    if found in bare:
        return "", True
    near = min(bare, key=lambda names: len(set(names) ^ set(found)))
    missing, new = [name for name in near if name not in found], [name for name in found if name not in near]
    parts = [f"no column {', '.join(missing)}: rows not checked"] if missing else []
    parts += [f"new column {', '.join(new)}"] if new else []
    return "; ".join(parts) or f"columns in another order: {', '.join(found)}", not missing


def _check_cells(table: Table, cells: Cells, where: str, frame: Frame | None, seen: _Seen) -> Iterator[Problem]:
    film = cells[table.films]
    key = tuple(cells[name] for name in table.once) if table.once else tuple(cells.values())
    if table.once is not None and (first := seen.rows.setdefault(key, where)) != where:
        yield Problem("ROW_DUPLICATED", where, f"{film} as in row {first.rpartition(':')[2]}")
    if table.agree:
        before, first = seen.said.setdefault(film, (cells[table.agree], where))
        if before != cells[table.agree]:
            row = first.rpartition(":")[2]
            yield Problem("ROW_CONTRADICTS", where, f"{film} is {cells[table.agree]!r}, in row {row} {before!r}")
    if table.size is not None:
        frame = _frame(*(cells.get(name, "") for name in table.size)) or frame
    for label, corners in table.marks(cells) if table.marks else []:
        if label not in table.known:
            yield Problem("LABEL_UNKNOWN", where, f"{film}: {label!r}")
        if corners is not None:
            yield from check_box(where, f"{film}: {label}", corners, frame)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _frame(width: str, height: str) -> Frame | None:
    """Return the size that two texts say, None where they say none."""
    sides = [_number(width), _number(height)]
    return Frame(int(sides[0]), int(sides[1])) if all(1 <= side < math.inf for side in sides) else None


def _corners(cells: Cells, columns: Iterable[str], *, sized: bool) -> Corners:
    x, y, third, fourth = (_number(cells.get(name, "")) for name in columns)
    return (x, y, x + third, y + fourth) if sized else (x, y, third, fourth)


def _nih_labels(cells: Cells) -> Marks:
    return [(label, None) for label in cells["Finding Labels"].split("|")]


def _nih_boxes(cells: Cells) -> Marks:
    return [(cells["Finding Label"], _corners(cells, ("Bbox [x", "y", "w", "h]"), sized=True))]


def _rsna_boxes(cells: Cells) -> Marks:
    boxed = cells["Target"] == "1"
    return [(cells["Target"], _corners(cells, ("x", "y", "width", "height"), sized=True) if boxed else None)]


def _vindr_boxes(cells: Cells) -> Marks:
    label = cells["class_name"]
    boxless = label == vindr.NO_FINDING or (label in vindr.GLOBAL and not cells["x_min"])
    return [(label, None if boxless else _corners(cells, ("x_min", "y_min", "x_max", "y_max"), sized=False))]


def _siim_boxes(cells: Cells) -> Marks:
    words = cells["label"].split()
    rows = [words[start : start + 6] for start in range(0, len(words), 6)]
    named = ("x0", "y0", "x1", "y1")
    return [
        (row[0], None if row[0] == "none" else _corners(dict(zip(named, row[2:], strict=False)), named, sized=False))
        for row in rows
    ]


def _siim(root: Path) -> Iterator[Problem]:
    frames: dict[str, Frame] = {}
    if (root / "meta.csv").is_file():
        with _open(root / "meta.csv") as file:
            for row in csv.DictReader(file):
                if (frame := _frame(row.get("dim1") or "", row.get("dim0") or "")) is not None:
                    frames[row.get("image_id") or ""] = frame
    table = Table(
        names=("train_image_level.csv",),
        headers=("id,boxes,label,StudyInstanceUID",),
        films="id",
        marks=_siim_boxes,
        known=frozenset({"opacity", "none"}),
        once=("id",),
    )
    yield from _check_table(table, root, frames)


def _chestxdet(root: Path) -> Iterator[Problem]:
    films: dict[str, str] = {}
    for name in ("ChestX_Det_train.json", "ChestX_Det_test.json"):
        if not (root / name).is_file():
            continue
        for index, entry in enumerate(json.loads((root / name).read_text(encoding="utf-8"))):
            if not isinstance(entry, dict):
                yield Problem("ROW_SHORT", f"{root / name}:{index}", "not a film with file_name, syms and boxes")
                continue
            film, labels, boxes = (entry.get(key) or default for key, default in _ENTRY.items())
            where = f"{root / name}:{film or index}"
            if not film or len(labels) != len(boxes):
                yield Problem("ROW_SHORT", where, f"film {film!r} with {len(labels)} syms and {len(boxes)} boxes")
            if (first := films.setdefault(film, where)) != where:
                yield Problem("ROW_DUPLICATED", where, f"as in {Path(first).name}")
            seen: set[tuple[str, str]] = set()
            for label, four in zip(labels, boxes, strict=False):
                if label not in chestxdet.LABELS:
                    yield Problem("LABEL_UNKNOWN", where, f"{label!r}")
                if (label, str(four)) in seen:
                    yield Problem("ROW_DUPLICATED", where, f"{label} {four} twice")
                seen.add((label, str(four)))
                yield from check_box(where, label, _four(four), nih.FRAME)


_ENTRY: Final[dict[str, Any]] = {"file_name": "", "syms": [], "boxes": []}


def _four(value: Any) -> Corners:  # noqa: ANN401 - whatever JSON holds there
    numbers = [_number(str(item)) for item in value] if isinstance(value, list) else []
    x0, y0, x1, y1 = numbers if len(numbers) == 4 else [math.nan] * 4
    return x0, y0, x1, y1


def _tbx11k(root: Path) -> Iterator[Problem]:
    for path in sorted((root / "annotations" / "xml").glob("*.xml")):
        tree = ET.fromstring(path.read_bytes())  # noqa: S314 - one's own download; the adapter reads it as well
        frame = _frame(*(tree.findtext(f"size/{key}", "") for key in ("width", "height")))
        for item in tree.iter("object"):
            label = item.findtext("name", "")
            if label not in tbx11k.NAMES:
                yield Problem("LABEL_UNKNOWN", str(path), f"{label!r}")
            columns = ("xmin", "ymin", "xmax", "ymax")
            cells = {key: item.findtext(f"bndbox/{key}", "") for key in columns}
            yield from check_box(str(path), label, _corners(cells, columns, sized=False), frame)


def _open(path: Path) -> Any:  # noqa: ANN401 - gzip's type differs from open's
    opener: Any = gzip.open if path.suffix == ".gz" else open
    return opener(path, "rt", encoding="utf-8-sig", newline="")


_VINDR_BOXES: Final = "x_min,y_min,x_max,y_max"
_NIH_ENTRY: Final = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position"
_NIH_SIZES: Final = "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
_SIIM_PATIENTS: Final = "patientid,studyid,series_id,imageid,SeriesNumber,InstanceNumber"
_HANNOVER: Final = (
    "patient_id,image_id,sex,age,size,weight,admission_offset,icu_admission_offset,icu_release_offset,death_offset,"
    "modality,projection,crp_offset,crp_val,d-dimer_offset,d-dimer_val,factor_xii_offset,factor_xii_val,ldh_offset,"
    "ldh_val,lymphocytes_offset,lymphocytes_val,neutrophils_offset,neutrophils_val,pco2_offset,pco2_val,po2_offset,"
    "po2_val"
)
_PHYSIONET: Final = frozenset(vindr.LOCAL) | frozenset(vindr.GLOBAL) | {vindr.NO_FINDING}

# dataset → its tables, or what reads them where they are no CSV of one mark a row.
CHECKED: Final[dict[str, tuple[Table | Callable[[Path], Iterator[Problem]], ...]]] = {
    "nih": (
        Table(
            names=("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv"),
            headers=(f"{_NIH_ENTRY},{_NIH_SIZES}",),
            films="Image Index",
            marks=_nih_labels,
            known=frozenset(nih.LABELS) | {"No Finding"},
            once=("Image Index",),
        ),
        Table(
            names=("BBox_List_2017.csv",),
            headers=("Image Index,Finding Label,Bbox [x,y,w,h],,,",),
            films="Image Index",
            marks=_nih_boxes,
            known=frozenset(nih.LABELS) | {"Infiltrate"},
            frame=nih.FRAME,
        ),
    ),
    "chestxdet": (_chestxdet, Table(("nih_names.csv",), ("file_name,nih_image",), "file_name", once=("file_name",))),
    "rsna": (
        Table(
            names=("stage_2_train_labels.csv",),
            headers=("patientId,x,y,width,height,Target",),
            films="patientId",
            marks=_rsna_boxes,
            known=frozenset({"0", "1"}),
            agree="Target",
            frame=nih.FRAME,
        ),
        Table(
            names=("stage_2_detailed_class_info.csv",),
            headers=("patientId,class",),
            films="patientId",
            marks=lambda cells: [(cells["class"], None)],
            known=frozenset(rsna.CLASSES),
            once=None,  # Kaggle's file has a row for each box
            agree="class",
        ),
        Table(("nih_names.csv",), ("patientId,nih_image",), "patientId", once=("patientId",)),
    ),
    "siim_covid": (
        _siim,
        Table(("train_study_level.csv",), (",".join(("id", *siim_covid.CLASSES)),), "id", once=("id",)),
        Table(("meta.csv",), ("image_id,dim0,dim1,split",), "image_id", once=("image_id",)),
        Table(("train_meta.csv",), (_SIIM_PATIENTS,), "imageid", once=("imageid",)),
    ),
    "hannover": (Table(("data.csv",), (_HANNOVER,), "image_id", once=("image_id",)),),
    "siim_acr": (Table(("train-rle.csv", "stage_2_train.csv"), ("ImageId,EncodedPixels",), "ImageId"),),
    "tbx11k": (_tbx11k,),
    "vindr": (
        Table(
            names=("train.csv", "train.csv.gz"),
            headers=(
                f"image_id,class_name,class_id,rad_id,{_VINDR_BOXES}",
                f"image_id,class_name,class_id,rad_id,{_VINDR_BOXES},width,height",
            ),
            films="image_id",
            marks=_vindr_boxes,
            known=frozenset(vindr.KAGGLE) | {vindr.NO_FINDING},
            size=("width", "height"),
        ),
        Table(
            names=("annotations/annotations_train.csv",),
            headers=(f"image_id,rad_id,class_name,{_VINDR_BOXES}",),
            films="image_id",
            marks=_vindr_boxes,
            known=_PHYSIONET,
        ),
        Table(
            names=("annotations/annotations_test.csv",),
            headers=(f"image_id,class_name,{_VINDR_BOXES}",),
            films="image_id",
            marks=_vindr_boxes,
            known=_PHYSIONET,
        ),
    ),
}
