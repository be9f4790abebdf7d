"""A site's own films as arrays: what is true and what a tool said, label by label, from pairs or from two tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungspot.adapt.site.sample import Sample, index_people, of_boxes, of_films
from lungspot.adapt.site.score_table import FilmTable, is_table, join, read_scores
from lungspot.errors import DatasetError, LungspotError
from lungspot.evaluate import (
    Matched,
    Pair,
    Predicted,
    ScoreLimits,
    only_labels,
    pair_up,
    read_predicted,
    tabulate,
)
from lungspot.findings import Finding, Reading, State, in_taxonomy_order
from lungspot.formats import Case, ClassMap, read_class_map

__all__ = [
    "LocalFilms",
    "LocalLabel",
    "cases_of_table",
    "local_films",
    "model_of",
    "of_pairs",
    "of_tables",
    "predictions_of_table",
]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_HALF_DIGIT: Final = 5e-5  # half the last of the four digits that lungspot/1 gives a score


@dataclass(frozen=True, slots=True)
class LocalLabel:
    """One label on all N films.

    ``score`` (N,): of the film, NaN where the tool gives none; ``known`` (N,): whether somebody looked for the label
    and there is a score; ``positive`` (N,): whether the film shows it; ``person`` (N,): whose it is. ``matched``: its
    boxes, None where the tool gives none, or gives boxes that it did not judge one by one (``unjudged``).
    """

    score: Array
    known: NDArray[np.bool_]
    positive: NDArray[np.bool_]
    person: Integers
    matched: Matched | None = None
    unjudged: bool = False

    @property
    def films(self) -> Sample:
        """The sample of whole films."""
        return of_films(self.score[self.known], self.positive[self.known], self.person[self.known])

    def boxes(self, iou: float) -> Sample | None:
        """Return the sample of boxes, right from an overlap of ``iou``; None where there are none to judge."""
        return None if self.matched is None else of_boxes(self.matched, self.person, iou)

    def best_box(self) -> Array:
        """Return (N,) the best box's score of each film, -inf where it has none."""
        best = np.full(len(self.score), -np.inf)
        if self.matched is not None:
            np.maximum.at(best, self.matched.film, self.matched.score)
        return best


@dataclass(frozen=True, slots=True)
class LocalFilms:
    """All labels of a site's films. ``model``: who gave the scores, where the predictions say so.

    ``half_digit``: by how much a score as written may be off. ``scale``: what the tool's scores were divided by.
    """

    labels: Mapping[str, LocalLabel]
    films: int
    people: int
    model: Mapping[str, str] | None = None
    half_digit: float = 0.0
    scale: float = 1.0


def local_films(
    truth: FilmTable | Sequence[tuple[Case, Reading]],
    predicted: Path,
    labels: Sequence[str] = (),
    classes: ClassMap | None = None,
    coco: Path | None = None,
) -> tuple[LocalFilms | None, list[LungspotError]]:
    """Return a site's films, of which a tool says in ``predicted`` what ``truth`` knows, and what is wrong with others.

    ``truth``: a table, or each film with the reading that counts (:func:`lungspot.evaluate.truths`). ``predicted``: a
    CSV of any tool's scores, or what :func:`lungspot.evaluate.read_predicted` reads. Two tables are joined; else films
    are paired, and boxes count. ``labels``: only these. ``classes``: what class names mean. ``coco``: the truth's COCO
    file, whose ids a bare list of COCO results uses. None where no film can be judged. Raises
    :class:`~lungspot.errors.DatasetError` where one of the two cannot be read as a whole, where they have no label in
    common, and as :func:`model_of` does.
    """
    classes = read_class_map(None) if classes is None else classes
    if isinstance(truth, FilmTable) and is_table(predicted):
        return of_tables(truth, read_scores(predicted, labels, classes))
    readings = cases_of_table(truth) if isinstance(truth, FilmTable) else truth
    refused: list[LungspotError] = []
    if is_table(predicted):
        found = predictions_of_table(read_scores(predicted, labels, classes))
    else:
        found, refused = read_predicted(predicted, coco, classes)
    paired = pair_up(readings, found)
    pairs = only_labels(paired.pairs, labels) if labels else paired.pairs
    return of_pairs(pairs, model_of(found)) if pairs else None, [*refused, *paired.refused]


def of_pairs(pairs: Sequence[Pair], model: Mapping[str, str] | None) -> LocalFilms:
    """Return films with boxes; raises ``DATASET_INCOMPLETE`` where truth and predictions have no label in common."""
    person = index_people([pair.patient for pair in pairs])
    said = {label for pair in pairs for label in pair.found.states}
    labels = {}
    for label in in_taxonomy_order({label for pair in pairs for label in pair.true.states} & said):
        matched = tabulate(pairs, label, ScoreLimits())
        boxes = [f for pair in pairs for f in pair.found.of(label) if f.box is not None]
        unjudged = any(not finding.judged for finding in boxes)
        labels[label] = LocalLabel(
            matched.probability,
            matched.known,
            matched.positive,
            person,
            matched if boxes and not unjudged and len(matched.true_film) else None,
            unjudged,
        )
    return LocalFilms(
        _required(labels), len(pairs), int(person.max()) + 1, model, _HALF_DIGIT if model is not None else 0.0
    )


def of_tables(truth: FilmTable, scores: FilmTable) -> tuple[LocalFilms, list[LungspotError]]:
    """Return films of two tables (or of one that is both), and the films that only one of them has."""
    rows, refused = join(truth, scores)
    here = rows >= 0
    patients = [patient for patient, keep in zip(truth.patients, here, strict=True) if keep]
    person = index_people(patients)
    labels = {}
    for label in in_taxonomy_order(truth.values.keys() & scores.values.keys()):
        true, score = truth.values[label][here], scores.values[label][rows[here]]
        known = np.isfinite(true) & np.isfinite(score)
        if known.any():
            labels[label] = LocalLabel(score, known, true == 1, person)
    people = int(person.max()) + 1 if len(person) else 0
    return LocalFilms(_required(labels), int(here.sum()), people, scale=scores.scale), refused


def cases_of_table(table: FilmTable) -> list[tuple[Case, Reading]]:
    """Return a table of truth as cases, for predictions with boxes; nobody boxed anything on these films."""
    found = []
    for row, film in enumerate(table.films):
        said = {label: value[row] for label, value in table.values.items() if np.isfinite(value[row])}
        states = {label: State.PRESENT if value == 1 else State.ABSENT for label, value in said.items()}
        reading = Reading("truth", tuple(Finding(label) for label, value in said.items() if value == 1), states)
        found.append((Case(film, "csv", f"csv_{table.patients[row]}", (reading,)), reading))
    return found


def predictions_of_table(table: FilmTable) -> list[Predicted]:
    """Return a table of scores as predictions of whole films."""
    found = []
    for row, film in enumerate(table.films):
        said = {label: float(value[row]) for label, value in table.values.items() if np.isfinite(value[row])}
        findings = tuple(Finding(label, score=score) for label, score in said.items())
        reading = Reading("predicted", findings, dict.fromkeys(said, State.PRESENT))
        found.append(Predicted(film, f"{table.where}: {film}", reading))
    return found


def model_of(predicted: Sequence[Predicted]) -> dict[str, str] | None:
    """Return which model made predictions; None where they do not say.

    Raises ``DATASET_ROW`` where they are of several models, or were made with a site's thresholds already.
    """
    found: dict[str, str] | None = None
    first = ""
    for one in predicted:
        if one.by is None:
            continue
        by: dict[str, Any] = dict(one.by)
        if by.pop("site", None) is not None:
            advice = "predict again without --site, with --min-score 0.01"
            raise DatasetError("DATASET_ROW", one.where, "its scores are those of a site file already", advice=advice)
        if found is not None and by != found:
            reason = f"by another model than {first}"
            raise DatasetError("DATASET_ROW", one.where, reason, advice="predict all films with one model")
        found, first = by, first or one.where
    return found


def _required(labels: Mapping[str, LocalLabel]) -> Mapping[str, LocalLabel]:
    if not labels:
        reason = "truth and predictions have no label in common"
        raise DatasetError("DATASET_INCOMPLETE", None, reason, advice="`lungspot info --labels` has the ids of labels")
    return labels
