"""Publishers' CSV files, read with the standard library; what is wrong is said with the file and the row."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import itertools
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from lungspot.errors import DatasetError
from lungspot.inputs import regular

__all__ = [
    "CSV_SUFFIXES",
    "Row",
    "header_of",
    "open_text",
    "read_lines",
    "read_list",
    "read_object",
    "read_rows",
    "refuse_row",
    "require_file",
    "require_folder",
]

# A row of a table: column → value.
Row = Mapping[str, str]
# What the name of a CSV file ends in: :func:`open_text` opens packed ones too.
CSV_SUFFIXES: Final = (".csv", ".csv.gz")

_MARKS: Final = ",;\t|"  # between the values of a row; the one that the header has most
_SHEET: Final = re.compile(r"sep=(.)\s*\Z")  # a line for Excel before the header
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")  # a spreadsheet's "Unicode text"


def require_file(root: Path, *names: str) -> Path:
    """Return the first of ``names`` that is a file in ``root``; raises :class:`DatasetError`."""
    require_folder(root)
    for name in names:
        if (root / name).is_file():
            return root / name
    raise DatasetError("DATASET_INCOMPLETE", root, f"no {' or '.join(names)} here")


def require_folder(root: Path) -> Path:
    """Return ``root`` if it is a folder; raises :class:`DatasetError`."""
    if not root.is_dir():
        raise DatasetError("DATASET_NOT_FOUND", root, "not a folder")
    return root


def read_rows(
    path: Path, columns: Iterable[str], names: Sequence[str] = (), *, errors: str = "strict", own: bool = False
) -> Iterator[tuple[int, Row]]:
    """Yield (line number, row) of a CSV file (``.gz`` too) whose header must have ``columns``.

    Values are parted as the header is: by commas, semicolons, tabs or bars. Rows without any value are passed over.
    ``names``: what to call the values instead of the header, where a publisher's header cannot be used as it is.
    ``errors``: what becomes of bytes that are not UTF-8, as ``open`` has it. ``own``: a file that people made, so that
    Windows' own encoding (1252) is one that it may have. Column names lose their outer spaces.
    Raises :class:`DatasetError`: a column is missing, a row is short, the file is not whole.
    """
    try:
        with open_text(path, errors, own=own) as file:
            reader = _rows_of(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            if missing := [name for name in columns if name not in header]:
                found = ", ".join(filter(None, header)) or "nothing"
                raise DatasetError("DATASET_COLUMNS", path, f"no column {', '.join(missing)} (found: {found})")
            needed = len(names) or max(header.index(name) for name in columns) + 1
            keys = names or header
            for values in reader:
                if not any(values):
                    continue
                if len(values) < needed:
                    raise refuse_row(path, reader.line_num, f"{len(values)} values where {needed} are needed")
                if any("\0" in value for value in values):
                    raise refuse_row(path, reader.line_num, "NUL characters; the file is damaged")
                yield reader.line_num, dict(zip(keys, values, strict=False))
    except (OSError, EOFError, UnicodeDecodeError, zlib.error, csv.Error) as error:
        raise DatasetError("DATASET_INCOMPLETE", path, f"not a whole CSV file ({error})") from error


def header_of(path: Path, *, own: bool = False) -> tuple[str, ...]:
    """Return the column names of a CSV file, ``own`` as in :func:`read_rows`; raises :class:`DatasetError`."""
    try:
        with open_text(path, own=own) as file:
            return tuple(name.strip() for name in next(_rows_of(file), []))
    except (OSError, EOFError, UnicodeDecodeError, zlib.error, csv.Error) as error:
        raise DatasetError("DATASET_INCOMPLETE", path, f"not a whole CSV file ({error})") from error


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file without their outer spaces, empty ones left out; raises :class:`DatasetError`."""
    try:
        return [line.strip() for line in regular(path).read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError("DATASET_INCOMPLETE", path, f"not a whole text file ({error})") from error


def read_list(path: Path) -> list[Any]:
    """Return the list that a JSON file holds; raises :class:`DatasetError`."""
    value = _read_json(path)
    if not isinstance(value, list):
        raise DatasetError("DATASET_COLUMNS", path, "JSON, but no list")
    return value


def read_object(path: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds; raises :class:`DatasetError`."""
    value = _read_json(path)
    if not isinstance(value, dict):
        raise DatasetError("DATASET_COLUMNS", path, "JSON, but no object")
    return value


def refuse_row(path: Path, line: int | str, reason: str) -> DatasetError:
    """Return the error for one row; ``line`` is its number in the file, or its key."""
    return DatasetError("DATASET_ROW", f"{path}:{line}", reason)


def open_text(path: Path, errors: str = "strict", *, own: bool = False) -> IO[str]:
    """Open a CSV file for reading, ``.gz`` too, in UTF-8 or, with its byte-order mark, UTF-16; ``own`` as above."""
    packed = regular(path).suffix == ".gz"
    with gzip.open(path) if packed else path.open("rb") as file:
        start = file.read(2)
        file.seek(0)
        encoding = "utf-16" if start in _UTF_16 else "cp1252" if own and not _is_utf_8(file) else "utf-8-sig"
    if packed:
        return io.TextIOWrapper(gzip.open(path), encoding=encoding, errors=errors, newline="")
    return path.open(encoding=encoding, errors=errors, newline="")


def _is_utf_8(file: io.BufferedIOBase | gzip.GzipFile) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for part in iter(lambda: file.read(1 << 20), b""):
            decoder.decode(part)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _rows_of(file: IO[str], *, strict: bool = False) -> Any:  # noqa: ANN401 - csv's reader has no public name
    """Return a reader of rows, parted as the header is."""
    line = file.readline()
    told = _SHEET.match(line)
    mark = told[1] if told else max(_MARKS, key=re.sub(r'"[^"]*"', "", line).count)  # the first of equals
    lines = file if told or not line else itertools.chain([line], file)
    return csv.reader(lines, strict=strict, delimiter=mark)


def _read_json(path: Path) -> Any:  # noqa: ANN401
    try:
        return json.loads(regular(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError("DATASET_INCOMPLETE", path, f"not whole JSON ({error})") from error
