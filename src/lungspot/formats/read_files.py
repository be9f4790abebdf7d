"""Which files a run reads, so that none of them is written over (:class:`lungspot.outputs.Outputs`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from lungspot.formats.case import Case
from lungspot.images import walk
from lungspot.outputs import is_read_by_name

__all__ = ["films_of", "inputs_of"]


def inputs_of(paths: Iterable[Path | None], *, out: Iterable[Path] = ()) -> Iterator[Path]:
    """Yield each path that is given, and every file below those that are folders.

    ``out``: what the run is to write. Where that lies in such a folder and is an earlier result that nobody looks for
    in a folder (:func:`lungspot.outputs.is_read_by_name`), it is no input; one that is given by its name is.
    """
    earlier = {(there.st_dev, there.st_ino) for there in (path.stat() for path in out if is_read_by_name(path))}
    for path in paths:
        if path is None:
            continue
        yield path
        for file in walk(path, ordered=False):
            if not earlier or not _is_one_of(file, earlier):
                yield file


def films_of(cases: Iterable[Case]) -> Iterator[Path]:
    """Yield the films of cases, those that are known."""
    return (case.image for case in cases if case.image is not None)


def _is_one_of(file: Path, known: set[tuple[int, int]]) -> bool:
    try:
        there = file.stat()
    except OSError:  # it went meanwhile
        return False
    return (there.st_dev, there.st_ino) in known
