"""Where the films of an archive come from: one stream of entries, never a list of all of them.

One function a kind of source; :func:`entries_in` chooses.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final

from lungspot.batch.containers import in_dicomdir, in_store, in_tar, in_zip, is_store, url_entry
from lungspot.batch.dicomweb import TlsFiles, in_dicomweb, instance_entry, is_dicomweb
from lungspot.batch.entries import Entry, file_entry, identity_of, refused_entry
from lungspot.errors import DatasetError, FilmError
from lungspot.extras import extra
from lungspot.formats import CSV_SUFFIXES, header_of, read_rows
from lungspot.images import walk
from lungspot.sources import is_archive_file, is_folder

if TYPE_CHECKING:
    import pyarrow.parquet as pq

__all__ = ["count_films", "entries_in", "given_columns"]

_TABLES: Final = (*CSV_SUFFIXES, ".tsv", ".parquet")
_PATHS: Final = ("path", "film", "file", "filename", "filepath", "image")  # the column of a table that names films
_ROWS: Final = 10_000  # of a Parquet file that are held at a time


def entries_in(
    sources: Sequence[str], *, share: float = 1.0, without: Path | None = None, tls: TlsFiles | None = None
) -> Iterator[Entry]:
    """Yield the films of folders, zip and tar archives, DICOMDIRs, URLs, tables of paths and files, as they come.

    ``share``: the part of the films that is wanted; which ones depends on their names alone. What cannot be opened is a
    film that is refused when its turn comes, in every sample. ``without``: a folder below another that is passed over,
    as that of the results. ``tls``: of DICOMweb archives. Raises :class:`DatasetError` at a table without a column of
    paths, ``MISSING_EXTRA`` at one of Parquet without the extra ``batch``, and as :func:`in_dicomweb` does.
    """
    for source in sources:
        for entry in _of(source, without, tls or TlsFiles()):
            if entry.whole or share >= 1 or _fraction(entry.name) < share:
                yield entry


def given_columns(sources: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the columns that tables among the sources bring along, sorted."""
    found: set[str] = set()
    for source in sources:
        path = Path(source)
        if not is_store(source) and is_table(path):
            header = _header(path)
            found |= set(header) - {_column(path, header)}
    return tuple(sorted(found))


def count_films(
    sources: Sequence[str], stopped: Callable[[], bool], *, share: float = 1.0, without: Path | None = None
) -> int | None:
    """Return how many films there are, without opening any; None where ``stopped`` says so meanwhile.

    An archive or a store is not asked twice for all that it has: where one is among the sources, nobody knows.
    """
    if any(is_dicomweb(source) or is_store(source) for source in sources):
        return None
    number = 0
    for number, _ in enumerate(entries_in(sources, share=share, without=without), 1):
        if number % 1000 == 0 and stopped():
            return None
    return number


def is_table(path: Path) -> bool:
    """Say whether a name is that of a table of films."""
    return path.name.lower().endswith(_TABLES)


def _of(source: str, without: Path | None, tls: TlsFiles) -> Iterator[Entry]:
    if is_dicomweb(source):
        yield from in_dicomweb(source, tls)
        return
    if is_store(source):
        yield from in_store(source)
        return
    path = Path(source)
    if is_folder(path):
        yield from _in_folder(path, without)
    elif is_table(path):
        yield from _in_table(path, tls)
    elif path.name.upper() == "DICOMDIR":
        yield from in_dicomdir(path)
    elif path.suffix.lower() == ".tar":
        yield from in_tar(path)
    elif is_archive_file(path):
        yield from in_zip(path)
    else:
        yield file_entry(path, PurePath(path.name))


def _in_folder(path: Path, without: Path | None) -> Iterator[Entry]:
    failed: list[OSError] = []
    for file in walk(path, ordered=False, without=without, failed=failed.append):
        yield file_entry(file, file.relative_to(path))
    for error in failed:
        name = str(Path(os.fsdecode(error.filename or path)))
        yield refused_entry(name, FilmError("NOT_READABLE", name, f"cannot be listed ({error.strerror})"))


def _in_table(path: Path, tls: TlsFiles) -> Iterator[Entry]:
    column = _column(path, _header(path))
    for row in _rows(path, column):
        name = row.get(column, "")
        given = {key: value for key, value in row.items() if key != column}
        if not name:
            yield refused_entry(str(path), FilmError("NOT_FOUND", path, f"a row without {column}"), given)
            continue
        if is_dicomweb(name):
            entry = instance_entry(name, tls)
        elif is_store(name):
            entry = url_entry(name)
        else:  # beside the table, else where the caller is
            beside = path.parent / name
            entry = file_entry(beside if os.path.exists(beside) else Path(name), PurePath(name))  # noqa: PTH110 - or no path
        # Two rows of one film are two entries: it is read once, and what the other row says of it is kept.
        identity = identity_of(entry.identity, *sorted(given.items())) if given else entry.identity
        yield replace(entry, given=given, identity=identity)


def _rows(path: Path, column: str) -> Iterator[Mapping[str, str]]:
    if path.suffix.lower() != ".parquet":
        yield from (row for _, row in read_rows(path, (column,), own=True))
        return
    for batch in _parquet(path).iter_batches(_ROWS):
        for row in batch.to_pylist():
            yield {str(key): "" if value is None else str(value) for key, value in row.items()}


def _header(path: Path) -> tuple[str, ...]:
    if path.suffix.lower() != ".parquet":
        return tuple(filter(None, header_of(path, own=True)))
    return tuple(_parquet(path).schema_arrow.names)


def _parquet(path: Path) -> pq.ParquetFile:
    with extra("batch", "Parquet"):
        import pyarrow as pa  # noqa: PLC0415 - an optional package
        import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise DatasetError("DATASET_INCOMPLETE", path, f"not a whole Parquet file ({type(error).__name__})") from error


def _column(path: Path, header: tuple[str, ...]) -> str:
    by_name = {name.lower(): name for name in reversed(header)}
    found = next((by_name[name] for name in _PATHS if name in by_name), None)
    if found is None:
        reason = f"no column of films' paths: one of {', '.join(_PATHS)} (found: {', '.join(header) or 'nothing'})"
        raise DatasetError("DATASET_COLUMNS", path, reason)
    return found


def _fraction(name: str) -> float:
    """Return a number from 0 to 1 by which a sample is drawn: of the name alone."""
    return int(identity_of("sample", name)[:13], 16) / 16**13
