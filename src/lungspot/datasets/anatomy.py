"""Heart and lungs of the films whose publishers outlined them (``outlined`` in :mod:`.declaration`; :mod:`.masks`).

Only a film whose dataset has such masks is looked for; on every other nothing is known about its anatomy, which is not
the same as no anatomy.
"""

from __future__ import annotations

from pathlib import Path

from lungspot.datasets.catalog import DATASETS
from lungspot.datasets.masks import mask_files, organ_boxes
from lungspot.findings import Box, Finding, Frame, Reading, State
from lungspot.formats import Case

__all__ = ["anatomy_masks", "anatomy_of", "anatomy_reading"]


def anatomy_masks(case: Case) -> dict[str, Path]:
    """Return organ → the file of its mask, of heart, left and right lung those that are there; empty without a film."""
    data = DATASETS.get(case.dataset)
    return mask_files(case.image) if data is not None and data.outlined else {}


def anatomy_of(case: Case, frame: Frame | None = None) -> dict[str, Box]:
    """Return organ → the box around its mask, in pixels of ``frame``: the case's, if not another.

    Empty where the film has no masks or no frame is known; an organ whose mask is empty is left out. Raises
    :class:`DatasetError` ``DATASET_INCOMPLETE`` for a mask that cannot be read.
    """
    frame = frame or case.frame
    return {} if frame is None else organ_boxes(anatomy_masks(case), frame)


def anatomy_reading(case: Case) -> Reading | None:
    """Return :func:`anatomy_of` as the reading of ``<dataset>-masks``, each organ boxed; None where there is none."""
    boxes = anatomy_of(case)
    if not boxes:
        return None
    findings = tuple(Finding(organ, box) for organ, box in boxes.items())
    return Reading(f"{case.dataset}-masks", findings, dict.fromkeys(boxes, State.BOXED), case.frame)
