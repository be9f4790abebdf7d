"""The curves of a summary as SVG: equal numbers give equal bytes, and nothing in them is from outside."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from lungspot.extras import extra, import_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_curves", "figure_of", "svg_of", "words_in_figure"]

# Okabe and Ito's colours, told apart by readers with colour blindness; then again, dashed.
COLORS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_SETTINGS: Final[dict[Any, Any]] = {
    "svg.hashsalt": "lungspot",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9,
}
_LONGEST: Final = 36  # letters of a word beside an axis


def draw_curves(document: Mapping[str, Any]) -> dict[str, bytes]:
    """Return name → SVG of FROC, precision over recall, and the reliability of films and boxes."""
    kinds = {
        "FROC": ("froc", "false boxes a film", "true boxes found"),
        "Precision and recall": ("precision_recall", "recall", "precision"),
        "Reliability of films": ("reliability_film", "promised", "came true"),
        "Reliability of boxes": ("reliability_box", "promised", "came true"),
    }
    found = {}
    for title, (key, across, up) in kinds.items():
        figure, axes = figure_of(5.2, 3.9)
        for number, (label, row) in enumerate(document["labels"].items()):
            curve = row["curves"][key]
            points = list(zip(curve["score"], curve["observed"], strict=True)) if isinstance(curve, dict) else curve
            if points:
                style: dict[str, Any] = {
                    "color": COLORS[number % len(COLORS)],
                    "linestyle": ("-", "--")[number // len(COLORS) % 2],
                }
                x, y = zip(*points, strict=True)
                axes.plot(
                    x,
                    y,
                    label=label,
                    linewidth=1.3,
                    marker="o" if isinstance(curve, dict) else None,
                    markersize=3,
                    **style,
                )
        if "reliability" in key:
            axes.plot((0, 1), (0, 1), color="#999999", linewidth=0.8)
        axes.set(xlabel=across, ylabel=up, ylim=(0, 1.02), title=title)
        axes.set_xlim((0.05, 8) if key == "froc" else (0, 1))
        if key == "froc":
            axes.set_xscale("log")
        if axes.get_legend_handles_labels()[1]:
            axes.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
        found[title] = svg_of(figure)
    return found


def figure_of(width: float, height: float) -> tuple[Figure, Axes]:
    """Return an empty figure of inches and its axes; raises ``MISSING_EXTRA`` without matplotlib."""
    with extra("eval", "a report"):
        import_matplotlib()  # half a second
        import matplotlib as mpl  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def words_in_figure(words: str, instead: str) -> str:
    """Return words as a figure can hold them: 36 letters, no mathematics; ``instead`` where its font lacks letters."""
    from matplotlib.font_manager import findfont, get_font  # noqa: PLC0415

    font = get_font(findfont(_SETTINGS["font.family"]))
    if not all(font.get_char_index(ord(letter)) for letter in words):
        return instead
    return (words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…").replace("$", r"\$")


def svg_of(figure: Figure) -> bytes:
    """Return a figure as SVG without a date."""
    import matplotlib as mpl  # noqa: PLC0415

    buffer = io.BytesIO()
    with mpl.rc_context(_SETTINGS):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
