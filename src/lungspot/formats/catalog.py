"""The labelling tools' formats by name: what reads a folder of each, and what writes one.

``ANNOTATION_FORMATS["coco"].read(folder)`` gives cases; ``ANNOTATION_FORMATS["yolo"].write(cases, folder)`` writes
them: a conversion is the two. docs/reference/formats.md says what each format can say, and what lungspot keeps beside
it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lungspot.formats import coco, cvat, labelme, labelstudio, voc, yolo
from lungspot.formats.annotated_image import AnnotatedImage
from lungspot.formats.case import Case

__all__ = ["ANNOTATION_FORMATS", "Format"]


@dataclass(frozen=True, slots=True)
class Format:
    """One format.

    ``read(root, *, looked_for=(), names=None, films=None)`` → cases. ``write(cases, out, *, films="link",
    progress=iter, outputs=None)`` writes the new folder ``out``; ``progress`` draws a bar, ``outputs`` says what may
    be replaced (:class:`lungspot.outputs.Outputs`).
    ``annotated_images(root, names=None)`` → what a tool's files say, film by film. ``draft(annotated_images, folder,
    labels)`` writes the tool's files for people to draw on.
    """

    read: Callable[..., list[Case]]
    write: Callable[..., None]
    annotated_images: Callable[..., list[AnnotatedImage]]
    draft: Callable[..., None]


ANNOTATION_FORMATS: Final[dict[str, Format]] = {
    "coco": Format(coco.read, coco.write, coco.annotated_images, coco.draft),
    "cvat": Format(cvat.read, cvat.write, cvat.annotated_images, cvat.draft),
    "labelme": Format(labelme.read, labelme.write, labelme.annotated_images, labelme.draft),
    "labelstudio": Format(labelstudio.read, labelstudio.write, labelstudio.annotated_images, labelstudio.draft),
    "voc": Format(voc.read, voc.write, voc.annotated_images, voc.draft),
    "yolo": Format(yolo.read, yolo.write, yolo.annotated_images, yolo.draft),
}
