"""What a model found, from its files: ``lungspot/1`` documents or COCO; nothing that cannot be read passes in silence.

``lungspot/1`` (docs/reference/json.md): JSON Lines, one document, or a folder of documents as ``lungspot detect -o``
writes them. COCO: a file with ``images``, ``categories`` and scored ``annotations``, or a list of results, whose image
and category ids are those of the COCO file that holds the truth.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from lungspot.errors import DatasetError, InputError, LungspotError
from lungspot.evaluate.matched import ScoreLimits
from lungspot.findings import Box, Finding, Frame, Reading, State, taxonomy
from lungspot.formats import COCO_FILE, AnnotatedImage, ClassMap, Names, coco

__all__ = ["Predicted", "read_predicted"]

_SCHEMA = "lungspot/1"


@dataclass(frozen=True, slots=True)
class Predicted:
    """One film's prediction: the film as the file names it, and what was found on it; None where it was not assessed.

    ``limits``: by label, from which score a box and a film count as positive, where the file says so. ``where``: file
    and row, for errors. ``reasons``: why the film was not assessed. ``by``: which model said it, as ``lungspot/1`` has
    it, and the site whose thresholds it used; None where the file does not say.
    """

    film: str
    where: str
    reading: Reading | None
    limits: Mapping[str, ScoreLimits] = field(default_factory=dict)
    agreement: tuple[Mapping[str, float], ...] = ()
    reasons: tuple[str, ...] = ()
    by: Mapping[str, Any] | None = None


def read_predicted(
    path: Path, truth: Path | None = None, names: Names = None
) -> tuple[list[Predicted], list[LungspotError]]:
    """Return the predictions of a file or folder, and each row that is refused with its place and reason.

    ``truth``: the COCO file that a bare list of results belongs to. Raises :class:`DatasetError` where ``path`` as a
    whole is not what it should be.
    """
    found: list[Predicted] = []
    refused: list[LungspotError] = []
    for row in _rows(path, truth, ClassMap.of(names)):
        try:
            found.append(row())
        except LungspotError as error:
            refused.append(error)
    if not found and not refused:
        raise DatasetError("DATASET_INCOMPLETE", path, "no prediction in it")
    return found, refused


def _rows(path: Path, truth: Path | None, classes: ClassMap) -> Iterator[Callable[[], Predicted]]:
    """Yield for each film what reads its prediction, and raises what is wrong with it alone."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*.json") if file.name != COCO_FILE)  # the same boxes once more
        if not files:
            raise DatasetError("DATASET_NOT_FOUND", path, "no *.json in this folder")
        return (partial(_of_file, file) for file in files)
    text = _text(path)
    lines = [(f"{path}:{number}", line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    try:
        value = _parsed(text, str(path)) if lines else None
    except DatasetError:
        if len(lines) == 1 or not lines[0][1].lstrip().startswith('{"'):  # not JSON Lines either
            raise
        value = None
    if isinstance(value, dict) and "images" in value:
        return (partial(_predicted, annotated) for annotated in _coco(value, path, classes))
    if isinstance(value, list):
        return (partial(_predicted, annotated) for annotated in _results(value, path, truth, classes))
    if value is not None:
        return iter([partial(_document, value, str(path))])
    return (partial(_of_text, line, where) for where, line in lines)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise DatasetError(
            "DATASET_NOT_FOUND", path, error.strerror or "cannot be read", advice="check the path"
        ) from error
    except UnicodeDecodeError as error:
        raise DatasetError("DATASET_FORMAT", path, "not text in UTF-8") from error


def _parsed(text: str, where: str) -> Any:  # noqa: ANN401 - what JSON holds
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            "DATASET_FORMAT", where, f"not JSON ({error})", advice="give JSON Lines of lungspot/1, or COCO"
        ) from error


def _of_file(path: Path) -> Predicted:
    return _of_text(_text(path), str(path))


def _of_text(text: str, where: str) -> Predicted:
    return _document(_parsed(text, where), where)


def _document(value: object, where: str) -> Predicted:
    """Return the prediction of one ``lungspot/1`` document."""
    if not isinstance(value, Mapping) or value.get("schema") != _SCHEMA:
        raise DatasetError("DATASET_ROW", where, f"not a document of schema {_SCHEMA}")
    try:
        image = value["image"]
        film = image["path"]
        if not isinstance(film, str):
            raise DatasetError("DATASET_ROW", where, "image.path names no film")
        if value["status"] != "assessed":
            return Predicted(film, where, None, reasons=tuple(map(str, value["reasons"])))
        boxes = [_finding(row, row["score"], row["box"]) for row in value["findings"]]
        whole = [_finding(row, row["probability"], None) for row in value["image_scores"]]
        limits = {row["label"]: ScoreLimits(film=_threshold(row)) for row in value["image_scores"]}
        for row in value["findings"]:
            limits[row["label"]] = ScoreLimits(_threshold(row), limits.get(row["label"], ScoreLimits()).film)
        agreement = tuple(
            {name: _finite(number, name) for name, number in row["agreement"].items()}
            for row in value["findings"]
            if "agreement" in row
        )
        reading = _reading([*boxes, *whole], Frame(image["width"], image["height"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InputError):
            raise DatasetError(error.code, where, error.reason, advice=error.advice) from error
        raise DatasetError(
            "DATASET_ROW", where, f"not a document of {_SCHEMA} ({type(error).__name__}: {error})"
        ) from error
    return Predicted(film, where, reading, limits, agreement if len(agreement) == len(boxes) else (), by=_by(value))


def _by(value: Mapping[str, Any]) -> dict[str, Any] | None:
    model, site = value.get("model"), value.get("site")
    if not isinstance(model, Mapping):
        return None
    return {**model, "site": site} if site is not None else dict(model)


def _finite(number: object, name: str) -> float:
    if not isinstance(number, int | float) or not math.isfinite(number):
        raise InputError("BAD_VALUE", None, f"agreement {name} is {number!r}")
    return float(number)


def _threshold(row: Mapping[str, Any]) -> float:
    limit = float(row["threshold"])
    if not 0 <= limit <= 1:
        raise InputError("BAD_VALUE", None, f"threshold {limit} of {row['label']} is not within 0 and 1")
    return limit


def _finding(row: Mapping[str, Any], score: object, box: object) -> Finding:
    label = row["label"]
    if not isinstance(score, int | float) or isinstance(score, bool):
        raise InputError("BAD_VALUE", None, f"score {score!r} of {label} is not a number")
    if label not in taxonomy():
        raise InputError("UNKNOWN_LABEL", None, f"no label has the id {label!r}")
    where = None if box is None else Box(*box)  # type: ignore[misc]
    return Finding(label, where, float(score), judged=row.get("judged") is not False)


def _reading(findings: list[Finding], frame: Frame | None, looked_for: tuple[str, ...] = ()) -> Reading:
    boxed = {finding.label for finding in findings if finding.box is not None}
    labels = dict.fromkeys([*looked_for, *(finding.label for finding in findings)])
    states = {label: State.BOXED if label in boxed else State.PRESENT for label in labels}
    return Reading("predicted", tuple(findings), states, frame)


def _coco(value: Mapping[str, Any], path: Path, classes: ClassMap) -> Iterator[AnnotatedImage]:
    annotated_images = coco.annotated_images_in(value, path, classes)  # first: it says what is wrong
    labels = tuple(coco.labels_of(value, path, classes))
    yield from (replace(annotated, offered=labels) for annotated in annotated_images)


def _predicted(annotated: AnnotatedImage) -> Predicted:
    try:
        marks = [Finding(mark.label, mark.box, mark.score) for mark in annotated.marks]
    except InputError as error:
        raise DatasetError(
            error.code, f"{annotated.where} ({annotated.film})", error.reason, advice=error.advice
        ) from error
    return Predicted(annotated.film, annotated.where, _reading(marks, annotated.size, annotated.offered))


def _results(rows: list[Any], path: Path, truth: Path | None, classes: ClassMap) -> Iterator[AnnotatedImage]:
    """Yield a annotated for each film of the truth from COCO's list of results, films without results among them."""
    if truth is None:
        advice = "give the truth as the COCO file whose ids these are, or predictions with images and categories"
        raise DatasetError("DATASET_FORMAT", path, "a list of results names its films by numbers only", advice=advice)
    of_truth = _parsed(_text(truth), str(truth))
    numbers = {image["id"] for image in of_truth.get("images", [])}
    annotations = []
    for number, row in enumerate(rows):
        where = f"{path}: [{number}]"
        image = row.get("image_id") if isinstance(row, Mapping) else None
        if not isinstance(image, int | str) or image not in numbers:
            raise DatasetError("DATASET_ROW", where, "a result's image_id is none of the truth's images")
        if row.get("score") is None:
            raise DatasetError("DATASET_ROW", where, "a result without a score")
        annotations.append({key: row[key] for key in ("image_id", "category_id", "bbox", "score") if key in row})
    yield from _coco({**of_truth, "annotations": annotations}, path, classes)
