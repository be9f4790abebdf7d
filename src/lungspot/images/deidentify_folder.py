"""Many DICOM films written without their patients: which are read, where each goes, and what is refused.

Films go to ``out/PATIENT/UID.dcm`` under their new names; one film may go to one file. What becomes of a film stands in
:mod:`lungspot.images.deidentify`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from lungspot.errors import FilmError, InputError, LungspotError, OutputError
from lungspot.findings import Box
from lungspot.images.deidentify import Pseudonyms, deidentified
from lungspot.images.dicom_file import dicom_bytes
from lungspot.images.files import walk
from lungspot.images.read import dicom_bytes_of
from lungspot.inputs import regular
from lungspot.outputs import Outputs, is_drawn

__all__ = ["deidentify_files", "films_to_deidentify", "is_one_film", "secret_key", "why_not_into"]

_KEY_BYTES: Final = 32
_FILM: Final = ".dcm"


def deidentify_files(  # noqa: PLR0913 - what is read, where to, and how
    films: Iterable[Path],
    out: Path,
    pseudonyms: Pseudonyms,
    outputs: Outputs,
    *,
    one: bool = False,
    masks: Sequence[Box] = (),
    pixels_checked: bool = False,
) -> Iterator[Path | LungspotError]:
    """Write films without their patients; yield, film by film, the file that each is in or why it is not written.

    ``out``: the folder that they go below, ``PATIENT/UID.dcm`` each; with ``one``, the film's own file. ``masks`` and
    ``pixels_checked``: as for :func:`~lungspot.images.deidentified`. One bad film never stops the rest. A film that is
    there twice is written once; another one of the same SOP Instance UID is refused with ``SAME_UID``, so that none
    replaces another. Raises SetupError where nothing could be written.
    """
    written: dict[Path, bytes] = {}
    done: set[Path] = set()
    for path in films:
        try:
            data, where = dicom_bytes_of(path)
            made = deidentified(data, pseudonyms, where=where, masks=masks, pixels_checked=pixels_checked)
            target = out if one else out / str(made.PatientID) / f"{made.SOPInstanceUID}{_FILM}"
            whole = dicom_bytes(made)
        except (FilmError, InputError) as error:
            yield error
            continue
        digest = hashlib.sha256(whole).digest()
        if written.setdefault(target, digest) != digest:
            yield FilmError("SAME_UID", where, "another film of this run has its SOP Instance UID")
            continue
        if target not in done:
            try:
                outputs.write(target, whole)
            except OutputError as error:
                yield error
                continue
            done.add(target)
        yield target


def films_to_deidentify(source: Path) -> list[Path]:
    """Return the files to be read: of a folder all but lungspot's results, sorted; else ``source`` itself.

    Raises FilmError ``NOT_FOUND`` for a folder without any.
    """
    if not source.is_dir():
        return [source]
    found = [file for file in walk(source) if not is_drawn(file)]
    if not found:
        raise FilmError("NOT_FOUND", source, "a folder without files")
    return found


def is_one_film(source: Path, out: Path) -> bool:
    """Say whether ``out`` is the file of one film, not a folder of films: it ends in ``.dcm``, as ``source`` is one."""
    return source.is_file() and out.suffix.lower() == _FILM and not out.is_dir()


def why_not_into(source: Path, films: Iterable[Path], out: Path, key: Path | None = None) -> str:
    """Return why the ``films`` of ``source`` may not go to ``out``; empty where they may.

    ``out`` must not lie where the films are read from, nor be a file that is no film's; the ``key`` is neither a film
    nor ``out``.
    """
    if out.is_file() and not is_one_film(source, out):
        return "a file; give a folder, or for one film a file that ends in .dcm"
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        return "it lies in the folder of the films; the next run would read it as films"
    if key is not None and (out.resolve() == key.resolve() or any(_is_same(key, film) for film in films)):
        return "the key must be a file of its own"
    return ""


def secret_key(path: Path | None = None) -> bytes:
    """Return a secret for :class:`~lungspot.images.Pseudonyms`: a new one, or that of a file, the same in every run.

    Where there is no file of that name, one is made that only its owner may read. Raises InputError ``NOT_READABLE``,
    and OSError where the file cannot be made.
    """
    if path is None:
        return os.urandom(_KEY_BYTES)
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(os.urandom(_KEY_BYTES))
    try:
        return regular(path).read_bytes()
    except OSError as error:
        raise InputError("NOT_READABLE", path, error.strerror or "cannot be read") from error


def _is_same(one: Path, other: Path) -> bool:
    """Tell whether two paths name one file, by whatever link."""
    return one.exists() and other.exists() and one.samefile(other)
