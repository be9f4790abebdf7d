"""``lungspot convert``: one film as a PNG that any program shows."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lungspot.cli.console import Overwrite, film_source, say
from lungspot.errors import SetupError, printable
from lungspot.outputs import Outputs

if TYPE_CHECKING:
    from lungspot.images import Pixels

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
    from lungspot.images import read, with_pixel_shape

    if out.suffix.lower() != ".png":
        raise typer.BadParameter("the output must end in .png", param_hint="'-o'")
    outputs = Outputs([film], overwrite=overwrite)
    outputs.require(out)
    radiograph = read(film_source(film))
    depth = int(bits.value) if bits is not None else 8 if radiograph.bits <= 8 else 16
    if not out.parent.is_dir():
        raise SetupError("NOT_WRITABLE", out, "its folder does not exist")
    outputs.write(out, with_pixel_shape(_png(radiograph.pixels, depth), radiograph.pixel_aspect))
    say(printable(f"{out}: {radiograph.frame.width} x {radiograph.frame.height} pixels, {depth} bits"))


def _png(pixels: Pixels, bits: int) -> bytes:
    """Return pixels (float32 in [0, 1], shape (height, width)) as a grey PNG of 8 or 16 bits."""
    import io

    import numpy as np
    from PIL import Image

    from lungspot.outputs import png_info

    whole = np.rint(pixels * np.float32((1 << bits) - 1)).astype(np.uint8 if bits == 8 else np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(whole).save(buffer, format="PNG", pnginfo=png_info())
    return buffer.getvalue()
