"""JSRT: 247 chest films of the Japanese Society of Radiological Technology, 154 with one lung nodule each, 93 without.

Boxes: the centre in pixels of the 2048 x 2048 film, from the top-left corner, and the size in mm, at 0.175 mm a pixel:
a square of that side about the centre. Masks of heart and lungs: :mod:`.masks`.
Known faults: the size is the nodule's, not a drawn box's. Subtlety 1 (extremely subtle) and 2 (very subtle) are hardly
visible at a quarter of the size; 14 nodules lie behind the heart or the diaphragm. Nodules were proven by CT, and the
films without were proven to have none; nobody read them for anything else. Some copies hold flat films.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lungspot.datasets.declaration import Dataset, TruthSource
from lungspot.findings import Box, Frame, Reading
from lungspot.formats import (
    STRICT,
    Case,
    Faults,
    PublishedTable,
    Row,
    find_films,
    require_folder,
)
from lungspot.images import View, age_in_years, parse_sex

__all__ = ["DATASET", "FRAME", "READER", "cases", "subtlety"]

READER: Final = "jsrt"
FRAME: Final = Frame(2048, 2048)
MM_A_PIXEL: Final = 0.175
FILMS: Final = PublishedTable(
    names=("CLNDAT_EN.csv",),
    headers=("image,subtlety,size_mm,age,sex,x_2048,y_2048,nature,location,diagnosis",),
    needs=("image", "subtlety", "size_mm", "age", "sex", "x_2048", "y_2048", "nature"),
    film="image",
    once=("image",),
)


def cases(root: Path) -> Iterator[Case]:
    """Yield a case for each row of ``CLNDAT_EN.csv``, with its film if that is there."""
    films = find_films([require_folder(root) / "images"])
    for name, row, box, _ in _rows(root):
        boxes = () if box is None else (("nodule_mass", box),)
        yield Case(
            id=name,
            dataset="jsrt",
            patient=f"jsrt_{name}",
            readings=(Reading.of_boxes(READER, FRAME, boxes, ("nodule_mass",)),),
            image=films.get(name),
            frame=FRAME,
            view=View.PA,
            age_years=age_in_years(row["age"]),
            sex=parse_sex(row["sex"]),
        )


def subtlety(root: Path) -> dict[str, int]:
    """Return film's id → how hard its nodule is to see: 1 extremely subtle to 5 obvious; films without one left out."""
    return {name: grade for name, _, _, grade in _rows(root) if grade is not None}


def _rows(root: Path, faults: Faults = STRICT) -> Iterator[tuple[str, Row, Box | None, int | None]]:
    """Yield film, row, the nodule's box and how hard it is to see."""
    for where, row in faults.rows(FILMS, root):
        image = faults.word(where, row, "image")
        grade = faults.number(where, row, "subtlety") if row["subtlety"] else None
        if grade is not None and grade not in {1, 2, 3, 4, 5}:
            faults.refuse("ROW_VALUE", where, f"subtlety is {row['subtlety']!r}, not 1 to 5")
            grade = None
        box = None
        if row["nature"] in {"benign", "malignant"}:
            box = _nodule(where, row, faults)
            if box is None:
                continue
        elif row["nature"] != "non-nodule":
            faults.refuse("LABEL_UNKNOWN", where, f"nature is {row['nature']!r}, not benign, malignant or non-nodule")
            continue
        if image is not None:
            yield image.rpartition(".")[0], row, box, None if grade is None else int(grade)


def _nodule(where: str, row: Row, faults: Faults) -> Box | None:
    found = faults.numbers(where, row, ("x_2048", "y_2048", "size_mm"))
    if found is None:
        return None
    x, y, half = found[0], found[1], found[2] / MM_A_PIXEL / 2
    return faults.box(where, f"{row['image']}: nodule", (x - half, y - half, x + half, y + half), FRAME)


DATASET: Final = Dataset(
    name="jsrt",
    folder="jsrt",
    title="JSRT, one lung nodule or none; masks of heart and lungs",
    boxed="nodules",
    citation=(
        "Shiraishi J, Katsuragawa S, Ikezoe J, et al. Development of a digital image database for chest radiographs "
        "with and without a lung nodule. AJR 2000;174:71-74. Masks: van Ginneken B, Stegmann MB, Loog M. Medical "
        "Image Analysis 2006;10:19-40."
    ),
    link="http://db.jsrt.or.jp/eng.php",
    terms="research; cite the paper.",
    research_only=True,
    cases=cases,
    sources=(TruthSource(READER),),
    labels={"benign": "nodule_mass", "malignant": "nodule_mass"},
    tables=(_rows,),
    outlined=True,
)
