"""NLM's Shenzhen and Montgomery County films: tuberculosis or normal, and polygons of the Shenzhen abnormalities.

Boxes: around VIA polygons, in pixels of the published PNG, about 3000 x 2950; the polygon file does not say the size.
Known faults: without the published PNG the size is a guess, and positions are right to a few per cent. The regions are
of 19 kinds (infiltrates, nodules, effusion, thickening …) and all count as tuberculosis. Regions that are single
points have no box, and then the film is not boxed exhaustively. The end of a file's name says the class: ``_0`` normal,
``_1`` tuberculosis. Some films are of children.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from PIL import Image

from lungspot.datasets.declaration import Dataset, TruthSource
from lungspot.errors import DatasetError
from lungspot.findings import Box, Finding, Frame, Reading, State
from lungspot.formats import (
    Case,
    everything_absent,
    find_films,
    read_object,
    refuse_row,
    require_folder,
)
from lungspot.images import Sex, View, age_in_years, list_files, parse_sex, walk
from lungspot.inputs import regular

__all__ = ["DATASET", "FRAME", "MONTGOMERY", "SHENZHEN", "cases"]

SHENZHEN: Final = "shenzhen"
MONTGOMERY: Final = "montgomery"
FRAME: Final = Frame(3000, 2950)
_READERS = {"CHNCXR": SHENZHEN, "MCUCXR": MONTGOMERY}
_NAME = re.compile(r"(CHNCXR|MCUCXR)_\d+_([01])\Z")
_NATIVE = 1500  # pixels; a film with a smaller side is a copy made small
_AGE = re.compile(r"(\d+)\s*(yr|year|Y|month|mo|day|d)", re.IGNORECASE)


def cases(root: Path) -> Iterator[Case]:
    """Yield a case for each film ``CHNCXR_####_[01]`` and ``MCUCXR_####_[01]`` below ``root``.

    Regions are read from the file ``*via*.json`` in ``root``; age and sex from ``ClinicalReadings``, if they are there.
    """
    shapes = _shapes(require_folder(root))
    films = {stem: path for stem, path in find_films([root]).items() if _NAME.match(stem)}
    if not films:
        raise DatasetError("DATASET_INCOMPLETE", root, "no film called CHNCXR_0001_0 or MCUCXR_0001_0 below it")
    clinical = {path.stem: path for path in walk(root, (".txt",)) if _NAME.match(path.stem)}
    for stem, path in sorted(films.items()):
        reader, ill = _READERS[stem[:6]], stem.endswith("_1")
        frame = _frame(path) or (FRAME if reader == SHENZHEN else None)
        age, who = _clinical(clinical[stem]) if stem in clinical else (None, Sex.UNKNOWN)
        yield Case(
            id=stem,
            dataset="nlm_tb",
            patient=f"tbe_{stem}",
            readings=(_reading(reader, frame, shapes.get(stem, [])) if ill else everything_absent(reader, frame),),
            image=path,
            frame=frame,
            view=View.PA,
            age_years=age,
            sex=who,
        )


def _reading(reader: str, frame: Frame | None, shapes: list[Box | None]) -> Reading:
    boxes = [clipped for box in shapes if box and frame and (clipped := box.clip(frame)) is not None]
    findings = tuple(Finding("tuberculosis", box) for box in boxes) or (Finding("tuberculosis"),)
    state = State.BOXED if shapes and len(boxes) == len(shapes) else State.PRESENT
    return Reading(reader, findings, {"tuberculosis": state}, frame)


def _frame(path: Path) -> Frame | None:
    """Return the size of the published film, None where ``path`` is a copy made small or cannot say."""
    try:
        with Image.open(regular(path)) as film:
            width, height = film.size
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    return Frame(width, height) if min(width, height) >= _NATIVE else None


def _clinical(path: Path) -> tuple[float | None, Sex]:
    """Read ``male 45yrs`` (Shenzhen) or ``Patient's Sex: F``, ``Patient's Age: 027Y`` (Montgomery)."""
    text = regular(path).read_text(encoding="utf-8", errors="replace")
    years = _AGE.search(text)
    age = None if years is None else age_in_years(years[1] + years[2][0].upper())
    who = re.search(r"\b(female|male|F|M)\b", text, re.IGNORECASE)
    return age, parse_sex(who[1]) if who else Sex.UNKNOWN


def _shapes(root: Path) -> dict[str, list[Box | None]]:
    """Return film → a box around each region, None for points and lines, of all VIA files."""
    found: dict[str, list[Box | None]] = {}
    for path in list_files(root, "*via*.json"):
        for key, entry in read_object(path).items():
            try:
                boxes = [_box(region["shape_attributes"]) for region in entry["regions"]]
                stem = entry["filename"].rpartition(".")[0]
            except (KeyError, TypeError, AttributeError, ValueError) as error:
                raise refuse_row(path, key, f"no VIA film with regions ({type(error).__name__}: {error})") from error
            found.setdefault(stem, []).extend(boxes)
    return found


def _box(shape: Mapping[str, Any]) -> Box | None:
    if shape["name"] == "point":
        return None
    xs, ys = shape["all_points_x"], shape["all_points_y"]
    if min(xs) == max(xs) or min(ys) == max(ys):
        return None
    return Box.from_points(zip(xs, ys, strict=True))


DATASET: Final = Dataset(
    name="nlm_tb",
    folder="tb-extra",
    title="NLM Shenzhen and Montgomery",
    boxed="Shenzhen regions",
    citation=(
        "Jaeger S, Candemir S, Antani S, et al. Two public chest X-ray datasets for computer-aided screening of "
        "pulmonary diseases. Quant Imaging Med Surg 2014;4(6):475-477. Polygons: Yang F, Lu PX, Deng M, et al. "
        "Annotations of lung abnormalities in the Shenzhen chest X-ray dataset for computer-aided screening of "
        "pulmonary diseases. Data 2022;7:95."
    ),
    link="https://data.lhncbc.nlm.nih.gov/public/Tuberculosis-Chest-X-ray-Datasets/",
    terms="cite the papers and acknowledge NLM.",
    cases=cases,
    sources=(TruthSource(SHENZHEN), TruthSource(MONTGOMERY)),
)
