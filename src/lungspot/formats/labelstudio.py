"""Label Studio tasks: ``tasks.json``, ``config.xml`` and ``images/``.

Citation: M. Tkachenko et al., Label Studio: Data labeling software (2020).
Link: https://labelstud.io/guide/export#Label-Studio-JSON-format-of-annotated-tasks.
Terms: Label Studio is Apache-2.0; the films keep their publishers'.
Coordinates: ``value`` is x, y, width, height in per cent of the image file's sides, 0-based, floats, from the
top-left corner, about which ``rotation`` turns; ``original_width`` and ``original_height`` are the file's. Of a
turned rectangle, an ellipse or a polygon the enclosing box is read. A box outside the film is written as it is.
States: choices ``absent:effusion``, ``present:effusion`` (there, not all boxed). An annotation that was handed in
says that the film was looked at; a skipped one (``was_cancelled``) does not count.
Readers: one annotation each. A proposal of a model is a prediction.
To label: make a project with ``config.xml``, start Label Studio with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true
and LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT set to the folder, import ``tasks.json``; export as "JSON".
Extension: ``data.lungspot`` of a task; Label Studio hands ``data`` and the ids of regions back unchanged.
Known faults of files in the wild: ``image`` with an upload's prefix or a URL (the last part is looked for), regions
without a label, brush masks (not read: refused), the JSON-MIN export (refused).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
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
    flagged,
    flags_of,
    label_named,
    labels_in,
    stated_box,
    stated_size,
)
from lungspot.formats.case import Case
from lungspot.formats.case_json import load_json, write_json
from lungspot.formats.image_files import FilmTransfer, Progress, annotated_images_of, find_film, new_folder
from lungspot.formats.reconcile import case_of
from lungspot.formats.xml_tree import write_xml

__all__ = ["annotated_images", "draft", "read", "write"]

_FILE: Final = "tasks.json"
_FILMS: Final = "images"
_LOCAL: Final = "/data/local-files/?d="
_REGION: Final = re.compile(r"r(\d+)f\d+\Z")  # reading and finding: the ids of regions that lungspot wrote
_SHAPES: Final = {"rectanglelabels": "rectangle", "ellipselabels": "ellipse", "polygonlabels": "polygon"}
_NO_BOX: Final = frozenset({"brushlabels", "keypointlabels", "rectangle", "ellipse", "polygon", "brush", "keypoint"})


def read(
    root: Path, *, looked_for: Iterable[str] = (), names: Mapping[str, str] | None = None, films: Path | None = None
) -> list[Case]:
    """Return the cases of a Label Studio export, a folder or its JSON file; raises :class:`DatasetError`.

    ``looked_for``: label ids whose absence on a film means absent. ``names``: class names → label ids, where the
    taxonomy does not know them. ``films``: the image folder, where not ``images``.
    """
    folder = root if root.is_dir() else root.parent
    folders = [films] if films else [folder, folder / _FILMS]
    cases = []
    for annotated in annotated_images(root, names):
        film = None if annotated.case_json else find_film(annotated.film, annotated.where, folders)
        cases.append(case_of(annotated, folder, film, looked_for=looked_for))
    return cases


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


def annotated_images(root: Path, names: Mapping[str, str] | None = None) -> list[AnnotatedImage]:
    """Return what the tasks say, in their order; raises :class:`DatasetError`."""
    path = root / _FILE if root.is_dir() else root
    value = load_json(path)
    if not isinstance(value, list):
        raise DatasetError("DATASET_FORMAT", path, "not a list of tasks", advice='export as "JSON"')
    return [_sheet(task, f"{path}: task {row}", names) for row, task in enumerate(value)]


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
    predictions = [{"model_version": model, "result": _results(annotated, model, 0)} for model in models]
    return {"id": number, "data": data, "annotations": annotations, "predictions": predictions}


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
        results.append(region | ({} if mark.score is None else {"score": mark.score}))
    return results


def _sheet(task: object, where: str, names: Mapping[str, str] | None) -> AnnotatedImage:
    data = task.get("data") if isinstance(task, dict) else None
    if not isinstance(task, dict) or not isinstance(data, dict):
        raise DatasetError("DATASET_FORMAT", where, "a task without data", advice='export as "JSON", not JSON-MIN')
    link = data.get("image") or next((item for item in data.values() if isinstance(item, str)), None)
    case_json = data.get("lungspot")
    if not isinstance(link, str) or not isinstance(case_json, dict | None):
        raise DatasetError("DATASET_ROW", where, "data.image names no film, or data.lungspot is not a mapping")
    film, ours = _film(link), case_json is not None
    readings = _list(case_json, "readings", where) if ours else []
    known = list(dict.fromkeys(str(reading.get("reader")) for reading in readings))
    marks: list[Mark] = []
    readers: list[str] = []
    states_by: dict[str, dict[str, State]] = {}
    sizes: set[Frame] = set()
    for row, annotation in enumerate(_list(task, "annotations", where)):
        place = f"{where}: annotation {row}"
        results = _list(annotation, "result", place)
        if annotation.get("was_cancelled"):
            continue
        reader = _reader(annotation, results, known)
        readers.append(reader)
        drawn, flags = _drawn(results, place, sizes, names, ours=ours)
        marks += [Mark(mark.label, mark.box, reader, mark.score) for mark in drawn]
        states_by[reader], _ = flagged(flags, place, ours=ours, names=names)
    for row, prediction in enumerate(_list(task, "predictions", where)):
        place = f"{where}: prediction {row}"
        model = str(prediction.get("model_version") or "model")
        drawn, _ = _drawn(_list(prediction, "result", place), place, sizes, names, ours=ours)
        marks += [Mark(mark.label, mark.box, model, mark.score, proposed=True) for mark in drawn]
    if len(sizes) > 1:
        raise DatasetError("DATASET_ROW", where, f"regions disagree about the film's size: {sorted(map(str, sizes))}")
    states: dict[str, State] = {}
    for said in states_by.values():
        for label, state in said.items():
            states[label] = State.PRESENT if State.PRESENT in {state, states.get(label)} else state
    return AnnotatedImage(
        film,
        next(iter(sizes), None),
        tuple(marks),
        states if states_by else None,
        tuple(readers),
        states_by,
        done=bool(readers),
        case_json=case_json,
        where=where,
    )


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


def _drawn(
    results: Sequence[Mapping[str, Any]], where: str, sizes: set[Frame], names: Mapping[str, str] | None, *, ours: bool
) -> tuple[list[Mark], dict[str, bool]]:
    """Return the boxes in pixels and the choices of one annotation or prediction."""
    marks: list[Mark] = []
    flags: dict[str, bool] = {}
    for row, result in enumerate(results):
        place, kind, value = f"{where}: result {row}", result.get("type"), result.get("value")
        if kind == "choices" and isinstance(value, dict) and isinstance(value.get("choices"), list):
            flags |= {str(choice): True for choice in value["choices"]}
        elif kind in _NO_BOX:
            raise DatasetError("DATASET_ROW", place, f"a {kind} has no label or no box", advice="draw a rectangle")
        elif kind in _SHAPES and isinstance(value, dict):
            size = stated_size(result.get("original_width"), result.get("original_height"), place)
            named = value.get(kind)
            if size is None or not isinstance(named, list) or len(named) != 1:
                raise DatasetError("DATASET_ROW", place, f"no size of the film, or not one label ({named!r})")
            sizes.add(size)
            score = result.get("score")
            label = label_named(named[0], place, ours=ours, names=names)
            box = _box(value, _SHAPES[str(kind)], size, place)
            marks.append(Mark(label, box, score=score if isinstance(score, float | int) else None))
    return marks, flags


def _box(value: Mapping[str, Any], shape: str, size: Frame, where: str) -> Box:
    wide, high = size.width / 100, size.height / 100
    try:
        if shape == "polygon":
            points = [(float(x) * wide, float(y) * high) for x, y in value["points"]]
            center, turn = (0.0, 0.0), 0.0
        else:
            x, y = float(value["x"]) * wide, float(value["y"]) * high
            center, turn = (x, y), math.radians(float(value.get("rotation", 0)))
            if shape == "rectangle":
                left, top, right, bottom = 0.0, 0.0, float(value["width"]) * wide, float(value["height"]) * high
            else:
                right, bottom = float(value["radiusX"]) * wide, float(value["radiusY"]) * high
                left, top = -right, -bottom
            stated_box((left, top, right, bottom), where)
            points = [(x + a, y + b) for a, b in ((left, top), (right, top), (right, bottom), (left, bottom))]
        if turn:
            sine, cosine = math.sin(turn), math.cos(turn)
            points = [
                (
                    center[0] + (a - center[0]) * cosine - (b - center[1]) * sine,
                    center[1] + (a - center[0]) * sine + (b - center[1]) * cosine,
                )
                for a, b in points
            ]
        xs, ys = zip(*points, strict=True)
    except (KeyError, TypeError, ValueError) as error:
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
