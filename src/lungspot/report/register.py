"""A screening programme's register: one row a person, with the score, what it advises, and what a reader decided.

The score is the film's probability of one label, the threshold that of whole films at the operating point: a site's
own where the card holds it. From the threshold up the advice is to refer, below it not to; a film that was not assessed
is to be taken again, and the register says why. The advice decides nothing: a person does.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final

from lungspot.detect import REASONS, ModelCard
from lungspot.errors import CODES, InputError
from lungspot.findings import name_of, taxonomy
from lungspot.outputs import escape_formula
from lungspot.report.analysis import Analysis, Refusal

__all__ = [
    "DECISIONS",
    "REGISTER_COLUMNS",
    "RegisterRow",
    "advised",
    "one_row_a_person",
    "register_row",
    "register_text",
    "require_screened",
    "screening_order",
    "thresholds_name",
    "why_repeat",
]

# What may be advised and decided of a person, in the words of the register.
DECISIONS: Final = ("refer", "do not refer", "repeat film")
# The columns of a screening register, in order.
REGISTER_COLUMNS: Final = (
    *("id", "date", "score", "threshold", "thresholds_of", "advice", "why_repeat"),
    *("decision", "decided_by", "decided_at", "label", "model"),
)
# reason → what to do at the next try; where the file itself is at fault, its error says what to do.
_NEXT: Final = {
    "BLANK": "check tube and detector, then expose again",
    "SATURATED": "expose again with another exposure",
    "TOO_SMALL": "send the film at its full size",
    "SHAPE": "send the whole chest in one picture",
    "LATERAL": "take the film from the front",
    "CROPPED": "take the whole chest, from the apices to the costophrenic angles",
    "NOT_A_CHEST_FILM": "take the chest from the front",
    "NOT_AN_XRAY": "send the film itself",
    "ROTATED": "send the film upright",
    "INVERTED": "send the film with bones bright",
    "MODEL_NUMERIC": "send the film again, and report it",
}


@dataclass(frozen=True, slots=True)
class RegisterRow:
    """One person. ``person``: an id, empty where not known; ``date``: of the film, YYYY-MM-DD, empty where not known.

    ``score`` is None where the film was not assessed; ``advice`` is one of :data:`DECISIONS`, ``decision`` too, or
    empty where nobody has decided. ``thresholds_of``: the site's name, or ``model``. ``film``: its name, by which a
    person without an id is called (:func:`one_row_a_person`); no column of the register.
    """

    person: str
    date: str
    score: float | None
    threshold: float | None
    thresholds_of: str
    advice: str
    why: str
    label: str
    model: str = ""
    decision: str = ""
    decided_by: str = ""
    decided_at: str = ""
    film: str = ""


def require_screened(card: ModelCard, label: str) -> str:
    """Return the id of the label that people are to be screened for; raises InputError ``UNKNOWN_LABEL``."""
    known = taxonomy().named(label)
    if known is None or known.id not in card.labels:
        advice = f"give one of {', '.join(card.labels)}"
        raise InputError("UNKNOWN_LABEL", "--screen", f"the model does not look for {label!r}", advice=advice)
    return known.id


def advised(score: float | None, threshold: float | None) -> str:
    """Return what a score advises; without one the film is to be repeated."""
    if score is None or threshold is None:
        return DECISIONS[2]
    return DECISIONS[0] if score >= threshold else DECISIONS[1]


def why_repeat(reasons: Iterable[str]) -> str:
    """Return why a film was not assessed, and what to do at the next try, by codes of ``REASONS`` or ``CODES``."""
    said = []
    for code in reasons:
        reason, then = REASONS.get(code), _NEXT.get(code, CODES.get(code, ""))
        said.append(f"{reason}: {then}" if reason else f"the file could not be read ({code}): {then}")
    return "; ".join(said)


def register_row(result: Analysis | Refusal, label: str, person: str, date: str = "", *, film: str = "") -> RegisterRow:
    """Return the row of one film's result; nobody has decided yet."""
    if isinstance(result, Refusal):
        return RegisterRow(person, date, None, None, "", DECISIONS[2], why_repeat(result.reasons), label, film=film)
    card = result.model.card
    score = result.probabilities.get(label)
    limit = card.threshold(label, result.point).image
    return RegisterRow(
        person,
        date,
        score,
        limit,
        thresholds_name(card, label),
        advised(score, limit),
        why_repeat(result.reasons),
        label,
        f"{card.name} {card.version}",
        film=film,
    )


def thresholds_name(card: ModelCard, label: str) -> str:
    """Return whose threshold of whole films a card holds: the site's name, or ``model``."""
    site = card.site
    return site.name if site is not None and "film" in site.thresholds.get(label, ()) else "model"


def one_row_a_person(rows: Iterable[RegisterRow]) -> list[RegisterRow]:
    """Return one row a person, of the last film that was assessed, else of the last; in the order in which people came.

    ``rows`` are films in the order in which they came. A person without an id is called after the film, without its
    ending, and with as many of its folders as tell it from the others; rows without either are people of their own.
    """
    films = list(rows)
    called = _called({row.film for row in films if not row.person and row.film})
    kept: dict[object, RegisterRow] = {}
    for number, film in enumerate(films):
        row = film if film.person or not film.film else replace(film, person=called[film.film])
        key = row.person or number
        before = kept.get(key)
        if before is None or row.score is not None or before.score is None:
            kept[key] = row
    return list(kept.values())


def _called(films: Collection[str]) -> dict[str, str]:
    """Return the end of each film's path, without its ending, no longer than tells it from the ends of the others."""
    whole = {film: _without_ending(film) for film in films}
    short: dict[str, str] = {}
    left, depth = set(whole.values()), 0
    while left:
        depth += 1
        ends = {path: "/".join(path.rsplit("/", depth)[-depth:]) for path in left}
        often = Counter(ends.values())
        short |= {path: end for path, end in ends.items() if often[end] == 1}
        left -= short.keys()
    return {film: short[path] for film, path in whole.items()}


def _without_ending(film: str) -> str:
    ending = PurePosixPath(film).suffix
    return film if ending[1:].isdigit() else film.removesuffix(ending)  # a UID's last number is none


def screening_order(rows: Iterable[RegisterRow]) -> list[RegisterRow]:
    """Return rows as people are to be seen: those to be filmed again first, for they are still there; then by score."""
    return sorted(rows, key=lambda row: (row.score is not None, -(row.score or 0.0)))


def register_text(rows: Iterable[RegisterRow], *, header: bool = True) -> str:
    """Return rows as CSV, lines ending with CR LF; with a column ``reference`` beside them `lungspot tb` reads it."""
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\r\n")
    if header:
        table.writerow(REGISTER_COLUMNS)
    for row in rows:
        numbers = ["" if value is None else f"{value:.4f}" for value in (row.score, row.threshold)]
        told = (row.thresholds_of, row.advice, row.why, row.decision, row.decided_by, row.decided_at)
        cells = (row.person, row.date, *numbers, *told, name_of(row.label), row.model)
        table.writerow(map(escape_formula, cells))
    return text.getvalue()
