"""``--site`` and ``--operating-point``: what films are judged by, on every verb that reads films."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lungspot.detect import Detector

__all__ = ["PointOption", "SiteFile", "detector_of", "model_inputs"]

SiteFile = Annotated[
    Path | None,
    typer.Option(
        "--site",
        envvar="LUNGSPOT_SITE",
        metavar="FILE",
        help="A site file of `lungspot calibrate`: judge by its thresholds and probabilities (or $LUNGSPOT_SITE).",
    ),
]

PointOption = Annotated[str, typer.Option("--operating-point", help="sensitive, balanced or specific.")]


def model_inputs(model: str, site: Path | None = None) -> list[Path]:
    """Return the files that a detector is read from and that a person gave: no run may write over them."""
    return [*([] if model == "default" else [Path(model)]), *([] if site is None else [site])]


def detector_of(model: str, site: Path | None, *, threads: int = 2) -> Detector:
    """Return the detector of a model file, with a site's thresholds; raises ``SITE_FORMAT`` and ``SITE_MODEL``."""
    if site is None:
        from lungspot.detect import load_detector

        return load_detector(model, threads=threads)
    from lungspot.adapt import load_for_site  # the whole room: 0.2 s

    return load_for_site(model, site, threads=threads)
