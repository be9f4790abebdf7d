"""The labelling tools' formats by name: what reads a folder of each, and what writes one.

``ANNOTATION_FORMATS["coco"].read(folder)`` gives cases; ``ANNOTATION_FORMATS["yolo"].write(cases, folder)`` writes
them: a conversion is the two. Which of them people label in, and which say how sure a model is, stands here and
nowhere else. docs/reference/formats.md says what each format can say, and what lungspot keeps beside
it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from lungspot.formats import coco, cvat, labelme, labelstudio, voc, yolo
from lungspot.formats.annotated_image import AnnotatedImage
from lungspot.formats.case import Case
from lungspot.formats.image_files import FilmLayout

__all__ = ["ANNOTATION_FORMATS", "Format"]


@dataclass(frozen=True, slots=True)
class Format:
    """One format.

    ``read(root, *, looked_for=(), names=None, films=None)`` → cases. ``write(cases, out, *, films="link",
    progress=iter, outputs=None)`` writes the new folder ``out``; ``progress`` draws a bar, ``outputs`` says what may
    be replaced (:class:`lungspot.outputs.Outputs`).
    ``annotated_images(root, names=None)`` → what a tool's files say, film by film. ``draft(annotated_images, folder,
    labels)`` writes the tool's files for people to draw on, beside films that lie as ``layout`` says. ``for_people``:
    of a tool in which people label a pool. ``scored``: it can say how sure a model is.
    """

    read: Callable[..., list[Case]]
    write: Callable[..., None]
    annotated_images: Callable[..., list[AnnotatedImage]]
    draft: Callable[..., None]
    layout: FilmLayout
    for_people: bool = False
    scored: bool = False


def _format(module: Any, *, for_people: bool = False, scored: bool = False) -> Format:  # noqa: ANN401 - a module
    """Return the format that a module reads and writes."""
    return Format(
        module.read,
        module.write,
        module.annotated_images,
        module.draft,
        module.LAYOUT,
        for_people=for_people,
        scored=scored,
    )


# Every form of annotations that can be read or written, by its name.
ANNOTATION_FORMATS: Final[dict[str, Format]] = {
    "coco": _format(coco, for_people=True, scored=True),
    "cvat": _format(cvat, for_people=True, scored=True),
    "labelme": _format(labelme, for_people=True),
    "labelstudio": _format(labelstudio, for_people=True, scored=True),
    "voc": _format(voc),
    "yolo": _format(yolo, scored=True),
}
