"""Where the films of an archive come from: one stream of entries, never a list of all of them.

One function a kind of source; :func:`entries_in` chooses. An entry knows what tells it from every other and from its
own file after a change, without opening it: that is how a run that was broken off knows what it has.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from lungspot.errors import DatasetError, FilmError
from lungspot.formats import header_of, read_rows
from lungspot.images import is_archive, members, walk
from lungspot.pipeline import Film
from lungspot.sources import FilmSource, place_of

if TYPE_CHECKING:
    import pyarrow.parquet as pq

__all__ = ["Entry", "count_films", "entries_in", "given_columns"]

_TABLES: Final = (".csv", ".tsv", ".csv.gz", ".parquet")
_PATHS: Final = ("path", "film", "file", "filename", "filepath", "image")  # the column of a table that names films
_DIGITS: Final = 32
_ROWS: Final = 10_000  # of a Parquet file that are held at a time


@dataclass(frozen=True, slots=True)
class Entry:
    """One film of an archive that is still to be read.

    ``identity``: tells it from all others, and from what its file was before a change, as far as name, size and time
    can. ``given``: values of columns that a table brought, by name. Can be pickled.
    """

    source: FilmSource
    identity: str
    given: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the mapping read-only."""
        object.__setattr__(self, "given", MappingProxyType(dict(self.given)))

    def __reduce__(self) -> tuple[object, ...]:  # a mapping proxy cannot be pickled
        return type(self), (self.source, self.identity, dict(self.given))

    @property
    def name(self) -> str:
        """What the film is called."""
        return self.source.film.name


def entries_in(sources: Sequence[str], *, share: float = 1.0) -> Iterator[Entry]:
    """Yield the films of folders, zip archives, tables of paths and files, as they come.

    ``share``: the part of the films that is wanted; which ones depends on their names alone. What cannot be opened is a
    film that is refused when its turn comes. Raises :class:`DatasetError` at a table without a column of paths.
    """
    for source in sources:
        for entry in _of(source):
            if share >= 1 or _fraction(entry.name) < share:
                yield entry


def given_columns(sources: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the columns that tables among the sources bring along, sorted."""
    found: set[str] = set()
    for source in sources:
        path = Path(source)
        if is_table(path):
            found |= set(_header(path)) - {_column(path)}
    return tuple(sorted(found))


def count_films(sources: Sequence[str], stopped: Callable[[], bool], *, share: float = 1.0) -> int | None:
    """Return how many films there are, without opening any; None where ``stopped`` says so meanwhile."""
    number = 0
    for number, _ in enumerate(entries_in(sources, share=share), 1):
        if number % 1000 == 0 and stopped():
            return None
    return number


def is_table(path: Path) -> bool:
    """Say whether a name is that of a table of films."""
    return path.name.lower().endswith(_TABLES)


def _of(source: str) -> Iterator[Entry]:
    path = Path(source)
    try:
        folder = path.is_dir()
    except (OSError, ValueError):  # a name too long, or with a null
        folder = False
    if folder:
        for file in walk(path, ordered=False):
            yield file_entry(file, file.relative_to(path))
    elif is_table(path):
        yield from _in_table(path)
    elif is_archive(path):
        yield from _in_zip(path)
    else:
        yield file_entry(path, PurePath(path.name))


def file_entry(file: Path, below: PurePath) -> Entry:
    """Return the entry of a file; ``below``: its path below the source, for its results."""
    return Entry(FilmSource(Film(str(file), partial(Path, file)), place_of(below), file), _identity_of(file))


def _in_zip(path: Path) -> Iterator[Entry]:
    place = place_of(PurePath(path.stem))
    try:
        for number, member in enumerate(members(path), 1):
            info = member.info
            identity = identity_of(member.name, info.header_offset, info.CRC, info.file_size)
            yield Entry(FilmSource(Film(member.name, member.read), f"{place}-{number:05d}", path), identity)
    except FilmError as error:
        yield refused_entry(str(path), error)


def _in_table(path: Path) -> Iterator[Entry]:
    column = _column(path)
    for row in _rows(path):
        name = row.get(column, "")
        given = {key: value for key, value in row.items() if key != column}
        if not name:
            yield refused_entry(str(path), FilmError("NOT_FOUND", path, f"a row without {column}"), given)
            continue
        beside = path.parent / name
        # A path of the table is beside it, else where the caller is.
        entry = file_entry(beside if beside.exists() else Path(name), PurePath(name))
        yield replace(entry, given=given)


def _rows(path: Path) -> Iterator[Mapping[str, str]]:
    if path.suffix.lower() != ".parquet":
        yield from (row for _, row in read_rows(path, (_column(path),), own=True))
        return
    for batch in _parquet(path).iter_batches(_ROWS):
        for row in batch.to_pylist():
            yield {str(key): "" if value is None else str(value) for key, value in row.items()}


def _header(path: Path) -> tuple[str, ...]:
    if path.suffix.lower() != ".parquet":
        return tuple(filter(None, header_of(path, own=True)))
    return tuple(_parquet(path).schema_arrow.names)


def _parquet(path: Path) -> pq.ParquetFile:
    import pyarrow as pa  # noqa: PLC0415 - an optional package
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise DatasetError("DATASET_INCOMPLETE", path, f"not a whole Parquet file ({type(error).__name__})") from error


def _column(path: Path) -> str:
    header = _header(path)
    by_name = {name.lower(): name for name in reversed(header)}
    found = next((by_name[name] for name in _PATHS if name in by_name), None)
    if found is None:
        reason = f"no column of films' paths: one of {', '.join(_PATHS)} (found: {', '.join(header) or 'nothing'})"
        raise DatasetError("DATASET_COLUMNS", path, reason)
    return found


def refused_entry(name: str, error: FilmError, given: Mapping[str, str] | None = None) -> Entry:
    """Return the entry of what is no film, and says so when its turn comes."""
    source = FilmSource(
        Film(name, partial(_raise, error)), place_of(PurePath(name).relative_to(PurePath(name).anchor)), None
    )
    return Entry(source, identity_of(name, error.reason, *sorted((given or {}).items())), given or {})


def _raise(error: FilmError) -> bytes:
    raise error


def identity_of(*facts: object) -> str:
    """Return what tells a film from others, of facts that do."""
    return hashlib.sha256("\0".join(map(str, facts)).encode(errors="surrogatepass")).hexdigest()[:_DIGITS]


def _identity_of(file: Path) -> str:
    try:
        about = os.stat(file)  # noqa: PTH116 - of millions
    except (OSError, ValueError):
        return identity_of(file, "not there")
    return identity_of(file, about.st_size, about.st_mtime_ns)


def _fraction(name: str) -> float:
    """Return a number from 0 to 1 by which a sample is drawn: of the name alone."""
    return int(identity_of("sample", name)[:13], 16) / 16**13
