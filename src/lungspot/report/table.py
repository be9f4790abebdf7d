"""Results as a table for people at a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lungspot.errors import printable
from lungspot.report.analysis import Analysis
from lungspot.report.style import color_of
from lungspot.report.words import headline, name_of, place_of

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["table"]


def table(result: Analysis, title: str) -> Table:
    """Return one film's findings, best first; scores below the threshold are dim. ``title`` is the film's name."""
    from rich import box  # noqa: PLC0415 - rich is for people; JSON Lines do without its 80 ms
    from rich.table import Table  # noqa: PLC0415 - likewise
    from rich.text import Text  # noqa: PLC0415 - likewise

    caption = None if result.boxed else Text(headline(result), style="default" if result.assessed else "yellow")
    view = Table(
        title=Text(printable(title), style="bold"),
        title_justify="left",
        caption=caption,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    if not result.boxed:
        view.show_header = False
        view.add_column()
        return view
    view.add_column("Finding")
    view.add_column("Score", justify="right")
    view.add_column("Where")
    view.add_column("Box (x0 y0 x1 y1)", justify="right")
    for finding in result.boxed:
        if finding.box is None:
            continue
        positive = result.is_positive(finding)
        mark = Text("■ ", style=color_of(finding.label))
        corners = " ".join(f"{corner:.0f}" for corner in finding.box.corners)
        score = f"{100 * (finding.score or 0):.0f} %"
        name = mark + Text(name_of(finding.label), style="default")
        view.add_row(name, score, place_of(finding), corners, style="default" if positive else "dim")
    return view
