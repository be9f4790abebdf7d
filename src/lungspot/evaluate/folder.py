"""A summary as a folder: ``report.html``, ``report.json`` and CSVs. Equal inputs give equal bytes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from lungspot.evaluate.page import page
from lungspot.evaluate.summary import Summary
from lungspot.outputs import escape_formula

__all__ = ["FILES", "folder_of"]


# The files of a report.
FILES: Final = ("report.html", "report.json", "metrics.csv", "parts.csv", "curves.csv", "boxes.csv")


def folder_of(summary: Summary, *, title: str, films: int, about: Sequence[str] = ()) -> dict[str, str]:
    """Return the text of each of :data:`FILES`, in their order."""
    document = summary.document
    texts = (
        page(summary, title=title, films=films, about=about),
        json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        _csv(("label", "metric", "value", "low", "high"), _metric_rows(document)),
        _csv(("division", "part", "label", "metric", "value", "low", "high"), _part_rows(document)),
        _csv(("label", "curve", "x", "y"), _curve_rows(document)),
        _csv(("film", "label", "score", "kind"), _box_rows(summary)),
    )
    return dict(zip(FILES, texts, strict=True))


def _csv(head: Sequence[str], rows: Iterator[Sequence[object]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([escape_formula(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return buffer.getvalue()


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
