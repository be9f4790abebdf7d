"""Wingspan: 234 chest films with outlines of heart and lungs, and the cardiothoracic ratio of 200 of them.

Boxes: the extent of the heart's mask, in pixels of the 512 x 512 film, where the ratio is above 0.55. Masks of heart
and lungs: :mod:`.masks`.
Known faults: cardiomegaly is a ratio here, nobody read the films: above 0.55 it is boxed, up to 0.50 absent, between
them nobody looked. A film without a ratio takes that of its masks (200 films: mean error 0.001, largest 0.006). The
films' native size is not known, and may have been squashed. Whether PA or AP is not said; an AP film shows the heart
larger.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from lungspot.datasets.declaration import Dataset, TruthSource
from lungspot.datasets.masks import mask_files, organ_boxes
from lungspot.findings import Box, Finding, Frame, Reading, State
from lungspot.formats import STRICT, Case, Faults, PublishedTable, find_films, require_folder

__all__ = ["DATASET", "FRAME", "LARGE", "NORMAL", "READER", "cases", "mask_ratio"]

READER: Final = "wingspan"
FRAME: Final = Frame(512, 512)
LARGE: Final = 0.55  # the ratio above which a heart is called large
NORMAL: Final = 0.50  # the ratio up to which it is not
RATIOS: Final = PublishedTable(("ctr_ground_truth.csv",), ("id,ctr",), ("id", "ctr"), "id", once=("id",))


def cases(root: Path) -> Iterator[Case]:
    """Yield a case for each film of ``ctr_ground_truth.csv``, then for the other films in ``images``, by name."""
    films = find_films([require_folder(root) / "images"])
    ratios = _ratios(root)
    for name in (*ratios, *sorted(films.keys() - ratios.keys())):
        organs = organ_boxes(mask_files(films.get(name)), FRAME)
        reading = _reading(ratios.get(name, mask_ratio(organs)), organs.get("heart"))
        yield Case(name, "wingspan", f"wingspan_{name}", (reading,), films.get(name), FRAME)


def mask_ratio(organs: Mapping[str, Box]) -> float | None:
    """Return the heart's width over the chest's, from the left lung's outer edge to the right lung's; or None."""
    if not {"heart", "left_lung", "right_lung"} <= organs.keys():
        return None
    left, right = organs["left_lung"], organs["right_lung"]
    return organs["heart"].width / (max(left.x1, right.x1) - min(left.x0, right.x0))


def _ratios(root: Path, faults: Faults = STRICT) -> dict[str, float]:
    ratios: dict[str, float] = {}
    for where, row in faults.rows(RATIOS, root):
        name, ratio = faults.word(where, row, "id"), faults.number(where, row, "ctr")
        if ratio is not None and not 0 < ratio < 1:
            faults.refuse("ROW_VALUE", where, f"ctr is {row['ctr']}, not between 0 and 1")
        elif name is not None and ratio is not None:
            ratios[name.removesuffix(".png")] = ratio
    return ratios


def _reading(ratio: float | None, heart: Box | None) -> Reading:
    if ratio is None or NORMAL < ratio <= LARGE:
        return Reading(READER, (), {}, FRAME)
    if ratio <= NORMAL:
        return Reading(READER, (), {"cardiomegaly": State.ABSENT}, FRAME)
    state = State.PRESENT if heart is None else State.BOXED
    return Reading(READER, (Finding("cardiomegaly", heart),), {"cardiomegaly": state}, FRAME)


DATASET: Final = Dataset(
    name="wingspan",
    folder="wingspan",
    title="Wingspan, cardiothoracic ratios; masks of heart and lungs",
    boxed="large hearts",
    citation=(
        "Dong N, Kampffmeyer M, Liang X, et al. Unsupervised domain adaptation for automatic estimation of "
        "cardiothoracic ratio. MICCAI 2018."
    ),
    link="https://arxiv.org/abs/1807.03434 (the paper; the films come with a cardiothoracic-ratio data set under MIT)",
    terms="MIT; cite the paper.",
    cases=cases,
    sources=(TruthSource(READER),),
    tables=(_ratios,),
    outlined=True,
)
