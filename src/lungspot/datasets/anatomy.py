"""Heart and lungs of the films whose publishers outlined them: JSRT and Wingspan, 444 films.

A mask is a PNG of the whole film, in another size than the film's, whose pixels are other than 0 where the organ is;
left and right are the patient's. Files: ``masks/{heart,left_lung,right_lung}/<stem>.png`` beside the folder of the
film. Only a film whose dataset has such masks is looked for; on every other nothing is known about its anatomy, which
is not the same as no anatomy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from lungspot.errors import DatasetError
from lungspot.findings import Box, Finding, Frame, Reading, State
from lungspot.formats import Case
from lungspot.inputs import regular

__all__ = ["ORGANS", "OUTLINED", "anatomy_masks", "anatomy_of", "anatomy_reading", "mask_box"]

ORGANS: Final = ("heart", "left_lung", "right_lung")
OUTLINED: Final = frozenset({"jsrt", "wingspan"})  # the datasets with masks


def anatomy_masks(case: Case) -> dict[str, Path]:
    """Return organ → the file of its mask, of those of :data:`ORGANS` that are there; empty without a film."""
    if case.image is None or case.dataset not in OUTLINED:
        return {}
    folder = case.image.parent.parent / "masks"
    files = {organ: folder / organ / f"{case.image.stem}.png" for organ in ORGANS}
    return {organ: path for organ, path in files.items() if path.is_file()}


def anatomy_of(case: Case, frame: Frame | None = None) -> dict[str, Box]:
    """Return organ → the box around its mask, in pixels of ``frame``: the case's, if not another.

    Empty where the film has no masks or no frame is known; an organ whose mask is empty is left out. Raises
    :class:`DatasetError` ``DATASET_INCOMPLETE`` for a mask that cannot be read.
    """
    frame = frame or case.frame
    if frame is None:
        return {}
    boxes = {organ: mask_box(path, frame) for organ, path in anatomy_masks(case).items()}
    return {organ: box for organ, box in boxes.items() if box is not None}


def anatomy_reading(case: Case) -> Reading | None:
    """Return :func:`anatomy_of` as the reading of ``<dataset>-masks``, each organ boxed; None where there is none."""
    boxes = anatomy_of(case)
    if not boxes:
        return None
    findings = tuple(Finding(organ, box) for organ, box in boxes.items())
    return Reading(f"{case.dataset}-masks", findings, dict.fromkeys(boxes, State.BOXED), case.frame)


def mask_box(path: Path, frame: Frame) -> Box | None:
    """Return the box around a mask's pixels that are not 0, scaled to ``frame``; None where all are.

    Raises :class:`DatasetError` ``DATASET_INCOMPLETE`` where the file is no picture.
    """
    from PIL import Image  # noqa: PLC0415 - only a mask pays for Pillow

    try:
        with Image.open(regular(path)) as image:
            mask = np.asarray(image.convert("L")) > 0
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DatasetError("DATASET_INCOMPLETE", path, f"not a mask ({type(error).__name__}: {error})") from error
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    height, width = mask.shape
    pixels = Box(float(columns[0]), float(rows[0]), columns[-1] + 1.0, rows[-1] + 1.0)
    return pixels.scale(frame.width / width, frame.height / height)
