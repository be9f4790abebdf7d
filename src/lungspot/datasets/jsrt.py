"""JSRT: 247 chest films of the Japanese Society of Radiological Technology, 154 with one lung nodule each, 93 without.

Citation: Shiraishi J, Katsuragawa S, Ikezoe J, et al. Development of a digital image database for chest radiographs
with and without a lung nodule. AJR 2000;174:71-74. Masks: van Ginneken B, Stegmann MB, Loog M. Medical Image Analysis
2006;10:19-40.
Link: http://db.jsrt.or.jp/eng.php
Terms: research; cite the paper.
Boxes: the centre in pixels of the 2048 x 2048 film, from the top-left corner, and the size in mm, at 0.175 mm a pixel:
a square of that side about the centre. Masks of heart and lungs: :mod:`.anatomy`.
Known faults: the size is the nodule's, not a drawn box's. Subtlety 1 (extremely subtle) and 2 (very subtle) are hardly
visible at a quarter of the size; 14 nodules lie behind the heart or the diaphragm. Nodules were proven by CT, and the
films without were proven to have none; nobody read them for anything else. Some copies hold flat films.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lungspot.findings import Frame, Reading
from lungspot.formats.case import Case
from lungspot.formats.films import find_films
from lungspot.formats.tables import Row, age_in_years, need, number, read_rows, refuse_row, row_box, sex, word
from lungspot.images.radiograph import View

__all__ = ["FRAME", "READER", "cases", "subtlety"]

READER: Final = "jsrt"
FRAME: Final = Frame(2048, 2048)
MM_A_PIXEL: Final = 0.175
_FILE: Final = "CLNDAT_EN.csv"
_COLUMNS: Final = ("image", "subtlety", "size_mm", "age", "sex", "x_2048", "y_2048", "nature")


def cases(root: Path) -> Iterator[Case]:
    """Yield a case for each row of ``CLNDAT_EN.csv``, with its film if that is there."""
    path = need(root, _FILE)
    films = find_films([root / "images"])
    for line, row in read_rows(path, _COLUMNS):
        name = word(path, line, row, "image").rpartition(".")[0]
        yield Case(
            id=name,
            dataset="jsrt",
            patient=f"jsrt_{name}",
            readings=(_reading(path, line, row),),
            image=films.get(name),
            frame=FRAME,
            view=View.PA,
            age_years=age_in_years(row["age"]),
            sex=sex(row["sex"]),
        )


def subtlety(root: Path) -> dict[str, int]:
    """Return film's id → how hard its nodule is to see: 1 extremely subtle to 5 obvious; films without one left out."""
    path = need(root, _FILE)
    found = {}
    for line, row in read_rows(path, _COLUMNS):
        if row["subtlety"]:
            grade = number(path, line, row, "subtlety")
            if grade not in {1, 2, 3, 4, 5}:
                raise refuse_row(path, line, f"subtlety is {row['subtlety']!r}, not 1 to 5")
            found[row["image"].rpartition(".")[0]] = int(grade)
    return found


def _reading(path: Path, line: int, row: Row) -> Reading:
    if row["nature"] == "non-nodule":
        return Reading.of_boxes(READER, FRAME, (), ("nodule_mass",))
    if row["nature"] not in {"benign", "malignant"}:
        raise refuse_row(path, line, f"nature is {row['nature']!r}, not benign, malignant or non-nodule")
    x, y = (number(path, line, row, column) for column in ("x_2048", "y_2048"))
    half = number(path, line, row, "size_mm") / MM_A_PIXEL / 2
    box = row_box(path, line, (x - half, y - half, x + half, y + half))
    return Reading.of_boxes(READER, FRAME, (("nodule_mass", box),), ("nodule_mass",))
