"""COCO JSON with LVIS's lists of what was looked for: ``annotations.json`` beside ``images/``.

Citation: T.-Y. Lin et al., Microsoft COCO, ECCV 2014; A. Gupta, P. Dollár, R. Girshick, LVIS, CVPR 2019.
Link: https://cocodataset.org/#format-data and https://www.lvisdataset.org/dataset.
Terms: none on the format; the films keep their publishers'.
Coordinates: ``bbox`` is x, y, width, height in pixels of the image file, 0-based, floats; ``width`` and ``height``
are the file's. A box outside the film is written as it is. ``area`` is the box's.
States: an image's ``neg_category_ids`` are labels looked for and absent; ``not_exhaustive_category_ids`` are there
but not (all) boxed; a category with boxes and in neither list is boxed exhaustively; the others were not looked for.
An annotation with ``iscrowd`` is a box around several instances: nothing to find, and no mistake inside it.
Where readers disagree, present wins over boxed, and boxed over absent; what each said is in the image's ``readings``.
Extra keys: image ``case_id``, ``dataset``, ``patient_id``, ``view``, ``age``, ``sex``, ``split``, ``native``,
``readings``, ``source_name``, ``source_sha256``; annotation ``reader``, ``score``. Boxes that a reader rejected are
no annotations: they stand in ``readings``, and as annotations of their own in the file's list ``rejected``.
Known faults of files in the wild: corners in ``bbox``, NaN, category ids that no category has, films renamed or left
behind, images without objects dropped by the writer, no LVIS lists: then a category without a box says nothing
here, unless the caller names it in ``looked_for``. Without a ``bbox`` it is taken around polygons or RLE masks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from lungspot.errors import DatasetError
from lungspot.findings import Frame, State, taxonomy
from lungspot.formats.annotated_image import (
    AnnotatedImage,
    Mark,
    around_turned,
    labels_in,
    settled,
    stated_box,
    stated_size,
)
from lungspot.formats.case import Case
from lungspot.formats.case_json import SCHEMA, SOURCE, facts_from_json, load_json, write_json
from lungspot.formats.cases import cases_from
from lungspot.formats.classes import NO_FINDING, SKIP, ClassMap, ClassNames
from lungspot.formats.coco_files import ANNOTATIONS_FILE, IMAGES_FOLDER, files_of, places
from lungspot.formats.coco_masks import box_around
from lungspot.formats.image_files import FilmLayout, FilmTransfer, Progress, annotated_images_of
from lungspot.formats.predictions import EXTENSION
from lungspot.outputs import Outputs

__all__ = ["LAYOUT", "annotated_images", "annotated_images_in", "draft", "labels_of", "read", "write"]

LAYOUT: Final = FilmLayout(lambda _: IMAGES_FOLDER, own_names=True)


def read(
    root: Path,
    *,
    looked_for: Iterable[str] = (),
    names: ClassNames = None,
    films: Path | None = None,
    need_films: bool = True,
) -> list[Case]:
    """Return the cases of a COCO file, or of a folder (:mod:`~lungspot.formats.coco_files`).

    Raises :class:`DatasetError`.

    ``looked_for``: label ids whose absence on a film means absent, in a file without LVIS lists. ``names``: the
    file's category names → label ids, where the taxonomy does not know them. ``films``: the image folder, where not
    beside it. ``need_films``: refuse a file whose films are not here; else their cases have no image.
    """
    folder = root if root.is_dir() else root.parent
    folders = [films] if films else places(root)
    found = annotated_images(root, names)
    return cases_from(found, folder, lambda _: folders, looked_for=looked_for, need_films=need_films)


def write(
    cases: Iterable[Case],
    out: Path,
    *,
    films: FilmTransfer = FilmTransfer.LINK,
    progress: Progress = iter,
    outputs: Outputs | None = None,
) -> None:
    """Write cases into the new folder ``out``: ``annotations.json`` and ``images/``; changes nothing that was given."""
    with (outputs or Outputs()).folder(out) as folder:
        drawn = annotated_images_of(list(cases), folder, FilmTransfer(films), LAYOUT, progress=progress)
        draft(drawn, folder)


def draft(drawn: Sequence[AnnotatedImage], folder: Path, labels: Iterable[str] = ()) -> None:
    """Write ``annotations.json`` into ``folder``; ``labels`` become categories even where nobody drew one."""
    ordered = labels_in(drawn, labels)
    numbers = {label: number for number, label in enumerate(ordered, 1)}
    shown = Counter(label for annotated in drawn for label in {mark.label for mark in annotated.marks})
    categories = [_category(label, numbers[label], shown[label]) for label in ordered]
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, annotated in enumerate(drawn, 1):
        images.append(_image(annotated, number, numbers))
        for mark in annotated.marks:
            annotation = {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": numbers[mark.label],
                "bbox": list(mark.box.xywh),
                "area": mark.box.area,
                "iscrowd": int(mark.crowd),
                "reader": mark.reader,
                "score": mark.score,
            }
            annotations.append({key: value for key, value in annotation.items() if value is not None})
    rejected = [wrong for number, annotated in enumerate(drawn, 1) for wrong in _rejected(annotated, number)]
    info = {"description": "Written by lungspot; see docs/reference/formats.md", "extension": SCHEMA}
    parts = {"info": info, "licenses": [], "categories": categories, "images": images, "annotations": annotations}
    write_json(folder / ANNOTATIONS_FILE, parts | ({"rejected": rejected} if rejected else {}))


def annotated_images(root: Path, names: ClassNames = None) -> list[AnnotatedImage]:
    """Return what a COCO file, or those of a folder, say, image by image in their order; raises :class:`DatasetError`.

    Of a folder of several files, a film is named with its part: ``train/1.png``.
    """
    classes, found = ClassMap.of(names), []
    for path, part, split in files_of(root):
        for annotated in annotated_images_in(load_json(path), path, classes):
            said = {"id": f"{part}/{annotated.film.rpartition('.')[0] or annotated.film}", "split": split}
            facts = {key: annotated.facts.get(key) or value for key, value in said.items()} if part else {}
            film = f"{part}/{annotated.film}" if part else annotated.film
            found.append(replace(annotated, film=film, facts={**annotated.facts, **facts}))
    return found


def labels_of(value: Mapping[str, Any], path: Path, names: ClassNames = None) -> list[str]:
    """Return the label ids of a COCO file's categories; raises :class:`DatasetError`."""
    information = value.get("info")
    ours = isinstance(information, dict) and information.get("extension") in (SCHEMA, EXTENSION)
    classes = ClassMap.of(names)
    meant = (classes.look_up(name, ours=ours) for name in _categories(value["categories"], path).values())
    return [label for label in meant if label not in {None, SKIP, NO_FINDING}]


def annotated_images_in(value: object, path: Path, names: ClassNames = None) -> list[AnnotatedImage]:
    """Return :func:`annotated_images` of a COCO file's JSON; ``path`` is for errors."""
    if not isinstance(value, dict) or not all(isinstance(value.get(part), list) for part in ("images", "categories")):
        raise DatasetError("DATASET_FORMAT", path, "no lists of images and categories: this is not a COCO file")
    annotations = value.get("annotations", [])
    if not isinstance(annotations, list):
        raise DatasetError("DATASET_FORMAT", path, "annotations is not a list")
    information = value.get("info")
    extension = information.get("extension") if isinstance(information, dict) else None
    ours = extension in (SCHEMA, EXTENSION)
    labels = _Labels(_categories(value["categories"], path), ClassMap.of(names), path, ours=ours)
    marks = _marks(annotations, labels, path, proposed=extension == EXTENSION)
    labels.tell_predictions(sum(mark.proposed for drawn in marks.values() for mark in drawn))
    found = []
    sizes: dict[float | str, Frame | None] = {}
    for row, image in enumerate(value["images"]):
        where = f"{path}: images[{row}]"
        number = _id(image.get("id")) if isinstance(image, dict) else None
        if number is None or not isinstance(image.get("file_name"), str):
            raise DatasetError("DATASET_ROW", where, "an image needs an id and a file_name")
        if number in sizes:
            raise DatasetError("DATASET_ROW", where, f"another image has the id {_same(number, sizes)}, too")
        found.append(_annotated(image, marks.pop(number, []), labels, where))
        sizes[number] = found[-1].size
    labels.tell_unused()
    if marks:
        number = next(iter(marks))
        reason = f"{sum(map(len, marks.values()))} annotations of no image (id {number!r}{_like(number, sizes)})"
        raise DatasetError("DATASET_ROW", path, reason)
    if not ours:
        _refuse_corners(annotations, sizes, path)
    return found


def _category(label: str, number: int, images: int) -> dict[str, Any]:
    """Return a category; LVIS calls it rare up to ten images, common up to a hundred, then frequent."""
    known = taxonomy()
    parent = known[label].parent if label in known else None
    frequency = "r" if images <= 10 else "c" if images <= 100 else "f"
    category = {"id": number, "name": label, "supercategory": parent or "finding"}
    return category | {"frequency": frequency, "image_count": images}


def _image(annotated: AnnotatedImage, number: int, numbers: Mapping[str, int]) -> dict[str, Any]:
    case_json = {key: value for key, value in (annotated.case_json or {}).items() if key != "id"}
    states = annotated.states or {}
    return {
        "id": number,
        "file_name": annotated.film,
        "width": 0 if annotated.size is None else annotated.size.width,
        "height": 0 if annotated.size is None else annotated.size.height,
        "neg_category_ids": [numbers[label] for label, state in states.items() if state is State.ABSENT],
        "not_exhaustive_category_ids": [numbers[label] for label, state in states.items() if state is State.PRESENT],
        **({"done": True} if annotated.done else {}),
        **({} if annotated.case_json is None else {"case_id": annotated.case_json["id"]}),
        **case_json,
    }


def _rejected(annotated: AnnotatedImage, number: int) -> list[dict[str, Any]]:
    """Return the boxes of one film that readers called wrong, with who drew them, in a form like annotations'."""
    return [
        {"image_id": number, "label": mark.label, "bbox": list(mark.box.xywh), "area": mark.box.area}
        | {"reader": mark.reader, "score": mark.score, "drawn_by": mark.source}
        for mark in annotated.rejected
    ]


def _categories(categories: Sequence[Any], path: Path) -> dict[float | str, str]:
    """Return id → name of a file's categories, whether or not they are used."""
    names: dict[float | str, str] = {}
    for row, category in enumerate(categories):
        where = f"{path}: categories[{row}]"
        number = _id(category.get("id")) if isinstance(category, dict) else None
        if number is None or not isinstance(category.get("name"), str):
            raise DatasetError("DATASET_ROW", where, "a category needs an id and a name")
        if number in names:
            raise DatasetError("DATASET_ROW", where, f"another category has the id {_same(number, names)}, too")
        names[number] = category["name"]
    return names


class _Labels:
    """What the categories of a file mean; one is asked about when an annotation uses it."""

    def __init__(self, names: Mapping[float | str, str], classes: ClassMap, path: Path, *, ours: bool) -> None:
        self._names, self._classes, self._path, self._ours = names, classes, path, ours
        self._used: set[float | str] = set()

    def of(self, number: object, where: str) -> str:
        """Return what the category of an id means; raises ``UNKNOWN_LABEL``."""
        key = _id(number)
        if key is None or key not in self._names:
            raise DatasetError("UNKNOWN_LABEL", where, f"no category has the id {number!r}{_like(number, self._names)}")
        self._used.add(key)
        place = f"{self._path}: categories[{list(self._names).index(key)}]"
        return self._classes.meaning(self._names[key], place, ours=self._ours)

    def has(self, number: object) -> bool:
        """Say whether a category has the id."""
        return _id(number) in self._names

    def tell_predictions(self, boxes: int) -> None:
        """Tell the class map of boxes that a model proposes: they are no truth, and left out."""
        self._classes.left_out("predictions", boxes)

    def tell_unused(self) -> None:
        """Tell the class map which categories nothing used, where the file is a stranger's."""
        for number, name in self._names.items():
            if number not in self._used and not self._ours:
                self._classes.unused(name)


def _marks(annotations: Sequence[Any], labels: _Labels, path: Path, *, proposed: bool) -> dict[float | str, list[Mark]]:
    marks: dict[float | str, list[Mark]] = {}
    for row, annotation in enumerate(annotations):
        where = f"{path}: annotations[{row}]"
        image = _id(annotation.get("image_id")) if isinstance(annotation, dict) else None
        if image is None:
            raise DatasetError("DATASET_ROW", where, "an annotation needs an image_id")
        label = labels.of(annotation.get("category_id"), where)
        box = annotation.get("bbox") or box_around(annotation.get("segmentation"))
        if not isinstance(box, list) or len(box) != 4 or not all(isinstance(side, int | float) for side in box):
            raise DatasetError("DATASET_ROW", where, f"bbox {box!r} is not x, y, width, height")
        reader, score = annotation.get("reader"), annotation.get("score")
        if not isinstance(reader, str | None) or not isinstance(score, int | float | None):
            raise DatasetError("DATASET_ROW", where, f"reader {reader!r} or score {score!r} is not one")
        crowd = annotation.get("iscrowd") or 0
        if not isinstance(crowd, int | float):
            raise DatasetError("DATASET_ROW", where, f"iscrowd {crowd!r} is neither 0 nor 1")
        x, y, width, height = box
        corners = stated_box((x, y, x + width, y + height), where).corners
        shown = stated_box(around_turned(corners, _turn(annotation)), where)
        reader = reader or ("model" if proposed else None)
        mark = Mark(label, shown, reader, score, proposed, crowd=bool(crowd))
        marks.setdefault(image, []).append(mark)
    return marks


def _turn(annotation: Mapping[str, Any]) -> object:
    """Return the degrees by which CVAT's box is turned, beside whose upright ``bbox`` they stand as an attribute."""
    attributes = annotation.get("attributes")
    upright = bool(annotation.get("bbox")) and not annotation.get("segmentation")
    return attributes.get("rotation") if upright and isinstance(attributes, dict) else None


def _annotated(image: Mapping[str, Any], drawn: Sequence[Mark], labels: _Labels, where: str) -> AnnotatedImage:
    marks, normal = settled(drawn)
    states: dict[str, State] = {}
    for key, state in (("neg_category_ids", State.ABSENT), ("not_exhaustive_category_ids", State.PRESENT)):
        listed = image.get(key, [])
        if not isinstance(listed, list) or not all(labels.has(number) for number in listed):
            raise DatasetError("DATASET_ROW", where, f"{key} {listed!r} are not ids of categories")
        meant = {labels.of(number, where): state for number in listed}
        states |= {label: state for label, state in meant.items() if label not in {SKIP, NO_FINDING}}
    size = stated_size(image.get("width"), image.get("height"), where)
    case_json: dict[str, Any] | None = None
    facts: dict[str, Any] = {}
    if "readings" in image:
        case_json = {key: image.get(key) for key in ("schema", "dataset", "patient_id", "native", "film", "readings")}
        case_json |= {"id": image.get("case_id")} | {key: image.get(key) for key in ("split", "view", "age", "sex")}
        case_json |= {key: image.get(key) for key in SOURCE}
    else:
        try:
            facts = facts_from_json(image)
        except (TypeError, ValueError) as error:
            raise DatasetError("DATASET_ROW", where, str(error)) from error
        facts |= {"id": image.get("case_id"), "dataset": image.get("dataset"), "patient": image.get("patient_id")}
        if not all(isinstance(facts[key], str | None) for key in ("id", "dataset", "patient")):
            raise DatasetError("DATASET_ROW", where, "case_id, dataset or patient_id is not text")
    said = states if "neg_category_ids" in image or "not_exhaustive_category_ids" in image else None
    done = image.get("done") is True
    return AnnotatedImage(
        image["file_name"],
        size,
        marks,
        said,
        done=done,
        case_json=case_json,
        facts=facts,
        where=where,
        normal=normal,
    )


def _refuse_corners(annotations: Sequence[Any], sizes: Mapping[float | str, Frame | None], path: Path) -> None:
    """Refuse a file whose boxes leave their films as x y width height and all fit as corners."""
    leaving = 0
    for annotation in annotations:
        size = sizes[annotation["image_id"]]
        if not annotation.get("bbox"):
            return
        x0, y0, x1, y1 = annotation["bbox"]
        fits = size is not None and x0 < x1 <= size.width + 1 and y0 < y1 <= size.height + 1
        if size is None or not fits or annotation.get("area") == x1 * y1:
            return
        leaving += x0 + x1 > size.width + 1 or y0 + y1 > size.height + 1
    if leaving:
        reason = f"{leaving} boxes leave their films as x, y, width, height, and all fit as x0, y0, x1, y1"
        raise DatasetError("DATASET_ROW", path, reason, advice="write bbox as x, y, width, height")


def _id(value: object) -> float | str | None:
    """Return an id, None where it is none. Equal ids are one, as in pycocotools: 1.0 is 1, "1" is not."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, int | float | str) and not isinstance(value, bool) else None


def _same(number: float | str, others: Iterable[float | str]) -> str:
    """Return an id as this row and as the other one write it."""
    other = next(other for other in others if other == number)
    return f"{number!r}" if repr(other) == repr(number) else f"{number!r} (there {other!r})"


def _like(number: object, others: Iterable[float | str]) -> str:
    """Return that an id differs by its kind only, in words, where it does."""
    near = next((other for other in others if str(other).strip() == str(number).strip() and other != number), None)
    return "" if near is None else f"; {near!r} is there: a number and a text are two ids"
