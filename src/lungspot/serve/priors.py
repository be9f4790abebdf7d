"""The other films of a film's patient, by when they were taken, and the one that its report compares with."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import numpy as np

from lungspot.errors import FilmError, RequestError
from lungspot.images import Thumbnail, View, read_header, thumbnail
from lungspot.report import (
    Aligned,
    Analysis,
    Before,
    Refusal,
    before_film,
    laid_on,
    pixels_of,
    tracking_after,
    tracking_uids,
)
from lungspot.serve.app_state import AppState
from lungspot.serve.record import at_point
from lungspot.serve.reviews import last_review
from lungspot.serve.store import QueueState, Store

__all__ = ["before_of", "followed", "priors_of", "priors_to_json"]

_INNER: Final = frozenset({"later", "other_view"})  # what is said of a prior film in here only
# An ID may be two people's: films that name two issuers, or two dates of birth, are not of one.
_OTHERS: Final = f"""SELECT id, number, name, created, day, second, status, headline, view FROM readings
    WHERE patient = ? AND id <> ? AND state = '{QueueState.DONE}' AND (issuer = '' OR ? IN ('', issuer))
    AND (born = '' OR ? IN ('', born)) ORDER BY number DESC LIMIT 100"""  # noqa: S608 - our own words


def before_of(  # noqa: PLR0913 - a film, its result, and how it is asked for
    app: AppState,
    row: sqlite3.Row,
    result: Analysis | Refusal,
    point: str,
    *,
    experimental: bool = False,
    prior: str | None = None,
    priors: list[dict[str, Any]] | None = None,
) -> Before | None:
    """Return the patient's film that a report compares with: ``prior`` by its id, else the nearest earlier one.

    Of earlier ones, one of the same view that was assessed counts first; None where there is none. One of another view
    (AP against PA) is not compared with. The last saved review of that film counts in its lines. ``priors``: what
    :func:`priors_of` said, where it was asked before. Raises ``NO_READING`` where ``prior`` is no other film of the
    patient.
    """
    found = priors_of(app.store, row) if priors is None else priors
    chosen = _chosen(found, prior)
    if chosen is None:
        return None
    other, days = app.done(chosen["id"]), chosen["days_earlier"]
    then = app.result(other, pictures=False)
    if isinstance(result, Refusal) or isinstance(then, Refusal) or then.model.key != result.model.key:
        return Before(days)
    if result.radiograph.view.contradicts(then.radiograph.view):
        return Before(days)
    then, review = at_point(then, point), last_review(app.store, other, None)
    laid = app.laid((row["id"], other["id"]), partial(_laid_on, app, row, other, result, then))
    return before_film(result, then, days=days, aligned=laid, experimental=experimental, review=review)


def followed(  # noqa: PLR0913 - as before_of
    app: AppState,
    row: sqlite3.Row,
    result: Analysis | Refusal,
    point: str,
    *,
    experimental: bool = False,
    prior: str | None = None,
    priors: list[dict[str, Any]] | None = None,
) -> Before | None:
    """Return what :func:`before_of` does, with the UIDs by which the SR of that film follows its places (TID 1501).

    That SR may compare with a film before it, and so on; the chain goes from film to film by day, and on one day by the
    time, else by the order in which they came. Reads the pixels of each film once.
    """
    found = priors_of(app.store, row) if priors is None else priors
    before = before_of(app, row, result, point, experimental=experimental, prior=prior, priors=found)
    if before is None or before.lines is None:
        return before
    other = _chosen(found, prior)
    if other is None or other["days_earlier"] is None:  # of two without a date each would be the other's earlier one
        return before
    return replace(before, tracking=_tracking(app, app.done(other["id"]), point, experimental))


def _tracking(app: AppState, row: sqlite3.Row, point: str, experimental: bool) -> dict[int, str]:  # noqa: FBT001 - as asked
    """Return by number the UIDs that a film's SR gives its places; none where the server makes no SR of it."""
    result, original = app.result(row, pictures=False), app.store.original(row["id"])
    if isinstance(result, Refusal) or not result.assessed or not original.is_file():
        return {}
    result = at_point(result, point)

    def own() -> dict[int, str]:
        whole = at_point(app.film(row["id"]), point)
        return tracking_uids(whole, read_header(original), experimental=experimental)

    try:
        found = app.uids((row["id"], point, experimental), own)
    except (FilmError, OSError, RequestError):  # no header that an SR could be made with, or its pixels are gone
        return {}
    older = [each for each in priors_of(app.store, row) if _is_before(each, row)]
    before = followed(app, row, result, point, experimental=experimental, priors=older)
    if before is None or before.lines is None:
        return found
    return tracking_after(result, replace(before, own=found), experimental=experimental)


def _is_before(other: dict[str, Any], row: sqlite3.Row) -> bool:
    if other["later"] is None:  # of two without a date neither is
        return other["days_earlier"] is not None and bool(other["number"] < row["number"])
    return not other["later"]


def _chosen(found: list[dict[str, Any]], prior: str | None = None) -> dict[str, Any] | None:
    """Return the film to compare with, None where there is none; raises ``NO_READING``."""
    if prior is not None:
        mine = [each for each in found if each["id"] == prior]
        if not mine:
            raise RequestError("NO_READING", prior, "no other film of this patient has that id")
        return mine[0]
    earlier = [each for each in found if each["days_earlier"] is not None and not each["later"]]
    undated = [each for each in found if each["days_earlier"] is None]
    mine = sorted(earlier or undated, key=lambda each: each["status"] != "assessed" or each["other_view"])  # stable
    return mine[0] if mine else None


def _laid_on(app: AppState, row: sqlite3.Row, other: sqlite3.Row, result: Analysis, then: Analysis) -> Aligned | None:
    """Return how the other film lies on one; their results hold no pixels, which are read here, a film at a time."""
    if not (result.assessed and then.assessed):
        return None
    try:
        return laid_on(result, then, _small(app, row, result), _small(app, other, then))
    except OSError:  # its pixels are gone
        return None


def _small(app: AppState, row: sqlite3.Row, result: Analysis) -> Thumbnail:
    stored = pixels_of(app.store.pixels(row["id"]), row["width"], row["height"])
    return thumbnail(stored.astype(np.float32) / np.float32(65535), result.radiograph.proportions)


def priors_of(store: Store, row: sqlite3.Row) -> list[dict[str, Any]]:
    """Return other films of the patient that are done: the nearest earlier one first, then later ones.

    Where the patient is not known there are none, and a film that names another issuer of the ID or another date of
    birth is another's. ``days_earlier`` is None where a date is not known, ``later`` where on one day nothing says
    which was first. :func:`priors_to_json` says what the server answers of them.
    """
    if row["patient"] is None:
        return []
    found = []
    for other in store.all(_OTHERS, (row["patient"], row["id"], row["issuer"], row["born"])):
        days = None if row["day"] is None or other["day"] is None else row["day"] - other["day"]
        found.append(
            {
                "id": other["id"],
                "number": other["number"],
                "name": other["name"] or f"film {other['number']}",
                "created": other["created"],
                "days_earlier": days,
                "status": other["status"],
                "headline": other["headline"],
                "later": _is_later(days, row["second"], other["second"]),
                "other_view": _view(row).contradicts(_view(other)),
            }
        )
    return sorted(found, key=_nearness)


def priors_to_json(priors: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what :func:`priors_of` says as the server answers it."""
    return [{name: value for name, value in each.items() if name not in _INNER} for each in priors]


def _is_later(days: int | None, second: int | None, other: int | None) -> bool | None:
    """Return whether another film was taken after one, by days between them and times of day; None: not known."""
    if days:
        return days < 0
    return None if days is None or second is None or other is None or second == other else other > second


def _view(row: sqlite3.Row) -> View:
    return View(row["view"] or View.UNKNOWN)


def _nearness(prior: Mapping[str, Any]) -> tuple[int, int]:
    """Return what sorts the nearest earlier film first, then those without a date, then later ones."""
    days = prior["days_earlier"]
    return (1, 0) if days is None else (2, -days) if prior["later"] else (0, days)
