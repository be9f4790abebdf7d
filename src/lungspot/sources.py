"""Which films a caller means: files, folders, archives, one stream; each with the name that its results should have."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import Final

from lungspot.errors import FilmError, printable
from lungspot.images import has_suffix, is_archive, members, walk
from lungspot.outputs import is_drawn
from lungspot.pipeline import Film

__all__ = [
    "STREAM",
    "FilmSource",
    "file_source",
    "films_in",
    "is_archive_file",
    "is_folder",
    "place_of",
    "refused_source",
]

# What stands for a stream of one film among the names of files.
STREAM: Final = "-"
_LONGEST: Final = 200  # bytes of a name; an ending and a number follow, and file systems take 255
_DEEPEST: Final = 1500  # bytes of all names together; a folder comes before, and systems take 4096
_DIGITS: Final = 12  # of the hash that keeps two escaped names apart


@dataclass(frozen=True, slots=True)
class FilmSource:
    """One film to be read.

    ``place``: the path, without an ending, that its results have below a folder (:func:`place_of`). ``file``: the file
    on disk that it is, or that it is in; None for a stream.
    """

    film: Film
    place: str
    file: Path | None


def films_in(
    given: Iterable[str],
    *,
    stream: Callable[[], bytes] | None = None,
    left_out: Callable[[Path], None] = lambda _: None,
) -> Iterator[FilmSource]:
    """Yield the films that ``given`` names: files, folders, zip archives, and ``-`` where there is a ``stream``.

    Folders are walked in sorted order, without hidden files and without results of lungspot, of which ``left_out`` is
    told: a film in a folder of results is not the picture with its boxes. A member of an archive gets a number: names
    from inside an archive never become paths. What cannot be opened is a film that is refused when its turn comes.
    """
    for name in given:
        path = Path(name)
        if name == STREAM and stream is not None:
            yield FilmSource(Film(STREAM, stream), "stdin", None)
        elif is_folder(path):
            yield from _in_folder(path, left_out)
        elif is_archive_file(path):
            yield from _in_archive(path)
        else:
            yield file_source(path, PurePath(path.name))


def place_of(path: PurePath) -> str:
    """Return a film's path without its ending, as a path for its results: safe to write, never above its folder.

    UIDs as names keep their last number. A part that is not Unicode, cannot be printed, begins with a dash or is too
    long to be followed by an ending is escaped and shortened, and a hash of what it was keeps it apart from others.
    """
    parts = [part for part in path.parts if part not in {path.anchor, ".", ".."}]
    if parts and has_suffix(Path(parts[-1])):
        parts[-1] = PurePath(parts[-1]).stem
    whole = "/".join(map(_safe, parts)) or "film"
    return whole if len(whole.encode()) <= _DEEPEST else _short(whole, os.fsencode(path))


def _in_folder(folder: Path, left_out: Callable[[Path], None]) -> Iterator[FilmSource]:
    films = results = 0
    for file in walk(folder):
        if is_drawn(file):
            results += 1
            left_out(file)
        else:
            films += 1
            yield file_source(file, file.relative_to(folder))
    if not films:
        what = "a folder of lungspot's results, without films" if results else "a folder without files"
        yield refused_source(str(folder), FilmError("NOT_FOUND", folder, what), PurePath(folder.name), folder)


def _in_archive(path: Path) -> Iterator[FilmSource]:
    place = place_of(PurePath(path.name))
    stem = place[: -len(".zip")] if place.lower().endswith(".zip") else place
    try:
        for number, member in enumerate(members(path), 1):
            yield FilmSource(Film(member.name, member.read), f"{stem}-{number:05d}", path)
    except FilmError as error:
        yield refused_source(str(path), error, PurePath(path.name), path)


def file_source(file: Path, below: PurePath) -> FilmSource:
    """Return a file as a film; ``below``: its path below what was given, for its results."""
    return FilmSource(Film(str(file), partial(Path, file)), place_of(below), file)


def refused_source(name: str, error: FilmError, below: PurePath, file: Path | None) -> FilmSource:
    """Return what is no film, as one that says so when its turn comes."""
    return FilmSource(Film(name, partial(_raise, error)), place_of(below), file)


def _raise(error: FilmError) -> bytes:
    raise error


def is_folder(path: Path) -> bool:
    """Say whether a path is a folder's; one that is no path, being too long or with a null, is not."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_archive_file(path: Path) -> bool:
    """Say whether a path is a zip archive's; one that is no path, being too long or with a null, is not."""
    try:
        return is_archive(path)
    except (OSError, ValueError):
        return False


def _safe(part: str) -> str:
    plain = printable(part)
    if plain == part and not part.startswith("-") and len(part.encode()) <= _LONGEST:
        return part
    return _short(plain.replace("\\", "_").lstrip("-"), os.fsencode(part))


def _short(text: str, whole: bytes) -> str:
    """Return the beginning of a text as a name, and the hash of what it stands for."""
    kept = re.sub(r"[/\x00]", "_", text).encode()[: _LONGEST - _DIGITS - 1].decode(errors="ignore").strip()
    return f"{kept or 'film'}-{hashlib.sha256(whole).hexdigest()[:_DIGITS]}"
