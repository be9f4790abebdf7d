"""What `lungspot data` prints for people: tables of plain text, the same on a terminal and in a pipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from lungspot.cli.console import aligned

if TYPE_CHECKING:
    from lungspot.datasets import Conflict, Count, ReaderAgreement, Sizes
    from lungspot.formats import Problem

__all__ = ["agreement_lines", "count_lines", "problem_lines", "size_lines"]


def count_lines(counts: Sequence[Count]) -> list[str]:
    """Return one row a label, source and split, with the films in each state."""
    films: dict[tuple[str, str, str | None], Counter[str]] = {}
    for row in counts:
        films.setdefault((row.label, row.source, row.split), Counter())[row.state] += row.films
    header = ("label", "source", "split", "boxed", "present", "absent")
    return aligned(header, ((*key, *(seen[state] for state in header[3:])) for key, seen in films.items()))


def size_lines(rows: Sequence[Sizes]) -> list[str]:
    """Return one row a label and source, with the median box."""
    header = ("label", "source", "films", "boxes", "width", "height", "area", "w/h", "y centre", "")
    return aligned(
        header,
        (
            (
                row.label,
                row.source,
                row.films,
                row.boxes,
                _digits(row.width, 3),
                _digits(row.height, 3),
                _digits(row.area, 3),
                _digits(row.aspect, 2),
                _digits(row.y_center, 2),
                "published" if row.published else "film sizes unknown" if row.width is None else "",
            )
            for row in rows
        ),
    )


def conflict_lines(conflicts: Iterable[Conflict]) -> list[str]:
    """Return one line a warning."""
    return [f"{conflict.code}: {conflict.label}: {conflict.text}" for conflict in conflicts]


def agreement_lines(rows: Sequence[ReaderAgreement]) -> list[str]:
    """Return the human ceiling: one row a label, the best agreed first."""
    readers = max((len(row.films) for row in rows), default=0)
    iou = rows[0].iou if rows else 0.4
    header = (
        "label",
        *(f"films >= {number}" for number in range(1, readers + 1)),
        "boxes",
        "mean IoU",
        f"match@{iou:g} if both",
        f"match@{iou:g}",
        "one reader's",
    )
    return aligned(
        header,
        (
            (
                row.label,
                *row.films,
                *[0] * (readers - len(row.films)),
                row.boxes,
                *(_digits(value, 3) for value in (row.mean_iou, row.match_both, row.match)),
                None if row.alone is None else f"{row.alone:.0%}",
            )
            for row in rows
        ),
    )


def problem_lines(problems: Sequence[Problem], most: int | None) -> list[str]:
    """Return one line a problem, at most ``most`` of a kind (None: all), and how many more there are."""
    lines: list[str] = []
    for code, number in sorted(Counter(problem.code for problem in problems).items()):
        alike = [problem for problem in problems if problem.code == code]
        lines += [f"{problem.where}: {code}: {problem.text}" for problem in alike[:most]]
        if most is not None and number > most:
            lines.append(f"… and {number - most} more {code} (--all shows them)")
    return lines


def _digits(value: float | None, digits: int) -> str | None:
    return None if value is None else f"{value:.{digits}f}"
