"""Label Studio tasks: ``tasks.json``, ``config.xml`` and ``images/``.

Citation: M. Tkachenko et al., Label Studio: Data labeling software (2020).
Link: https://labelstud.io/guide/export#Label-Studio-JSON-format-of-annotated-tasks.
Terms: Label Studio is Apache-2.0; the films keep their publishers'.
Coordinates: ``value`` is x, y, width, height in per cent of the image file's sides, 0-based, floats, from the
top-left corner, about which ``rotation`` turns; ``original_width`` and ``original_height`` are the file's. Of a
turned rectangle, an ellipse or a polygon the enclosing box is read. A box outside the film is written as it is.
States: choices ``absent:effusion``, ``present:effusion`` (there, not all boxed). An annotation that was handed in
says that the film was looked at; a skipped one (``was_cancelled``) does not count.
Readers: one annotation each. A prediction is a model's proposal, never truth; an export may hold only their ids.
Shapes: a region is one result (``rectanglelabels``, ``labels`` …), or a ``rectangle`` and its ``labels`` or
``choices`` under one id; with several labels it is a box of each. ``image_rotation`` is how the film was shown, and
moves nothing. A region without the film's size takes that of the film.
To label: make a project with ``config.xml``, start Label Studio with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true
and LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT set to the folder, import ``tasks.json``; export as "JSON".
Extension: ``data.lungspot`` of a task; Label Studio hands ``data`` and the ids of regions back unchanged.
Known faults of files in the wild: ``image`` with an upload's prefix or a URL (the last part is looked for), regions
without a label, brush masks (not read: refused), the JSON-MIN export (refused).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree.ElementTree import Element, SubElement

from lungspot.errors import DatasetError
from lungspot.findings import Box, Frame, State
from lungspot.formats.annotated_image import (
    DONE,
    READER,
    AnnotatedImage,
    Mark,
    ellipse_reach,
    flagged,
    flags_of,
    labels_in,
    settled,
    stated_box,
    stated_size,
)
from lungspot.formats.case import Case
from lungspot.formats.case_json import load_json, write_json
from lungspot.formats.cases import cases_from
from lungspot.formats.classes import ClassMap, Names
from lungspot.formats.image_files import FilmTransfer, Progress, annotated_images_of, film_size, find_film, new_folder
from lungspot.formats.xml_tree import write_xml
from lungspot.images import IMAGE_SUFFIXES

__all__ = ["annotated_images", "draft", "read", "write"]

_FILE: Final = "tasks.json"
_FILMS: Final = "images"
_LOCAL: Final = "/data/local-files/?d="
_REGION: Final = re.compile(r"r(\d+)f\d+\Z")  # reading and finding: the ids of regions that lungspot wrote
_SHAPES: Final = frozenset({"rectangle", "ellipse", "polygon"})
_NO_BOX: Final = frozenset({"brushlabels", "keypointlabels", "brush", "keypoint", "vector", "vectorlabels"})
_DRAWN: Final = ("x", "y", "width", "height", "radiusX", "radiusY", "rotation", "points")
_GEOMETRY: Final = frozenset({"x", "y", "width", "height", "radiusX", "radiusY", "points", "rle", "vertices"})


def read(root: Path, *, looked_for: Iterable[str] = (), names: Names = None, films: Path | None = None) -> list[Case]:
    """Return the cases of a Label Studio export, a folder or its JSON file; raises :class:`DatasetError`.

    ``looked_for``: label ids whose absence on a film means absent. ``names``: class names → label ids,
    or a class map. ``films``: the image folder, where not ``images``.
    """
    folder = root if root.is_dir() else root.parent
    found = annotated_images(root, names, films)
    return cases_from(found, folder, lambda _: _places(folder, films), looked_for=looked_for)


def write(
    cases: Iterable[Case], out: Path, *, films: FilmTransfer = FilmTransfer.LINK, progress: Progress = iter
) -> None:
    """Write cases into the new folder ``out``; changes nothing that was given."""
    with new_folder(out) as folder:
        draft(
            annotated_images_of(list(cases), folder, FilmTransfer(films), lambda _: _FILMS, progress=progress), folder
        )


def draft(drawn: Sequence[AnnotatedImage], folder: Path, labels: Iterable[str] = ()) -> None:
    """Write ``tasks.json`` and ``config.xml``, which offers ``labels`` first, into ``folder``."""
    ordered = labels_in(drawn, labels)
    flags = list(dict.fromkeys(flag for annotated in drawn for flag in flags_of(annotated) if flag != DONE))
    write_json(folder / _FILE, [_task(number, annotated) for number, annotated in enumerate(drawn, 1)], 1)
    view = Element("View")
    SubElement(view, "Image", {"name": "image", "value": "$image", "zoom": "true", "brightnessControl": "true"})
    controls = (("RectangleLabels", "label", "Label", ordered), ("Choices", "says", "Choice", flags))
    for tag, name, child, values in controls:
        if values:
            several = {"choice": "multiple"} if tag == "Choices" else {}
            parent = SubElement(view, tag, {"name": name, "toName": "image", **several})
            for value in values:
                SubElement(parent, child, {"value": value})
    write_xml(folder / "config.xml", view)


def annotated_images(root: Path, names: Names = None, films: Path | None = None) -> list[AnnotatedImage]:
    """Return what the tasks say, in their order; raises :class:`DatasetError`.

    ``films``: the image folder, where not ``images``; a film is looked at where no region says its size.
    """
    path = root / _FILE if root.is_dir() else root
    value = load_json(path)
    if not isinstance(value, list):
        raise DatasetError("DATASET_FORMAT", path, "not a list of tasks", advice='export as "JSON"')
    reader = _Regions(ClassMap.of(names), _places(path.parent, films))
    return [_annotated(task, f"{path}: task {row}", reader) for row, task in enumerate(value)]


def _places(folder: Path, films: Path | None) -> list[Path]:
    return [films] if films else [folder, folder / _FILMS]


def _task(number: int, annotated: AnnotatedImage) -> dict[str, Any]:
    data: dict[str, Any] = {"image": _LOCAL + annotated.film}
    if annotated.case_json is not None:
        data["lungspot"] = annotated.case_json
    flags = [flag for flag, on in flags_of(annotated).items() if on and flag != DONE]
    annotations = []
    for order, reader in enumerate(annotated.readers):
        said = _results(annotated, reader, order)
        if order == 0 and flags:  # what was said outright is the film's, and stands once
            choice = {"id": "says", "type": "choices", "from_name": "says", "to_name": "image"}
            said.append(choice | {"value": {"choices": flags}})
        annotations.append({"was_cancelled": False, "lungspot_reader": reader, "result": said})
    models = dict.fromkeys(mark.reader for mark in annotated.marks if mark.proposed)
    predictions = [_prediction(annotated, model) for model in models]
    return {"id": number, "data": data, "annotations": annotations, "predictions": predictions}


def _prediction(annotated: AnnotatedImage, model: str | None) -> dict[str, Any]:
    """Return a model's boxes on a film; its score is that of the best, by which Label Studio sorts tasks."""
    scores = [mark.score for mark in annotated.marks if mark.reader == model and mark.score is not None]
    said = {"model_version": model, "result": _results(annotated, model, 0)}
    return said | ({"score": max(scores)} if scores else {})


def _results(annotated: AnnotatedImage, reader: str | None, order: int) -> list[dict[str, Any]]:
    results = []
    for number, mark in enumerate(annotated.marks):
        if mark.reader != reader or annotated.size is None:
            continue
        x, y, width, height = mark.box.scale(100 / annotated.size.width, 100 / annotated.size.height).xywh
        value = {"x": x, "y": y, "width": width, "height": height, "rotation": 0, "rectanglelabels": [mark.label]}
        region: dict[str, Any] = {
            "id": f"r{order}f{number}",
            "type": "rectanglelabels",
            "from_name": "label",
            "to_name": "image",
            "original_width": annotated.size.width,
            "original_height": annotated.size.height,
            "image_rotation": 0,
            "value": value,
        }
        said = [f"{key}: {value}" for key, value in mark.facts.items()]
        region |= {"meta": {"text": said}} if said else {}
        results.append(region | ({} if mark.score is None else {"score": mark.score}))
    return results


def _annotated(task: object, where: str, regions: _Regions) -> AnnotatedImage:
    data = task.get("data") if isinstance(task, dict) else None
    if not isinstance(task, dict) or not isinstance(data, dict):
        raise DatasetError("DATASET_FORMAT", where, "a task without data", advice='export as "JSON", not JSON-MIN')
    link = data.get("image") or _link(data)
    case_json = data.get("lungspot")
    if not isinstance(link, str) or not isinstance(case_json, dict | None):
        raise DatasetError("DATASET_ROW", where, "data.image names no film, or data.lungspot is not a mapping")
    film, ours = _film(link), case_json is not None
    readings = _list(case_json, "readings", where) if ours else []
    known = list(dict.fromkeys(str(reading.get("reader")) for reading in readings))
    marks: list[Mark] = []
    readers: list[str] = []
    states_by: dict[str, dict[str, State]] = {}
    said_normal: list[str] = []
    film_regions = regions.of(film, ours=ours)
    for row, annotation in enumerate(_list(task, "annotations" if "annotations" in task else "completions", where)):
        place = f"{where}: annotation {row}"
        results = _list(annotation, "result", place)
        if annotation.get("was_cancelled"):
            continue
        reader = _reader(annotation, results, known)
        readers.append(reader)
        drawn, flags = film_regions.drawn(results, place)
        marks += [Mark(mark.label, mark.box, reader, mark.score) for mark in drawn]
        states_by[reader], _, nothing = flagged(flags, place, regions.classes, ours=ours)
        said_normal += [reader] * nothing
    for place, prediction in _predictions(task, where):
        model = str(prediction.get("model_version") or "model")
        drawn, _ = film_regions.drawn(_list(prediction, "result", place), place)
        marks += [Mark(mark.label, mark.box, model, mark.score, proposed=True) for mark in drawn]
    sizes = film_regions.sizes
    if len(sizes) > 1:
        raise DatasetError("DATASET_ROW", where, f"regions disagree about the film's size: {sorted(map(str, sizes))}")
    kept, normal = settled(marks, said_normal)
    states: dict[str, State] = {}
    for said in states_by.values():
        for label, state in said.items():
            states[label] = State.PRESENT if State.PRESENT in {state, states.get(label)} else state
    return AnnotatedImage(
        film,
        next(iter(sizes), None),
        kept,
        states if states_by else None,
        tuple(readers),
        states_by,
        done=bool(readers),
        case_json=case_json,
        where=where,
        normal=normal,
    )


def _predictions(task: Mapping[str, Any], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the predictions of a task with their places; an export without their bodies has their ids."""
    predictions = task.get("predictions") or []
    if not isinstance(predictions, list):
        raise DatasetError("DATASET_ROW", where, "predictions is not a list")
    bodies = enumerate(predictions)
    yield from ((f"{where}: prediction {row}", body) for row, body in bodies if isinstance(body, dict))


def _link(data: Mapping[str, Any]) -> str | None:
    """Return the film among a task's data: the text that is called like a film, else the first."""
    texts = [item for item in data.values() if isinstance(item, str)]
    called = (text for text in texts if Path(urlsplit(text).path).suffix.lower() in IMAGE_SUFFIXES)
    return next(called, next(iter(texts), None))


def _list(value: object, key: str, where: str) -> list[dict[str, Any]]:
    items = value.get(key) or [] if isinstance(value, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise DatasetError("DATASET_ROW", where, f"{key} is not a list of mappings")
    return items


def _reader(annotation: Mapping[str, Any], results: Sequence[Mapping[str, Any]], known: Sequence[str]) -> str:
    """Return who made an annotation: whom lungspot wrote, else whose regions it holds, else Label Studio's user."""
    written = annotation.get("lungspot_reader")
    if isinstance(written, str) and written:
        return written
    for result in results:
        match = _REGION.match(str(result.get("id")))
        if match and int(match.group(1)) < len(known):
            return known[int(match.group(1))]
    person = annotation.get("completed_by")
    if isinstance(person, dict):
        person = person.get("email") or person.get("username") or person.get("id")
    return READER if person is None else f"user {person}" if isinstance(person, int) else str(person)


class _Regions:
    """Reads the results of annotations: what each class means, and where a film is whose size no region says."""

    def __init__(self, classes: ClassMap, folders: Sequence[Path]) -> None:
        self.classes, self._folders = classes, folders

    def of(self, film: str, *, ours: bool) -> _FilmRegions:
        """Return the reader of one film's results."""
        return _FilmRegions(self.classes, self._folders, film, ours=ours)


class _FilmRegions:
    """The results of one film; ``sizes``: what its regions say of the film's size."""

    def __init__(self, classes: ClassMap, folders: Sequence[Path], film: str, *, ours: bool) -> None:
        self._classes, self._folders, self._film, self._ours = classes, folders, film, ours
        self.sizes: set[Frame] = set()

    def drawn(self, results: Sequence[Mapping[str, Any]], where: str) -> tuple[list[Mark], dict[str, bool]]:
        """Return the boxes in pixels, one a label of each region, and the choices about the film.

        A region may be several results of one id: a ``rectangle`` and its ``labels``, or its ``choices``.
        """
        marks: list[Mark] = []
        flags: dict[str, bool] = {}
        regions: dict[tuple[str, ...], list[tuple[str, Mapping[str, Any]]]] = {}
        for row, result in enumerate(results):
            place, kind, value = f"{where}: result {row}", str(result.get("type")), result.get("value")
            if not isinstance(value, dict):
                if value or kind.endswith("labels") or kind in _SHAPES:
                    raise DatasetError("DATASET_ROW", place, f"the value of a {kind} is no mapping")
                continue  # a relation between two regions
            if _shape_of(value, kind) is None:
                if kind == "choices" and isinstance(value.get("choices"), list):
                    flags |= {str(choice): True for choice in value["choices"]}
                elif kind in _NO_BOX or _GEOMETRY & value.keys():
                    raise DatasetError(
                        "DATASET_ROW", place, f"a {kind} has no label or no box", advice="draw a rectangle"
                    )
                continue
            same = (str(result.get("id")), *(str(value.get(key)) for key in _DRAWN))
            parts = regions.setdefault(same, [])
            if any(one.get("type") == kind for _, one in parts):  # another region that an importer gave the same id
                parts = regions.setdefault((*same, str(row)), [])
            parts.append((place, result))
        for parts in regions.values():
            marks += self._region(parts)
        return marks, flags

    def _region(self, parts: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Mark]:
        place, first = parts[0]
        named: list[object] = []
        for _, result in parts:
            value, kind = result["value"], str(result.get("type"))
            keys = (
                [kind]
                if kind.endswith("labels") or kind == "choices"
                else [key for key in value if key.endswith("labels")]
            )
            named += [name for key in keys if isinstance(value.get(key), list) for name in value[key]]
        if not named:
            raise DatasetError("DATASET_ROW", place, f"a {first.get('type')} has no label", advice="label the region")
        shape = _shape_of(first["value"], str(first.get("type"))) or ""
        box = _box(first["value"], shape, self._size(first, place), place)
        scores = [score for _, one in parts if isinstance(score := one.get("score"), float | int)]
        labels = dict.fromkeys(self._classes.meaning(name, place, ours=self._ours) for name in named)
        return [Mark(label, box, score=scores[0] if scores else None) for label in labels]

    def _size(self, result: Mapping[str, Any], where: str) -> Frame:
        """Return the film's size: as stated; where it is not, or turned with the view, that of the film at hand."""
        size = stated_size(result.get("original_width"), result.get("original_height"), where)
        turned = result.get("image_rotation") in (90, 270, -90)  # a tuple: a list may stand there, which has no hash
        if size is None or turned:
            try:
                at_hand = film_size(find_film(self._film, where, self._folders))
            except DatasetError as error:
                if size is None:
                    raise DatasetError("DATASET_ROW", where, "no size of the film, and no film to ask") from error
            else:
                size = at_hand if size is None or size == Frame(at_hand.height, at_hand.width) else size
        self.sizes.add(size)
        return size


def _shape_of(value: Mapping[str, Any], kind: str) -> str | None:
    """Return what a result's value draws: a rectangle, an ellipse, a polygon; None where it draws none of these."""
    if kind in _NO_BOX:
        return None
    if "points" in value:
        return "polygon"
    if "radiusX" in value or kind in {"ellipse", "ellipselabels"}:
        return "ellipse"
    drawn = kind in {"rectangle", "rectanglelabels"} or {"x", "y", "width", "height"} <= value.keys()
    return "polygon" if kind in {"polygon", "polygonlabels"} else "rectangle" if drawn else None


def _box(value: Mapping[str, Any], shape: str, size: Frame, where: str) -> Box:
    wide, high = size.width / 100, size.height / 100
    try:
        if shape == "polygon":
            points = [(float(x) * wide, float(y) * high) for x, y in value["points"]]
        else:
            x, y = float(value["x"]) * wide, float(value["y"]) * high
            turn = math.radians(float(value.get("rotation") or 0))
            if shape == "ellipse":
                across, down = float(value["radiusX"]) * wide, float(value["radiusY"]) * high
                stated_box((-across, -down, across, down), where)
                across, down = ellipse_reach(across, down, turn)
                points = [(x - across, y - down), (x + across, y + down)]
            else:
                right, bottom = float(value["width"]) * wide, float(value["height"]) * high
                stated_box((0, 0, right, bottom), where)
                sine, cosine = math.sin(turn), math.cos(turn)
                corners = ((0.0, 0.0), (right, 0.0), (right, bottom), (0.0, bottom))
                points = [(x + a * cosine - b * sine, y + a * sine + b * cosine) for a, b in corners]
        xs, ys = zip(*points, strict=True)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DatasetError("DATASET_ROW", where, f"not a {shape} ({type(error).__name__}: {error})") from error
    return stated_box((min(xs), min(ys), max(xs), max(ys)), where)


def _film(link: str) -> str:
    """Return the image file's name of a task's ``image``: a local file's path, else the last part of the link."""
    parts = urlsplit(link)
    local = parse_qs(parts.query).get("d")
    if local:
        return local[0]
    if "/upload/" in parts.path:  # Label Studio puts eight digits before the name of an uploaded file
        return re.sub(r"\A[0-9a-f]{8}-", "", unquote(parts.path).rsplit("/", 1)[-1])
    return unquote(parts.path).rsplit("/", 1)[-1] if parts.scheme else link
