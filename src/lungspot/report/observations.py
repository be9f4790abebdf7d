"""What a report says of a film, line by line: what the model marks, as far as nobody judged it, and what a reader says.

A :class:`Review` is what one reader said about one film; :func:`observations` puts it over the model's statement.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lungspot.detect import Correction, side_and_zone, sided, trusted_lungs
from lungspot.errors import InputError
from lungspot.findings import Box, Finding, Reading, Side, State, Zone, taxonomy
from lungspot.inputs import regular
from lungspot.report.analysis import Analysis
from lungspot.report.measurements import Measurement, measurement_from_json
from lungspot.report.statement import Name, Said, Statement
from lungspot.report.words import picture_side_of

__all__ = [
    "REVIEWS",
    "Observation",
    "Review",
    "Verdict",
    "observations",
    "observed",
    "read_reviews",
    "review_from_json",
    "reviews_by_film",
]

REVIEWS: Final = "lungspot-reviews/1"  # the schema of a server's reviews.json
ACTIONS: Final = ("accept", "reject", "edit", "add")
_NEAR: Final = 0.02  # pixels between a box and the same box in JSON, which has two digits


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reader says of one box of the model's (``offered``: its label and box), or of one that nobody offered.

    ``action``: ``accept``, ``reject``, ``edit`` or ``add``. ``label`` and ``box``: what it is now, in pixels of the
    film as its file stores it; an added finding may have no box.
    """

    action: str
    label: str
    box: Box | None = None
    offered: tuple[str, Box] | None = None

    def __post_init__(self) -> None:
        """Refuse (``BAD_VALUE``) an action that is none, and one that speaks of no box of the model's but should."""
        if self.action not in ACTIONS or (self.offered is None) != (self.action == "add"):
            raise InputError("BAD_VALUE", "verdict", f"{self.action!r} of {self.offered}")


@dataclass(frozen=True, slots=True)
class Review:
    """One reader's review of one film. ``reader``: a name, empty where none was given.

    ``complete``: the reader looked for everything that the model looks for; ``absent``: labels called absent by name.
    ``created``: when it was saved (RFC 3339), None where it was not.
    """

    reader: str = ""
    verdicts: tuple[Verdict, ...] = ()
    complete: bool = False
    absent: tuple[str, ...] = ()
    note: str = ""
    created: str | None = None
    measurements: tuple[Measurement, ...] = ()


@dataclass(frozen=True, slots=True)
class Observation:
    """One line of a report's findings: names that look alike, at one place or on the film as a whole.

    ``names``: with their scores where nobody has judged them (``judged`` False); a reader's have none. ``boxed``:
    whether it has a place: ``box``, in pixels of the film as its file stores it, and ``place``, its number where the
    model found it. ``side``: the patient's; ``picture_side``: the picture's, where the patient's is not known.
    """

    names: tuple[Name, ...]
    judged: bool
    boxed: bool = True
    side: Side | None = None
    zone: Zone | None = None
    picture_side: Side | None = None
    box: Box | None = None
    place: int | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The ids of its names."""
        return tuple(name.label for name in self.names)

    @property
    def urgency(self) -> float:
        """The highest tier of its names (the taxonomy's), which orders the lines."""
        return max(taxonomy()[label].urgency for label in self.labels)


def review_from_json(value: Mapping[str, Any]) -> Review:
    """Return the review that a server keeps as JSON (docs/reference/http.md); raises InputError where it is none."""
    try:
        return Review(
            str(value.get("reader") or ""),
            tuple(_verdict(each) for each in value["verdicts"]),
            bool(value.get("complete")),
            tuple(taxonomy()[label].id for label in value.get("absent") or ()),
            str(value.get("note") or ""),
            value.get("created"),
            tuple(measurement_from_json(each) for each in value.get("measurements") or ()),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("BAD_VALUE", "review", f"not a review ({type(error).__name__}: {error})") from error


def reviews_by_film(value: Any) -> dict[str, Review]:  # noqa: ANN401 - a JSON value
    """Return the reviews of a server's ``reviews.json`` by the SHA-256 of the film's file, of each film the last.

    Raises InputError ``BAD_VALUE`` where it is no such file.
    """
    rows = value.get("reviews") if isinstance(value, dict) and value.get("schema") == REVIEWS else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "film_sha256" in row for row in rows):
        raise InputError("BAD_VALUE", "reviews", f"not a file of {REVIEWS}")
    return {row["film_sha256"]: review_from_json(row) for row in sorted(rows, key=lambda row: row.get("created") or "")}


def read_reviews(path: Path) -> dict[str, Review]:
    """Return :func:`reviews_by_film` of a file that a server answered at ``v1/reviews.json``.

    Raises InputError ``BAD_VALUE``, which names the file, where it cannot be read or is another.
    """
    try:
        return reviews_by_film(json.loads(regular(path).read_bytes()))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.reason if isinstance(error, InputError) else getattr(error, "strerror", None) or "no JSON"
        advice = "give the file that a server answers at v1/reviews.json"
        raise InputError("BAD_VALUE", path, reason, advice=advice) from error


def observations(result: Analysis, told: Statement, review: Review | None = None) -> tuple[Observation, ...]:
    """Return the lines of a film's findings, most urgent first.

    ``told``: what is said of the same ``result``. Where a reader has judged a name at a place, that word counts: what
    was rejected is gone, what was accepted, edited or drawn has no score. What nobody judged keeps its scores.
    A name of the whole film goes where the reader, who looked for everything, did not find it.
    """
    verdicts = () if review is None else review.verdicts
    open_to = dict(enumerate(verdicts))
    lines: list[Observation] = []
    for said in told.said:
        lines += _of_place(result, said, verdicts, open_to) if said.box else _of_film(said, review)
    for verdict in open_to.values():  # edited, drawn, or below the threshold and accepted all the same
        if verdict.action != "reject":
            lines.append(observed(result, verdict.label, verdict.box))
    return tuple(sorted(lines, key=lambda line: -line.urgency))


def observed(result: Analysis, label: str, box: Box | None) -> Observation:
    """Return the line of a finding that a reader marked; side and zone follow from the box, as the model's do."""
    names = (Name(label, None, 0.0, positive=True),)
    if box is None:
        return Observation(names, judged=True, boxed=False)
    side, zone = _place_of(result, label, box)
    known = side is not None or not taxonomy()[label].paired
    picture_side = None if known else picture_side_of(box, result.radiograph.frame)
    return Observation(names, judged=True, side=side, zone=zone, picture_side=picture_side, box=box)


def _of_film(said: Said, review: Review | None) -> Iterator[Observation]:
    found = {verdict.label for verdict in review.verdicts if verdict.action != "reject"} if review else set()
    gone = set(review.absent) if review else set()
    if review is None or not review.complete:
        for group in said.groups:
            left = tuple(name for name in group if name.label not in found | gone)
            if left:
                yield Observation(left, judged=False, boxed=False)


def _of_place(
    result: Analysis, said: Said, verdicts: Sequence[Verdict], open_to: dict[int, Verdict]
) -> Iterator[Observation]:
    """Yield the lines of one place; verdicts that speak of it and need no line of their own leave ``open_to``."""
    members = next(place.members for place in result.places if place.number == said.place)
    at: dict[str, Any] = {"side": said.side, "zone": said.zone, "picture_side": said.picture_side}
    at |= {"box": said.box, "place": said.place}
    for group in said.groups:
        left: list[Name] = []
        accepted: list[Name] = []
        for name in group:
            boxes = [result.boxed[index].box for index in members if result.boxed[index].label == name.label]
            mine = {number: each for number, each in enumerate(verdicts) if _speaks_of(each, name.label, boxes)}
            words = {each.action for each in mine.values()}
            for number, each in mine.items():
                if each.action in {"accept", "reject"}:
                    open_to.pop(number, None)
            if "accept" in words:
                accepted.append(Name(name.label, None, name.film, positive=True))
            elif not words:
                left.append(name)
        if accepted:
            yield Observation(tuple(accepted), judged=True, **at)
        if left:
            yield Observation(tuple(left), judged=False, **at)


def _speaks_of(verdict: Verdict, label: str, boxes: Iterable[Box | None]) -> bool:
    """Say whether a verdict is about one of the boxes of a label at a place."""
    if verdict.offered is None or verdict.offered[0] != label:
        return False
    return any(box is not None and _same(box, verdict.offered[1]) for box in boxes)


def _same(one: Box, other: Box) -> bool:
    return all(abs(a - b) <= _NEAR for a, b in zip(one.corners, other.corners, strict=True))


def _place_of(result: Analysis, label: str, box: Box) -> tuple[Side | None, Zone | None]:
    """Return side and zone of a box that a reader drew, as the model's boxes get theirs."""
    upright = Correction(-result.quarter_turns % 4)  # what leads from the file to the upright film
    frame = result.radiograph.frame
    known = trusted_lungs(result.anatomy, result.model.card.anatomy) or ()
    lungs = sorted((upright.box(lung, frame) for lung in known), key=lambda lung: lung.x0)
    side, zone = side_and_zone(upright.box(box, frame), upright.frame(frame), label, lungs or None)
    found = Reading("reader", (Finding(label, box, None, side, zone),), {label: State.PRESENT}, frame)
    return sided(found, result.left_side).findings[0].side, zone


def _verdict(value: Mapping[str, Any]) -> Verdict:
    offered = value.get("offered")
    box = value.get("box")
    return Verdict(
        value["action"],
        taxonomy()[value["label"]].id,
        None if box is None else Box(*box),
        None if not offered or not offered.get("box") else (offered["label"], Box(*offered["box"])),
    )
