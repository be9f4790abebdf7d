"""Masks of heart and lungs beside the films that a publisher outlined: where they lie, and the boxes around them.

A mask is a PNG of the whole film, in another size than the film's, whose pixels are other than 0 where the organ is;
left and right are the patient's. Files: ``masks/{heart,left_lung,right_lung}/<stem>.png`` beside the folder of the
film.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from lungspot.errors import DatasetError
from lungspot.findings import Box, Frame
from lungspot.inputs import regular

__all__ = ["ORGANS", "mask_box", "mask_files", "organ_boxes"]

ORGANS: Final = ("heart", "left_lung", "right_lung")


def mask_files(film: Path | None) -> dict[str, Path]:
    """Return organ → the file of a film's mask, of those of :data:`ORGANS` that are there; empty without a film."""
    if film is None:
        return {}
    folder = film.parent.parent / "masks"
    files = {organ: folder / organ / f"{film.stem}.png" for organ in ORGANS}
    return {organ: path for organ, path in files.items() if path.is_file()}


def organ_boxes(masks: dict[str, Path], frame: Frame) -> dict[str, Box]:
    """Return organ → the box around its mask, in pixels of ``frame``; an organ whose mask is empty is left out.

    Raises :class:`DatasetError` ``DATASET_INCOMPLETE`` for a mask that cannot be read.
    """
    boxes = {organ: mask_box(path, frame) for organ, path in masks.items()}
    return {organ: box for organ, box in boxes.items() if box is not None}


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
