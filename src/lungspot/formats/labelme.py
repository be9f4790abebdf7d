"""LabelMe JSON: one file beside each film.

Citation: K. Wada, Labelme: image polygonal annotation with Python (2016).
Link: https://github.com/wkentaro/labelme (GPL-3.0: its files are read, the program is never imported).
Terms: none on the format; the films keep their publishers'.
Coordinates: points in pixels of the image file, 0-based, floats; ``imageWidth`` and ``imageHeight`` are the file's. A
rectangle is two corners in any order. Of a polygon, line, oriented rectangle or mask the enclosing box is read; of a
circle (centre and a point on it) likewise. A box outside the film is written as it is.
States: the file's ``flags``, which LabelMe shows as check boxes: ``absent:effusion``, ``present:effusion`` (there,
not all boxed) and ``done``.
Extension: the key ``lungspot``, and ``reader`` and ``score`` of a shape; LabelMe keeps keys that it does not know.
Known faults of files in the wild: ``imagePath`` with backslashes or of another machine (the film beside the file is
taken), points (no area), films embedded in ``imageData`` only (not read), shapes without a label.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from lungspot.errors import DatasetError
from lungspot.formats.annotated_image import (
    READER,
    AnnotatedImage,
    Mark,
    flagged,
    flags_of,
    settled,
    stated_box,
    stated_size,
)
from lungspot.formats.case import Case
from lungspot.formats.case_json import load_json, write_json
from lungspot.formats.cases import cases_from
from lungspot.formats.classes import ClassMap, ClassNames
from lungspot.formats.image_files import FilmLayout, FilmTransfer, Progress, annotated_images_of
from lungspot.images import walk
from lungspot.outputs import Outputs

__all__ = ["LAYOUT", "annotated_images", "draft", "read", "write"]

LAYOUT: Final = FilmLayout(lambda _: "", own_names=True)
_HUGE: Final = 2**53  # whole numbers from here on are no pixels, and floats do not hold them
_VERSION: Final = "5.5.0"  # of the files' form
# How many points a shape needs at least; other shapes have no area.
_SHAPES: Final = {
    "rectangle": 2,
    "mask": 2,
    "circle": 2,
    "polygon": 3,
    "line": 2,
    "linestrip": 2,
    "oriented_rectangle": 3,
    "rotation": 3,  # X-AnyLabeling's word for it
}


def read(
    root: Path, *, looked_for: Iterable[str] = (), names: ClassNames = None, films: Path | None = None
) -> list[Case]:
    """Return the cases of a LabelMe file, or of all in a folder and below; raises :class:`DatasetError`.

    ``looked_for``: label ids whose absence on a film means absent. ``names``: class names → label ids,
    or a class map. ``films``: the image folder, where films are not beside their files.
    """
    folder = root if root.is_dir() else root.parent
    found = annotated_images(root, names)
    return cases_from(found, folder, lambda one: [films] if films else [Path(one.where).parent], looked_for=looked_for)


def write(
    cases: Iterable[Case],
    out: Path,
    *,
    films: FilmTransfer = FilmTransfer.LINK,
    progress: Progress = iter,
    outputs: Outputs | None = None,
) -> None:
    """Write cases into the new folder ``out``, each film with its file; changes nothing that was given."""
    with (outputs or Outputs()).folder(out) as folder:
        drawn = annotated_images_of(list(cases), folder, FilmTransfer(films), LAYOUT, progress=progress)
        draft(drawn, folder)


def draft(drawn: Sequence[AnnotatedImage], folder: Path, labels: Iterable[str] = ()) -> None:
    """Write one file a film into ``folder``; ``labels`` is what the tool is to offer, in ``labels.txt``."""
    taken: set[str] = set()
    for annotated in drawn:
        stem = Path(annotated.film).stem
        while stem.lower() in taken:  # films of one stem in different folders
            stem += "_"
        taken.add(stem.lower())
        value = {
            "version": _VERSION,
            "flags": flags_of(annotated),
            "shapes": [_shape(mark) for mark in annotated.marks],
            "imagePath": annotated.film,
            "imageData": None,
            "imageHeight": None if annotated.size is None else annotated.size.height,
            "imageWidth": None if annotated.size is None else annotated.size.width,
        }
        write_json(
            folder / f"{stem}.json",
            value | ({} if annotated.case_json is None else {"lungspot": annotated.case_json}),
            2,
        )
    if labels:
        (folder / "labels.txt").write_text("".join(f"{label}\n" for label in labels), encoding="ascii")


def annotated_images(root: Path, names: ClassNames = None) -> list[AnnotatedImage]:
    """Return what each LabelMe file says, in the order in which lungspot wrote them, then by path.

    A folder's JSON files without ``shapes`` are passed over; a file named outright must be LabelMe's.
    """
    if not root.exists():
        raise DatasetError("DATASET_NOT_FOUND", root, "no such file or folder")
    files = list(walk(root, (".json",))) if root.is_dir() else [root]
    found, classes = [], ClassMap.of(names)
    for path in files:
        value = load_json(path)
        if isinstance(value, dict) and isinstance(value.get("shapes"), list):
            found.append(_annotated(value, path, root if root.is_dir() else root.parent, classes))
        elif not root.is_dir() or (isinstance(value, dict) and ("shapes" in value or "imagePath" in value)):
            raise DatasetError("DATASET_FORMAT", path, "no list of shapes: this is not a LabelMe file")
    if not found:
        raise DatasetError("DATASET_NOT_FOUND", root, f"none of {len(files)} *.json files is LabelMe's")
    return sorted(found, key=_order)


def _order(annotated: AnnotatedImage) -> float:
    order = (annotated.case_json or {}).get("order")
    return order if isinstance(order, int) else math.inf


def _shape(mark: Mark) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "label": mark.label,
        "points": [[mark.box.x0, mark.box.y0], [mark.box.x1, mark.box.y1]],
        "group_id": None,
        "description": "",
        "shape_type": "rectangle",
        "flags": {},
        "mask": None,
    }
    extra = {"reader": mark.reader, "score": mark.score}
    return shape | {key: value for key, value in extra.items() if value is not None}


def _annotated(value: Mapping[str, Any], path: Path, folder: Path, classes: ClassMap) -> AnnotatedImage:
    case_json = value.get("lungspot")
    film, flags = value.get("imagePath"), value.get("flags") or {}
    if not isinstance(film, str) or not isinstance(flags, dict) or not isinstance(case_json, dict | None):
        raise DatasetError("DATASET_FORMAT", path, "no imagePath, or flags or lungspot that are not mappings")
    ours = case_json is not None
    drawn = [_mark(shape, f"{path}: shapes[{row}]", classes, ours=ours) for row, shape in enumerate(value["shapes"])]
    states, done, nothing = flagged(flags, f"{path}: flags", classes, drawn, ours=ours)
    marks, normal = settled(drawn, [READER] * nothing)
    return AnnotatedImage(
        film,
        stated_size(value.get("imageWidth"), value.get("imageHeight"), str(path)),
        marks,
        states,
        done=done,
        normal=normal,
        case_json=case_json,
        facts={"id": path.relative_to(folder).with_suffix("").as_posix()},
        where=str(path),
    )


def _mark(shape: object, where: str, classes: ClassMap, *, ours: bool) -> Mark:
    if not isinstance(shape, dict):
        raise DatasetError("DATASET_ROW", where, "a shape is not a mapping")
    kind, points = shape.get("shape_type") or "polygon", shape.get("points")
    if not isinstance(kind, str) or kind not in _SHAPES:
        raise DatasetError("DATASET_ROW", where, f"a {kind!r} has no area", advice="draw a rectangle")
    if not isinstance(points, list) or len(points) < _SHAPES[kind] or not all(map(_is_point, points)):
        raise DatasetError("DATASET_ROW", where, f"points {str(points)[:80]} of a {kind} are not enough x, y pairs")
    if kind == "circle":
        (x, y), radius = points[0], math.dist(*points[:2])
        corners = (x - radius, y - radius, x + radius, y + radius)
    else:
        xs, ys = zip(*points, strict=True)
        corners = (min(xs), min(ys), max(xs), max(ys))
    reader, score = shape.get("reader"), shape.get("score")
    if not isinstance(reader, str | None) or not isinstance(score, int | float | None):
        raise DatasetError("DATASET_ROW", where, f"reader {reader!r} or score {score!r} is not one")
    label = classes.meaning(shape.get("label"), where, ours=ours)
    return Mark(label, stated_box(corners, where), reader, score)


def _is_point(point: object) -> bool:
    return isinstance(point, list) and len(point) == 2 and all(map(_is_number, point))


def _is_number(value: object) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and abs(value) < _HUGE)
