"""Which films belong together, and what each week of them is compared with.

A stream is the films of a site, or of one device of a site that has several. What depends on the model (scores,
features, acceptance, readers) is watched by model: a new model begins a new baseline; pictures and volume go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungspot.adapt.watch.films import FilmHistory

__all__ = ["DAY", "AlarmRule", "Calendar", "Stream", "streams"]

DAY: Final = 86400.0
_MONDAY: Final = 4  # 5 January 1970, in days
_MOST_WEEKS: Final = 156  # that are judged: three years
_EACH_WEEK: Final = 10  # films that a device must have, on average, to be watched by itself
_QUIET_WEEKS: Final = 4  # weeks without a film after which a stream has ended


@dataclass(frozen=True, slots=True)
class AlarmRule:
    """When an alarm is raised.

    ``false_alarms``: how many a year are expected at most where nothing changes, over all charts of all sites together.
    The baseline is the first ``weeks`` with ``films`` at least, or ``baseline``: the first and the last of its days.
    """

    false_alarms: float = 1.0
    weeks: int = 8
    films: int = 200
    baseline: tuple[date, date] | None = None


@dataclass(frozen=True, slots=True)
class Calendar:
    """Rows' weeks (since 5 January 1970) and days in the week (0: Monday), in UTC, before the day ``until``."""

    week: NDArray[np.int64]
    weekday: NDArray[np.int64]
    until: date

    @classmethod
    def of(cls, time: NDArray[np.float64], until: date) -> Calendar:
        """Return the calendar of times in seconds since 1970."""
        days = np.floor(time / DAY).astype(np.int64) - _MONDAY
        return cls(days // 7, days % 7, until)

    @property
    def closed(self) -> int:
        """The first week that is not over."""
        return self.closed_week(self.until)

    @property
    def days(self) -> int:
        """How many days of that week are over."""
        return (self.until.toordinal() - _ORIGIN) % 7

    @staticmethod
    def closed_week(until: date) -> int:
        """Return the first week that is not over on a day."""
        return (until.toordinal() - _ORIGIN) // 7

    @staticmethod
    def monday(week: int) -> date:
        """Return the Monday of a week."""
        return date.fromordinal(_ORIGIN + 7 * week)


_ORIGIN: Final = (date(1970, 1, 1) + timedelta(days=_MONDAY)).toordinal()


@dataclass(frozen=True, slots=True)
class Stream:
    """Films that are watched together. ``rows``: their indices, reviews too. ``model`` None: whatever the model.

    ``baseline``: those of ``rows`` that later weeks are compared with; none while it is learning. ``first``, ``last``:
    the weeks that are judged, the last not included. ``ended``: no film came for four weeks. ``since``: the first and
    the last day of the baseline, ``baseline_films``: its films.
    """

    site: str
    device: str | None
    model: str | None
    rows: NDArray[np.int64]
    baseline: NDArray[np.int64]
    first: int
    last: int
    films: int
    weeks: int
    ended: bool = False
    since: tuple[date, date] | None = None
    baseline_films: int = 0

    @property
    def learning(self) -> bool:
        """Whether there is no baseline yet."""
        return not len(self.baseline)

    @property
    def name(self) -> str:
        """Site and device."""
        return self.site if self.device is None else f"{self.site}, {self.device}"


def streams(films: FilmHistory, calendar: Calendar, rule: AlarmRule) -> list[Stream]:
    """Return the streams of films that were made before ``calendar.until``, sites first, each with its baseline."""
    counted = np.flatnonzero(
        (calendar.week < calendar.closed) | ((calendar.week == calendar.closed) & (calendar.weekday < calendar.days))
    )
    found: list[Stream] = []
    for site, device, rows in _groups(films, calendar, counted):
        found.append(_stream((site, device, None), rows, films, calendar, rule))
        for model in np.unique(films.model[rows]):
            if films.names[model]:
                mine = rows[films.model[rows] == model]
                found.append(_stream((site, device, films.names[model]), mine, films, calendar, rule))
    return found


def _groups(
    films: FilmHistory, calendar: Calendar, counted: NDArray[np.int64]
) -> Iterator[tuple[str, str | None, NDArray[np.int64]]]:
    """Yield each site, and each device of a site with several, with its rows."""
    for site in np.unique(films.site[counted]):
        rows = counted[films.site[counted] == site]
        name = films.names[site] or "films"
        yield name, None, rows
        devices = np.unique(films.device[rows])
        if len(devices) < 2:
            continue
        for device in devices:
            mine = rows[films.device[rows] == device]
            here = mine[~films.review[mine]]
            if not len(here) or not films.names[device]:
                continue
            weeks = calendar.week[here]
            if len(here) >= _EACH_WEEK * (weeks.max() - weeks.min() + 1):
                yield name, films.names[device], mine


def _stream(
    name: tuple[str, str | None, str | None],
    rows: NDArray[np.int64],
    films: FilmHistory,
    calendar: Calendar,
    rule: AlarmRule,
) -> Stream:
    here = rows[~films.review[rows]]
    weeks, counts = np.unique(calendar.week[here], return_counts=True)
    baseline, after = _baseline(rows, here, calendar, rule)
    quiet = bool(len(weeks)) and calendar.closed - int(weeks[-1]) > _QUIET_WEEKS
    last = calendar.closed + 1
    if name[2] is not None or quiet:  # a model that no longer reads is no silence; a device that has gone is said once
        last = int(weeks[-1]) + 1 + (_QUIET_WEEKS if name[2] is None else 0) if len(weeks) else last
    first = max(after, last - _MOST_WEEKS)
    closed = weeks < calendar.closed
    known = baseline[~films.review[baseline]]
    since = None
    if len(known):
        days = 7 * calendar.week[known] + calendar.weekday[known]
        since = date.fromordinal(_ORIGIN + int(days.min())), date.fromordinal(_ORIGIN + int(days.max()))
    return Stream(*name, rows, baseline, first, last, int(counts.sum()), int(closed.sum()), quiet, since, len(known))


def _baseline(
    rows: NDArray[np.int64], here: NDArray[np.int64], calendar: Calendar, rule: AlarmRule
) -> tuple[NDArray[np.int64], int]:
    """Return the rows of the baseline and the first week after it; no rows where there are too few films yet.

    ``here``: those of ``rows`` that are films.
    """
    weeks, counts = np.unique(calendar.week[here], return_counts=True)
    if rule.baseline is not None:
        first, last = (day.toordinal() - _ORIGIN for day in rule.baseline)
        days = calendar.week * 7 + calendar.weekday
        inside = (days >= first) & (days <= last)
        if inside[here].sum() >= rule.films:
            return rows[inside[rows]], -(-(last + 1) // 7)
    enough = np.flatnonzero((np.arange(1, len(weeks) + 1) >= rule.weeks) & (np.cumsum(counts) >= rule.films))
    if not len(enough) or weeks[enough[0]] >= calendar.closed:
        return rows[:0], 0
    end = int(weeks[enough[0]]) + 1
    return rows[calendar.week[rows] < end], end
