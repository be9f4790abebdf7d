"""What a model found, from its files: ``lungspot/1`` documents or COCO; nothing that cannot be read passes in silence.

``lungspot/1`` (docs/reference/json.md): JSON Lines, one document, or a folder of documents as ``lungspot detect -o``
writes them. COCO: a file with ``images``, ``categories`` and scored ``annotations``, or a list of results, whose image
and category ids are those of the COCO file that holds the truth.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lungspot.datasets import coco
from lungspot.datasets.sheet import Sheet
from lungspot.errors import DatasetError, InputError, LungspotError
from lungspot.evaluate.matched import Limits
from lungspot.findings import Box, Finding, Frame, Reading, State, taxonomy

__all__ = ["Predicted", "read_predicted"]

_SCHEMA = "lungspot/1"


@dataclass(frozen=True, slots=True)
class Predicted:
    """One film's prediction: the film as the file names it, and what was found on it; None where it was not assessed.

    ``limits``: by label, from which score a box and a film count as positive, where the file says so. ``where``: file
    and row, for errors. ``reasons``: why the film was not assessed.
    """

    film: str
    where: str
    reading: Reading | None
    limits: Mapping[str, Limits] = field(default_factory=dict)
    agreement: tuple[Mapping[str, float], ...] = ()
    reasons: tuple[str, ...] = ()


def read_predicted(path: Path, truth: Path | None = None) -> tuple[list[Predicted], list[LungspotError]]:
    """Return the predictions of a file or folder, and each row that is refused with its place and reason.

    ``truth``: the COCO file that a bare list of results belongs to. Raises :class:`DatasetError` where ``path`` as a
    whole is not what it should be.
    """
    found: list[Predicted] = []
    refused: list[LungspotError] = []
    for where, value in _values(path, truth):
        try:
            found.append(_of_sheet(value) if isinstance(value, Sheet) else _document(value, where))
        except LungspotError as error:
            refused.append(error)
    if not found and not refused:
        raise DatasetError("DATASET_INCOMPLETE", path, "no prediction in it")
    return found, refused


def _values(path: Path, truth: Path | None) -> Iterator[tuple[str, Any]]:
    """Yield each prediction's place with its JSON value or, of COCO, its sheet with the labels looked for."""
    if path.is_dir():
        files = sorted(path.rglob("*.json"))
        if not files:
            raise DatasetError("DATASET_NOT_FOUND", path, "no *.json in this folder")
        for file in files:
            yield str(file), _parsed(_text(file), str(file))
        return
    text = _text(path)
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if isinstance(value, dict) and "images" in value:
        yield from _coco(value, path)
    elif isinstance(value, list):
        yield from _results(value, path, truth)
    elif isinstance(value, dict):
        yield str(path), value
    else:
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield f"{path}:{number}", _parsed(line, f"{path}:{number}")


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise DatasetError(
            "DATASET_NOT_FOUND", path, error.strerror or "cannot be read", advice="check the path"
        ) from error
    except UnicodeDecodeError as error:
        raise DatasetError("DATASET_FORMAT", path, "not text in UTF-8") from error


def _parsed(text: str, where: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise DatasetError(
            "DATASET_FORMAT", where, f"not JSON ({error})", advice="give JSON Lines of lungspot/1, or COCO"
        ) from error


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
        limits = {row["label"]: Limits(film=float(row["threshold"])) for row in value["image_scores"]}
        for row in value["findings"]:
            limits[row["label"]] = Limits(float(row["threshold"]), limits.get(row["label"], Limits()).film)
        agreement = tuple(
            {name: float(number) for name, number in row["agreement"].items()}
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
    return Predicted(film, where, reading, limits, agreement if len(agreement) == len(boxes) else ())


def _finding(row: Mapping[str, Any], score: object, box: object) -> Finding:
    label = row["label"]
    if not isinstance(score, int | float) or isinstance(score, bool):
        raise InputError("BAD_VALUE", None, f"score {score!r} of {label} is not a number")
    if label not in taxonomy():
        raise InputError("UNKNOWN_LABEL", None, f"no label has the id {label!r}")
    return Finding(label, None if box is None else Box(*box), float(score))  # type: ignore[misc]


def _reading(findings: list[Finding], frame: Frame | None, looked_for: tuple[str, ...] = ()) -> Reading:
    boxed = {finding.label for finding in findings if finding.box is not None}
    labels = dict.fromkeys([*looked_for, *(finding.label for finding in findings)])
    states = {label: State.BOXED if label in boxed else State.PRESENT for label in labels}
    return Reading("predicted", tuple(findings), states, frame)


def _coco(value: Mapping[str, Any], path: Path) -> Iterator[tuple[str, Any]]:
    sheets = coco.sheets_in(value, path)  # first: it says what is wrong with the categories
    labels = tuple(coco.labels_of(value, path))
    yield from ((sheet.where, replace(sheet, offered=labels)) for sheet in sheets)


def _of_sheet(sheet: Sheet) -> Predicted:
    try:
        marks = [Finding(mark.label, mark.box, mark.score) for mark in sheet.marks]
    except InputError as error:
        raise DatasetError(error.code, f"{sheet.where} ({sheet.film})", error.reason, advice=error.advice) from error
    return Predicted(sheet.film, sheet.where, _reading(marks, sheet.size, sheet.offered))


def _results(rows: list[Any], path: Path, truth: Path | None) -> Iterator[tuple[str, Any]]:
    """Yield a sheet for each film of the truth from COCO's list of results, films without results among them."""
    if truth is None:
        advice = "give the truth as the COCO file whose ids these are, or predictions with images and categories"
        raise DatasetError("DATASET_FORMAT", path, "a list of results names its films by numbers only", advice=advice)
    of_truth = json.loads(_text(truth))
    images = {image["id"]: image for image in of_truth.get("images", [])}
    annotations = []
    for number, row in enumerate(rows):
        where = f"{path}: [{number}]"
        if not isinstance(row, Mapping) or row.get("image_id") not in images:
            raise DatasetError("DATASET_ROW", where, "a result's image_id is none of the truth's images")
        annotations.append({key: row.get(key) for key in ("image_id", "category_id", "bbox", "score")})
    yield from _coco({**of_truth, "annotations": annotations}, path)
