"""The other films of a film's patient, by when they were taken, and the one that its report compares with."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
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
    Whose,
    before_film,
    laid_on,
    newest_earlier,
    pixels_of,
    tracking_after,
    tracking_uids,
    why_not,
)
from lungspot.serve.app_state import AppState
from lungspot.serve.record import at_point
from lungspot.serve.reviews import last_review
from lungspot.serve.store import QueueState, Store

__all__ = ["before_of", "followed", "priors_of", "priors_to_json"]

_INNER: Final = frozenset({"earlier", "the_same", "other_view"})  # what is said of a prior film in here only
_FIRST: Final = 20_000  # days that are added to a shifted day, so that it is a date
# As the rule has it, an ID may be two people's, who are told apart by issuer or date of birth.
_OTHERS: Final = f"""SELECT id, number, name, created, patient, issuer, born, day, second, instance, status, headline,
    view FROM readings WHERE patient = ? AND id <> ? AND state = '{QueueState.DONE}'
    AND (issuer = '' OR ? IN ('', issuer)) AND (born = '' OR ? IN ('', born)) ORDER BY number DESC LIMIT 100"""  # noqa: S608 - our own words


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
    """Return the patient's film that a report compares with: ``prior`` by its id, else the newest earlier one.

    Of earlier ones, one of the same view that was assessed counts first; None where there is none. One of another view
    (AP against PA) and the same film once more are not compared with. The last saved review of that film counts in its
    lines. ``priors``: what :func:`priors_of` said, where it was asked before. Raises ``NO_READING`` where ``prior`` is
    no other film of the patient.
    """
    found = priors_of(app.store, row) if priors is None else priors
    chosen = _chosen(found, prior)
    if chosen is None:
        return None
    other, days = app.done(chosen["id"]), chosen["days_earlier"]
    if chosen["the_same"]:
        return Before(days)
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

    That SR may compare with a film before it, and so on, each with an earlier one. Reads the pixels of each film once.
    """
    found = priors_of(app.store, row) if priors is None else priors
    before = before_of(app, row, result, point, experimental=experimental, prior=prior, priors=found)
    if before is None or before.lines is None:
        return before
    other = _chosen(found, prior)
    if other is None:
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
    before = followed(app, row, result, point, experimental=experimental)
    if before is None or before.lines is None:
        return found
    return tracking_after(result, replace(before, own=found), experimental=experimental)


def _chosen(found: list[dict[str, Any]], prior: str | None = None) -> dict[str, Any] | None:
    """Return the film to compare with, None where there is none; raises ``NO_READING``."""
    if prior is not None:
        mine = [each for each in found if each["id"] == prior]
        if not mine:
            raise RequestError("NO_READING", prior, "no other film of this patient has that id")
        return mine[0]
    earlier = (each for each in found if each["earlier"])  # the newest first
    return min(earlier, key=lambda each: each["status"] != "assessed" or each["other_view"], default=None)


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
    """Return other films of the patient that are done: earlier ones, the newest first, then others, then later ones.

    Which is earlier, :func:`lungspot.report.newest_earlier` says; others are those of which nothing says it, and the
    same film once more. Where the patient is not known there are none, and a film that names another issuer of the ID
    or another date of birth is another's. ``days_earlier`` is None where a date is not known. :func:`priors_to_json`
    says what the server answers of them.
    """
    if row["patient"] is None:
        return []
    mine, others = _whose(row), store.all(_OTHERS, (row["patient"], row["id"], row["issuer"], row["born"]))
    earlier, _ = newest_earlier(mine, [(_whose(other), other) for other in others])
    ids = {other["id"] for other in earlier}
    later: list[sqlite3.Row] = []
    unknown: list[sqlite3.Row] = []
    for other in others:
        if other["id"] not in ids:
            (unknown if why_not(_whose(other), mine) else later).append(other)
    later.sort(key=lambda other: (other["day"], other["second"] or 0))
    return [_prior(row, other, earlier=other["id"] in ids) for other in (*earlier, *unknown, *later)]


def _prior(row: sqlite3.Row, other: sqlite3.Row, *, earlier: bool) -> dict[str, Any]:
    return {
        "id": other["id"],
        "number": other["number"],
        "name": other["name"] or f"film {other['number']}",
        "created": other["created"],
        "days_earlier": None if row["day"] is None or other["day"] is None else row["day"] - other["day"],
        "status": other["status"],
        "headline": other["headline"],
        "earlier": earlier,
        "the_same": bool(row["instance"]) and row["instance"] == other["instance"],
        "other_view": _view(row).contradicts(_view(other)),
    }


def priors_to_json(priors: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what :func:`priors_of` says as the server answers it."""
    return [{name: value for name, value in each.items() if name not in _INNER} for each in priors]


def _whose(row: sqlite3.Row) -> Whose:
    """Return whose film a row's is and when it was taken: by digests, and by day and second as they are shifted."""
    latest = date.max.toordinal()
    day = None if row["day"] is None else date.fromordinal(min(max(row["day"] + _FIRST, 1), latest))
    clock = "" if row["second"] is None else f"{row['second']:08}"  # of one length, so that they compare as numbers do
    return Whose((row["patient"], row["issuer"]), row["born"] or None, (day, clock), row["instance"])


def _view(row: sqlite3.Row) -> View:
    return View(row["view"] or View.UNKNOWN)
