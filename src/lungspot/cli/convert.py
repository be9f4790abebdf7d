"""``lungspot convert``: one film as a PNG that any program shows."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lungspot.cli.console import Overwrite, film_source, say
from lungspot.cli.data_sources import need_folder_of
from lungspot.errors import printable
from lungspot.outputs import Outputs

__all__ = ["Bits", "convert"]


class Bits(StrEnum):
    """How deep the PNG is."""

    EIGHT = "8"
    SIXTEEN = "16"


def convert(
    film: Annotated[Path, typer.Argument(metavar="FILM", help="The film to convert; - is standard input.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="PNG", help="The PNG to write.")],
    bits: Annotated[
        Bits | None, typer.Option("--bits", help="Bits a pixel; without it 8 for a film of 8 bits, else 16.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a film as a grey PNG: white is dense, the film's whole range is used, nothing about the patient is kept."""
    from lungspot.images import png_depth, radiograph_png, read

    if out.suffix.lower() != ".png":
        raise typer.BadParameter("the output must end in .png", param_hint="'-o'")
    outputs = Outputs([film], overwrite=overwrite)
    outputs.require(out)
    radiograph = read(film_source(film))
    depth = png_depth(radiograph) if bits is None else int(bits.value)
    need_folder_of(out)
    outputs.write(out, radiograph_png(radiograph, depth))
    say(printable(f"{out}: {radiograph.frame.width} x {radiograph.frame.height} pixels, {depth} bits"))
