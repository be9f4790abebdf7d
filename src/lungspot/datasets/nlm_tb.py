"""NLM's Shenzhen and Montgomery County films: tuberculosis or normal, and polygons of the Shenzhen abnormalities.

Citation: Jaeger S, Candemir S, Antani S, et al. Two public chest X-ray datasets for computer-aided screening of
pulmonary diseases. Quant Imaging Med Surg 2014;4(6):475-477. Polygons: Yang F, Lu PX, Deng M, et al. Annotations of
lung abnormalities in the Shenzhen chest X-ray dataset for computer-aided screening of pulmonary diseases. Data
2022;7:95.
Link: https://data.lhncbc.nlm.nih.gov/public/Tuberculosis-Chest-X-ray-Datasets/
Terms: cite the papers and acknowledge NLM.
Boxes: around VIA polygons, in pixels of the published PNG, about 3000 x 2950; the polygon file does not say the size.
Known faults: without the published PNG the size is a guess, and positions are right to a few per cent. The regions are
of 19 kinds (infiltrates, nodules, effusion, thickening …) and all count as tuberculosis; regions that are single points
have no box. The end of a file's name says the class: ``_0`` normal, ``_1`` tuberculosis. Some films are of children.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from lungspot.datasets.case import Case, everything_absent
from lungspot.datasets.films import find_films
from lungspot.datasets.tables import need_folder, read_object, refuse_row
from lungspot.errors import DatasetError, InputError
from lungspot.findings import Box, Finding, Frame, Reading, State

__all__ = ["FRAME", "MONTGOMERY", "SHENZHEN", "cases"]

SHENZHEN: Final = "shenzhen"
MONTGOMERY: Final = "montgomery"
FRAME: Final = Frame(3000, 2950)
_READERS = {"CHNCXR": SHENZHEN, "MCUCXR": MONTGOMERY}
_POLYGONS = "shenzhen_via_polygons.json"


def cases(root: Path) -> Iterator[Case]:
    """Yield a case for each film ``CHNCXR_####_[01]`` and ``MCUCXR_####_[01]`` below ``root``."""
    polygons = _polygons(need_folder(root) / _POLYGONS)
    films = {stem: path for stem, path in find_films([root]).items() if stem.partition("_")[0] in _READERS}
    if not films:
        raise DatasetError("DATASET_INCOMPLETE", root, "no film called CHNCXR_* or MCUCXR_* below it")
    for stem, path in sorted(films.items()):
        reader = _READERS[stem.partition("_")[0]]
        frame = FRAME if reader == SHENZHEN else None
        boxes = polygons.get(stem, [])
        if stem.endswith("_0"):
            reading = everything_absent(reader, frame)
        elif stem.endswith("_1"):
            findings = tuple(Finding("tuberculosis", box) for box in boxes) or (Finding("tuberculosis"),)
            reading = Reading(reader, findings, {"tuberculosis": State.BOXED if boxes else State.PRESENT}, frame)
        else:
            raise DatasetError("DATASET_ROW", path, "the name ends neither in _0 (normal) nor in _1 (tuberculosis)")
        yield Case(id=stem, dataset="nlm_tb", patient=f"tbe_{stem}", readings=(reading,), image=path, frame=frame)


def _polygons(path: Path) -> dict[str, list[Box]]:
    if not path.is_file():
        return {}
    found: dict[str, list[Box]] = {}
    for key, entry in read_object(path).items():
        try:
            stem, regions = entry["filename"].rpartition(".")[0], entry["regions"]
            boxes = [_box(region["shape_attributes"]) for region in regions]
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise refuse_row(path, key, f"not a VIA film with regions ({type(error).__name__}: {error})") from error
        found.setdefault(stem, []).extend(box for box in boxes if box is not None)
    return found


def _box(shape: Any) -> Box | None:  # noqa: ANN401
    if shape["name"] == "point":
        return None
    try:
        box = Box.from_points(zip(shape["all_points_x"], shape["all_points_y"], strict=True))
    except InputError:  # a line of no width
        return None
    return box.clip(FRAME)
