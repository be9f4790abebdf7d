"""Publishers' CSV files, read with the standard library; what is wrong is said with the file and the row."""

from __future__ import annotations

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
from lungspot.images import Sex, View

__all__ = [
    "Row",
    "age_in_years",
    "header_of",
    "open_text",
    "parse_sex",
    "parse_view",
    "read_lines",
    "read_list",
    "read_object",
    "read_rows",
    "refuse_row",
    "require_file",
    "require_folder",
]

Row = Mapping[str, str]

# NIH 2017 writes 058Y, 013M (months), 005D (days); v2020 and others write 58.
_AGE = re.compile(r"0*(\d+(?:\.\d+)?)([YMWD]?)\Z")
_YEARS = {"": 1.0, "Y": 1.0, "M": 12.0, "W": 52.18, "D": 365.25}
_OLDEST = 120.0
_WORDS_OF_AGE = re.compile(r"\s*(?:years?|yrs?|y/?o|años?|ans|jahre)(?:\s+old)?\s*\Z", re.IGNORECASE)
_SEXES: Final[dict[str, Sex]] = {
    **dict.fromkeys(("f", "female", "woman", "mujer", "femenino", "femme", "féminin", "weiblich"), Sex.FEMALE),
    **dict.fromkeys(("m", "male", "man", "hombre", "masculino", "homme", "masculin", "männlich"), Sex.MALE),
    **dict.fromkeys(("o", "other"), Sex.OTHER),
}
_FRONTS: Final[dict[View, tuple[str, ...]]] = {
    View.PA: ("pa", "posteroanterior", "postero anterior", "posterior anterior"),
    View.AP: ("ap", "anteroposterior", "antero posterior", "anterior posterior"),
}
_POSTURES: Final = (
    "",
    "erect",
    "upright",
    "standing",
    "sitting",
    "semi erect",
    "supine",
    "portable",
    "horizontal",
    "axial",
)
_VIEWS: Final[dict[str, View]] = {
    f"{word} {posture}".strip(): side for side, words in _FRONTS.items() for word in words for posture in _POSTURES
} | dict.fromkeys(
    ("l", "ll", "rl", "lat", "lateral", "left lateral", "right lateral", "lateral left", "lateral right", "ll erect"),
    View.LATERAL,
)


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
    path: Path, columns: Iterable[str], names: Sequence[str] = (), *, errors: str = "strict"
) -> Iterator[tuple[int, Row]]:
    """Yield (line number, row) of a CSV file (``.gz`` too) whose header must have ``columns``.

    Values are parted by commas, or as the header is, by semicolons or tabs where it has no comma (spreadsheets).
    ``names``: what to call the values instead of the header, where a publisher's header cannot be used as it is.
    ``errors``: what becomes of bytes that are not UTF-8, as ``open`` has it. Column names lose their outer spaces.
    Raises :class:`DatasetError`: a column is missing, a row is short, the file is not whole.
    """
    try:
        with open_text(path, errors) as file:
            reader = _rows_of(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            if missing := [name for name in columns if name not in header]:
                found = ", ".join(filter(None, header)) or "nothing"
                raise DatasetError("DATASET_COLUMNS", path, f"no column {', '.join(missing)} (found: {found})")
            needed = len(names) or max(header.index(name) for name in columns) + 1
            keys = names or header
            for values in reader:
                if values and len(values) < needed:
                    raise refuse_row(path, reader.line_num, f"{len(values)} values where {needed} are needed")
                if any("\0" in value for value in values):
                    raise refuse_row(path, reader.line_num, "NUL characters; the file is damaged")
                if values:
                    yield reader.line_num, dict(zip(keys, values, strict=False))
    except (OSError, EOFError, UnicodeDecodeError, zlib.error, csv.Error) as error:
        raise DatasetError("DATASET_INCOMPLETE", path, f"not a whole CSV file ({error})") from error


def header_of(path: Path) -> tuple[str, ...]:
    """Return the column names of a CSV file; raises :class:`DatasetError`."""
    try:
        with open_text(path) as file:
            return tuple(name.strip() for name in next(_rows_of(file), []))
    except (OSError, EOFError, UnicodeDecodeError, zlib.error, csv.Error) as error:
        raise DatasetError("DATASET_INCOMPLETE", path, f"not a whole CSV file ({error})") from error


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file without their outer spaces, empty ones left out; raises :class:`DatasetError`."""
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
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


def age_in_years(text: str) -> float | None:
    """Return years of ``058Y``, ``013M``, ``005D`` or ``58``; None where empty, or older than 120 (NIH has a 411)."""
    match = _AGE.match(_WORDS_OF_AGE.sub("", text.strip()))
    years = float(match[1]) / _YEARS[match[2]] if match else None
    return years if years is not None and years <= _OLDEST else None


def parse_sex(text: str) -> Sex:
    """Return the sex that ``F``, ``m``, ``Female``, ``Mujer`` … mean; a word that is not known is never guessed at."""
    return _SEXES.get(text.strip().casefold(), Sex.UNKNOWN)


def parse_view(text: str) -> View:
    """Return the view that ``PA``, ``ap``, ``LL``, ``AP_horizontal`` … mean; ``Frontal`` says neither."""
    return _VIEWS.get(" ".join(re.findall(r"[a-z]+", text.casefold())), View.UNKNOWN)


def open_text(path: Path, errors: str = "strict") -> IO[str]:
    """Open a CSV file for reading, ``.gz`` too; a byte-order mark is passed over."""
    if path.suffix == ".gz":
        return io.TextIOWrapper(gzip.open(path), encoding="utf-8-sig", errors=errors, newline="")
    return path.open(encoding="utf-8-sig", errors=errors, newline="")


def _rows_of(file: IO[str], *, strict: bool = False) -> Any:  # noqa: ANN401 - csv's reader has no public name
    """Return a reader of rows, parted as the header is."""
    line = file.readline()
    mark = "," if "," in line else next((mark for mark in ";\t" if mark in line), ",")
    return csv.reader(itertools.chain([line], file) if line else file, strict=strict, delimiter=mark)


def _read_json(path: Path) -> Any:  # noqa: ANN401
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError("DATASET_INCOMPLETE", path, f"not whole JSON ({error})") from error
