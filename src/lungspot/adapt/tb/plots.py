"""The curves of a programme as SVG: ROC, what each threshold means, what it costs, and the parts beside one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from lungspot.evaluate import COLORS, figure_of, svg_of, words_in_figure

__all__ = ["draw_screening"]

_WIDE, _HIGH = 5.4, 4.0
_MOST_PARTS: Final = 12


def draw_screening(document: Mapping[str, Any]) -> dict[str, bytes]:
    """Return title → SVG of a summary; raises ``MISSING_EXTRA`` without matplotlib."""
    found = {"ROC": _roc(document), "What each threshold means": _thresholds(document)}
    if document["settings"]["costs"] is not None:
        found["Cost of a case found"] = _costs(document)
    for name, parts in document["parts"].items():
        if document["in_use"] is not None and any(part["sensitivity"]["value"] is not None for part in parts):
            found[f"By {name}"] = _parts(name, parts, document["in_use"]["threshold"])
    if document["months"]:
        found["Share read as abnormal, by month"] = _months(document)
    return found


def _roc(document: Mapping[str, Any]) -> bytes:
    figure, axes = figure_of(_WIDE, _HIGH)
    rows = [row for row in document["thresholds"] if row["sensitivity"]["value"] is not None]
    rows = [row for row in rows if row["specificity"]["value"] is not None]
    across = [100 * (1 - row["specificity"]["value"]) for row in rows]
    if rows:
        low, high = _limits(rows, "sensitivity")
        axes.fill_between(across, low, high, color=COLORS[0], alpha=0.15, linewidth=0, step=None)
        axes.plot(across, [100 * row["sensitivity"]["value"] for row in rows], color=COLORS[0], linewidth=1.5)
    for number, target in enumerate(document["targets"]):
        if target["sensitivity"] is not None and target["specificity"] is not None:
            x, y = 100 * (1 - target["specificity"]), 100 * target["sensitivity"]
            axes.plot((0, x, x), (y, y, 100), color="#777777", linewidth=0.9, linestyle=("--", ":")[number % 2])
            axes.annotate(
                words_in_figure(target["name"], f"target {number + 1}"),
                (0.5, y),
                fontsize=6.5,
                color="#555555",
                va="bottom",
            )
    used = document["in_use"]
    if used is not None and (row := document["thresholds"][used["row"]]) in rows:
        x, y = 100 * (1 - row["specificity"]["value"]), 100 * row["sensitivity"]["value"]
        axes.plot([x], [y], "o", color=COLORS[1], markersize=6)
        axes.annotate(f"threshold {used['threshold']:g}", (x, y), (6, -12), textcoords="offset points", fontsize=8)
    axes.plot((0, 100), (0, 100), color="#bbbbbb", linewidth=0.8)
    axes.set(xlabel="people without the disease who are referred, %", ylabel="cases found, %", title="ROC")
    axes.set(xlim=(0, 100), ylim=(0, 101))
    return svg_of(figure)


def _thresholds(document: Mapping[str, Any]) -> bytes:
    figure, axes = figure_of(_WIDE, _HIGH)
    rows, people = document["thresholds"], document["people"]
    for color, (name, words) in zip(
        COLORS, {"sensitivity": "sensitivity", "specificity": "specificity"}.items(), strict=False
    ):
        known = [row for row in rows if row[name]["value"] is not None]
        if known:
            at = [row["threshold"] for row in known]
            axes.fill_between(at, *_limits(known, name), color=color, alpha=0.15, linewidth=0)
            axes.plot(at, [100 * row[name]["value"] for row in known], color=color, linewidth=1.5, label=words)
    at = [row["threshold"] for row in rows]
    axes.plot(
        at, [100 * row["tested"] / people for row in rows], color=COLORS[2], linewidth=1.5, label="people referred"
    )
    _mark(axes, document)
    axes.set(xlabel="threshold", ylabel="%", ylim=(0, 101), title="What each threshold means")
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return svg_of(figure)


def _costs(document: Mapping[str, Any]) -> bytes:
    figure, axes = figure_of(_WIDE, _HIGH)
    currency, everybody = document["settings"]["costs"]["currency"], document["testing_everybody"]
    known = [row for row in document["thresholds"] if row["cost_per_case"]["value"] is not None]
    known = [row for row in known if row["sensitivity"]["value"] is None or row["sensitivity"]["value"] >= 0.5]
    if known:
        at = [row["threshold"] for row in known]
        low, high = _limits(known, "cost_per_case", 1)
        axes.fill_between(at, low, high, color=COLORS[0], alpha=0.15, linewidth=0)
        axes.plot(at, [row["cost_per_case"]["value"] for row in known], color=COLORS[0], label="films, then tests")
    if everybody["cost_per_case"]:
        axes.axhline(
            everybody["cost_per_case"], color=COLORS[1], linestyle="--", linewidth=1, label="tests for everybody"
        )
    _mark(axes, document)
    axes.set(
        xlabel="threshold", ylabel=f"{words_in_figure(currency, 'cost of')} a case found", title="Cost of a case found"
    )
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8)
    return svg_of(figure)


def _parts(name: str, parts: Sequence[Mapping[str, Any]], threshold: float) -> bytes:
    shown = parts[:_MOST_PARTS]
    figure, axes = figure_of(_WIDE, 1.4 + 0.42 * len(shown))
    for color, (measure, shift) in zip(COLORS, {"sensitivity": 0.14, "specificity": -0.14}.items(), strict=False):
        for at, part in enumerate(shown):
            cell = part[measure]
            if cell["value"] is None:
                continue
            low, high = cell["interval"] or (cell["value"], cell["value"])
            axes.plot((100 * low, 100 * high), (at - shift, at - shift), color=color, linewidth=1.2)
            label = measure if at == 0 else None
            axes.plot([100 * cell["value"]], [at - shift], "o", color=color, markersize=4.5, label=label)
    names = [words_in_figure(part["part"], f"row {row}") for row, part in enumerate(shown, 1)]
    cases = [f"{part['cases_confirmed']} cases" for part in shown]
    axes.set_yticks(range(len(shown)), [f"{name} ({count})" for name, count in zip(names, cases, strict=True)])
    axes.set(
        xlim=(0, 101),
        xlabel="%",
        title=f"By {words_in_figure(name, 'a column of the table')}, at threshold {threshold:g}",
    )
    axes.invert_yaxis()
    axes.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    return svg_of(figure)


def _months(document: Mapping[str, Any]) -> bytes:
    figure, axes = figure_of(_WIDE, _HIGH * 0.8)
    months = document["months"]
    for color, name, of in (
        (COLORS[0], "CAD", [month["cad_abnormal"] for month in months]),
        (COLORS[1], "readers", [(month["agreement"] or {}).get("reader") for month in months]),
    ):
        known = [(at, cell) for at, cell in enumerate(of) if cell is not None and cell["value"] is not None]
        for at, cell in known:
            axes.plot((at, at), [100 * each for each in cell["interval"]], color=color, linewidth=1, alpha=0.5)
        axes.plot(
            [at for at, _ in known],
            [100 * cell["value"] for _, cell in known],
            "o-",
            color=color,
            markersize=4,
            linewidth=1.2,
            label=name,
        )
    step = max(1, len(months) // 12)
    axes.set_xticks(range(0, len(months), step), [month["month"] for month in months[::step]], rotation=45, fontsize=7)
    axes.set(ylabel="read as abnormal, %", title="Share read as abnormal, by month")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8)
    return svg_of(figure)


def _limits(rows: Sequence[Mapping[str, Any]], name: str, times: float = 100) -> tuple[list[float], list[float]]:
    both = [row[name]["interval"] or [row[name]["value"]] * 2 for row in rows]
    return [times * low for low, _ in both], [times * high for _, high in both]


def _mark(axes: Any, document: Mapping[str, Any]) -> None:  # noqa: ANN401 - matplotlib is optional
    if document["in_use"] is not None:
        axes.axvline(document["in_use"]["threshold"], color="#777777", linewidth=0.9, linestyle=":")
