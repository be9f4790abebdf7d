"""``lungspot deidentify``: DICOM films without their patients."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from lungspot.cli.console import Overwrite, Tally, progress, say
from lungspot.errors import FilmError, InputError, LungspotError, OutputError, printable
from lungspot.inputs import regular
from lungspot.outputs import Outputs, is_drawn, writing

if TYPE_CHECKING:
    from lungspot.findings import Box

__all__ = ["deidentify"]

_KEY_BYTES: Final = 32


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
    from lungspot.images import Pseudonyms, deidentified, dicom_bytes_of
    from lungspot.report import dicom_bytes

    masks = [_box(each) for each in mask or ()]
    one = source.is_file() and out.suffix.lower() == ".dcm" and not out.is_dir()
    files = _files(source)
    _require_apart(source, files, out, key, one=one)
    outputs = Outputs([*files, *([key] if key else [])], overwrite=overwrite)
    if one:
        outputs.require(out)
    else:
        outputs.require_folder(out)
    with writing():
        pseudonyms = Pseudonyms(os.urandom(_KEY_BYTES) if key is None else _key(key))
    if key is None and not quiet:
        say("lungspot: no --key: another run will give the same patient another name")
    tally, written, done = Tally(), dict[Path, bytes](), set[Path]()
    for path in progress(files, "De-identifying", quiet=quiet):
        try:
            data, where = dicom_bytes_of(path)
            made = deidentified(data, pseudonyms, where=where, masks=masks, pixels_checked=pixels_checked)
            target = out if one else out / str(made.PatientID) / f"{made.SOPInstanceUID}.dcm"
            whole = dicom_bytes(made)
        except (FilmError, InputError) as error:
            tally.refuse(error)
            continue
        digest = hashlib.sha256(whole).digest()
        if written.setdefault(target, digest) != digest:
            tally.refuse(FilmError("SAME_UID", where, "another film of this run has its SOP Instance UID"))
            continue
        if target not in done:
            try:
                outputs.write(target, whole)
            except OutputError as error:
                tally.refuse(error)
                continue
            done.add(target)
        tally.done += 1
    if not quiet and tally.done:
        say(printable(f"lungspot: {tally.done} {'film' if tally.done == 1 else 'films'} in {out}"))
    raise typer.Exit(tally.exit_code)


def _files(source: Path) -> list[Path]:
    """Return the files to be read: of a folder all but lungspot's results."""
    if not source.is_dir():
        return [source]
    from lungspot.images import walk

    found = [file for file in walk(source) if not is_drawn(file)]
    if not found:
        raise FilmError("NOT_FOUND", source, "a folder without files")
    return found


def _require_apart(source: Path, files: list[Path], out: Path, key: Path | None, *, one: bool) -> None:
    """Refuse an output that is an input, lies where the inputs are read from, or is the key."""
    reason = ""
    if out.is_file() and not one:
        reason = "a file; give a folder, or for one film a file that ends in .dcm"
    elif source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        reason = "it lies in the folder of the films; the next run would read it as films"
    elif key is not None and (out.resolve() == key.resolve() or any(_is_same(key, file) for file in files)):
        reason = "the key must be a file of its own"
    if reason:
        raise typer.BadParameter(printable(f"{out}: {reason}"), param_hint="OUT")


def _is_same(one: Path, other: Path) -> bool:
    """Tell whether two paths name one file, by whatever link."""
    return one.exists() and other.exists() and one.samefile(other)


def _key(path: Path) -> bytes:
    """Return the secret of a file; make one that only its owner may read where there is none."""
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(os.urandom(_KEY_BYTES))
    try:
        return regular(path).read_bytes()
    except OSError as error:
        raise InputError("NOT_READABLE", path, error.strerror or "cannot be read") from error


def _box(words: str) -> Box:
    from lungspot.findings import Box

    try:
        x0, y0, x1, y1 = (float(word) for word in words.split(","))
        return Box(x0, y0, x1, y1)
    except (LungspotError, ValueError):
        raise typer.BadParameter(f"{words!r}: give x0,y0,x1,y1 in pixels", param_hint="--mask") from None
