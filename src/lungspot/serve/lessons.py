"""Teaching: what learners answer about films whose truth is known, how well, and the truth only then.

A learner marks places; names that a film cannot tell apart (a look-alike group of the taxonomy) count as one. A mark
finds a true place where it is of its group and overlaps it by an IoU of 0.3; a mark that finds none is wrong where the
truth says that everything of its group was looked for, and counts for nothing where it does not.
"""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, StringConstraints

from lungspot.errors import InputError, RequestError
from lungspot.evaluate import match
from lungspot.findings import Box, Frame, Reading, State, as_array, reading_from_json, taxonomy
from lungspot.outputs import escape_formula
from lungspot.serve.reviews import Corners, StrictBody
from lungspot.serve.store import Store, now

__all__ = [
    "LessonAnswer",
    "LessonSession",
    "Score",
    "answer_of",
    "answers_csv",
    "give_answer",
    "learners_of",
    "score",
    "session_of",
    "sessions_csv",
]

# By a film's number, the model's candidates on it (:func:`lungspot.serve.record.candidates`).
Offers = Callable[[int], Sequence[Mapping[str, Any]]]

LEAST: Final = 0.3  # intersection over union of a mark and the place that it finds
Learner = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
LabelId = Annotated[str, StringConstraints(max_length=64)]


class MarkGiven(StrictBody):
    """One thing that a learner marks; without a box: somewhere on the film."""

    label: LabelId
    box: Corners | None = None


class LessonAnswer(StrictBody):
    """What a learner says about one film, and how long it took; no mark at all is an answer too."""

    learner: Learner
    marks: list[MarkGiven] = Field(default_factory=list, max_length=100)
    seconds: float | None = Field(None, ge=0, le=86_400)


@dataclass(frozen=True, slots=True)
class Score:
    """One answer against the truth. ``places``: true places, of which ``found``; ``extra``: marks that are wrong.

    ``uncounted``: marks of what nobody looked for, or did not box. ``findings``: groups that the film shows at all, of
    which ``named`` were marked anywhere. ``overlap``: sum of the intersections over unions of what was found.
    """

    places: int = 0
    found: int = 0
    extra: int = 0
    uncounted: int = 0
    findings: int = 0
    named: int = 0
    overlap: float = 0.0


@dataclass(frozen=True, slots=True)
class LessonSession:
    """A learner's answers together: the sums of :class:`Score`, and per place and film.

    ``sensitivity``: of places, None where there was none. ``extra_per_film``: false marks. ``model_sensitivity``: of
    the model on the same films, at the threshold at which it makes at most as many false marks a film
    (``model_extra_per_film``).
    """

    learner: str
    films: int
    places: int
    found: int
    sensitivity: float | None
    extra: int
    extra_per_film: float
    findings: int
    named: int
    mean_overlap: float | None
    seconds_per_film: float | None
    model_sensitivity: float | None
    model_extra_per_film: float | None
    first: str
    last: str


def score(marks: Sequence[tuple[str, Box | None]], truth: Reading) -> Score:
    """Return how well marks (label, box) meet the truth of a film."""
    groups = {_group(label) for label, _ in marks} | {_group(label) for label in truth.states}
    total = Score()
    for group in sorted(groups):
        total = _sum((total, _score_group([box for label, box in marks if _group(label) == group], truth, group)))
    return total


def _score_group(boxes: Sequence[Box | None], truth: Reading, group: str) -> Score:
    states = {state for label, state in truth.states.items() if _group(label) == group}
    true = [f.box for f in truth.findings if f.box is not None and not f.crowd and _group(f.label) == group]
    there = bool(states & {State.BOXED, State.PRESENT})
    sure = bool(states & {State.BOXED, State.ABSENT}) and State.PRESENT not in states
    drawn = [box for box in boxes if box is not None]
    taken = _taken(drawn, np.ones(len(drawn)), true)
    found = int((taken >= 0).sum())
    words = 0 if there else len(boxes) - len(drawn)  # a name without a place is wrong where there is nothing
    loose = len(drawn) - found + words
    overlap = sum(drawn[i].iou(true[j]) for i, j in enumerate(taken) if j >= 0)
    return Score(
        places=len(true),
        found=found,
        extra=loose if sure else 0,
        uncounted=0 if sure else loose,
        findings=int(there),
        named=int(there and bool(boxes)),
        overlap=overlap,
    )


def _taken(drawn: Sequence[Box], scores: NDArray[np.float64], true: Sequence[Box]) -> NDArray[np.int64]:
    """Return for each drawn box the index of the true one that it finds, or -1."""
    if not drawn or not true:
        return np.full(len(drawn), -1, dtype=np.int64)
    return match(as_array(drawn), scores, as_array(true), LEAST)


def _sum(scores: Iterable[Score]) -> Score:
    rows = [asdict(each) for each in scores]
    return Score(**{field.name: sum(row[field.name] for row in rows) for field in fields(Score)})


def _group(label: str) -> str:
    return taxonomy()[label].group


def give_answer(store: Store, row: sqlite3.Row, answer: LessonAnswer, truth: Reading | None) -> dict[str, Any]:
    """Keep a learner's first answer about a film, and return it with its score; a later one changes nothing.

    Raises RequestError ``NO_TRUTH`` where nothing is known of the film, InputError ``UNKNOWN_LABEL`` or ``BAD_BOX``.
    """
    if truth is None:
        raise RequestError("NO_TRUTH", row["id"], "nobody knows what is true on this film")
    marks = [(_known(each.label), None if each.box is None else _box(each.box, truth.frame)) for each in answer.marks]
    body = {
        "marks": [{"label": label, "box": None if box is None else list(box.corners)} for label, box in marks],
        "seconds": answer.seconds,
        "score": asdict(score(marks, truth)),
    }
    with store.writing() as db:
        db.execute(
            "INSERT OR IGNORE INTO answers (reading, created, learner, body) VALUES (?, ?, ?, ?)",
            (row["number"], now(), answer.learner, json.dumps(body)),
        )
    kept = answer_of(store, row, answer.learner)
    if kept is None:
        raise RequestError("NO_READING", row["id"], "the film was deleted meanwhile")
    return kept


def answer_of(store: Store, row: sqlite3.Row, learner: str) -> dict[str, Any] | None:
    """Return a learner's answer about a film as JSON values; None where there is none yet."""
    rows = store.all("SELECT * FROM answers WHERE reading = ? AND learner = ?", (row["number"], learner))
    return None if not rows else {"learner": learner, "created": rows[0]["created"], **json.loads(rows[0]["body"])}


def _truth(row: sqlite3.Row) -> Reading:
    truth = reading_from_json(json.loads(row["truth"]))
    return truth if row["width"] is None else truth.to_frame(Frame(row["width"], row["height"]))


def learners_of(store: Store) -> list[str]:
    """Return who has answered, in the order of their first answers."""
    return list(dict.fromkeys(row["learner"] for row in _answered(store)))


def session_of(store: Store, learner: str, offered: Offers) -> LessonSession | None:
    """Return a learner's session; None where nothing was answered."""
    rows = [row for row in _answered(store) if row["learner"] == learner]
    return _session(learner, rows, offered) if rows else None


def _session(learner: str, rows: Sequence[sqlite3.Row], offered: Offers) -> LessonSession:
    bodies = [json.loads(row["body"]) for row in rows]
    total = _sum(Score(**body["score"]) for body in bodies)
    times = [body["seconds"] for body in bodies if body["seconds"] is not None]
    rate = total.extra / len(rows)
    films = [(offered(row["reading"]), _truth(row)) for row in rows]
    model = _model_at(films, rate)
    return LessonSession(
        learner=learner,
        films=len(rows),
        places=total.places,
        found=total.found,
        sensitivity=total.found / total.places if total.places else None,
        extra=total.extra,
        extra_per_film=rate,
        findings=total.findings,
        named=total.named,
        mean_overlap=total.overlap / total.found if total.found else None,
        seconds_per_film=sum(times) / len(times) if times else None,
        model_sensitivity=model[0],
        model_extra_per_film=model[1],
        first=min(row["created"] for row in rows),
        last=max(row["created"] for row in rows),
    )


def _model_at(
    films: Sequence[tuple[Sequence[Mapping[str, Any]], Reading]], rate: float
) -> tuple[float | None, float | None]:
    """Return the model's sensitivity and false marks a film, at most ``rate``, on the films that a learner answered.

    Of a place only the best box of each group counts, and only reported labels.
    """
    judged: list[tuple[float, bool, bool]] = []  # score, finds a place, is wrong
    places = 0
    for candidates, truth in films:
        best: dict[tuple[str, Any], Mapping[str, Any]] = {}
        for each in candidates:  # best score first
            if each["standing"] == "reported":
                best.setdefault((_group(each["label"]), each["place"]), each)
        for group in {group for group, _ in best} | {_group(label) for label in truth.states}:
            mine = [each for (of, _), each in best.items() if of == group]
            states = {state for label, state in truth.states.items() if _group(label) == group}
            true = [f.box for f in truth.findings if f.box is not None and not f.crowd and _group(f.label) == group]
            places += len(true)
            sure = bool(states) and State.PRESENT not in states
            boxes, scores = [Box(*each["box"]) for each in mine], np.array([each["score"] for each in mine])
            taken = _taken(boxes, scores, true)
            judged += [(each["score"], bool(t >= 0), bool(t < 0 and sure)) for each, t in zip(mine, taken, strict=True)]
    if not places:
        return None, None
    found = wrong = 0
    reached = (0, 0)
    judged.sort(key=lambda each: -each[0])
    for i, (value, hit, bad) in enumerate(judged):
        found, wrong = found + hit, wrong + bad
        if i + 1 < len(judged) and judged[i + 1][0] == value:
            continue
        if wrong > rate * len(films):
            break
        reached = (found, wrong)
    return reached[0] / places, reached[1] / len(films)


def sessions_csv(store: Store, offered: Offers) -> str:
    """Return one row a learner."""
    by_learner: dict[str, list[sqlite3.Row]] = {}
    for row in _answered(store):
        by_learner.setdefault(row["learner"], []).append(row)
    sessions = [asdict(_session(learner, rows, offered)) for learner, rows in by_learner.items()]
    return _csv([field.name for field in fields(LessonSession)], sessions)


def answers_csv(store: Store) -> str:
    """Return one row an answer."""
    names = ("learner", "created", "reading_id", "case", "film_sha256", "seconds", "marks")
    rows = []
    for row in _answered(store):
        body = json.loads(row["body"])
        about = {key: row[key] for key in ("learner", "created", "case")} | {"reading_id": row["id"]}
        about |= {"film_sha256": row["sha256"], "seconds": body["seconds"], "marks": len(body["marks"])}
        rows.append(about | body["score"])
    return _csv([*names, *(field.name for field in fields(Score))], rows)


def _answered(store: Store) -> list[sqlite3.Row]:
    return store.all(
        'SELECT a.*, t.body AS truth, t.name AS "case", r.id, r.sha256, r.width, r.height FROM answers a'
        " JOIN readings r ON r.number = a.reading JOIN truths t ON t.reading = a.reading ORDER BY a.number"
    )


def _csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, columns, lineterminator="\r\n")
    table.writeheader()
    for row in rows:
        table.writerow({key: _cell(value) for key, value in row.items()})
    return text.getvalue()


def _cell(value: Any) -> Any:  # noqa: ANN401 - what a table holds
    return escape_formula(value) if isinstance(value, str) else round(value, 4) if isinstance(value, float) else value


def _known(label: str) -> str:
    if label not in taxonomy():
        raise InputError("UNKNOWN_LABEL", "marks", f"no label has the id {label!r}")
    return label


def _box(corners: Sequence[float], frame: Frame | None) -> Box:
    try:
        inside = None if frame is None else Box(*corners).clip(frame)
    except InputError as error:
        raise error.at("marks") from error
    if inside is None:
        raise InputError("BAD_BOX", "marks", "a mark that does not lie on the film")
    return inside
