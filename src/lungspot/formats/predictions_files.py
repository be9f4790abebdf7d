"""Predictions for other tools: COCO, CSV, and folders of COCO, CVAT, Label Studio and YOLO with the films.

COCO: a file with ``images``, ``categories`` and scored ``annotations``, which pycocotools, faster-coco-eval,
supervision and FiftyOne load; ``results.json`` is the bare list that ``COCO.loadRes`` takes, of the same ids. An
annotation holds ``score``, ``standing``, ``positive``, ``threshold``, ``place``, ``side`` and ``zone`` beside COCO's
keys; findings of the whole film are in the image's ``film_findings``.
CSV: one row a finding, with and without a box, ``standing`` among its columns; a film without findings has one row
whose ``label`` is empty.
CVAT: boxes of source ``auto`` with the attributes ``score`` and ``standing``. Label Studio: ``predictions``, never
annotations. YOLO: ``class x y w h conf``. Beside each stands ``predictions.csv``, which says what the tool cannot.
Films that were not assessed are no images of any of these: to a tool they would be films without findings. COCO lists
them in ``not_assessed``, CSV by their ``status``.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

from lungspot.errors import DatasetError, LungspotError
from lungspot.findings import State
from lungspot.formats.annotated_image import AnnotatedImage, Mark, as_shown, labels_in
from lungspot.formats.case import Case
from lungspot.formats.case_json import there, write_json
from lungspot.formats.catalog import ANNOTATION_FORMATS
from lungspot.formats.coco_files import ANNOTATIONS_FILE
from lungspot.formats.coco_ids import CocoIds, in_the_file
from lungspot.formats.image_files import FilmTransfer, Progress, annotated_images_of, film_size
from lungspot.formats.predictions import EXTENSION, PredictedFinding, Prediction
from lungspot.formats.read_files import inputs_of
from lungspot.outputs import Outputs, escape_formula, is_formula

__all__ = [
    "PREDICTION_FILES",
    "PREDICTION_FORMATS",
    "coco_results",
    "coco_text",
    "csv_text",
    "to_coco",
    "with_films",
    "write_predictions",
]

# The formats of which one file holds a whole run, and what it is called where nobody names it.
PREDICTION_FILES: Final = {"coco": "predictions.coco.json", "csv": "predictions.csv"}
# The formats that predictions are written in: our CSV, and those of tools that can say how sure a model is.
PREDICTION_FORMATS: Final = tuple(sorted(("csv", *(name for name, form in ANNOTATION_FORMATS.items() if form.scored))))
_COLUMNS: Final = (
    *("film", "status", "reasons", "width", "height", "label", "name", "score", "threshold", "positive", "standing"),
    *("place", "x0", "y0", "x1", "y1", "side", "zone", "judged", "model", "sha256"),
    "thresholds_of",  # a site's name, or model
)
_MODEL: Final = "model"  # who found a box, where the document does not say


def to_coco(
    predictions: Sequence[Prediction], names: Sequence[str] | None = None, ids: CocoIds | None = None
) -> dict[str, Any]:
    """Return predictions as the value of a COCO file; ``names``: ``file_name`` of each assessed film, else its path.

    ``ids``: somebody's own file, whose ids of images and categories are taken; films and labels that it has not
    (:func:`~lungspot.formats.coco_ids.in_the_file`) are left out.
    """
    assessed = [prediction for prediction in predictions if prediction.assessed]
    files = names or [prediction.film for prediction in assessed]
    used = {finding.label: State.PRESENT for prediction in assessed for finding in prediction.findings}
    labels = labels_in([AnnotatedImage("", None, states=used)])
    numbers: dict[str, float | str] = {label: number for number, label in enumerate(labels, 1)}
    images_of: dict[str, float | str] | None = None
    if ids is not None:
        numbers, images_of = ids.labels, in_the_file(predictions, ids)[0]
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for order, (prediction, name) in enumerate(zip(assessed, files, strict=True), 1):
        number = order if images_of is None else images_of.get(prediction.film)
        if number is None:
            continue
        size = prediction.size
        whole = [_said(finding) for finding in prediction.findings if finding.box is None]
        images.append(
            {
                "id": number,
                "file_name": name,
                "width": 0 if size is None else size.width,
                "height": 0 if size is None else size.height,
                "film_findings": whole,
                **({} if prediction.sha256 is None else {"sha256": prediction.sha256}),
                **({} if prediction.model is None else {"model": prediction.model}),
            }
        )
        for finding in prediction.findings:
            if finding.box is not None and finding.label in numbers:
                head = {"id": len(annotations) + 1, "image_id": number, "category_id": numbers[finding.label]}
                drawn = {"bbox": list(finding.box.xywh), "area": finding.box.area, "iscrowd": 0}
                annotations.append(head | drawn | {"score": finding.score} | finding.facts)
    return {
        "info": {
            "description": "Predictions of lungspot; see docs/reference/formats.md",
            "extension": EXTENSION,
            "not_for_clinical_use": True,
        },
        "licenses": [],
        "categories": [{"id": number, "name": label, "supercategory": "finding"} for label, number in numbers.items()]
        if ids is None
        else ids.categories,
        "images": images,
        "annotations": annotations,
        "not_assessed": [
            {"file_name": prediction.film, "reasons": list(prediction.reasons)}
            for prediction in predictions
            if not prediction.assessed
        ],
    }


def coco_results(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the annotations of :func:`to_coco` as the bare list of results that ``COCO.loadRes`` takes."""
    return [{key: one[key] for key in ("image_id", "category_id", "bbox", "score")} for one in value["annotations"]]


def csv_text(predictions: Iterable[Prediction], *, header: bool = True) -> str:
    """Return one row a finding, and one of a film that has none; lines end with a line feed.

    A film's name that a spreadsheet would take for a formula gets ``./`` before it, which is the same path; other such
    text a quote. ``-`` stays, which is how a film that came through a pipe is called.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    if header:
        writer.writeheader()
    for prediction in predictions:
        size = prediction.size
        film = f"./{prediction.film}" if prediction.film != "-" and is_formula(prediction.film) else prediction.film
        of_film = {
            "status": "assessed" if prediction.assessed else "not_assessed",
            "reasons": ";".join(prediction.reasons),
            "width": None if size is None else size.width,
            "height": None if size is None else size.height,
            "model": prediction.model,
            "sha256": prediction.sha256,
        }
        rows = [_row(finding) for finding in prediction.findings] or [{}]
        writer.writerows({key: _cell(each) for key, each in (of_film | row).items()} | {"film": film} for row in rows)
    return text.getvalue()


def with_films(
    predictions: Iterable[Prediction], films: FilmTransfer
) -> tuple[list[tuple[Prediction, Path | None]], list[LungspotError]]:
    """Return each assessed prediction with its film, and each that is refused: film gone, changed or predicted twice.

    A film is looked for by its path, then from the folder of its document. With ``FilmTransfer.NONE`` none is needed.
    """
    found: list[tuple[Prediction, Path | None]] = []
    refused: list[LungspotError] = []
    seen: dict[str, str] = {}
    for prediction in predictions:
        if not prediction.assessed:
            continue
        first = seen.setdefault(prediction.film, prediction.where)
        if first != prediction.where:
            reason = f"{prediction.film} is predicted twice, first in {first}"
            refused.append(DatasetError("DATASET_ROW", prediction.where, reason))
            continue
        try:
            found.append((prediction, None if films is FilmTransfer.NONE else _film(prediction)))
        except LungspotError as error:
            refused.append(error)
    return found, refused


def write_predictions(  # noqa: PLR0913 - what is written, where to, and how
    predictions: Sequence[Prediction],
    out: Path,
    to: str,
    *,
    films: FilmTransfer = FilmTransfer.COPY,
    overwrite: bool = False,
    inputs: Iterable[Path] = (),
    progress: Progress = iter,
    ids: CocoIds | None = None,
) -> list[LungspotError]:
    """Write predictions in one of :data:`PREDICTION_FORMATS`; return those that are refused (:func:`with_films`).

    ``out``: a folder; of CSV and COCO also a file ``*.csv`` or ``*.json``, which holds no films. With ``overwrite`` it
    may replace what an earlier run wrote there (:mod:`lungspot.outputs`), never one of ``inputs`` or a film. ``ids``:
    of COCO, whose ids it takes; the file is then the list of results, and films that it has not are refused. Raises
    what is refused first where nothing is left to write.
    """
    strangers: list[LungspotError] = []
    if ids is not None:
        known, strangers, _ = in_the_file(predictions, ids)
        predictions = [one for one in predictions if not one.assessed or one.film in known]
        if strangers and not known:
            raise strangers[0]
    if to in PREDICTION_FILES and out.suffix.lower() == Path(PREDICTION_FILES[to]).suffix:
        text = csv_text(predictions) if to == "csv" else coco_text(predictions, ids)
        Outputs(inputs_of(inputs, out=[out]), overwrite=overwrite).write(out, text.encode(errors="backslashreplace"))
        return strangers
    how = FilmTransfer.NONE if to == "csv" else films
    paired, refused = with_films(predictions, how)
    refused = [*strangers, *refused]
    if refused and not paired:
        raise refused[0]
    read = [*inputs, *(film for _, film in paired if film is not None)]
    with Outputs(read, overwrite=overwrite).folder(out) as folder:
        kept = [prediction for prediction, _ in paired]
        if to != "csv":
            drawn = _brought(paired, folder, how, to, progress)
            if to == "coco":
                value = to_coco(_left(predictions, kept), [annotated.film for annotated in drawn], ids)
                write_json(folder / ANNOTATIONS_FILE, value)
                write_json(folder / "results.json", coco_results(value))
            else:
                ANNOTATION_FORMATS[to].draft(drawn, folder)
        text = csv_text(_left(predictions, kept))
        (folder / PREDICTION_FILES["csv"]).write_bytes(text.encode(errors="backslashreplace"))
    return refused


def coco_text(predictions: Sequence[Prediction], ids: CocoIds | None) -> str:
    """Return predictions as the text of one COCO file; with somebody's ``ids``, as the list of results for it."""
    value = to_coco(predictions, ids=ids)
    return json.dumps(value if ids is None else coco_results(value)) + "\n"


def _left(predictions: Iterable[Prediction], kept: Sequence[Prediction]) -> list[Prediction]:
    """Return the predictions that are written: those of ``kept``, and those of films that were not assessed."""
    left = {id(prediction) for prediction in kept}
    return [prediction for prediction in predictions if not prediction.assessed or id(prediction) in left]


def _brought(
    paired: Sequence[tuple[Prediction, Path | None]], folder: Path, films: FilmTransfer, to: str, progress: Progress
) -> list[AnnotatedImage]:
    """Return what a tool is to show, film by film, its file brought into ``folder``."""
    names = _names([prediction.film for prediction, _ in paired])
    cases = [
        Case(name, "predictions", name, (), film, prediction.size)
        for name, (prediction, film) in zip(names, paired, strict=True)
    ]
    layout = ANNOTATION_FORMATS[to].layout
    brought = annotated_images_of(cases, folder, films, layout, progress=progress)
    by_path = films is FilmTransfer.NONE and layout.by_path
    return [
        _image(prediction, prediction.film if by_path else shown.film)
        for (prediction, _), shown in zip(paired, brought, strict=True)
    ]


def _names(films: Sequence[str]) -> list[str]:
    """Return for each film as much of the end of its path as no other has, without its suffix where that will do."""
    paths = [PurePosixPath(film.replace("\\", "/")) for film in films]
    left = dict(enumerate(paths))
    names = [str(path) for path in paths]
    for length in range(1, max((len(path.parts) for path in paths), default=0) + 1):
        tails = {number: "/".join(path.with_suffix("").parts[-length:]) for number, path in left.items()}
        shared = Counter(tail.casefold() for tail in tails.values())
        for number, tail in tails.items():
            if shared[tail.casefold()] == 1:
                names[number] = tail
                del left[number]
    return names


def _image(prediction: Prediction, film: str) -> AnnotatedImage:
    marks = []
    for finding in prediction.findings:
        box = None if finding.box is None else as_shown(finding.box)
        if box is not None:
            who = prediction.model or _MODEL
            marks.append(Mark(finding.label, box, who, finding.score, proposed=True, facts=finding.facts))
    return AnnotatedImage(film, prediction.size, tuple(marks), where=prediction.where)


def _said(finding: PredictedFinding) -> dict[str, Any]:
    return {"label": finding.label, "score": finding.score} | finding.facts


def _row(finding: PredictedFinding) -> dict[str, Any]:
    corners = (None,) * 4 if finding.box is None else finding.box.corners
    flags = {"positive": finding.positive, "judged": finding.judged}
    return {
        "label": finding.label,
        "name": finding.name,
        "score": finding.score,
        "threshold": finding.threshold,
        "thresholds_of": finding.thresholds_of or ("" if finding.threshold is None else "model"),
        "standing": finding.standing,
        "place": finding.place,
        "side": finding.side,
        "zone": finding.zone,
        **dict(zip(("x0", "y0", "x1", "y1"), corners, strict=True)),
        **{key: None if flag is None else str(flag).lower() for key, flag in flags.items()},
    }


def _cell(value: object) -> object:
    return escape_formula(value) if isinstance(value, str) else value


def _film(prediction: Prediction) -> Path:
    beside = Path(prediction.where.rpartition(":")[0] if prediction.where[-1:].isdigit() else prediction.where).parent
    for path in (Path(prediction.film), beside / prediction.film):
        if there(path):
            break
    else:
        reason = f"its film {prediction.film!r} is not here"
        raise DatasetError("DATASET_INCOMPLETE", prediction.where, reason, advice="or write no films: --films none")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if prediction.sha256 not in {None, digest}:
        reason = f"{path} is not the film that was read: its SHA-256 differs"
        raise DatasetError("DATASET_ROW", prediction.where, reason, advice="read it again")
    if prediction.size not in {None, size := film_size(path)}:
        reason = f"{path} is {size.width} x {size.height}, not the size that its boxes are in"
        raise DatasetError("DATASET_ROW", prediction.where, reason, advice="read it again")
    return path
