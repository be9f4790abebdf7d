"""A watch as one HTML file: verdict, alarms, charts. No script, nothing from a network.

What is shown is gathered here as values; ``page.html``, a Jinja2 template that escapes every one of them, says how.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lungspot import BANNER
from lungspot.adapt.watch.charts import Alarm, Chart, Watch
from lungspot.adapt.watch.films import FAMILIES, is_share, title_of
from lungspot.adapt.watch.report import EARLY_WARNING, alarm_text, verdict
from lungspot.adapt.watch.streams import Calendar
from lungspot.pages import fill_page

__all__ = ["watch_page"]

Array = NDArray[np.float64]

_SHOWN_WEEKS: Final = 104
_SHOWN_ALARMS: Final = 60
_LAST_TICK: Final = 400  # of 460, where the last date may begin
_LEFT, _RIGHT, _TOP, _BOTTOM = 48.0, 448.0, 8.0, 92.0
_BARS_TOP, _BARS_BOTTOM = 102.0, 132.0
_TITLES: Final = {
    "volume": "Films a week",
    "acceptance": "Acceptance",
    "image": "Pictures",
    "scores": "Scores and findings",
    "features": "What the network sees",
    "readers": "Agreement of readers",
}


@dataclass(frozen=True, slots=True)
class _Scale:
    """From a chart's values to heights in its picture."""

    low: float
    high: float

    def y(self, value: float) -> float:
        span = self.high - self.low or 1.0
        share = min(max((value - self.low) / span, 0.0), 1.0)
        return round(_BOTTOM - share * (_BOTTOM - _TOP), 1)


def watch_page(watch: Watch, *, title: str = "lungspot watch") -> str:
    """Return the HTML text; raises ``MISSING_EXTRA`` without Jinja2 (the ``[eval]`` extra)."""
    alarms = watch.alarms[: max(_SHOWN_ALARMS, len(watch.on))]
    return fill_page(
        "lungspot.adapt.watch",
        "eval",
        "a report",
        charts=True,
        title=title,
        banner=BANNER,
        verdict=verdict(watch),
        alarm=bool(watch.on),
        early_warning=EARLY_WARNING,
        lines=_lines(watch),
        alarms=[_row(alarm) for alarm in alarms],
        more_alarms=len(watch.alarms) - len(alarms),
        notices=watch.notices,
        streams=_streams(watch),
        parts=_parts(watch),
    )


def _lines(watch: Watch) -> list[str]:
    reviews = f" and {watch.reviews} reviews" if watch.reviews else ""
    rule = (
        f"Rule: at most {watch.rule.false_alarms:g} false alarms a year are to be expected over all "
        f"{len(watch.charts)} charts, if films keep coming from the same mix."
    )
    return [f"{watch.films} films{reviews} before {watch.until}, in weeks from Monday, UTC.", rule]


def _row(alarm: Alarm) -> dict[str, Any]:
    return {
        "on": alarm.on,
        "day": alarm.day.isoformat(),
        "where": alarm.chart.stream.name,
        "text": alarm_text(alarm),
        "p": f"{alarm.p:.1g}",
        "limit": f"{alarm.chart.limit[alarm.index]:.1g}",
    }


def _streams(watch: Watch) -> list[dict[str, Any]]:
    return [
        {
            "name": stream.name,
            "model": stream.model or "any",
            "films": stream.films,
            "baseline": "none yet" if stream.since is None else f"{stream.since[0]} to {stream.since[1]}",
            "baseline_films": stream.baseline_films,
            "charts": sum(chart.stream is stream for chart in watch.charts),
        }
        for stream in watch.streams
    ]


def _parts(watch: Watch) -> list[dict[str, Any]]:
    """Return each stream's charts: those with an alarm first, then all of them by family."""
    alarmed: dict[int, set[int]] = {}
    for alarm in watch.alarms:
        alarmed.setdefault(id(alarm.chart), set()).add(alarm.index)
    on = {id(alarm.chart) for alarm in watch.on}
    found = []
    for stream in watch.streams:
        charts = [chart for chart in watch.charts if chart.stream is stream]
        if not charts:
            continue
        drawn = {id(chart): _drawn(chart, alarmed.get(id(chart), set()), on=id(chart) in on) for chart in charts}
        families = []
        for family in FAMILIES:
            mine = [drawn[id(chart)] for chart in charts if chart.family == family]
            if mine:
                families.append({"title": _TITLES[family], "charts": mine})
        about = "Pictures, acceptance and volume, whatever the model" if stream.model is None else stream.model
        alarming = [drawn[id(chart)] for chart in charts if id(chart) in on]
        found.append({"name": stream.name, "model": about, "on": alarming, "families": families})
    return found


def _drawn(chart: Chart, alarmed: set[int], *, on: bool) -> dict[str, Any]:
    """Return one chart as coordinates of its picture, 460 x 150."""
    look, p = chart.look, chart.p
    start = max(0, len(p) - _SHOWN_WEEKS)
    weeks = range(start, len(p))
    step = (_RIGHT - _LEFT) / max(len(weeks), 1)
    share = is_share(chart.name)
    scale = _scale(chart, start)
    xs = {week: round(_LEFT + (week - start + 0.5) * step, 1) for week in weeks}
    known = [week for week in weeks if np.isfinite(look.value[week])]
    surprise = -np.log10(np.maximum(np.where(np.isnan(p), 1.0, p), 1e-30))
    edge = -np.log10(chart.limit)
    most = max(2 * float(edge[start:].max(initial=1.0)), 1.0)

    def column(value: float) -> float:
        return round(_BARS_BOTTOM - min(value / most, 1.0) * (_BARS_BOTTOM - _BARS_TOP), 1)

    return {
        "title": title_of(chart.name),
        "on": on,
        "now": _now(chart, share=share),
        "usual": scale.y(look.before) if chart.name != "features" else None,
        "bands": [
            (xs[week], scale.y(look.low[week]), scale.y(look.high[week]))
            for week in known
            if np.isfinite(look.low[week])
        ],
        "trace": " ".join(f"{xs[week]},{scale.y(look.value[week])}" for week in known),
        "dots": [
            {"x": xs[week], "y": scale.y(look.value[week]), "on": week in alarmed, "says": _dot(chart, week)}
            for week in known
        ],
        "radius": 2.6 if len(weeks) <= 60 else 1.8,
        "bars": [
            {
                "x": round(xs[week] - 0.35 * step, 1),
                "y": column(surprise[week]),
                "height": round(_BARS_BOTTOM - column(surprise[week]), 1),
                "on": week in alarmed,
                "says": f"{Calendar.monday(chart.first + week)}: by chance {p[week]:.2g}",
            }
            for week in weeks
            if np.isfinite(p[week])
        ],
        "width": round(0.7 * step, 1),
        "limit": " ".join(f"{xs[week]},{column(edge[week])}" for week in weeks),
        "top": _short(scale.high, share=share),
        "bottom": _short(scale.low, share=share),
        "ticks": _ticks(chart, list(weeks), xs),
    }


def _scale(chart: Chart, start: int) -> _Scale:
    look = chart.look
    values = np.concatenate((look.value[start:], look.low[start:], look.high[start:], [look.before]))
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    if is_share(chart.name) or chart.name in {"films", "features"}:
        low = 0.0
    return _Scale(low, high if high > low else low + 1)


def _now(chart: Chart, *, share: bool) -> str:
    """Return the last week that is known, beside the baseline."""
    known = np.flatnonzero(np.isfinite(chart.look.value))
    if not len(known) or chart.name == "features":
        return ""
    return f"{_short(chart.look.value[known[-1]], share=share)} now, {_short(chart.look.before, share=share)} before"


def _dot(chart: Chart, week: int) -> str:
    look = chart.look
    words = f"week from {Calendar.monday(chart.first + week)}: {_short(look.value[week], share=is_share(chart.name))}"
    if chart.name != "films":
        words += f", {int(look.n[week, 6])} films"
    if np.isfinite(look.psi[week]):
        words += f"; PSI {look.psi[week]:.2f} (by chance up to {look.psi_chance[week]:.2f})"
    return words


def _ticks(chart: Chart, weeks: Sequence[int], xs: dict[int, float]) -> list[dict[str, Any]]:
    """Return up to six dates along the bottom, none so far to the right that it would not be seen whole."""
    each = max(1, -(-len(weeks) // 6))
    return [
        {"x": xs[week], "says": f"{monday.day} {monday:%b %y}"}
        for week in weeks[::each]
        if xs[week] <= _LAST_TICK
        for monday in [Calendar.monday(chart.first + week)]
    ]


def _short(value: float, *, share: bool) -> str:
    if share:
        return f"{100 * value:.0f} %" if value >= 0.1 else f"{100 * value:.1f} %"
    return f"{value:.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.3g}"
