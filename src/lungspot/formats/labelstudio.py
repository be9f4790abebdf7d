"""Label Studio tasks: ``tasks.json``, ``config.xml`` and ``images/``.

Citation: M. Tkachenko et al., Label Studio: Data labeling software (2020).
Link: https://labelstud.io/guide/export#Label-Studio-JSON-format-of-annotated-tasks.
Terms: Label Studio is Apache-2.0; the films keep their publishers'.
Coordinates: ``value`` is x, y, width, height in per cent of the image file's sides, 0-based, floats, from the
top-left corner, about which ``rotation`` turns; ``original_width`` and ``original_height`` are the file's. Of a
turned rectangle, an ellipse or a polygon the enclosing box is read. A box outside the film is written as it is.
States: choices ``absent:effusion``, ``present:effusion`` (there, not all boxed). An annotation that was handed in
says that the film was looked at; a skipped one (``was_cancelled``) does not count.
Readers: one annotation each; of several by one person the last that she handed in counts, and the boxes of the others
are said to be left out. A prediction is a model's proposal, never truth; an export may hold only their ids.
A region's ``origin`` says whether a person drew it, took a prediction's, or changed that.
Shapes: a region is one result (``rectanglelabels``, ``labels`` …), or a ``rectangle`` and its ``labels`` or
``choices`` under one id; with several labels it is a box of each; ``choices`` beside labels are an attribute.
``image_rotation`` is how the film was shown, and moves nothing. A region without the film's size takes the film's.
To label: make a project with ``config.xml``, start Label Studio with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true
and LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT set to the folder, import ``tasks.json``; export as "JSON".
Extension: ``data.lungspot`` of a task, ``data.lungspot_patient`` of a film of ``lungspot serve``; Label Studio hands
``data`` and the ids of regions back unchanged.
Known faults of files in the wild: ``image`` with an upload's prefix or a URL (what of its end is here), regions without
a label, masks, key points and videos (refused). "JSON-MIN", "CSV", "TSV" say less: one choice about the film is lost.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element, SubElement

from lungspot.errors import DatasetError
from lungspot.findings import Box, Frame, State, taxonomy
from lungspot.formats.annotated_image import (
    DONE,
    READER,
    AnnotatedImage,
    Mark,
    flagged,
    flags_of,
    labels_in,
    settled,
)
from lungspot.formats.case import Case
from lungspot.formats.case_json import write_json
from lungspot.formats.cases import cases_from
from lungspot.formats.classes import ClassMap, ClassNames
from lungspot.formats.image_files import FilmLayout, FilmTransfer, Progress, annotated_images_of
from lungspot.formats.labelstudio_files import STUDIO_TASKS, film_of, load_tasks
from lungspot.formats.labelstudio_regions import FilmRegions, boxes_in
from lungspot.formats.xml_tree import write_xml
from lungspot.images import IMAGE_SUFFIXES
from lungspot.outputs import Outputs

__all__ = ["LAYOUT", "PATIENT", "annotated_images", "config", "draft", "read", "region", "write"]

PATIENT: Final = "lungspot_patient"  # the key of a task's data that says whose the film is: a pseudonym

_FILMS: Final = "images"
LAYOUT: Final = FilmLayout(lambda _: _FILMS)
_LOCAL: Final = "/data/local-files/?d="
_REGION: Final = re.compile(r"r(\d+)f\d+\Z")  # reading and finding: the ids of regions that lungspot wrote


def read(
    root: Path, *, looked_for: Iterable[str] = (), names: ClassNames = None, films: Path | None = None
) -> list[Case]:
    """Return the cases of a Label Studio export, a folder or its JSON file; raises :class:`DatasetError`.

    ``looked_for``: label ids whose absence on a film means absent. ``names``: class names → label ids,
    or a class map. ``films``: the image folder, where not ``images``.
    """
    folder = root if root.is_dir() else root.parent
    found = annotated_images(root, names, films)
    return cases_from(found, folder, lambda _: _places(folder, films), looked_for=looked_for)


def write(
    cases: Iterable[Case],
    out: Path,
    *,
    films: FilmTransfer = FilmTransfer.LINK,
    progress: Progress = iter,
    outputs: Outputs | None = None,
) -> None:
    """Write cases into the new folder ``out``; changes nothing that was given."""
    with (outputs or Outputs()).folder(out) as folder:
        draft(annotated_images_of(list(cases), folder, FilmTransfer(films), LAYOUT, progress=progress), folder)


def draft(drawn: Sequence[AnnotatedImage], folder: Path, labels: Iterable[str] = ()) -> None:
    """Write ``tasks.json`` and ``config.xml``, which offers ``labels`` first, into ``folder``."""
    ordered = labels_in(drawn, labels)
    flags = list(dict.fromkeys(flag for annotated in drawn for flag in flags_of(annotated) if flag != DONE))
    write_json(folder / STUDIO_TASKS, [_task(number, annotated) for number, annotated in enumerate(drawn, 1)], 1)
    # Label Studio takes it as text, in which it refuses a declaration of an encoding.
    write_xml(folder / "config.xml", config(ordered, flags), declared=False)


def config(labels: Iterable[str], flags: Iterable[str] = ()) -> Element:
    """Return a labelling interface: rectangles of ``labels``, each in its colour, and ``flags`` to choose of a film."""
    view = Element("View")
    SubElement(view, "Image", {"name": "image", "value": "$image", "zoom": "true", "brightnessControl": "true"})
    controls = (("RectangleLabels", "label", "Label", labels), ("Choices", "says", "Choice", flags))
    known = taxonomy()
    for tag, name, child, values in controls:
        offered = list(values)
        if offered:
            several = {"choice": "multiple"} if tag == "Choices" else {}
            parent = SubElement(view, tag, {"name": name, "toName": "image", **several})
            for value in offered:
                colour = {"background": known[value].color} if tag != "Choices" and value in known else {}
                SubElement(parent, child, {"value": value, **colour})
    return view


def annotated_images(root: Path, names: ClassNames = None, films: Path | None = None) -> list[AnnotatedImage]:
    """Return what the tasks say, in their order; raises :class:`DatasetError`.

    ``films``: the image folder, where not ``images``; a film is looked at where no region says its size.
    """
    path, tasks = load_tasks(root)
    classes, places = ClassMap.of(names), _places(path.parent, films)
    found = [_annotated(task, f"{path}: task {row}", classes, places) for row, task in enumerate(tasks)]
    _refuse_namesakes(tasks, found)
    return found


def _refuse_namesakes(tasks: Sequence[Mapping[str, Any]], found: Sequence[AnnotatedImage]) -> None:
    """Refuse two films of one name: uploads, or files of two folders of a storage, that lie in one folder here."""
    links: dict[str, str] = {}
    for task, annotated in zip(tasks, found, strict=True):
        link = _link(task["data"])
        other = links.setdefault(annotated.film, str(link))
        if other != link:
            reason = f"{other[-120:]} and {str(link)[-120:]} would be one film, {annotated.film!r}"
            advice = "give the films with their folders, or with the names that Label Studio gave them"
            raise DatasetError("DATASET_ROW", annotated.where, reason, advice=advice)


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
        said = [f"{key}: {value}" for key, value in mark.facts.items()]
        drawn = region(mark.box, annotated.size, mark.label, f"r{order}f{number}") | (
            {"meta": {"text": said}} if said else {}
        )
        results.append(drawn | ({} if mark.score is None else {"score": mark.score}))
    return results


def region(box: Box, size: Frame, label: str, identifier: str) -> dict[str, Any]:
    """Return a box, in pixels of a film of ``size``, as a result of the control ``label`` over the image ``image``."""
    x, y, width, height = box.scale(100 / size.width, 100 / size.height).xywh
    return {
        "id": identifier,
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": size.width,
        "original_height": size.height,
        "image_rotation": 0,
        "value": {"x": x, "y": y, "width": width, "height": height, "rotation": 0, "rectanglelabels": [label]},
    }


def _annotated(task: object, where: str, classes: ClassMap, places: Sequence[Path]) -> AnnotatedImage:
    data = task.get("data") if isinstance(task, dict) else None
    if not isinstance(task, dict) or not isinstance(data, dict):
        raise DatasetError("DATASET_FORMAT", where, "a task without data", advice='export as "JSON"')
    link = _link(data)
    case_json = data.get("lungspot")
    if not isinstance(link, str) or not isinstance(case_json, dict | None):
        raise DatasetError("DATASET_ROW", where, "data.image names no film, or data.lungspot is not a mapping")
    film, ours = film_of(link, places), case_json is not None
    readings = _list(case_json, "readings", where) if ours else []
    known = list(dict.fromkeys(str(reading.get("reader")) for reading in readings))
    marks: list[Mark] = []
    readers: list[str] = []
    states_by: dict[str, dict[str, State]] = {}
    said_normal: list[str] = []
    created: dict[str, str] = {}
    began_with: dict[str, tuple[Mark, ...]] = {}
    regions = FilmRegions(classes, places, film, _other_films(data, link), ours=ours)
    for place, reader, annotation in _handed_in(task, where, known, classes):
        results = _list(annotation, "result", place)
        readers.append(reader)
        created |= {reader: when} if isinstance(when := _when(annotation), str) else {}
        drawn, flags = regions.drawn(results, place)
        marks += [replace(mark, reader=reader) for mark in drawn]
        if any(mark.origin is None for mark in drawn):
            began_with[reader] = _began_with(annotation, task, regions)
        hers, _, nothing = flagged(flags, place, classes, drawn, ours=ours)
        there = {label: state for label, state in states_by.get(reader, {}).items() if state is not State.ABSENT}
        states_by[reader] = hers | there  # of several that name nobody
        said_normal += [reader] * nothing
    for place, prediction in _predictions(task, where):
        model = str(prediction.get("model_version") or "model")
        drawn, _ = regions.drawn(_list(prediction, "result", place), place)
        classes.left_out("predictions", 0 if ours else len(drawn))
        marks += [Mark(mark.label, mark.box, model, mark.score, proposed=True) for mark in drawn]
    started = task.get("drafts")
    for one in started if isinstance(started, list) else ():
        classes.left_out("drafts", boxes_in(one.get("result")) if isinstance(one, dict) else 0)
    sizes = regions.sizes
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
        facts={"patient": whose} if isinstance(whose := data.get(PATIENT), str) and whose else {},
        where=where,
        normal=normal,
        created=created,
        began_with=began_with,
    )


def _handed_in(
    task: Mapping[str, Any], where: str, known: Sequence[str], classes: ClassMap
) -> list[tuple[str, str, dict[str, Any]]]:
    """Return the annotations that people handed in: place, reader, annotation; of one person the last alone.

    Whose an annotation is that names nobody is not known, so that none of those takes another's place.
    """
    last: dict[tuple[str, str], tuple[float, str, dict[str, Any]]] = {}
    for row, annotation in enumerate(_list(task, "annotations" if "annotations" in task else "completions", where)):
        place = f"{where}: annotation {row}"
        results = _list(annotation, "result", place)
        if annotation.get("was_cancelled"):
            classes.left_out("skipped annotations", boxes_in(results))
            continue
        reader, given = _reader(annotation, results, known), (_seconds(annotation), place, annotation)
        whose = (reader, place if reader == READER else "")
        other = last.setdefault(whose, given)
        if other is not given:
            kept, left = (given, other) if given[0] >= other[0] else (other, given)
            last[whose] = kept
            classes.left_out("earlier annotations", boxes_in(left[2].get("result")))
    return [(place, reader, annotation) for (reader, _), (_, place, annotation) in last.items()]


def _when(annotation: Mapping[str, Any]) -> object:
    return annotation.get("updated_at") or annotation.get("created_at")


def _seconds(annotation: Mapping[str, Any]) -> float:
    """Return when an annotation was handed in, in seconds; minus infinity where nothing says it."""
    try:
        when = datetime.fromisoformat(str(_when(annotation)))
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return -math.inf


def _began_with(annotation: Mapping[str, Any], task: Mapping[str, Any], regions: FilmRegions) -> tuple[Mark, ...]:
    """Return the boxes of the prediction that an annotation began with: kept with it, or known by its id.

    Empty where there is none, or where it cannot be read: nothing but the origin of boxes depends on it. ``regions``:
    the film's, which do not hear of these.
    """
    kept, parent = annotation.get("prediction"), annotation.get("parent_prediction")
    bodies = [body for _, body in _predictions(task, "") if parent is not None and body.get("id") == parent]
    began = next((body for body in (kept, *bodies) if isinstance(body, dict) and body.get("result")), None)
    try:
        return () if began is None else tuple(deepcopy(regions).drawn(_list(began, "result", ""), "")[0])
    except DatasetError:
        return ()


def _predictions(task: Mapping[str, Any], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the predictions of a task with their places; an export without their bodies has their ids."""
    predictions = task.get("predictions") or []
    if not isinstance(predictions, list):
        raise DatasetError("DATASET_ROW", where, "predictions is not a list")
    bodies = enumerate(predictions)
    yield from ((f"{where}: prediction {row}", body) for row, body in bodies if isinstance(body, dict))


def _link(data: Mapping[str, Any]) -> str | None:
    """Return the film among a task's data: ``image``, else the text that is called like a film, else the first."""
    if data.get("image"):
        return data["image"]  # type: ignore[no-any-return]  # refused where it is no text
    texts = [item for item in data.values() if isinstance(item, str)]
    return next(filter(_is_film, texts), next(iter(texts), None))


def _other_films(data: Mapping[str, Any], link: str) -> set[str]:
    """Return what a task's data calls its other films."""
    films = {key: text for key, text in data.items() if isinstance(text, str) and text != link and _is_film(text)}
    return set(films)


def _is_film(text: str) -> bool:
    try:
        return Path(urlsplit(text).path).suffix.lower() in IMAGE_SUFFIXES
    except ValueError:  # no address at all
        return False


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
