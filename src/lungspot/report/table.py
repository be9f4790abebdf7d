"""Results as a table for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lungspot.errors import printable
from lungspot.findings import name_of
from lungspot.report.analysis import Analysis
from lungspot.report.statement import Said, label_of, statement
from lungspot.report.style import color_of
from lungspot.report.words import NOT_TOLD_APART

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["table"]


def table(result: Analysis, title: str, *, experimental: bool = False) -> Table:
    """Return what is said of one film, most urgent first, one row a place; then, dim, what is below its threshold.

    ``title``: the film's name. ``experimental``: say experimental labels too.
    """
    from rich import box  # noqa: PLC0415 - rich is for people; JSON Lines do without its 80 ms
    from rich.table import Table  # noqa: PLC0415 - likewise
    from rich.text import Text  # noqa: PLC0415 - likewise

    told = statement(result, experimental=experimental)
    rows = (*told.said, *told.below)
    caption = Text()
    if not told.said:
        caption.append(told.headline + "\n", style="default" if told.assessed else "yellow")
    notes = [*told.caveats, *([told.percentages] if rows else [])]
    caption.append(" ".join(notes), style="dim")
    view = Table(
        title=Text(printable(title), style="bold"),
        title_justify="left",
        caption=caption,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    if not rows:
        view.show_header = False
        view.add_column()
        return view
    view.add_column("Finding")
    view.add_column("Probability", justify="right")
    view.add_column("Where")
    view.add_column("Box (x0 y0 x1 y1)", justify="right")
    for said in rows:
        style = "default" if said.positive else "dim"
        corners = "no box" if said.box is None else " ".join(f"{corner:.0f}" for corner in said.box.corners)
        where = said.where
        for indent, name, color, number in _lines(said):
            cell = Text(indent) + Text("■ ", style=color) + Text(name, style="default")
            view.add_row(cell, number, where, corners, style=style)
            where = corners = ""
    return view


def _lines(said: Said) -> Iterator[tuple[str, str, str, str]]:
    """Yield the lines of one place: indent, name, colour and percentage; above names that look alike, their group."""
    for group in said.groups:
        if len(group) > 1:
            yield "", f"{name_of(label_of(group))}: {NOT_TOLD_APART}", color_of(group[0].label), ""
        for name in group:
            indent = "  " if len(group) > 1 else ""
            yield indent, name_of(name.label) + name.mark, color_of(name.label), name.percentage
