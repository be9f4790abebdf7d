"""A summary as a folder: ``report.html``, ``report.json`` and CSVs. Equal inputs give equal bytes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lungspot.evaluate.page import page
from lungspot.evaluate.summary import Summary

__all__ = ["write_folder"]


def write_folder(summary: Summary, out: Path, *, title: str, films: int, about: Sequence[str] = ()) -> tuple[Path, ...]:
    """Write the report into the folder ``out`` and return its files; OSError where that is impossible."""
    texts = {
        "report.html": page(summary, title=title, films=films, about=about),
        "report.json": json.dumps(summary.document, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "metrics.csv": _csv(("label", "metric", "value", "low", "high"), _metric_rows(summary.document)),
        "parts.csv": _csv(
            ("division", "part", "label", "metric", "value", "low", "high"), _part_rows(summary.document)
        ),
        "curves.csv": _csv(("label", "curve", "x", "y"), _curve_rows(summary.document)),
        "boxes.csv": _csv(("film", "label", "score", "kind"), _box_rows(summary)),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (out / name).write_text(text, "utf-8")
    return tuple(out / name for name in texts)


def _csv(head: Sequence[str], rows: Iterator[Sequence[object]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([_plain(cell) for cell in row] for row in rows)
    return buffer.getvalue()


def _plain(cell: object) -> object:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in {"=", "+", "-", "@", "\t", "\r"} else cell


def _spread(cell: Mapping[str, Any]) -> list[object]:
    return [cell["value"], *(cell["interval"] or (None, None))]


def _metric_rows(document: Mapping[str, Any]) -> Iterator[Sequence[object]]:
    for label, row in document["labels"].items():
        yield from ([label, name, *_spread(cell)] for name, cell in row["metrics"].items())
    yield from (["mean", name, *_spread(cell)] for name, cell in document["mean"].items())


def _part_rows(document: Mapping[str, Any]) -> Iterator[Sequence[object]]:
    for division, parts in document["by"].items():
        for name, of in parts.items():
            for label, row in of["labels"].items():
                yield from (
                    [division, name, label, key, *_spread(cell)] for key, cell in row.items() if key != "counts"
                )
            yield from ([division, name, "mean", key, *_spread(cell)] for key, cell in of["mean"].items())


def _curve_rows(document: Mapping[str, Any]) -> Iterator[Sequence[object]]:
    for label, row in document["labels"].items():
        for name, curve in row["curves"].items():
            points = (
                list(zip(curve["score"], curve["observed"], strict=True)) if isinstance(curve, dict) else curve or []
            )
            yield from ([label, name, x, y] for x, y in points)


def _box_rows(summary: Summary) -> Iterator[Sequence[object]]:
    for one in sorted(summary.mistakes.shown, key=lambda one: (one.film, one.label, -one.score)):
        yield summary.pairs[one.film].film, one.label, round(one.score, 6), one.kind
