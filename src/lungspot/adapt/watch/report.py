"""What a watch says, in words, as JSON (schema ``lungspot-watch/1``), and as numbers for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungspot import BANNER
from lungspot.adapt.watch.charts import Alarm, Chart, Watch
from lungspot.adapt.watch.films import is_share, title_of
from lungspot.adapt.watch.streams import Calendar, Stream

__all__ = ["EARLY_WARNING", "alarm_text", "verdict", "watch_metrics", "watch_to_json"]

EARLY_WARNING: Final = (
    "An early warning, not a measure of performance: it says that films or results have changed, not whether the model "
    "is right. An alarm asks for a look at the films; no alarm does not mean that the model is right."
)
_SCHEMA: Final = "lungspot-watch/1"
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def verdict(watch: Watch) -> str:
    """Return the verdict in one sentence."""
    judged = [stream for stream in watch.streams if not stream.learning]
    if not judged:
        return "No baseline yet: nothing is judged."
    if not watch.on:
        return f"No alarm in the seven days to {_shown(watch.until - timedelta(days=1))}."
    where = sorted({alarm.chart.stream.name for alarm in watch.on})
    count = len(watch.on)
    last = _shown(watch.until - timedelta(days=1))
    return f"{count} alarm{'s' * (count != 1)} in the seven days to {last}: {'; '.join(where)}."


def alarm_text(alarm: Alarm) -> str:
    """Return what an alarm is about: the number, when, of how many films, and what it was before."""
    chart, look = alarm.chart, alarm.chart.look
    column = 7 if alarm.days == 28 else alarm.days - 1
    films = int(look.n[alarm.index, column])
    title = title_of(chart.name)
    if chart.name == "films":
        return f"{title}: {films} in {_when(alarm)}; {look.before:.0f} in the baseline"
    if chart.name == "features":
        return f"{title}: {films} films of {_when(alarm)} are unlike those of the baseline"
    if is_share(chart.name):
        share = _share_at(chart, alarm.index, column)
        now, before = f"{100 * share:.1f} % of {films}", f"{100 * look.before:.1f} % of {look.before_films}"
        return f"{title}: {now} in {_when(alarm)}; {before} before"
    if look.by_ends is not None and look.ends is not None and look.by_ends[alarm.index, column]:
        low, high = look.ends[alarm.index, column]
        where, count = ("lower", low) if low > high else ("higher", high)
        return (
            f"{title}: {int(count)} of {films} films in {_when(alarm)} are {where} than all but 1 % of the baseline's"
        )
    middle = look.value[alarm.index]
    last = "median" if alarm.days != 28 else "median of the last week"
    return (
        f"{title}: {films} films in {_when(alarm)} are spread otherwise than before ({last} {_number(middle)}; "
        f"{_number(look.before)} before)"
    )


def watch_to_json(watch: Watch) -> dict[str, Any]:
    """Return everything as JSON values; numbers that are not known are null."""
    return {
        "schema": _SCHEMA,
        "says": verdict(watch),
        "alarm": bool(watch.on),
        "until": watch.until.isoformat(),
        "films": watch.films,
        "reviews": watch.reviews,
        "rule": {
            "false_alarms_a_year": watch.rule.false_alarms,
            "baseline_weeks": watch.rule.weeks,
            "baseline_films": watch.rule.films,
            "baseline": None if watch.rule.baseline is None else [day.isoformat() for day in watch.rule.baseline],
        },
        "alarms": [_alarm(alarm) for alarm in watch.alarms],
        "notices": list(watch.notices),
        "streams": [_stream(watch, stream) for stream in watch.streams],
        "charts": [_chart(chart) for chart in watch.charts],
        "note": EARLY_WARNING,
        "not_for_clinical_use": True,
    }


def watch_metrics(watch: Watch, now: datetime) -> str:
    """Return the state in Prometheus' text form, as node_exporter's textfile collector reads it from ``*.prom``."""
    lines = [f"# lungspot watch. {BANNER}"]
    on = {(id(alarm.chart)) for alarm in watch.on}

    def put(name: str, about: str, values: Sequence[tuple[str, float]]) -> None:
        lines.extend((f"# HELP lungspot_watch_{name} {about}", f"# TYPE lungspot_watch_{name} gauge"))
        lines.extend(f"lungspot_watch_{name}{labels} {value:.10g}" for labels, value in values)

    put("run_timestamp_seconds", "When the watch ran.", [("", now.timestamp())])
    put("films", "Results that were looked at.", [("", watch.films)])
    put("alarms", "Alarms of the last seven days.", [("", len(watch.on))])
    put("learning", "1 where there is no baseline yet.", [(_labels(s), float(s.learning)) for s in watch.streams])
    put(
        "alarm",
        "1 where a chart raised an alarm in the last seven days.",
        [(_labels(chart.stream, chart.name), float(id(chart) in on)) for chart in watch.charts],
    )
    picks: dict[str, tuple[str, Callable[[Chart], NDArray[np.float64]]]] = {
        "value": ("Share or median of the last week that is over.", lambda chart: chart.look.value),
        "p": ("How likely a week so unlike the baseline is by chance.", lambda chart: chart.p),
        "limit": ("What p must be below to raise an alarm.", lambda chart: chart.limit),
        "week_films": ("Films of the last week that is over.", lambda chart: chart.look.n[:, 6]),
    }
    for name, (about, pick) in picks.items():
        found = [(_labels(c.stream, c.name), _last(pick(c), c, watch.until)) for c in watch.charts]
        put(name, about, [(labels, value) for labels, value in found if value is not None])
    return "\n".join(lines) + "\n"


def _last(values: NDArray[np.float64], chart: Chart, until: date) -> float | None:
    """Return a chart's value of the last week that was over."""
    index = Calendar.closed_week(until) - 1 - chart.first
    if not 0 <= index < len(values) or not np.isfinite(values[index]):
        return None
    return float(values[index])


def _labels(stream: Stream, name: str | None = None) -> str:
    pairs = {"site": stream.site, "device": stream.device or "", "model": stream.model or ""}
    if name is not None:
        pairs["number"] = name
    quoted = (
        f'{key}="{value}"'
        for key, text in pairs.items()
        for value in [text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")]
    )
    return "{" + ",".join(quoted) + "}"


def _alarm(alarm: Alarm) -> dict[str, Any]:
    chart = alarm.chart
    column = 7 if alarm.days == 28 else alarm.days - 1
    return {
        "on": alarm.on,
        "text": alarm_text(alarm),
        **_whose(chart.stream),
        "number": chart.name,
        "family": chart.family,
        "week": Calendar.monday(alarm.week).isoformat(),
        "day": alarm.day.isoformat(),
        "days": alarm.days,
        "films": int(chart.look.n[alarm.index, column]),
        "p": float(f"{alarm.p:.3g}"),
        "limit": float(f"{chart.limit[alarm.index]:.3g}"),
    }


def _stream(watch: Watch, stream: Stream) -> dict[str, Any]:
    charts = sum(chart.stream is stream for chart in watch.charts)
    return {
        **_whose(stream),
        "films": stream.films,
        "weeks": stream.weeks,
        "learning": stream.learning,
        "ended": stream.ended,
        "baseline": None if stream.since is None else [day.isoformat() for day in stream.since],
        "baseline_films": stream.baseline_films,
        "charts": charts,
    }


def _chart(chart: Chart) -> dict[str, Any]:
    look = chart.look
    return {
        **_whose(chart.stream),
        "number": chart.name,
        "title": title_of(chart.name),
        "family": chart.family,
        "before": _json(look.before),
        "before_films": look.before_films,
        "spread": round(look.spread, 3),
        "weeks": [Calendar.monday(chart.first + index).isoformat() for index in range(len(look.p))],
        "films": [int(count) for count in look.n[:, 6]],
        "value": [_json(value) for value in look.value],
        "low": [_json(value) for value in look.low],
        "high": [_json(value) for value in look.high],
        "psi": [_json(value) for value in look.psi],
        "psi_by_chance": [_json(value) for value in look.psi_chance],
        "p": [_json(value) for value in chart.p],
        "limit": [_json(value) for value in chart.limit],
    }


def _whose(stream: Stream) -> dict[str, str | None]:
    return {"site": stream.site, "device": stream.device, "model": stream.model}


def _share_at(chart: Chart, index: int, column: int) -> float:
    """Return a share at one look."""
    return float(chart.look.share[index, column]) if chart.look.share is not None else float(chart.look.value[index])


def _when(alarm: Alarm) -> str:
    monday = Calendar.monday(alarm.week)
    if alarm.days == 28:
        return f"the four weeks to {_shown(alarm.day)}"
    if alarm.days == 7:
        return f"the week from {_shown(monday)}"
    day = _DAYS[alarm.days - 1]
    return f"{'Monday' if alarm.days == 1 else f'Monday to {day}'}, {_shown(alarm.day)}"


def _shown(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _number(value: float) -> str:
    return "no value" if not np.isfinite(value) else f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _json(value: float) -> float | None:
    return float(f"{value:.5g}") if np.isfinite(value) else None
