"""``lungspot demo``: the whole way with one real chest film that anyone may have."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from lungspot import BANNER
from lungspot.cli.console import Exit, Overwrite, people
from lungspot.cli.detect import report_refusal
from lungspot.cli.site_option import model_inputs
from lungspot.errors import SetupError
from lungspot.outputs import Outputs

__all__ = ["demo"]

_FILM = "RG1_J2KR.dcm"


def demo(
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder for picture and page.")] = Path("demo"),
    model: Annotated[str, typer.Option(help="A model file made by `lungspot export`.")] = "default",
    overwrite: Overwrite = False,
) -> None:
    """Read the real chest film of pydicom-data, say what is on it, and draw it."""
    film = _film()
    from lungspot.detect import load_detector
    from lungspot.pipeline import analyze
    from lungspot.report import data_of, statement, table

    ways = (
        ("film.png", "png", False, "the film with its boxes"),
        ("heatmap.png", "png", True, "with the heat map"),
        ("film.html", "html", False, "a page: press H for the heat map, B for boxes"),
        ("film.json", "json", False, "the data"),
    )
    outputs = Outputs([film, *model_inputs(model)], overwrite=overwrite)
    for name, *_ in ways:
        outputs.require(out / name)
    console = people()
    result = analyze(film, load_detector(model))
    frame, origin = result.radiograph.frame, result.radiograph.origin
    console.print(f"[bold]lungspot[/] reads a real chest film ({film.name} of the package pydicom-data)")
    console.print(f"  {frame.width} x {frame.height} pixels, view {result.radiograph.view}, {origin.kind}", style="dim")
    if not result.assessed:
        report_refusal(result, film.name)
    console.print(table(result, statement(result).headline))
    for name, kind, heatmap, about in ways:
        data = data_of(result, kind, heatmap=heatmap)
        if data is not None:
            console.print(f"  {outputs.write(out / name, data)}  [dim]{about}[/]")
    total = sum(result.timings.values())
    console.print(f"Read and judged in {total:.0f} ms. [yellow]{BANNER}[/]")
    raise typer.Exit(Exit.DONE if result.assessed else Exit.NOTHING_DONE)


def _film() -> Path:
    spec = importlib.util.find_spec("data_store")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        film = Path(folder) / "data" / _FILM
        if film.is_file():
            return film
    raise SetupError("MISSING_EXTRA", _FILM, "the film is in pydicom-data", advice="pip install pydicom-data")
