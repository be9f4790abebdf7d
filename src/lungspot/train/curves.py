"""How a run went, as a picture: ``curves.png`` from ``log.csv`` and ``val.csv``."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lungspot.extras import import_matplotlib
from lungspot.train.run_folder import CURVES_FILE, LOG_FILE, VAL_FILE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_curves"]


def draw_curves(run: Path) -> Path | None:
    """Write ``curves.png`` into a run folder and return its path; None where nothing was logged or drawn with.

    Without matplotlib there is no picture; the numbers are in the CSV files.
    """
    log, val = _columns(run / LOG_FILE), _columns(run / VAL_FILE)
    if not log:
        return None
    try:
        import_matplotlib()  # 0.5 s that only the end of a run needs
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ModuleNotFoundError:
        return None
    figure = Figure(figsize=(11, 4), layout="constrained")
    _draw(figure, log, val)
    path = run / CURVES_FILE
    figure.savefig(path, dpi=110, metadata={"Software": None})
    return path


def _draw(figure: Figure, log: Mapping[str, Sequence[float]], val: Mapping[str, Sequence[float]]) -> None:
    """Draw losses on the left and val on the right; what was not measured (NaN) leaves no point."""
    left, right = figure.subplots(1, 2)
    for name in ("score", "box", "image", "loss"):
        left.plot(log["minutes"], log[name], label=name, linewidth=1)
    left.set(xlabel="minutes", ylabel="training loss")
    left.legend(frameon=False)
    for name, values in val.items():
        if name in {"map", "auroc"} or name.startswith("ap/"):
            known = [(x, y) for x, y in zip(val["minutes"], values, strict=True) if y == y]  # noqa: PLR0124 - not NaN
            bold = name in {"map", "auroc"}
            right.plot(*zip(*known, strict=True), label=name, linewidth=2 if bold else 0.8) if known else None
    right.set(xlabel="minutes", ylabel="val: AP at IoU 0.4, AUROC", ylim=(0, 1))
    if right.lines:
        right.legend(frameon=False, fontsize="x-small", ncols=2)


def _columns(path: Path) -> dict[str, list[float]]:
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in rows[0]} if rows else {}
