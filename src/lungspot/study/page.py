"""The study as one page that a radiologist can read; before it has run, what will be measured and how."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from importlib import resources
from typing import Any, Final

import numpy as np

from lungspot.evaluate import COLORS, figure_of, svg_of
from lungspot.findings import taxonomy
from lungspot.study.compare import DIFFERENCE, NUMBERS, WAYS

_SURE: Final = 0.05
_SHOWN: Final = ("ap0.3", "ap0.5", "t_iou0.3", "hit", "overlap")  # by label; the others fold away

# What the heat map's network is: one that saw no box, or the detector's own.
_HEAT: Final = {
    False: "a network of the same shape, trained with the same losses on the same films, from which all boxes were "
    "taken away: it knows only which film shows what, and how often a film is drawn follows from that.",
    True: "the detector's own network, the same weights, asked what its head for the whole film looks at. It has seen "
    "as many films as the boxes' head, and the boxes, which a classifier has not: that can only help the map.",
}

__all__ = ["bars", "page", "summary_table"]


def page(results: Mapping[str, Any] | None) -> str:
    """Return the page in Markdown; None: nothing was measured yet, and nothing is claimed."""
    text = resources.files("lungspot.study").joinpath("page.md").read_text(encoding="utf-8")
    if results is None:
        answer, beside = "**Not measured yet.** `make study` measures it and writes this page anew.", ""
    else:
        answer, beside = _answer(results), _beside(results)
    own = bool(results and results.get("classifier", {}).get("own"))
    return text.replace("{{answer}}", answer).replace("{{heat}}", _HEAT[own]).replace("{{beside}}\n", beside)


def _answer(results: Mapping[str, Any]) -> str:
    ours, heat, luck = (results["ways"][way]["mean"] for way in WAYS)
    gap = results["ways"][DIFFERENCE]["mean"]
    films = f"On {results['films']} films of {results['patients']} patients"
    half = f"**{_spread(ours['ap0.5'])}** for boxes, **{_spread(heat['ap0.5'])}** for heat maps"
    lines = [
        f"{films}, mean over {len(results['labels'])} labels with boxes:",
        "",
        f"- AP at IoU 0.5 is {half}, {_plain(luck['ap0.5'])} for random maps.",
        textwrap.fill(
            f"- The difference is {_spread(gap['ap0.5'])}, on the same resamples of patients; {_chance(results['p'])}.",
            width=120,
            subsequent_indent="  ",
        ),
        f"- At IoU 0.3 it is {_spread(ours['ap0.3'])}, {_spread(heat['ap0.3'])} and {_plain(luck['ap0.3'])}.",
        f"- Told the disease, the best box's centre lies in a true box on {_plain(ours['hit'])} of films (1: all),",
        f"  the map's peak on {_plain(heat['hit'])}, a random one on {_plain(luck['hit'])}.",
        "",
        "![AP by IoU threshold, mean over labels](../images/boxes-vs-heatmaps.svg)",
        "",
        "## All numbers, mean over labels",
        "",
        _means(results),
        "## By label",
        "",
        *(_by_label(results, name) for name in _SHOWN),
        "<details><summary>The other numbers by label</summary>",
        "",
        *(_by_label(results, name) for name in NUMBERS if name not in _SHOWN),
        "</details>",
        "",
        _by_source(results),
        _agreement(results),
        _chosen(results),
    ]
    return "\n".join(lines).rstrip()


def _chance(p: Mapping[str, float | None]) -> str:
    """Return what a permutation test says of the difference."""
    alone = [value for label, value in p.items() if label != "mean"]
    sure = sum(value is not None and value < _SURE for value in alone)
    said = "p does not exist" if p["mean"] is None else f"p = {p['mean']:.3f}"
    return f"{said} where whole patients change sides at random ({sure} of {len(alone)} labels alone: p < {_SURE})"


def summary_table(results: Mapping[str, Any]) -> str:
    """Return the table of the front page, five lines."""
    names = ("ap0.3", "ap0.5", "hit")
    head = (
        f"| test films, mean over {len(results['labels'])} labels | "
        + " | ".join(NUMBERS[name] for name in names)
        + " |"
    )
    rows = [
        f"| {words} | " + " | ".join(_spread(results["ways"][way]["mean"][name]) for name in names) + " |"
        for way, words in WAYS.items()
    ]
    return "\n".join([head, "|---|---|---|---|", *rows]) + "\n"


def bars(results: Mapping[str, Any]) -> bytes:
    """Return the picture of AP by threshold and way, as SVG."""
    figure, axes = figure_of(6.4, 3.4)
    ious = ("ap0.1", "ap0.3", "ap0.4", "ap0.5")
    for number, (way, words) in enumerate(WAYS.items()):
        cells = [results["ways"][way]["mean"][name] for name in ious]
        x = np.arange(len(ious)) + 0.26 * (number - 1)
        heights = [cell["value"] or 0.0 for cell in cells]
        spread = [cell["interval"] or (height, height) for cell, height in zip(cells, heights, strict=True)]
        gaps = [[max(h - low, 0), max(high - h, 0)] for h, (low, high) in zip(heights, spread, strict=True)]
        axes.bar(
            x, heights, 0.24, label=words, color=COLORS[number], yerr=np.array(gaps).T, error_kw={"linewidth": 0.8}
        )
    axes.set_xticks(range(len(ious)), [f"IoU {name.removeprefix('ap')}" for name in ious])
    axes.set(ylabel="average precision, mean over labels")
    axes.legend(frameon=False)
    return svg_of(figure)


def _means(results: Mapping[str, Any]) -> str:
    head = "| | " + " | ".join(NUMBERS.values()) + " |\n|" + "---|" * (len(NUMBERS) + 1)
    rows = [
        f"| {words} | " + " | ".join(_spread(results["ways"][way]["mean"][name]) for name in NUMBERS) + " |"
        for way, words in {**WAYS, DIFFERENCE: "boxes less heat map"}.items()
    ]
    return "\n".join([head, *rows]) + "\n"


def _by_label(results: Mapping[str, Any], name: str) -> str:
    people = name.startswith("t_") and bool(results["people"])
    head = f"| {NUMBERS[name]} | " + " | ".join(WAYS.values()) + (" | one reader by another |" if people else " |")
    rows = []
    for label in results["labels"]:
        cells = [_spread(results["ways"][way][label][name]) for way in WAYS]
        cells += [_spread(results["people"].get(label, {}).get(name))] if people else []
        rows.append(f"| {taxonomy()[label].name} | " + " | ".join(cells) + " |")
    return "\n".join([head, "|" + "---|" * (len(WAYS) + 1 + people), *rows]) + "\n"


def _by_source(results: Mapping[str, Any]) -> str:
    names = [(way, name) for name in ("ap0.3", "ap0.5") for way in WAYS]
    head = "| source | films | labels | " + " | ".join(f"{NUMBERS[name]}, {WAYS[way]}" for way, name in names) + " |"
    rows = [
        f"| {source} | {of['films']} | {len(of['labels'])} | "
        + " | ".join(_spread(of[way][name]) for way, name in names)
        + " |"
        for source, of in results["sources"].items()
    ]
    words = "Sources draw boxes in different ways. Mean over the labels that have boxes in that source."
    return "\n".join(["## By source", "", words, "", head, "|" + "---|" * (3 + len(names)), *rows]) + "\n"


def _agreement(results: Mapping[str, Any]) -> str:
    of = results["agreement"]
    if of is None:
        return ""
    rows = [f"| {name} | {_spread(cell)} |" for name, cell in of["auroc"].items()]
    words = (
        f"lungspot shows for each box how its own heat map agrees with it. Of {of['boxes']} shown boxes {of['wrong']} "
        "are wrong (IoU below 0.4);\nhow well a low value tells them, as AUROC (0.5: not at all), beside a low score:"
    )
    head = [
        "## Does disagreement of heat map and box tell a false positive?",
        "",
        words,
        "",
        "| low | AUROC |",
        "|---|---|",
    ]
    return "\n".join([*head, *rows]) + "\n"


def _chosen(results: Mapping[str, Any]) -> str:
    rows = []
    for label, of in results["chosen"].items():
        each = ", ".join(f"{method} {value:.3f}" for method, value in of["per_method"].items())
        rows.append(
            f"| {taxonomy()[label].name} | {of['method']} | {of['stride']} | {100 * of['fraction']:.0f} % | {each} |"
        )
    head = "| label | method | stride | threshold | best on val, by method |\n|---|---|---|---|---|"
    words = "On every film of val with the label and at most 300 without it: these APs compare with no others."
    return "\n".join(["## What val chose for the heat maps", "", words, "", head, *rows]) + "\n"


def _beside(results: Mapping[str, Any]) -> str:
    words = {"heat": ("this study's heat maps", "labels"), "boxes": ("lungspot's boxes", "boxes and labels")}
    rows = []
    for way, (who, what) in words.items():
        cells = [results["ways"][way]["mean"][name]["value"] for name in ("ap0.1", "ap0.3", "ap0.5")]
        rows.append(
            f"| *{who}, on the films here* | {what} | "
            + " | ".join(f"{100 * (cell or 0):.2f}" for cell in cells)
            + " |"
        )
    return "\n".join(rows) + "\n"


def _plain(cell: Mapping[str, Any]) -> str:
    return "" if cell["value"] is None else f"{cell['value']:.3f}"


def _spread(cell: Mapping[str, Any] | None) -> str:
    if cell is None or cell["value"] is None:
        return ""
    if cell["interval"] is None:
        return _plain(cell)
    return f"{cell['value']:.3f} ({cell['interval'][0]:.3f} to {cell['interval'][1]:.3f})"
