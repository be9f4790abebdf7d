"""From a site's own films to its site file: thresholds, probabilities, prediction sets, and what they rest on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungspot import __version__
from lungspot.adapt.proportion import by_person
from lungspot.adapt.site.goals import Goal, GoalKind, PlacedGoal, goals_of, threshold_for
from lungspot.adapt.site.local import LocalFilms, LocalLabel
from lungspot.adapt.site.performance import performance_of_choice, predictive, targets_needed
from lungspot.adapt.site.prediction_sets import GroupSet, prediction_sets
from lungspot.adapt.site.recalibrate import Refit, refit
from lungspot.adapt.site.sample import Level, Sample
from lungspot.adapt.site.site_file import SITE_SCHEMA
from lungspot.detect import OPERATING_POINTS, Curve, calibrate, in_order
from lungspot.errors import LungspotError
from lungspot.evaluate import Value, auroc, rounded
from lungspot.extras import extra

__all__ = ["Calibrated", "CalibrationSettings", "calibrate_site"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CalibrationSettings:
    """What is asked of a site's films.

    ``goals``: as :func:`lungspot.adapt.parse_goal` gives them. ``iou``: from which overlap a box is right.
    ``prevalence``: by label, of the films to come, where it is not that of these films
    (:func:`lungspot.adapt.parse_prevalence`). ``ci``: per cent of intervals. ``width``: of an interval, for how many
    more films it would take. ``coverage``: per cent, of prediction sets.
    """

    goals: tuple[PlacedGoal, ...] = ()
    iou: float = 0.4
    prevalence: Mapping[str, float] = field(default_factory=dict)
    ci: float = 95.0
    width: float = 0.1
    coverage: float = 90.0


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The site file's values, and what could not be promised: each with label, level and point as its place."""

    document: dict[str, Any]
    refused: tuple[LungspotError, ...]

    @property
    def promised(self) -> int:
        """How many thresholds there are."""
        levels = [level for of in self.document["labels"].values() for level in of.values()]
        return sum("threshold" in point for level in levels for point in level["points"].values())


def calibrate_site(local: LocalFilms, settings: CalibrationSettings, *, name: str, made: str) -> Calibrated:
    """Return the site file of local films; what too few films can promise is refused, and the rest stands.

    ``name``: of the site; ``made``: the day. Raises ``MISSING_EXTRA`` without SciPy.
    """
    with extra("eval", "calibration"):
        import scipy.special  # noqa: F401, PLC0415 - an optional package; said before anything is counted
    refused: list[LungspotError] = []
    labels: dict[str, Any] = {}
    curves: dict[str, Curve | None] = {}
    for label, one in local.labels.items():
        fitted = refit(
            one.score[one.known], one.positive[one.known], one.person[one.known], settings.prevalence.get(label)
        )
        curves[label] = fitted.curve
        labels[label] = {"film": _film_level(label, one, fitted, local, settings, refused)}
        boxes = one.boxes(settings.iou)
        if boxes is not None and one.matched is not None:
            labels[label]["box"] = _box_level(label, one, boxes, local, settings, refused)
        _say_together(one, labels[label], local, settings)
    sets = prediction_sets(local.labels, settings.coverage)
    document = {
        "schema": SITE_SCHEMA,
        "name": name,
        "made": made,
        "software": {"lungspot": __version__},
        "model": dict(local.model or {}),
        "films": {"used": local.films, "people": local.people},
        "settings": {
            "iou": settings.iou,
            "ci": settings.ci,
            "width": settings.width,
            "prevalence": dict(settings.prevalence),
            "scale": local.scale,
        },
        "labels": labels,
        "prediction_sets": {
            "coverage": settings.coverage,
            "groups": {group: _set_to_json(of, curves, local) for group, of in sets.items()},
        },
        "not_for_clinical_use": True,
    }
    return Calibrated(document, tuple(refused))


def _film_level(  # noqa: PLR0913, PLR0917 - one label, its films, and what is asked
    label: str,
    one: LocalLabel,
    fitted: Refit,
    local: LocalFilms,
    settings: CalibrationSettings,
    refused: list[LungspotError],
) -> dict[str, Any]:
    sample, known = one.films, one.known
    prevalence = settings.prevalence.get(label)
    positive, person = one.positive[known], one.person[known]
    share = (
        Value(float(positive.mean()), by_person(positive, person, settings.ci)) if len(positive) else Value(math.nan)
    )
    area = auroc(one.score[known], positive)
    return {
        "counts": _counts(sample),
        "share": share.to_json(),
        "prevalence": share.to_json()["value"] if prevalence is None else prevalence,
        "auroc": rounded(area),
        "probability": _refit_to_json(fitted),
        **_points(label, Level.FILM, sample, fitted.curve, local, settings, refused),
    }


def _box_level(  # noqa: PLR0913, PLR0917 - one label, its boxes, and what is asked
    label: str,
    one: LocalLabel,
    sample: Sample,
    local: LocalFilms,
    settings: CalibrationSettings,
    refused: list[LungspotError],
) -> dict[str, Any]:
    matched = one.matched
    assert matched is not None  # noqa: S101 - a sample of boxes was made from it
    judged = matched.judged(settings.iou)
    right = matched.hits(settings.iou)[0][judged]
    fitted = refit(matched.score[judged], right, one.person[matched.film[judged]], None)
    return {
        "counts": _counts(sample),
        "probability": _refit_to_json(fitted),
        **_points(label, Level.BOX, sample, fitted.curve, local, settings, refused),
    }


def _points(  # noqa: PLR0913, PLR0917 - one label at one level, and what is asked of it
    label: str,
    level: Level,
    sample: Sample,
    curve: Curve | None,
    local: LocalFilms,
    settings: CalibrationSettings,
    refused: list[LungspotError],
) -> dict[str, Any]:
    """Return what was asked of each operating point and what came of it, and the people that a width would take."""
    prevalence = settings.prevalence.get(label)
    goals = goals_of(label, level, settings.goals)
    chosen: dict[str, float] = {}
    points: dict[str, Any] = {}
    for point, goal in goals.items():
        points[point] = {"goal": str(goal)}
        try:
            chosen[point] = threshold_for(sample, goal, prevalence)
        except LungspotError as error:
            points[point]["refused"] = {"code": error.code, "reason": error.reason}
            refused.append(error.at(f"{label}, {level}, {point}"))
    for point, limit in in_order(chosen).items():
        points[point] |= _point(sample, goals[point], (chosen[point], limit), curve, local, settings, prevalence)
    return {"points": points, "people_needed": _needed(sample, points, settings)}


def _point(  # noqa: PLR0913, PLR0917 - one threshold, and all that is said of it
    sample: Sample,
    goal: Goal,
    limits: tuple[float, float],
    curve: Curve | None,
    local: LocalFilms,
    settings: CalibrationSettings,
    prevalence: float | None,
) -> dict[str, Any]:
    """Return a point: ``limits`` are the threshold that was chosen, and where the order of the points put it."""
    chosen, limit = limits
    # where it was moved it is another point's threshold; by what that one was chosen makes little difference
    measured, wide = (performance_of_choice(sample, goal, limit, ci) for ci in (settings.ci, (100 + settings.ci) / 2))
    said = measured.to_json()
    if sample.level is Level.FILM:
        films = len(sample.target) + len(sample.false)
        share = len(sample.target) / films if prevalence is None else prevalence
        said |= {name: value.to_json() for name, value in predictive(measured, wide, share).items()}
    holds = limit == chosen or (limit < chosen) == (goal.kind is GoalKind.SENSITIVITY)
    return {
        "threshold": _as_compared(limit, curve, local),
        "score": None if math.isinf(limit) else round(limit * local.scale, 7),
        "measured": said,
        "moved": limit != chosen,
        "promise": _promise(goal, sample.level) if holds else None,
    }


def _promise(goal: Goal, level: Level) -> str | None:
    """Return in words what holds for films to come of the same kind; None where a cost promises nothing."""
    if goal.kind is GoalKind.COST:
        return None
    surely = "in the mean" if goal.confidence is None else f"with {goal.confidence:g} % confidence"
    if goal.kind is GoalKind.FALSE_POSITIVES:
        return f"at most {goal.value:g} false boxes a film, {surely}"
    missed = "films that show it are missed" if level is Level.FILM else "true boxes are missed"
    what = missed if goal.kind is GoalKind.SENSITIVITY else "films without it are called"
    return f"at most {100 * (1 - goal.value):.3g} % of {what}, {surely}"


def _as_compared(limit: float, curve: Curve | None, local: LocalFilms) -> float:
    """Return a threshold on the site's probabilities, low enough that the score it is made of reaches it."""
    if math.isinf(limit):
        return 1.0
    at = max(limit - local.half_digit, 0.0)
    return math.floor(float(calibrate(np.array([at]), curve)[0]) * 1e8) / 1e8


def _needed(sample: Sample, points: Mapping[str, Any], settings: CalibrationSettings) -> dict[str, Any]:
    """Return how many more people would make the interval of each sensitivity and specificity as narrow as asked."""
    with_target, without = sample.people
    found: dict[str, Any] = {}
    for point, of in points.items():
        measured = of.get("measured", {})
        for name, have in (("sensitivity", with_target), ("specificity", without)):
            if name in measured and measured[name]["value"] is not None:
                need = targets_needed(measured[name]["value"], settings.width, settings.ci)
                found.setdefault(point, {})[name] = max(need - have, 0)
    return found


def _say_together(one: LocalLabel, of: dict[str, Any], local: LocalFilms, settings: CalibrationSettings) -> None:
    """Note how often a film is said to show the label: where it reaches its own threshold, or one of its boxes does."""
    if "box" not in of:
        return
    known, best = one.known, one.best_box()
    for point in OPERATING_POINTS:
        film, box = of["film"]["points"].get(point, {}), of["box"]["points"].get(point, {})
        if "threshold" not in film or "threshold" not in box:
            continue
        called = (one.score >= _limit(film, local)) | (best >= _limit(box, local))
        yes, no = known & one.positive, known & ~one.positive
        film["measured"]["said"] = {
            "sensitivity": _shared(called[yes], one.person[yes], settings.ci),
            "specificity": _shared(~called[no], one.person[no], settings.ci),
        }


def _limit(point: Mapping[str, Any], local: LocalFilms) -> float:
    return math.inf if point["score"] is None else float(point["score"]) / local.scale - local.half_digit


def _shared(hit: NDArray[np.bool_], person: NDArray[np.int64], ci: float) -> dict[str, Any]:
    value = Value(float(hit.mean()), by_person(hit, person, ci)) if len(hit) else Value(math.nan)
    return value.to_json()


def _counts(sample: Sample) -> dict[str, int]:
    with_target, without = sample.people
    names = ("films_with", "films_without") if sample.level is Level.FILM else ("boxes", "false_boxes")
    return {
        names[0]: len(sample.target),
        names[1]: len(sample.false),
        "people_with": with_target,
        "people_without" if sample.level is Level.FILM else "people": without,
    } | ({} if sample.level is Level.FILM else {"films": len(sample.film_person)})


def _refit_to_json(fitted: Refit) -> dict[str, Any]:
    return {
        "kind": fitted.kind,
        "curve": None if fitted.curve is None else asdict(fitted.curve),
        "why": fitted.why,
        "before": fitted.before,
        "after": fitted.after,
        "reliability": fitted.bins,
    }


def _set_to_json(of: GroupSet, curves: Mapping[str, Curve | None], local: LocalFilms) -> dict[str, Any]:
    def row(label: str, score: float) -> dict[str, Any]:
        return {
            "threshold": _as_compared(score, curves[label], local),
            "score": round(score * local.scale, 7),
            "other_names_beside": round(of.size[label], 3),
        }

    return {
        "labels": {label: row(label, score) for label, score in of.thresholds.items()},
        "refused": {label: {"code": error.code, "reason": error.reason} for label, error in of.refused.items()},
    }
