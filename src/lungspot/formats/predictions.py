"""What a model found on films, as ``lungspot/1`` documents say it (docs/reference/json.md): read, and held as values.

Boxes are in pixels of the film as it is shown: 0-based, half-open, floats. :mod:`lungspot.formats.predictions_files`
writes them for other tools. A prediction is never truth: no reader of a tool's format takes it for a person's answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lungspot.errors import DatasetError, InputError, LungspotError
from lungspot.findings import Box, Finding, Frame, Reading, State, is_label_id, name_of
from lungspot.formats.annotated_image import stated_box, stated_size
from lungspot.formats.case import Case
from lungspot.formats.documents import DOCUMENT_SUFFIXES, is_document, no_document, read_documents
from lungspot.formats.result_tables import DOCUMENT_SCHEMA, JUDGED, is_result_folder
from lungspot.images import walk

__all__ = [
    "EXTENSION",
    "STANDINGS",
    "PredictedFinding",
    "Prediction",
    "predicted_case",
    "predicted_cases",
    "prediction_of",
    "read_predictions",
]

EXTENSION: Final = "lungspot-predictions/1"  # how a COCO file of predictions calls itself
STANDINGS: Final = frozenset({"reported", "experimental"})


@dataclass(frozen=True, slots=True)
class PredictedFinding:
    """One finding: a box, or (``box`` None) a label of the whole film that reaches its threshold and has no such box.

    ``score``: of the box, or how probable the film shows the label. ``standing``: ``reported`` or ``experimental``,
    None where the document does not say. ``place``: findings of one place of the film share it. ``judged``: False where
    nobody judged this box by itself. ``agreement``: with its heat map, None where the document does not say.
    ``thresholds_of``: the site whose ``threshold`` it is; None: the model's own.
    """

    label: str
    score: float
    box: Box | None = None
    threshold: float | None = None
    positive: bool | None = None
    standing: str | None = None
    place: int | None = None
    judged: bool = True
    side: str | None = None
    zone: str | None = None
    agreement: Mapping[str, float] | None = field(default=None, hash=False)
    thresholds_of: str | None = None

    def __post_init__(self) -> None:
        """Refuse what is no label, no probability and no standing."""
        if not is_label_id(self.label):
            raise InputError("UNKNOWN_LABEL", None, f"{self.label!r} is no label's id")
        for name, value in (("score", self.score), ("threshold", self.threshold)):
            if value is not None and not 0 <= value <= 1:
                raise InputError("BAD_VALUE", None, f"{name} {value} of {self.label} is not within 0 and 1")
        if self.standing is not None and self.standing not in STANDINGS:
            raise InputError("BAD_VALUE", None, f"standing {self.standing!r} of {self.label}")

    @property
    def name(self) -> str:
        """The label's name in the taxonomy, else its id."""
        return name_of(self.label)

    @property
    def facts(self) -> dict[str, str | float | bool]:
        """What a tool may keep beside label, box and score."""
        said = {
            "standing": self.standing,
            "positive": self.positive,
            "threshold": self.threshold,
            "thresholds_of": self.thresholds_of,
            "place": self.place,
            "side": self.side,
            "zone": self.zone,
            "judged": None if self.judged else False,
        }
        return {key: value for key, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model found on one film, best box first, then findings of the whole film.

    ``film``: its path as it was named. ``size``: of the film as shown; None where it could not be read. ``reasons``:
    why it was not assessed; it has no findings then, which does not mean that there are none. ``model``: name and
    version. ``where``: file and row, for errors. ``film_scores``: how probable each label is on the whole film.
    ``by``: the document's words about the model, and the site whose thresholds it used. ``features``: the network's,
    shape (D,), to compare films of one model with; empty where the document has none.
    """

    film: str
    size: Frame | None
    assessed: bool
    findings: tuple[PredictedFinding, ...] = ()
    reasons: tuple[str, ...] = ()
    model: str | None = None
    sha256: str | None = None
    where: str = ""
    film_scores: tuple[PredictedFinding, ...] = ()
    by: Mapping[str, Any] | None = field(default=None, hash=False)
    features: tuple[float, ...] = ()

    @property
    def boxes(self) -> tuple[PredictedFinding, ...]:
        """The findings that have a box, in the document's order."""
        return tuple(finding for finding in self.findings if finding.box is not None)

    def __post_init__(self) -> None:
        """Refuse findings of a film that was not assessed, and boxes on a film without a size."""
        if self.findings and not self.assessed:
            raise InputError("BAD_VALUE", self.where, "findings of a film that was not assessed")
        if self.size is None and any(finding.box is not None for finding in self.findings):
            raise InputError("BAD_VALUE", self.where, "boxes on a film without a size")


def prediction_of(document: object, where: str) -> Prediction:
    """Return what a ``lungspot/1`` document says; raises :class:`DatasetError` ``DATASET_ROW`` naming ``where``."""
    if not is_document(document):
        raise no_document(where)
    try:
        image, model = document["image"], document.get("model")
        film, status = image["path"], document["status"]
        if not isinstance(film, str) or not film or "\0" in film or status not in JUDGED:
            raise DatasetError("DATASET_ROW", where, "no path of a film, or a status that is none")
        boxes = [
            _boxed(row, document, f"{where}: findings[{number}]")
            for number, row in enumerate(_rows(document, "findings"))
        ]
        bearing = {finding.label for finding in boxes if finding.positive}
        scores = tuple(_whole(row, document, where) for row in _rows(document, "image_scores"))
        whole = (score for score in scores if score.positive and score.label not in bearing)
        sha256 = image.get("sha256")
        return Prediction(
            film,
            stated_size(image.get("width"), image.get("height"), where),
            status == "assessed",
            (*boxes, *whole),
            tuple(str(reason) for reason in document.get("reasons") or ()),
            f"{model['name']} {model['version']}" if model else None,
            sha256 if isinstance(sha256, str) else None,
            where,
            scores,
            _by(document),
            tuple(_number(value, "features") for value in document.get("features") or ()),
        )
    except InputError as error:
        raise DatasetError(error.code, where, error.reason, advice=error.advice) from error
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise no_document(where, error) from error


def predicted_case(prediction: Prediction) -> Case:
    """Return what a model found on a film as a case, to be counted as people's findings are; never to be taught from.

    What reaches its threshold is a finding. A label is boxed where a box does, present where only the film does, and
    absent where it was looked for and neither does.
    """
    found = [each for each in prediction.findings if each.positive]
    states = {each.label: State.ABSENT for each in prediction.film_scores}
    states |= {each.label: State.PRESENT for each in found}
    states |= {each.label: State.BOXED for each in found if each.box is not None}
    boxes = tuple(Finding(each.label, each.box, each.score) for each in found if each.box is not None)
    reading = Reading(prediction.model or "model", boxes, states, prediction.size)
    return Case(prediction.film, "predictions", prediction.film, (reading,), frame=prediction.size)


def predicted_cases(path: Path) -> tuple[list[Case], list[LungspotError]]:
    """Return what :func:`read_predictions` finds as cases (:func:`predicted_case`), and what it refuses.

    Films that were not assessed are left out: nobody looked for anything there.
    """
    found, refused = read_predictions(path)
    return [predicted_case(prediction) for prediction in found if prediction.assessed], refused


def read_predictions(path: Path) -> tuple[list[Prediction], list[LungspotError]]:
    """Return the predictions of a file or a folder, in order, and each document that is refused, with its place.

    A file holds one document or JSON Lines; of a folder, every ``*.json`` and ``*.jsonl`` below it is read but for what
    lungspot writes beside its documents (FHIR bundles, COCO), or its tables, where ``lungspot batch`` wrote it. Raises
    :class:`DatasetError` where ``path`` is not there or holds none.
    """
    several = path.is_dir() and not is_result_folder(path)
    files = list(walk(path, DOCUMENT_SUFFIXES)) if several else [path]
    if not files:
        raise DatasetError("DATASET_NOT_FOUND", path, "no *.json and no *.jsonl in this folder")
    found: list[Prediction] = []
    refused: list[LungspotError] = []
    for file in files:
        try:
            for value, where in read_documents(file):
                if value == b"" or (several and _beside(value)):
                    continue
                if isinstance(value, bytes) and where == str(file):
                    reason = f"neither JSON nor JSON Lines of {DOCUMENT_SCHEMA}, in UTF-8"
                    raise DatasetError("DATASET_FORMAT", file, reason)
                try:
                    found.append(prediction_of(value, where))
                except LungspotError as error:
                    refused.append(error)
        except LungspotError as error:
            if not several:
                raise
            refused.append(error)
    if not found and not refused:
        raise DatasetError("DATASET_INCOMPLETE", path, f"no document of {DOCUMENT_SCHEMA} in it")
    return found, refused


def _beside(value: object) -> bool:
    information = value.get("info") if isinstance(value, dict) else None
    coco = isinstance(information, dict) and information.get("extension") == EXTENSION
    return coco or (isinstance(value, dict) and value.get("resourceType") == "Bundle")


def _rows(document: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    rows = document[key]
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise TypeError(f"{key} is no list of mappings")
    return rows


def _boxed(row: Mapping[str, Any], document: Mapping[str, Any], where: str) -> PredictedFinding:
    place = row.get("place")
    return PredictedFinding(
        row["label"],
        _number(row["score"], "score"),
        stated_box(row["box"], where),
        _threshold(row),
        _flag(row, "positive"),
        row.get("standing"),
        place if isinstance(place, int) else None,
        _flag(row, "judged") is not False,
        _word(row, "side"),
        _word(row, "zone"),
        _agreement(row),
        _whose(document, row["label"], "box"),
    )


def _whole(row: Mapping[str, Any], document: Mapping[str, Any], where: str) -> PredictedFinding:
    try:
        score = _number(row["probability"], "probability")
        return PredictedFinding(
            row["label"],
            score,
            threshold=_threshold(row),
            positive=_flag(row, "positive"),
            standing=row.get("standing"),
            thresholds_of=_whose(document, row["label"], "film"),
        )
    except KeyError as error:
        raise DatasetError("DATASET_ROW", where, f"image_scores without {error}") from error


def _agreement(row: Mapping[str, Any]) -> dict[str, float] | None:
    value = row.get("agreement")
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise InputError("BAD_VALUE", None, f"agreement {value!r} is no mapping")
    said = {str(name): float(each) if isinstance(each, bool) else each for name, each in value.items()}
    return {name: _number(each, f"agreement {name}") for name, each in said.items()}


def _whose(document: Mapping[str, Any], label: str, level: str) -> str | None:
    """Return the name of the site whose threshold of a label's boxes, or whole films, counted; None: the model's."""
    site = document.get("site")
    return str(site["name"]) if site is not None and level in site["thresholds"].get(label, ()) else None


def _by(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a document says of its model, and of the site whose thresholds it used."""
    model, site = document.get("model"), document.get("site")
    if not isinstance(model, Mapping):
        return None
    return {**model, "site": site} if site is not None else dict(model)


def _threshold(row: Mapping[str, Any]) -> float | None:
    return None if row.get("threshold") is None else _number(row["threshold"], "threshold")


def _number(value: object, name: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise InputError("BAD_VALUE", None, f"{name} {value!r} is not a number")
    return float(value)


def _flag(row: Mapping[str, Any], key: str) -> bool | None:
    value = row.get(key)
    if not isinstance(value, bool | None):
        raise InputError("BAD_VALUE", None, f"{key} {value!r} is neither true nor false")
    return value


def _word(row: Mapping[str, Any], key: str) -> str | None:
    value = row.get(key)
    if not isinstance(value, str | None):
        raise InputError("BAD_VALUE", None, f"{key} {value!r} is not a word")
    return value
