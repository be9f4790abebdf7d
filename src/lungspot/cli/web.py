"""``lungspot web``: the page that reads films in a browser, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lungspot.cli.console import Overwrite, say
from lungspot.cli.site_option import model_inputs
from lungspot.errors import printable
from lungspot.outputs import Outputs

__all__ = ["web"]


def web(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="The folder to write the page into.")],
    model: Annotated[str, typer.Option(help="The model file; `default` is the one that ships.")] = "default",
    runtime: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="A folder of packages that `npm pack` made, where this lungspot was built without the page's runtime.",
        ),
    ] = None,
    film: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A film that the page opens by itself, to show what it does. It lies in the folder, for all to fetch.",
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a page that reads films in the browser: any file server serves it, and no byte of a film leaves it."""
    from lungspot.web import write_page

    inputs = [*model_inputs(model), *(path for path in (film, runtime) if path is not None)]
    size = write_page(Outputs(inputs, overwrite=overwrite), out, model=model, runtime=runtime, film=film)
    say(printable(f"{out}: {size / 1e6:.1f} MB; serve it, as with: python -m http.server -d {out} 8000"))
