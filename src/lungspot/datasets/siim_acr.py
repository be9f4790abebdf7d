"""SIIM-ACR Pneumothorax Segmentation 2019: 12,047 NIH films, masks of pneumothorax on 2,669.

Boxes: around each connected part (8 neighbours) of a film's masks together, in pixels of the 1024 x 1024 DICOM. Masks
are run-length codes, ``-1`` where there is none: pairs of offset from the end of the run before (0-based) and length,
running down the columns.
Known faults: the second column is called `` EncodedPixels``, with a space. The films are NIH's, with other names and no
list of which is which: do not mix with NIH without comparing films. Small islands of a mask become boxes of their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from lungspot.datasets.declaration import Dataset, TruthSource
from lungspot.datasets.nih import FRAME
from lungspot.findings import Box, Frame, Reading, enclosing
from lungspot.formats import STRICT, Case, Faults, PublishedTable, dicom_facts, find_films, require_folder

__all__ = ["DATASET", "READER", "boxes_of", "cases", "runs_of"]

READER: Final = "siim-acr"
MASKS: Final = PublishedTable(
    ("train-rle.csv", "stage_2_train.csv"), ("ImageId,EncodedPixels",), ("ImageId", "EncodedPixels"), "ImageId"
)
Run = tuple[int, int]  # from, up to (not including), counted down the columns from 0


def cases(root: Path) -> Iterator[Case]:
    """Yield a case for each ImageId of ``train-rle.csv`` (or ``stage_2_train.csv``), with its film if that is there."""
    films = find_films([require_folder(root)])
    for name, runs in _masks(root).items():
        image = films.get(name)
        facts = dicom_facts(image)
        boxes = [("pneumothorax", box) for box in boxes_of(runs, FRAME)]
        yield Case(
            id=name,
            dataset="siim_acr",
            patient=f"acr_{facts.patient or name}",
            readings=(Reading.of_boxes(READER, FRAME, boxes, ("pneumothorax",)),),
            image=image,
            frame=FRAME,
            view=facts.view,
            age_years=facts.age_years,
            sex=facts.sex,
        )


def _masks(root: Path, faults: Faults = STRICT) -> dict[str, list[Run]]:
    masks: dict[str, list[Run]] = {}
    for where, row in faults.rows(MASKS, root):
        name = faults.word(where, row, "ImageId")
        try:
            runs = runs_of(row["EncodedPixels"], FRAME)
        except ValueError as error:
            faults.refuse("ROW_VALUE", where, f"EncodedPixels: {error}")
            continue
        if name is not None:
            masks.setdefault(name, []).extend(runs)
    return masks


def runs_of(code: str, frame: Frame) -> list[Run]:
    """Return the runs of a relative run-length code, none for ``-1``; raises ValueError where it is not one."""
    numbers = [int(word) for word in code.split()]
    if numbers == [-1]:
        return []
    if not numbers or len(numbers) % 2 or min(numbers) < 0:
        msg = f"{len(numbers)} numbers are no pairs of offset and length"
        raise ValueError(msg)
    runs: list[Run] = []
    end = 0
    for offset, length in zip(numbers[::2], numbers[1::2], strict=True):
        start, end = end + offset, end + offset + length
        if length:
            runs.append((start, end))
    if end > frame.width * frame.height:
        msg = f"the mask ends at pixel {end} of {frame.width * frame.height}"
        raise ValueError(msg)
    return runs


def boxes_of(runs: Iterable[Run], frame: Frame) -> list[Box]:
    """Return a box around each connected part (8 neighbours) of the union of ``runs``, from left to right."""
    pieces = list(_pieces(runs, frame.height))
    by_column: defaultdict[int, list[int]] = defaultdict(list)
    owner = list(range(len(pieces)))

    def part(index: int) -> int:
        while owner[index] != index:
            owner[index] = owner[owner[index]]
            index = owner[index]
        return index

    for index, (column, top, bottom) in enumerate(pieces):
        by_column[column].append(index)
        for other in by_column[column - 1]:
            if top <= pieces[other][2] and pieces[other][1] <= bottom:
                owner[part(index)] = part(other)
    parts: defaultdict[int, list[Box]] = defaultdict(list)
    for index, (column, top, bottom) in enumerate(pieces):
        parts[part(index)].append(Box(column, top, column + 1, bottom))
    return sorted(enclosing(found) for found in parts.values())


def _pieces(runs: Iterable[Run], height: int) -> Iterator[tuple[int, int, int]]:
    """Yield (column, top, bottom) of the union of ``runs``, no two of which touch within a column."""
    united: list[list[int]] = []
    for start, stop in sorted(runs):
        if united and start <= united[-1][1]:
            united[-1][1] = max(stop, united[-1][1])
        else:
            united.append([start, stop])
    for start, stop in united:
        for column in range(start // height, (stop - 1) // height + 1):
            edge = column * height
            yield column, max(start - edge, 0), min(stop - edge, height)


DATASET: Final = Dataset(
    name="siim_acr",
    folder="siim-acr",
    title="SIIM-ACR Pneumothorax 2019",
    boxed="around masks",
    citation=(
        "Filice RW, Stein A, Wu CC, et al. Crowdsourcing pneumothorax annotations using machine learning annotations "
        "on the NIH chest X-ray dataset. J Digit Imaging 2020;33:490-496."
    ),
    link="https://www.kaggle.com/c/siim-acr-pneumothorax-segmentation",
    terms="research, non-commercial; do not share the files.",
    research_only=True,
    cases=cases,
    sources=(TruthSource(READER),),
    tables=(_masks,),
)
