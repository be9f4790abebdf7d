"""The labelling tools' formats by name: what reads a folder of each, and what writes one.

``FORMATS["coco"].read(folder)`` gives cases; ``FORMATS["yolo"].write(cases, folder)`` writes them: a conversion is
the two. docs/reference/formats.md says what each format can say, and what lungspot keeps beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lungspot.datasets import coco, cvat, labelme, labelstudio, voc, yolo
from lungspot.datasets.case import Case
from lungspot.datasets.sheet import Sheet

__all__ = ["FORMATS", "Format"]


@dataclass(frozen=True, slots=True)
class Format:
    """One format.

    ``read(root, *, looked_for=(), names=None, films=None)`` → cases. ``write(cases, out, *, films="link",
    progress=iter)`` writes the new folder ``out``; ``progress`` draws a bar.
    ``sheets(root, names=None)`` → what a tool's files say, film by film. ``draft(sheets, folder, labels)`` writes the
    tool's files for people to draw on.
    """

    read: Callable[..., list[Case]]
    write: Callable[..., None]
    sheets: Callable[..., list[Sheet]]
    draft: Callable[..., None]


FORMATS: Final[dict[str, Format]] = {
    "coco": Format(coco.read, coco.write, coco.sheets, coco.draft),
    "cvat": Format(cvat.read, cvat.write, cvat.sheets, cvat.draft),
    "labelme": Format(labelme.read, labelme.write, labelme.sheets, labelme.draft),
    "labelstudio": Format(labelstudio.read, labelstudio.write, labelstudio.sheets, labelstudio.draft),
    "voc": Format(voc.read, voc.write, voc.sheets, voc.draft),
    "yolo": Format(yolo.read, yolo.write, yolo.sheets, yolo.draft),
}
