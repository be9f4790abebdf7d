"""A programme's summary as one HTML file: words first, then tables and curves. No script, nothing from a network."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lungspot.adapt.tb.plots import draw_screening
from lungspot.adapt.tb.remarks import percent, screening_short
from lungspot.adapt.tb.table import COST_MEASURES, COUNTS, MEASURES
from lungspot.pages import fill_page

__all__ = ["screening_page"]

_ROWS: Final = 24  # of the table on the page; thresholds.csv has all
_UNKNOWN: Final = "-"
_SHARES: Final = ("sensitivity", "specificity", "ppv", "npv")
_SHORT: Final[Mapping[str, str]] = {
    "ppv": "PPV",
    "npv": "NPV",
    "missed": "missed",
    "yield_1000": "found a 1000",
    "nns": "NNS",
    "tests_per_case": "tests a case",
    "cost": "cost",
    "cost_per_person": "cost a person",
    "cost_per_case": "cost a case",
}

Cell = str | Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class _Table:
    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    used: int = -1


@dataclass(frozen=True, slots=True)
class _Section:
    title: str
    lines: Sequence[str] = ()
    tables: Sequence[_Table] = ()
    plots: Sequence[tuple[str, str]] = ()


def screening_page(document: Mapping[str, Any], *, title: str, about: Sequence[str] = ()) -> str:
    """Return the HTML text of a summary; ``about``: sentences under the title.

    Raises ``MISSING_EXTRA`` without matplotlib or Jinja2 (the ``[eval]`` extra).
    """
    plots = {name: _address(svg) for name, svg in draw_screening(document).items()}
    main = [(name, plots[name]) for name in plots if not name.startswith(("By ", "Share read"))]
    sections = (
        _targets(document),
        _thresholds(document),
        _Section("Curves", plots=main),
        _parts(document, plots),
        _confirmation(document),
        _after_go_live(document, plots),
        _words(document),
    )
    return fill_page(
        "lungspot.adapt.tb",
        "eval",
        "a report",
        title=title,
        banner=document["banner"],
        about=[*about, _heading(document)],
        short=screening_short(document),
        remarks=document["remarks"],
        sections=[section for section in sections if section is not None],
    )


def _heading(document: Mapping[str, Any]) -> str:
    area = _number(document["area_under_roc"], 3)
    return (
        f"{document['people']:,} people, {document['confirmed']:,} confirmed, {document['cases_confirmed']:,} of them "
        f"cases. Area under the ROC curve: {_flat(area)}. In small print and in brackets: "
        f"{document['settings']['ci']:g} % intervals."
    )


def _targets(document: Mapping[str, Any]) -> _Section | None:
    if not document["targets"]:
        return None
    rows: list[list[Cell]] = []
    for target in document["targets"]:
        asked = [
            "to be filled in" if target[name] is None else f"at least {100 * target[name]:g} %"
            for name in ("sensitivity", "specificity")
        ]
        kept = _span(target["kept_at"]) or "none"
        perhaps = _span(target["perhaps_at"]) or "none"
        if target["sensitivity"] is target["specificity"] is None:
            kept = perhaps = ""
        word = target["in_use"]
        answer = {"text": word, "between": "", "kind": word if word in {"yes", "no", "perhaps"} else ""}
        source = {"text": target["source"], "between": "", "kind": "words"}
        rows.append([target["name"], *asked, answer, kept, perhaps, source])
    head = ("target", "sensitivity", "specificity", "kept by the threshold in use", "kept at", "perhaps at", "source")
    lines = [
        "“yes”: the whole intervals keep the target. “perhaps”: the numbers do, but not their intervals.",
    ]
    picks: list[list[Cell]] = [
        [
            {"text": each["words"], "between": "", "kind": "words"},
            "none" if each["threshold"] is None else f"{each['threshold']:g}",
        ]
        for each in document["choices"]
    ]
    tables = [_Table("Targets", head, rows)]
    if picks:
        tables.append(_Table("Thresholds by rule", ("rule", "threshold"), picks))
    return _Section("Targets", lines, tables)


def _span(thresholds: Sequence[float]) -> str:
    return (
        ""
        if not thresholds
        else f"{thresholds[0]:g} to {thresholds[-1]:g}"
        if len(thresholds) > 1
        else f"{thresholds[0]:g}"
    )


def _thresholds(document: Mapping[str, Any]) -> _Section:
    rows = document["thresholds"]
    used = None if document["in_use"] is None else document["in_use"]["row"]
    chosen = {each["threshold"] for each in document["choices"]}
    wanted = {at for at, row in enumerate(rows) if row["threshold"] in chosen or at == used}
    step = max(1, len(rows) / _ROWS)
    shown = sorted({int(at * step) for at in range(min(_ROWS, len(rows)))} | wanted | {len(rows) - 1})
    costs = document["settings"]["costs"] is not None
    names = [*MEASURES, *(COST_MEASURES if costs else ())]
    head = ("threshold", "tested", "of all", "saved", "TP", "FP", "TN", "FN", *(_SHORT.get(n, n) for n in names))
    cells: list[list[Cell]] = [
        [
            f"{row['threshold']:g}",
            f"{row['tested']:,}",
            percent(row["tested"] / document["people"]),
            f"{row['saved']:,}",
            *(_people(row[name]) for name in ("tp", "fp", "tn", "fn")),
            *(_measure(row, name) for name in names),
        ]
        for row in (rows[at] for at in shown)
    ]
    lines = ["A part of the table; all thresholds are in thresholds.csv. The row of the threshold in use is marked."]
    return _Section(
        "Thresholds", lines, [_Table("Thresholds", head, cells, shown.index(used) if used is not None else -1)]
    )


def _parts(document: Mapping[str, Any], plots: Mapping[str, str]) -> _Section | None:
    if not document["parts"] and not document["no_parts"]:
        return None
    tables = []
    head = (
        "part",
        "people",
        "confirmed",
        "cases",
        "area under ROC",
        "tested",
        "sensitivity",
        "specificity",
        "PPV",
        "NPV",
        "tests a case",
    )
    for name, parts in document["parts"].items():
        rows: list[list[Cell]] = []
        for part in parts:
            counted = [f"{part[key]:,}" for key in ("people", "confirmed", "cases_confirmed")]
            measured: list[Cell] = []
            if "tested" in part:
                measured = [
                    percent(part["tested"] / part["people"]),
                    *(_measure(part, key) for key in (*_SHARES, "tests_per_case")),
                ]
            rows.append([part["part"], *counted, _number(part["area_under_roc"], 3), *measured])
        tables.append(_Table(f"By {name}", head if document["in_use"] else head[:5], rows))
    used = document["in_use"]
    lines = [f"At threshold {used['threshold']:g}." if used else "Without a threshold in use."]
    if document["no_parts"]:
        lines.append(f"Not shown: {'; '.join(document['no_parts'])}.")
    shown = [(name, plots[name]) for name in plots if name.startswith("By ")]
    return _Section("Parts", lines, tables, shown)


def _confirmation(document: Mapping[str, Any]) -> _Section | None:
    of = document["verification"]
    if of["complete"]:
        return None
    rows: list[list[Cell]] = [
        [
            group["name"],
            f"{group['people']:,}",
            f"{group['confirmed']:,}",
            percent(group["confirmed"] / group["people"]),
            "not known" if group["weight"] is None else f"{group['weight']:.2f}",
        ]
        for group in of["groups"]
    ]
    lines = ["Each confirmed person stands for so many people of the same group (inverse-probability weights)."]
    if (only := of["confirmed_only"]) is not None:
        texts = [f"{name} {_flat(_share(only[name]))}" for name in ("sensitivity", "specificity")]
        lines.append(
            f"Counting only those confirmed would give, at the threshold in use: {', '.join(texts)}. That is wrong "
            "wherever people below the threshold were confirmed more rarely (verification bias)."
        )
    return _Section(
        "Who was confirmed", lines, [_Table("Groups", ("group", "people", "confirmed", "share", "weight"), rows)]
    )


def _after_go_live(document: Mapping[str, Any], plots: Mapping[str, str]) -> _Section | None:
    of = document["agreement"]
    if of is None and not document["months"]:
        return None
    tables = []
    lines = ["Agreement says nothing about who is right (WHO consolidated guidelines, module 2, 4.4, ask for it)."]
    if of is not None:
        counts: list[list[Cell]] = [
            ["CAD: abnormal", f"{of['both']:,}", f"{of['cad_only']:,}"],
            ["CAD: normal", f"{of['reader_only']:,}", f"{of['neither']:,}"],
        ]
        tables.append(_Table("Films that both read", ("answers", "reader: abnormal", "reader: normal"), counts))
        numbers: list[list[Cell]] = [
            ["equal answers", _share(of["observed"])],
            ["Cohen's kappa", _number(of["kappa"], 2)],
            ["agreement on abnormal films", _share({"value": of["positive"], "interval": None})],
            ["agreement on normal films", _share({"value": of["negative"], "interval": None})],
            ["abnormal by CAD", _share(of["cad"])],
            ["abnormal by readers", _share(of["reader"])],
        ]
        tables.append(_Table("Agreement", ("measure", f"{of['films']:,} films"), numbers))
    if document["months"]:
        rows: list[list[Cell]] = []
        for month in document["months"]:
            agreed = month["agreement"]
            rest: list[Cell] = ["", "", ""]
            if agreed is not None:
                rest = [f"{agreed['films']:,}", _share(agreed["reader"]), _number(agreed["kappa"], 2)]
            rows.append([month["month"], f"{month['films']:,}", _share(month["cad_abnormal"]), *rest])
        head = ("month", "films", "abnormal by CAD", "read by people", "abnormal by readers", "kappa")
        tables.append(_Table("By month", head, rows))
    shown = [(name, plots[name]) for name in plots if name.startswith("Share read")]
    return _Section("Readers, and the share read as abnormal", lines, tables, shown)


def _words(document: Mapping[str, Any]) -> _Section:
    costs = COST_MEASURES if document["settings"]["costs"] is not None else {}
    rows: list[list[Cell]] = [
        [_SHORT.get(name, name.upper() if len(name) == 2 else name), {"text": words, "between": "", "kind": "words"}]
        for name, words in {**COUNTS, **MEASURES, **costs}.items()
    ]
    lines = [
        "A person whose score is the threshold or more is referred.",
        "A dash: not known, or nobody to tell it from.",
    ]
    return _Section("Words", lines, [_Table("Words", ("word", "meaning"), rows)])


def _measure(row: Mapping[str, Any], name: str) -> Cell:
    cell = row[name]
    if name in _SHARES:
        return _share(cell)
    return _number(cell, 2 if name in {"cost_per_person", "cost_per_case"} else 0 if name == "cost" else 1)


def _share(cell: Mapping[str, Any]) -> dict[str, str]:
    return _spread(cell, lambda value: f"{100 * value:.1f} %", lambda value: f"{100 * value:.1f}")


def _number(cell: Mapping[str, Any], digits: int) -> dict[str, str]:
    return _spread(cell, lambda value: f"{value:,.{digits}f}", lambda value: f"{value:,.{digits}f}")


def _spread(cell: Mapping[str, Any], say: Any, say_limit: Any) -> dict[str, str]:  # noqa: ANN401 - two functions of a number
    if cell["value"] is None:
        return {"text": _UNKNOWN, "between": "", "kind": ""}
    between = "" if cell["interval"] is None else " to ".join(say_limit(each) for each in cell["interval"])
    return {"text": say(cell["value"]), "between": between, "kind": ""}


def _flat(cell: Mapping[str, str]) -> str:
    return f"{cell['text']} ({cell['between']})" if cell["between"] else cell["text"]


def _people(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"


def _address(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
