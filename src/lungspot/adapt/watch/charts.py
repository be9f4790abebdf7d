"""The watch: control charts of every number of every stream, and alarms whose rate by chance is bounded.

In a year of 52 weeks so many false alarms are allowed for (:class:`~lungspot.adapt.watch.streams.AlarmRule`). A week's
part of them is shared out among the families of numbers (``FAMILIES``), a family's among its charts of that week, a
chart's among its looks. A look whose p is below its part raises an alarm. The number of false alarms to be expected is
at most the sum of the parts, however much the numbers depend on each other (Boole's inequality).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungspot.adapt.watch.films import FAMILIES, FilmHistory, family_of, is_share, needs_model, title_of
from lungspot.adapt.watch.looks import (
    Look,
    Placed,
    looks_at_features,
    looks_at_number,
    looks_at_share,
    looks_at_volume,
)
from lungspot.adapt.watch.streams import DAY, AlarmRule, Calendar, Stream, streams
from lungspot.adapt.watch.twosample import fourier_features

__all__ = ["Alarm", "Chart", "Watch", "watch_films"]

_WEEKS: Final = 52  # a year
_LOOKS: Final = {"features": 2, "volume": 1}  # of a week; 8 of the others
_OF_EACH: Final = 8
_FEWEST: Final = 50  # values that a chart's baseline needs
_UNEVEN: Final = 2.0
_RECENT: Final = 7  # days for which an alarm is on
_LAST: Final = 4e10  # seconds since 1970 that a date can be told of


@dataclass(frozen=True, slots=True)
class Chart:
    """One number of one stream: ``look`` has a row a week from ``first`` on; ``limit``: what a p must be below there.

    ``name``: as in :mod:`lungspot.adapt.watch.films`, or ``films``, ``features``.
    """

    stream: Stream
    name: str
    first: int
    look: Look
    limit: NDArray[np.float64]

    @property
    def family(self) -> str:
        """The family of its number."""
        return family_of(self.name)

    @property
    def p(self) -> NDArray[np.float64]:
        """The smallest p of each week's looks; NaN where there was none."""
        lowest: NDArray[np.float64] = np.where(np.isnan(self.look.p), np.inf, self.look.p).min(1)
        return np.where(np.isinf(lowest), np.nan, lowest)


@dataclass(frozen=True, slots=True)
class Alarm:
    """The first look of a week that raised an alarm.

    ``day``: the last day that it looked at; ``days``: how many (28: four weeks together). ``on``: whether it is of the
    last seven days.
    """

    chart: Chart
    week: int
    day: date
    days: int
    p: float
    on: bool

    @property
    def index(self) -> int:
        """Its week's row in the chart."""
        return self.week - self.chart.first


@dataclass(frozen=True, slots=True)
class Watch:
    """Everything that a report says: what was looked at before the day ``until``, charts, alarms and notices."""

    rule: AlarmRule
    until: date
    films: int
    reviews: int
    streams: tuple[Stream, ...]
    charts: tuple[Chart, ...]
    alarms: tuple[Alarm, ...]
    notices: tuple[str, ...]

    @property
    def on(self) -> tuple[Alarm, ...]:
        """The alarms of the last seven days."""
        return tuple(alarm for alarm in self.alarms if alarm.on)


def watch_films(films: FilmHistory, until: date, rule: AlarmRule | None = None, notices: Sequence[str] = ()) -> Watch:
    """Return charts and alarms of what was made before the day ``until`` (UTC); the same films give the same answer.

    ``notices``: what else to say, as of the sources. Numbers without enough values in the baseline have no chart.
    """
    rule = AlarmRule() if rule is None else rule
    calendar = Calendar.of(films.time, until)
    found = streams(films, calendar, rule)
    planned = [(stream, name) for stream in found if not stream.learning for name in _numbers(films, stream)]
    active = Counter((family_of(name), week) for stream, name in planned for week in range(stream.first, stream.last))
    charts = []
    for stream, name in planned:
        family = family_of(name)
        share = rule.false_alarms / _WEEKS * FAMILIES[family] / _LOOKS.get(family, _OF_EACH)
        limit = np.array([share / active[family, week] for week in range(stream.first, stream.last)])
        if len(limit):
            look = _look(films, calendar, stream, name, float(limit.min()))
            look = _over(look, stream, calendar)
            charts.append(Chart(stream, name, stream.first, look, limit))
    return Watch(
        rule,
        until,
        int((~films.review[films.time < _moment(until)]).sum()),
        int(films.review[films.time < _moment(until)].sum()),
        tuple(found),
        tuple(charts),
        tuple(sorted((alarm for chart in charts for alarm in _alarms(chart, calendar)), key=_order)),
        (*notices, *_remarks(films, calendar, found, rule), *_uneven(charts)),
    )


def _order(alarm: Alarm) -> tuple[object, ...]:
    """Newest first; of one day those that are least likely by chance."""
    return -alarm.day.toordinal(), alarm.p, alarm.chart.stream.name, alarm.chart.name


def _numbers(films: FilmHistory, stream: Stream) -> Iterator[str]:
    """Yield the names of what has enough values in a stream's baseline to be charted."""
    if stream.model is None:
        yield "films"
    for name, values in films.values.items():
        mine = needs_model(name) == (stream.model is not None)
        if mine and np.isfinite(values[stream.baseline]).sum() >= _FEWEST:
            yield name
    if stream.model is not None and np.isfinite(films.features[stream.baseline, 0]).sum() >= _FEWEST:
        yield "features"


def _look(films: FilmHistory, calendar: Calendar, stream: Stream, name: str, smallest: float) -> Look:
    weeks = stream.last - stream.first
    now = stream.rows[(calendar.week[stream.rows] >= stream.first) & (calendar.week[stream.rows] < stream.last)]
    if name == "films":
        before, after = (rows[~films.review[rows]] for rows in (stream.baseline, now))
        usual = np.bincount(calendar.week[before] - calendar.week[before].min()).astype(np.float64)
        each = np.bincount(calendar.week[after] - stream.first, minlength=weeks).astype(np.float64)
        # the first week, and the last of a baseline that people chose, may be parts of weeks
        return looks_at_volume(usual[1:], each, calendar.closed - stream.first)
    if name == "features":
        before, after = (rows[np.isfinite(films.features[rows, 0])] for rows in (stream.baseline, now))
        after = after[np.argsort(calendar.week[after], kind="stable")]
        both = films.features[np.concatenate((before, after))].astype(np.float64)
        waves = fourier_features(both, np.arange(len(both)) < len(before))
        place = calendar.week[after] - stream.first
        return looks_at_features(waves[: len(before)], waves[len(before) :], place, weeks, smallest)
    values = films.values[name]
    before, after = (rows[np.isfinite(values[rows])] for rows in (stream.baseline, now))
    at = Placed(
        values[before].astype(np.float64),
        calendar.week[before],
        calendar.weekday[before],
        values[after].astype(np.float64),
        calendar.week[after] - stream.first,
        calendar.weekday[after],
        weeks,
    )
    look: Callable[[Placed], Look] = looks_at_share if is_share(name) else looks_at_number
    return look(at)


def _over(look: Look, stream: Stream, calendar: Calendar) -> Look:
    """Return the looks without those at days that are not over."""
    open_week = calendar.closed - stream.first
    if 0 <= open_week < len(look.p):
        look.p[open_week, calendar.days :] = np.nan
        look.p[open_week + 1 :] = np.nan
    return look


def _alarms(chart: Chart, calendar: Calendar) -> Iterator[Alarm]:
    """Yield the first look of each week that is below the limit."""
    below = chart.look.p <= chart.limit[:, None]
    for index in np.flatnonzero(below.any(1)):
        look = int(np.flatnonzero(below[index])[0])
        week = chart.first + int(index)
        day = calendar.monday(week) + timedelta(days=min(look, 6))
        on = (calendar.until - day).days <= _RECENT
        yield Alarm(chart, week, day, 28 if look == 7 else look + 1, float(chart.look.p[index, look]), on)


def _moment(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _remarks(films: FilmHistory, calendar: Calendar, found: Sequence[Stream], rule: AlarmRule) -> Iterator[str]:
    """Yield what people should know of the films: no baseline yet, new models, devices, dates that cannot be."""
    end, end_day = _moment(calendar.until), calendar.until + timedelta(days=1)
    if late := int((films.time >= end + DAY).sum()):
        last = datetime.fromtimestamp(min(float(films.time.max()), _LAST), UTC)
        yield f"{late} of {len(films)} results are from {end_day} on, the last of {last:%Y-%m-%d}, and are left out"
    for stream in found:
        what = stream.name if stream.model is None else f"{stream.name}, {stream.model}"
        if stream.learning and not stream.ended:
            have = f"{stream.films} of {rule.films} films, {min(stream.weeks, rule.weeks)} of {rule.weeks} weeks"
            yield f"{what}: no baseline yet ({have}); nothing is judged"
        if stream.ended and stream.model is None:
            yield f"{what}: no film for more than four weeks; no longer watched"
        asked = rule.baseline
        if asked is not None and stream.since is not None and not asked[0] <= stream.since[0] <= asked[1]:
            yield f"{what}: too few films in the baseline that was asked for; its first weeks are taken"
    yield from _changes(films, calendar, found)


def _uneven(charts: Sequence[Chart]) -> Iterator[str]:
    """Yield which numbers' baselines are so uneven that their films count for less than half."""
    found: dict[str, list[str]] = {}
    for chart in charts:
        if chart.look.spread > _UNEVEN:
            what = chart.stream.name if chart.stream.model is None else f"{chart.stream.name}, {chart.stream.model}"
            found.setdefault(what, []).append(title_of(chart.name))
    for what, titles in found.items():
        yield (
            f"{what}: weeks of the baseline differ among themselves by more than chance, and changes are seen later, "
            f"in {'; '.join(titles)}"
        )


def _changes(films: FilmHistory, calendar: Calendar, found: Sequence[Stream]) -> Iterator[str]:
    """Yield which models, versions and devices came after others."""
    counted = np.flatnonzero((films.time < _moment(calendar.until)) & ~films.review)
    for stream in found:
        if stream.model is not None or stream.device is not None:
            continue
        rows = np.intersect1d(stream.rows, counted, assume_unique=True)
        for codes, word, then in (
            (films.model, "model", "; what depends on the model has a new baseline"),
            (films.software, "lungspot", ""),
            (films.device, "device", ""),
        ):
            kinds, first = np.unique(codes[rows], return_index=True)
            seen = sorted((films.time[rows[i]], films.names[kind]) for kind, i in zip(kinds, first, strict=True))
            known = [(time, name) for time, name in seen if name]
            for time, name in known[1:]:
                if time < known[0][0] + _RECENT * DAY:
                    continue
                day = datetime.fromtimestamp(time, UTC)
                yield f"{stream.name}: {word} {name} since {day:%Y-%m-%d}{then}"
