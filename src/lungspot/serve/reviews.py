"""What readers said about a film, turned into the project's own readings, with what they started from.

A review is kept as it was said, with the label, box and score of the candidates that it speaks of, so that it can be
understood without the result. It is never changed; of one reader's reviews of a film the last counts.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from lungspot.errors import InputError, RequestError
from lungspot.findings import Box, Finding, Frame, Reading, State, reading_from_json, reading_to_json, taxonomy
from lungspot.images import Radiograph
from lungspot.report import Kind, measure, measurement_to_json, review_from_json
from lungspot.report import Review as ReaderReview
from lungspot.serve.store import Store, now

__all__ = [
    "Action",
    "Corners",
    "Draft",
    "FilmNames",
    "FilmShown",
    "GivenName",
    "Measurer",
    "Review",
    "StrictBody",
    "Truth",
    "Verdict",
    "add_review",
    "basis_of",
    "known_truth",
    "last_review",
    "measured",
    "reviews_of",
    "set_truth",
    "settled",
    "truth_of",
]

Corners = tuple[float, float, float, float]
Action = Literal["accept", "reject", "edit", "add"]
Measurer = Literal["reader", "model"]
GivenName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]


class StrictBody(BaseModel):
    """What a caller sends: no key but those that are named, no number that is none."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Verdict(StrictBody):
    """What a reader says about one candidate, or one thing that the model did not see."""

    action: Action
    candidate: int | None = Field(None, ge=0, le=100_000)
    label: GivenName | None = None
    box: Corners | None = None


class Measured(StrictBody):
    """What a reader measured: points in pixels of the film; the server counts what they come to."""

    kind: Kind
    points: list[tuple[float, float]] = Field(min_length=2, max_length=4)
    by: Measurer = "reader"


class Draft(StrictBody):
    """A review that is not saved, and whose reader may have no name yet."""

    reader: Annotated[str, StringConstraints(strip_whitespace=True, max_length=64)] = ""
    note: str = Field("", max_length=4000)
    complete: bool = False
    verdicts: list[Verdict] = Field(default_factory=list, max_length=200)
    absent: list[GivenName] = Field(default_factory=list, max_length=100)
    measurements: list[Measured] = Field(default_factory=list, max_length=50)


class Review(Draft):
    """One reader's review of one film (docs/reference/http.md)."""

    reader: GivenName


class FilmNames(StrictBody):
    """File names of films, by reading id, for one export: the server keeps none, the page that sent the films does."""

    names: dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=1024)]]


class TruthFinding(StrictBody):
    """One finding that a dataset has."""

    label: GivenName
    box: Corners | None = None


class Truth(StrictBody):
    """What a dataset says of a film."""

    reader: GivenName
    findings: list[TruthFinding] = Field(default_factory=list, max_length=500)
    states: dict[GivenName, Literal["boxed", "present", "absent"]] = Field(default_factory=dict, max_length=200)


@dataclass(frozen=True, slots=True)
class FilmShown:
    """What a reader was shown: boxes as in ``candidates``, whose they are, and what the model looks for.

    ``assessed``: whether the film was read and judged at all. ``film``: its facts, None where it could not be read;
    ``pixels``: its greys.
    """

    candidates: Sequence[Mapping[str, Any]]
    model: Mapping[str, str] | None
    labels: Sequence[str]
    assessed: bool
    film: Radiograph | None = None
    pixels: NDArray[np.uint16] | None = None

    @property
    def reader(self) -> str:
        """The model as a reader's name."""
        return "" if self.model is None else f"{self.model['name']} {self.model['version']}"


def add_review(store: Store, row: sqlite3.Row, review: Review, offered: FilmShown) -> dict[str, Any]:
    """Keep a review of a film that is done, and return it as JSON values.

    Raises InputError ``BAD_VALUE``, ``BAD_BOX`` or ``UNKNOWN_LABEL`` where it cannot be meant, and RequestError
    ``NOT_ASSESSED`` where it would call labels absent on a film that was not read.
    """
    frame = None if row["width"] is None else Frame(row["width"], row["height"])
    if review.complete and not offered.assessed:
        raise RequestError("NOT_ASSESSED", "complete", "nobody looked for everything on a film that was not assessed")
    if review.absent and frame is None:
        raise RequestError("NOT_ASSESSED", "absent", "nothing is known to be absent on a film that could not be read")
    model, created = offered.model, now()
    verdicts = settled(review, offered.candidates, frame)
    absent = [_label(label, "absent") for label in dict.fromkeys(review.absent)]
    body = {
        "note": review.note,
        "complete": review.complete,
        "verdicts": verdicts,
        "absent": absent,
        "measurements": measured(review, offered.film, offered.pixels),
        "model": None if model is None else dict(model),
        "reading": reading_to_json(
            replace(_reading(review, verdicts, absent, frame, offered), created=created, basis=basis_of(model))
        ),
    }
    with store.writing() as db:
        made = db.execute(
            "INSERT INTO reviews (reading, created, reader, body) SELECT number, ?, ?, ? FROM readings WHERE id = ?",
            (created, review.reader, json.dumps(body, ensure_ascii=False, allow_nan=False), row["id"]),
        )
    if not made.rowcount:
        raise RequestError("NO_READING", row["id"], "the film was deleted meanwhile")
    return {"id": made.lastrowid, "reading_id": row["id"], "created": created, "reader": review.reader, **body}


def measured(review: Draft, film: Radiograph | None, pixels: NDArray[np.uint16] | None) -> list[dict[str, Any]]:
    """Return what was measured as JSON values, counted on the film; raises InputError ``BAD_VALUE``."""
    if review.measurements and film is None:
        raise InputError("BAD_VALUE", "measurements", "nothing can be measured on a film that could not be read")
    return [
        measurement_to_json(measure(each.kind, each.points, film, by=each.by, pixels=pixels))
        for each in review.measurements
        if film is not None
    ]


def reviews_of(store: Store, row: sqlite3.Row) -> list[dict[str, Any]]:
    """Return the reviews of a film, oldest first."""
    rows = store.all("SELECT * FROM reviews WHERE reading = ? ORDER BY number", (row["number"],))
    return [
        {"id": each["number"], "reading_id": row["id"], "created": each["created"], "reader": each["reader"]}
        | json.loads(each["body"])
        for each in rows
    ]


def last_review(store: Store, row: sqlite3.Row, reader: str | None) -> ReaderReview | None:
    """Return the last saved review of a film by ``reader``, or by anybody (None); None where nobody has reviewed it."""
    mine = [each for each in reviews_of(store, row) if reader is None or each["reader"] == reader]
    return review_from_json(mine[-1]) if mine else None


def set_truth(store: Store, row: sqlite3.Row, truth: Truth) -> None:
    """Keep what a dataset says of a film; raises InputError where it contradicts itself."""
    frame = None if row["width"] is None else Frame(row["width"], row["height"])
    findings = tuple(
        Finding(_label(each.label, "findings"), None if each.box is None else _box(each.box, frame, "findings"))
        for each in truth.findings
    )
    states = {f.label: State.BOXED if f.box is not None else State.PRESENT for f in findings}
    states |= {_label(label, "states"): State(state) for label, state in truth.states.items()}
    reading = Reading(truth.reader, findings, states, frame)
    body = json.dumps(reading_to_json(reading), ensure_ascii=False, allow_nan=False)
    with store.writing() as db:
        query = "INSERT OR REPLACE INTO truths (reading, body) SELECT number, ? FROM readings WHERE id = ?"
        db.execute(query, (body, row["id"]))


def known_truth(store: Store, row: sqlite3.Row) -> Reading | None:
    """Return what a dataset says of a film, in the film's frame, hidden or not; None where nothing is known."""
    rows = store.all("SELECT body FROM truths WHERE reading = ?", (row["number"],))
    if not rows:
        return None
    truth = reading_from_json(json.loads(rows[0]["body"]))
    return truth if row["width"] is None else truth.to_frame(Frame(row["width"], row["height"]))


def truth_of(store: Store, row: sqlite3.Row, learner: str | None = None) -> dict[str, Any] | None:
    """Return what a dataset says of a film, a reading as JSON values; None where nothing is known.

    Of a case for teaching it is told only to a ``learner`` who has answered.
    """
    query = (
        "SELECT 1 FROM truths t WHERE t.reading = ? AND t.hidden AND NOT EXISTS ("
        "SELECT 1 FROM answers a WHERE a.reading = t.reading AND a.learner = ?)"
    )
    truth = None if store.all(query, (row["number"], learner)) else known_truth(store, row)
    return None if truth is None else reading_to_json(truth)


def settled(review: Draft, candidates: Sequence[Mapping[str, Any]], frame: Frame | None) -> list[dict[str, Any]]:
    """Return the verdicts with everything that they mean: label, box, and the candidate's own label, box and score.

    ``candidates``: the boxes that the reader was shown. Raises InputError ``BAD_VALUE``, ``BAD_BOX`` or
    ``UNKNOWN_LABEL`` where they cannot be meant.
    """
    found: list[dict[str, Any]] = []
    seen: set[int] = set()
    for place, verdict in enumerate(review.verdicts):
        where = f"verdicts.{place}"
        said: dict[str, Any] = {"action": verdict.action}
        label, box = verdict.label, verdict.box
        if verdict.action == "add":
            if verdict.candidate is not None or label is None:
                raise InputError("BAD_VALUE", where, "add takes a label, and no candidate")
        else:
            if verdict.candidate is None or not verdict.candidate < len(candidates) or verdict.candidate in seen:
                raise InputError(
                    "BAD_VALUE", where, f"{verdict.action} takes one of {len(candidates)} candidates, once"
                )
            if verdict.action != "edit" and (label is not None or box is not None):
                raise InputError("BAD_VALUE", where, f"{verdict.action} takes a candidate and nothing else")
            if verdict.action == "edit" and label is None and box is None:
                raise InputError("BAD_VALUE", where, "edit takes a label, a box, or both")
            seen.add(verdict.candidate)
            offered = candidates[verdict.candidate]
            said |= {
                "candidate": verdict.candidate,
                "offered": {key: offered[key] for key in ("label", "box", "score")},
            }
            label, box = label or offered["label"], box or offered["box"]
        said["label"] = _label(str(label), where)
        said["box"] = None if box is None else list(_box(box, frame, where).corners)
        found.append(said)
    return found


def _reading(
    review: Review,
    verdicts: Sequence[Mapping[str, Any]],
    absent: Sequence[str],
    frame: Frame | None,
    offered: FilmShown,
) -> Reading:
    """Return what the reader said, with careful states: nothing is called absent or exhaustive that was not said so."""
    findings, rejected = [], []
    for verdict in verdicts:
        if verdict["action"] == "reject":
            wrong = verdict["offered"]
            rejected.append(Finding(wrong["label"], Box(*wrong["box"]), wrong["score"], source=offered.reader or None))
        else:
            both = f"{review.reader}+{offered.reader}" if verdict["action"] == "accept" else None
            box = None if verdict["box"] is None else Box(*verdict["box"])
            findings.append(Finding(verdict["label"], box, source=both))
    unboxed = {finding.label for finding in findings if finding.box is None}
    states: dict[str, State] = dict.fromkeys(offered.labels, State.ABSENT) if review.complete else {}
    states |= dict.fromkeys(absent, State.ABSENT)
    for finding in findings:
        whole = review.complete and finding.label not in unboxed
        states[finding.label] = State.BOXED if whole else State.PRESENT
    if contradicted := {finding.label for finding in findings} & set(absent):
        raise InputError("BAD_VALUE", "absent", f"{', '.join(sorted(contradicted))} is marked, and said to be absent")
    return Reading(review.reader, tuple(findings), states, frame, tuple(rejected))


def basis_of(model: Mapping[str, str] | None) -> str | None:
    """Return in words the model whose boxes a reader was shown: name, version, SHA-256; None where there was none."""
    return None if model is None else f"{model['name']} {model['version']} sha256 {model['sha256']}"


def _label(label: str, where: str) -> str:
    if label not in taxonomy():
        raise InputError("UNKNOWN_LABEL", where, f"no label has the id {label!r}")
    return label


def _box(corners: Sequence[float], frame: Frame | None, where: str) -> Box:
    if frame is None:
        raise InputError("BAD_BOX", where, "a box on a film that could not be read")
    try:
        inside = Box(*corners).clip(frame)
    except InputError as error:
        raise error.at(where) from error
    if inside is None or min(inside.width, inside.height) < 1:
        raise InputError(
            "BAD_BOX", where, f"less than a pixel of it lies on the film of {frame.width} x {frame.height}"
        )
    return inside
