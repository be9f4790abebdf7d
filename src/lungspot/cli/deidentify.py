"""``lungspot deidentify``: DICOM films without their patients."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lungspot.cli.console import Overwrite, Tally, progress, say
from lungspot.errors import LungspotError, printable
from lungspot.outputs import Outputs, writing

if TYPE_CHECKING:
    from lungspot.findings import Box

__all__ = ["deidentify"]


def deidentify(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A DICOM film, or a folder of them.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A folder; for one film, a file that ends in .dcm.")],
    key: Annotated[
        Path | None,
        typer.Option(help="A secret file that makes pseudonyms the same in every run; made where there is none."),
    ] = None,
    mask: Annotated[
        list[str] | None, typer.Option(metavar="X0,Y0,X1,Y1", help="Make a rectangle of every film black; repeatable.")
    ] = None,
    pixels_checked: Annotated[
        bool, typer.Option("--pixels-checked", help="Somebody looked: nothing is burned into these films.")
    ] = False,
    overwrite: Overwrite = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
) -> None:
    """Write DICOM films without their patients (PS3.15 Basic Profile, default-deny; dates moved, UIDs replaced).

    Films go to OUT/PATIENT/UID.dcm under their new names. A film that cannot be made safe is named on stderr and not
    written; docs/reference/dicom-results.md says what this does not do.
    """
    from lungspot.images import (
        Pseudonyms,
        deidentify_files,
        films_to_deidentify,
        is_one_film,
        secret_key,
        why_not_into,
    )

    masks = [_box(each) for each in mask or ()]
    one = is_one_film(source, out)
    films = films_to_deidentify(source)
    if reason := why_not_into(source, films, out, key):
        raise typer.BadParameter(printable(f"{out}: {reason}"), param_hint="OUT")
    outputs = Outputs([*films, *([key] if key else [])], overwrite=overwrite)
    if one:
        outputs.require(out)
    else:
        outputs.require_folder(out)
    with writing():
        pseudonyms = Pseudonyms(secret_key(key))
    if key is None and not quiet:
        say("lungspot: no --key: another run will give the same patient another name")
    tally, bar = Tally(), progress(films, "De-identifying", quiet=quiet)
    for found in deidentify_files(bar, out, pseudonyms, outputs, one=one, masks=masks, pixels_checked=pixels_checked):
        if isinstance(found, LungspotError):
            tally.refuse(found)
        else:
            tally.done += 1
    if not quiet and tally.done:
        say(printable(f"lungspot: {tally.done} {'film' if tally.done == 1 else 'films'} in {out}"))
    raise typer.Exit(tally.exit_code)


def _box(words: str) -> Box:
    from lungspot.findings import Box

    try:
        x0, y0, x1, y1 = (float(word) for word in words.split(","))
        return Box(x0, y0, x1, y1)
    except (LungspotError, ValueError):
        raise typer.BadParameter(f"{words!r}: give x0,y0,x1,y1 in pixels", param_hint="--mask") from None
