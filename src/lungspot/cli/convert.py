"""``lungspot convert``: one film as a PNG that any program shows."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lungspot.cli.console import film_source, say, writing

if TYPE_CHECKING:
    from lungspot.images import Pixels

__all__ = ["Bits", "convert", "write_png"]


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
) -> None:
    """Write a film as a grey PNG: white is dense, the film's whole range is used, nothing about the patient is kept."""
    from lungspot.errors import printable
    from lungspot.images import read

    if out.suffix.lower() != ".png":
        raise typer.BadParameter("the output must end in .png", param_hint="'-o'")
    if out.exists() and film.exists() and out.samefile(film):
        raise typer.BadParameter("the output is the film itself", param_hint="'-o'")
    radiograph = read(film_source(film))
    depth = int(bits.value) if bits is not None else 8 if radiograph.bits <= 8 else 16
    write_png(radiograph.pixels, out, depth)
    say(printable(f"{out}: {radiograph.frame.width} x {radiograph.frame.height} pixels, {depth} bits"))


def write_png(pixels: Pixels, out: Path, bits: int) -> None:
    """Write pixels (float32 in [0, 1], shape (height, width)) as a grey PNG of 8 or 16 bits: whole, or not at all.

    Raises SetupError NO_SPACE or NOT_WRITABLE.
    """
    import os
    import tempfile

    import numpy as np
    from PIL import Image

    from lungspot.errors import SetupError

    if not out.parent.is_dir():
        raise SetupError("NOT_WRITABLE", out, "its folder does not exist")
    whole = np.rint(pixels * np.float32((1 << bits) - 1)).astype(np.uint8 if bits == 8 else np.uint16)
    with writing():
        descriptor, name = tempfile.mkstemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent)
        part = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as sink:
                Image.fromarray(whole).save(sink, format="PNG")
                sink.flush()
                os.fsync(sink.fileno())
            part.chmod(0o666 & ~_umask())
            part.replace(out)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def _umask() -> int:
    """Return the mask under which this process makes files (mkstemp makes them private)."""
    import os

    mask = os.umask(0)
    os.umask(mask)
    return mask
