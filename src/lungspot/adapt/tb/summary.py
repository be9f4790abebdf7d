"""Everything that a programme is told about its thresholds, as one JSON document (schema ``lungspot-tb/1``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import compress
from typing import Any, Final

import numpy as np

from lungspot import BANNER, __version__
from lungspot.adapt.tb.agreement import CadAgreement, cad_agreement, shares_by_month
from lungspot.adapt.tb.bands import Division, divisions_of
from lungspot.adapt.tb.chance import Estimate
from lungspot.adapt.tb.choice import ThresholdChoice, choices, meets
from lungspot.adapt.tb.costs import Costs
from lungspot.adapt.tb.discrimination import area_under_roc
from lungspot.adapt.tb.people import People
from lungspot.adapt.tb.remarks import remarks
from lungspot.adapt.tb.table import NotAssessed, ThresholdRow, screening_table
from lungspot.adapt.tb.targets import TargetProfile
from lungspot.adapt.tb.thresholds import thresholds_of
from lungspot.adapt.tb.verification import Verification, verification_weights
from lungspot.errors import InputError

__all__ = ["ScreeningSettings", "screening_summary"]

_SCHEMA: Final = "lungspot-tb/1"


@dataclass(frozen=True, slots=True)
class ScreeningSettings:
    """How a programme is summarised.

    ``triage``, ``sampled_by``: what decided who was confirmed
    (:func:`~lungspot.adapt.tb.verification.verification_weights`). ``threshold``: the one in use; else the one that
    keeps the sensitivity of the first of ``targets``. ``by``: columns that are shown as parts; None: all further ones.
    ``bands``: by column, where numbers are cut. ``level``: per cent of the intervals.
    """

    triage: float | None = None
    sampled_by: tuple[str, ...] = ()
    threshold: float | None = None
    not_assessed: NotAssessed = "refer"
    by: tuple[str, ...] | None = None
    bands: Mapping[str, Sequence[float]] = field(default_factory=dict)
    costs: Costs | None = None
    targets: tuple[TargetProfile, ...] = ()
    level: float = 95.0
    seed: int = 0


def screening_summary(people: People, settings: ScreeningSettings) -> dict[str, Any]:
    """Return the document; docs/reference/tb.md says what each key means. Equal arguments give equal documents.

    Raises InputError ``BAD_VALUE``: people are not confirmed and nothing says why, a column is not there, nobody
    without a score is confirmed although they count.
    """
    columns = _columns(people, settings)
    cut, left = divisions_of({name: people.columns[name] for name in columns}, settings.bands)
    sampled: dict[str, Sequence[str]] = {name: people.columns[name] for name in settings.sampled_by}
    without = int(np.isnan(people.score).sum())
    if settings.not_assessed == "leave-out":
        keep = np.isfinite(people.score)
        people = people.part(keep)
        cut = {name: Division(each.names, each.member[keep]) for name, each in cut.items()}
        sampled = {name: list(compress(values, keep)) for name, values in sampled.items()}
    if not (people.reference >= 0).any():
        column = people.named.get("reference", "reference")
        raise InputError("BAD_VALUE", column, "nobody is confirmed", advice="give results of the reference test")
    verification = verification_weights(people.score, people.reference, settings.triage, sampled)
    _require_scores(people, verification)
    further = [each for each in (settings.threshold, settings.triage) if each is not None]
    rows = _rows(people, verification, thresholds_of(people.score, people.reference, further), settings)
    chosen = choices(rows, settings.targets[0]) if settings.targets else []
    at = _in_use(rows, chosen, settings)
    threshold = None if at is None else rows[at].threshold
    (everybody,) = _rows(people, verification, np.array([-np.inf]), replace(settings, not_assessed="refer"))
    document = {
        "schema": _SCHEMA,
        "lungspot": __version__,
        "banner": BANNER,
        "not_for_clinical_use": True,
        "people": len(people),
        "without_score": without,
        "confirmed": int((people.reference >= 0).sum()),
        "cases_confirmed": int((people.reference == 1).sum()),
        "columns": dict(people.named),
        "settings": _settings(settings),
        "cases_1000": _cell(everybody.measures["yield_1000"]),
        "area_under_roc": _cell(_area(people, verification, settings)),
        "verification": _verification(people, verification, threshold, settings),
        "thresholds": [_row(row) for row in rows],
        "choices": [
            {
                "rule": each.rule,
                "words": each.words,
                "threshold": None if each.row is None else rows[each.row].threshold,
            }
            for each in chosen
        ],
        "in_use": None if at is None else {"row": at, "threshold": threshold, "why": _why(settings, chosen, at)},
        "targets": [_target(each, rows, at) for each in settings.targets],
        "testing_everybody": _everybody(everybody.counts["tp"], len(people), settings.costs),
        "parts": {name: _parts(people, each, verification, threshold, settings) for name, each in cut.items()},
        "no_parts": left,
        "agreement": None,
        "months": [],
    }
    if threshold is not None:
        document |= _after_go_live(people, threshold, settings.level)
    document["remarks"] = remarks(document, people.score, cut)
    return document


def _columns(people: People, settings: ScreeningSettings) -> list[str]:
    """Return the columns that are shown as parts; raises InputError where one is not there."""
    asked = [*settings.sampled_by, *(settings.by or ())]
    if missing := [name for name in asked if name not in people.columns]:
        there = ", ".join(people.columns) or "no further column"
        raise InputError("BAD_VALUE", missing[0], "no such column", advice=f"there are: {there}")
    return list(people.columns if settings.by is None else dict.fromkeys(settings.by))


def _require_scores(people: People, verification: Verification) -> None:
    """Refuse to count people without a score of whom nothing is known."""
    for group in verification.blind:
        if group.kind == "no score":
            reason = f"{group.people} people have no score and none of them is confirmed: what they have is not known"
            advice = "confirm some of them, or give --not-assessed leave-out, and the report says so"
            raise InputError("BAD_VALUE", people.named.get("score", "score"), reason, advice=advice)


def _rows(
    people: People, verification: Verification, thresholds: np.ndarray[Any, np.dtype[np.float64]], of: ScreeningSettings
) -> list[ThresholdRow]:
    return screening_table(
        people.score,
        people.reference,
        verification,
        thresholds,
        not_assessed=of.not_assessed,
        costs=of.costs,
        level=of.level,
        seed=of.seed,
    )


def _in_use(rows: Sequence[ThresholdRow], chosen: Sequence[ThresholdChoice], settings: ScreeningSettings) -> int | None:
    if settings.threshold is not None:
        return next(at for at, row in enumerate(rows) if row.threshold == settings.threshold)
    if (wanted := _rule(chosen)) is not None:
        return wanted.row
    if settings.triage is not None:
        return next(at for at, row in enumerate(rows) if row.threshold == settings.triage)
    return None


def _rule(chosen: Sequence[ThresholdChoice]) -> ThresholdChoice | None:
    """Return the first rule that leads to a threshold; a person's choice comes before any rule."""
    found = {each.rule: each for each in chosen if each.row is not None}
    return found.get("sensitivity") or found.get("youden")


def _why(settings: ScreeningSettings, chosen: Sequence[ThresholdChoice], at: int) -> str:
    if settings.threshold is not None:
        return "the threshold that was given"
    rule = _rule(chosen)
    return rule.words if rule is not None and rule.row == at else "the triage threshold"


def _area(people: People, verification: Verification, of: ScreeningSettings) -> Estimate:
    return area_under_roc(people.score, people.reference, verification, of.level, of.seed)


def _verification(
    people: People, verification: Verification, threshold: float | None, of: ScreeningSettings
) -> dict[str, Any]:
    """Return who was confirmed, and what the threshold would look like if only they were counted."""
    groups = [asdict(group) | {"weight": _round(group.weight)} for group in verification.groups]
    value: dict[str, Any] = {"complete": verification.complete, "groups": groups, "confirmed_only": None}
    if not verification.complete and threshold is not None:
        seen = people.part(people.reference >= 0)
        (row,) = _rows(seen, verification_weights(seen.score, seen.reference), np.array([threshold]), of)
        value["confirmed_only"] = {name: _cell(row.measures[name]) for name in ("sensitivity", "specificity")}
    return value


def _parts(
    people: People, division: Division, verification: Verification, threshold: float | None, of: ScreeningSettings
) -> list[dict[str, Any]]:
    found = []
    for code, name in enumerate(division.names):
        mine = division.member == code
        if not mine.any():  # all of them were left out
            continue
        part, among = people.part(mine), verification.part(mine)
        value: dict[str, Any] = {
            "part": name,
            "people": len(part),
            "confirmed": int((part.reference >= 0).sum()),
            "cases_confirmed": int((part.reference == 1).sum()),
            "area_under_roc": _cell(_area(part, among, of)),
        }
        if threshold is not None:
            value |= _row(_rows(part, among, np.array([threshold]), of)[0])
        found.append(value)
    return found


def _target(target: TargetProfile, rows: Sequence[ThresholdRow], at: int | None) -> dict[str, Any]:
    """Return a target, whether the threshold in use keeps it, and at which thresholds it is kept."""
    kept = {row.threshold: meets(row, target) for row in rows}
    return asdict(target) | {
        "in_use": "not known" if at is None else meets(rows[at], target),
        "kept_at": [threshold for threshold, answer in kept.items() if answer == "yes"],
        "perhaps_at": [threshold for threshold, answer in kept.items() if answer == "perhaps"],
    }


def _everybody(cases: float | None, people: int, costs: Costs | None) -> dict[str, Any]:
    """Return what testing everybody without a film would mean: what triage is compared with."""
    value: dict[str, Any] = {"tests": people, "cases": _round(cases)}
    if costs is not None:
        cost = costs.of_testing_all(people)
        value |= {
            "cost": _round(cost),
            "cost_per_person": _round(cost / people),
            "cost_per_case": _round(cost / cases) if cases else None,
        }
    return value


def _after_go_live(people: People, threshold: float, level: float) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if people.reader is not None:
        scored = np.isfinite(people.score)
        of = cad_agreement(people.score[scored] >= threshold, people.reader[scored], level)
        found["agreement"] = None if of is None else _agreement(of)
    if people.date is not None:
        months = shares_by_month(people.date, people.score, threshold, people.reader, level)
        found["months"] = [
            {
                "month": each.month,
                "films": each.films,
                "cad_abnormal": _cell(each.cad),
                "agreement": None if each.agreement is None else _agreement(each.agreement),
            }
            for each in months
        ]
    return found


def _agreement(of: CadAgreement) -> dict[str, Any]:
    counts = {name: getattr(of, name) for name in ("films", "both", "cad_only", "reader_only", "neither")}
    cells = {name: _cell(getattr(of, name)) for name in ("observed", "kappa", "cad", "reader")}
    return counts | cells | {"positive": _round(of.positive), "negative": _round(of.negative)}


def _settings(settings: ScreeningSettings) -> dict[str, Any]:
    return {
        "triage": settings.triage,
        "sampled_by": list(settings.sampled_by),
        "not_assessed": settings.not_assessed,
        "costs": None if settings.costs is None else asdict(settings.costs),
        "ci": settings.level,
        "seed": settings.seed,
    }


def _row(row: ThresholdRow) -> dict[str, Any]:
    return (
        {"threshold": row.threshold}
        | {name: _round(value) for name, value in row.counts.items()}
        | {name: _cell(value) for name, value in row.measures.items()}
    )


def _cell(of: Estimate) -> dict[str, Any]:
    interval = None if of.low is None or of.high is None else [_round(of.low), _round(of.high)]
    return {"value": _round(of.value), "interval": interval}


def _round(value: float | None) -> float | int | None:
    """Return a number of eight digits, whole ones as such; None for what is none."""
    if value is None or not np.isfinite(value):
        return None
    rounded = float(f"{value:.8g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded
