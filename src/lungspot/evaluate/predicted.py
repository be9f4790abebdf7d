"""What a model found, from its files: ``lungspot/1`` documents or COCO; nothing that cannot be read passes in silence.

``lungspot/1`` (docs/reference/json.md): JSON Lines, one document, or a folder of documents as ``lungspot detect -o``
writes them. COCO: a file with ``images``, ``categories`` and scored ``annotations``, or a list of results, whose image
and category ids are those of the COCO file that holds the truth.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from lungspot.errors import DatasetError, InputError, LungspotError
from lungspot.evaluate.matched import ScoreLimits
from lungspot.findings import Finding, Frame, Reading, State, taxonomy
from lungspot.formats import (
    AnnotatedImage,
    ClassMap,
    ClassNames,
    Prediction,
    coco_annotated_images,
    coco_labels,
    load_json,
    read_predictions,
)
from lungspot.inputs import regular

__all__ = ["Predicted", "read_predicted"]

_Row = TypeVar("_Row")


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
    path: Path, truth: Path | None = None, names: ClassNames = None
) -> tuple[list[Predicted], list[LungspotError]]:
    """Return the predictions of a file or folder, and each row that is refused with its place and reason.

    ``truth``: the COCO file that a bare list of results belongs to. Raises :class:`DatasetError` where ``path`` as a
    whole is not what it should be.
    """
    value = None if path.is_dir() else _json_in(path)
    if isinstance(value, dict) and "images" in value:
        return _each(_coco(value, path, ClassMap.of(names)), _of_coco)
    if isinstance(value, list) and not any(isinstance(one, Mapping) and "schema" in one for one in value):
        return _each(_results(value, path, truth, ClassMap.of(names)), _of_coco)
    predictions, refused = read_predictions(path)
    found, more = _each(predictions, _of_document)
    return found, [*refused, *more]


def _each(rows: Iterable[_Row], of: Callable[[_Row], Predicted]) -> tuple[list[Predicted], list[LungspotError]]:
    """Return what ``of`` makes of each row, and the rows that it refuses."""
    found: list[Predicted] = []
    refused: list[LungspotError] = []
    for row in rows:
        try:
            found.append(of(row))
        except LungspotError as error:
            refused.append(error)
    return found, refused


def _json_in(path: Path) -> Any:  # noqa: ANN401 - what JSON holds
    """Return the JSON value of a file; None where it is another text, as JSON Lines."""
    try:
        return json.loads(regular(path).read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError):  # whoever reads it as predictions says what is wrong
        return None


def _of_document(prediction: Prediction) -> Predicted:
    """Return the prediction of a ``lungspot/1`` document; raises ``UNKNOWN_LABEL``, and ``BAD_VALUE`` of a score."""
    where = prediction.where
    if not prediction.assessed:
        return Predicted(prediction.film, where, None, reasons=prediction.reasons, by=prediction.by)
    said = (*prediction.boxes, *prediction.film_scores)
    if unknown := next((finding.label for finding in said if finding.label not in taxonomy()), None):
        raise DatasetError("UNKNOWN_LABEL", where, f"no label has the id {unknown!r}")
    limits: dict[str, ScoreLimits] = {}
    for score in prediction.film_scores:
        if score.threshold is not None:
            limits[score.label] = ScoreLimits(film=score.threshold)
    for box in prediction.boxes:
        if box.threshold is not None:
            limits[box.label] = replace(limits.get(box.label, ScoreLimits()), box=box.threshold)
    findings = [Finding(each.label, each.box, each.score, judged=each.judged) for each in said]
    agreement = tuple(box.agreement for box in prediction.boxes if box.agreement is not None)
    return Predicted(
        prediction.film,
        where,
        _reading(findings, prediction.size),
        limits,
        agreement if len(agreement) == len(prediction.boxes) else (),
        by=prediction.by,
    )


def _reading(findings: list[Finding], frame: Frame | None, looked_for: tuple[str, ...] = ()) -> Reading:
    boxed = {finding.label for finding in findings if finding.box is not None}
    labels = dict.fromkeys([*looked_for, *(finding.label for finding in findings)])
    states = {label: State.BOXED if label in boxed else State.PRESENT for label in labels}
    return Reading("predicted", tuple(findings), states, frame)


def _coco(value: Mapping[str, Any], path: Path, classes: ClassMap) -> Iterator[AnnotatedImage]:
    annotated_images = coco_annotated_images(value, path, classes)  # first: it says what is wrong
    labels = tuple(coco_labels(value, path, classes))
    yield from (replace(annotated, offered=labels) for annotated in annotated_images)


def _of_coco(annotated: AnnotatedImage) -> Predicted:
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
    of_truth = load_json(truth)
    images = of_truth.get("images") if isinstance(of_truth, dict) else None
    if not isinstance(images, list):
        raise DatasetError("DATASET_FORMAT", truth, "no list of images: this is not a COCO file")
    numbers = [image.get("id") for image in images if isinstance(image, dict)]
    known = {number for number in numbers if isinstance(number, int | float | str)}
    annotations = []
    for number, row in enumerate(rows):
        where = f"{path}: [{number}]"
        image = row.get("image_id") if isinstance(row, Mapping) else None
        if not isinstance(image, int | float | str) or image not in known:
            raise DatasetError("DATASET_ROW", where, "a result's image_id is none of the truth's images")
        if row.get("score") is None:
            raise DatasetError("DATASET_ROW", where, "a result without a score")
        annotations.append({key: row[key] for key in ("image_id", "category_id", "bbox", "score") if key in row})
    yield from _coco({**of_truth, "annotations": annotations}, path, classes)
