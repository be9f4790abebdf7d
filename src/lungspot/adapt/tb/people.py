"""A programme's people out of a CSV file: a score, what the reference test said, and anything else as columns.

Of any CAD's scores, on any scale. Columns are known by the names that programmes use (:data:`NAMES`), or are named by
the caller. All faults of a file are said at once, for nobody wants to mend a hundred rows one run at a time.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungspot.adapt.tb.dates import dates_of
from lungspot.errors import DatasetError
from lungspot.formats import header_of, read_rows

__all__ = ["NAMES", "People", "read_people"]

# What columns are called, in lower case without signs; the first that is there counts.
NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "score": ("score", "cadscore", "tbscore", "abnormalityscore", "cad", "cad4tb", "qxr", "lunit", "probability"),
    "reference": ("reference", "referencestandard", "truth", "xpert", "genexpert", "xpertresult", "mtb", "culture"),
    "id": ("id", "personid", "patientid", "clientid", "participantid", "recordid"),
    "reader": ("reader", "humanreader", "readerabnormal", "radiologist"),
    "date": ("date", "screeningdate", "dateofscreening", "filmdate", "xraydate", "visitdate"),
}
_NEEDED: Final = ("score", "reference")
_NOTHING: Final = frozenset({"", "na", "n/a", "nan", "null", "none", "."})
_NO_FILM: Final = _NOTHING | {"not assessed", "not_assessed", "no film", "error", "failed"}
_NOT_CONFIRMED: Final = _NOTHING | {"not done", "not_done", "not confirmed", "not tested", "unknown"}
_YES: Final = frozenset({"1", "1.0", "yes", "y", "true", "pos", "positive", "detected", "abnormal", "tb"})
_NO: Final = frozenset({"0", "0.0", "no", "n", "false", "neg", "negative", "not detected", "normal", "no tb"})
_MOST_FAULTS: Final = 5


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """N people who were screened.

    ``score``: (N,), NaN where there is no film or it was not assessed. ``reference``, ``reader``: (N,), 1 (disease;
    abnormal), 0, or -1 where it was not confirmed or not read. ``date``: (N,) days, NaT where not known. ``columns``:
    the further ones, as text; ``named``: what the file calls each column that is understood.
    """

    score: NDArray[np.float64]
    reference: NDArray[np.int8]
    reader: NDArray[np.int8] | None = None
    date: NDArray[np.datetime64] | None = None
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    named: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.score)

    def part(self, chosen: NDArray[np.bool_]) -> People:
        """Return some of the people, ``chosen`` (N,), without their further columns."""
        reader = None if self.reader is None else self.reader[chosen]
        date = None if self.date is None else self.date[chosen]
        return People(self.score[chosen], self.reference[chosen], reader, date, named=self.named)


class _Faults:
    """Rows that cannot be meant: the first few in words, all counted."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._first: list[str] = []
        self._count = 0

    def add(self, line: int, reason: str) -> None:
        self._count += 1
        if len(self._first) < _MOST_FAULTS:
            self._first.append(f"line {line}: {reason}")

    def done(self) -> None:
        """Raise DatasetError ``DATASET_ROW`` if there were any."""
        if self._count:
            more = f"; and {self._count - len(self._first)} more" if self._count > len(self._first) else ""
            rows = "1 row" if self._count == 1 else f"{self._count} rows"
            raise DatasetError("DATASET_ROW", self._path, f"{rows} cannot be used: {'; '.join(self._first)}{more}")


def read_people(path: Path, named: Mapping[str, str] | None = None) -> People:
    """Return the people of a CSV file (commas, semicolons or tabs; ``.gz`` too); the scores may have decimal commas.

    ``named``: what the file calls a column of :data:`NAMES`, where it is none of those. Raises DatasetError: no file
    or no whole one, a column missing or in doubt, a row that cannot be meant, an id twice, nobody at all.
    """
    try:
        return _read(path, _columns(path, named or {}))
    except DatasetError as error:
        if error.code == "DATASET_INCOMPLETE" and "codec" in error.reason:
            advice = "save it as CSV UTF-8 in the spreadsheet"
            raise DatasetError(error.code, error.where, "not text in UTF-8", advice=advice) from error
        raise


def _read(path: Path, columns: Mapping[str, str]) -> People:
    faults = _Faults(path)
    scores: list[float] = []
    read: dict[str, list[int]] = {name: [] for name in ("reference", "reader") if name in columns}
    days: list[tuple[int, str]] = []
    further = {name: _Column() for name in header_of(path) if name and name not in columns.values()}
    seen: dict[str, int] = {}
    for line, row in read_rows(path, columns.values()):
        if not any(value.strip() for value in row.values()):
            continue  # spreadsheets leave empty rows at the end
        scores.append(_score(row[columns["score"]], line, faults))
        for name, values in read.items():
            values.append(_answer(row[columns[name]], columns[name], line, faults))
        if "date" in columns:
            days.append((line, row[columns["date"]].strip()))
        identifier = row[columns["id"]].strip() if "id" in columns else ""
        if identifier and (before := seen.setdefault(identifier, line)) != line:
            faults.add(line, f"{columns['id']} is that of line {before}: one row a person (the first film counts)")
        for name, column in further.items():
            column.add(row.get(name, "").strip())
    dates = dates_of(days, faults.add) if "date" in columns else None
    faults.done()
    if not scores:
        raise DatasetError("DATASET_INCOMPLETE", path, "no people in it", advice="give a file with one row a person")
    score = np.array(scores)
    if not np.isfinite(score).any():
        raise DatasetError("DATASET_INCOMPLETE", path, f"nobody has a {columns['score']}", advice="give scores")
    answers = {name: np.array(values, dtype=np.int8) for name, values in read.items()}
    return People(
        score,
        answers["reference"],
        answers.get("reader"),
        dates,
        {name: column.values() for name, column in further.items()},
        columns,
    )


class _Column:
    """The texts of one column, each kept once: a column of a hundred thousand rows has few different ones."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._rows: list[str] = []

    def add(self, text: str) -> None:
        self._rows.append(self._known.setdefault(text, text))

    def values(self) -> tuple[str, ...]:
        return tuple(self._rows)


def _columns(path: Path, named: Mapping[str, str]) -> dict[str, str]:
    """Return what the file calls each column that is understood."""
    header = header_of(path)
    shown = ", ".join(filter(None, header)) or "nothing"
    if twice := [name for name, count in Counter(filter(None, header)).items() if count > 1]:
        raise DatasetError("DATASET_COLUMNS", path, f"two columns are called {', '.join(twice)}", advice="rename one")
    found: dict[str, str] = {}
    for name, words in NAMES.items():
        if name in named:
            if named[name] not in header:
                raise DatasetError("DATASET_COLUMNS", path, f"no column {named[name]} (found: {shown})")
            found[name] = named[name]
            continue
        same = [(words.index(plain), column) for column in header if (plain := _plain(column)) in words]
        if name in _NEEDED and len(same) > 1 and min(same)[0] > 0:
            of = ", ".join(column for _, column in same)
            advice = f"say which with --{name} NAME"
            raise DatasetError("DATASET_COLUMNS", path, f"several columns may be the {name}: {of}", advice=advice)
        if same:
            found[name] = min(same)[1]
    for name in _NEEDED:
        if name not in found:
            advice = f"say which it is with --{name} NAME"
            raise DatasetError("DATASET_COLUMNS", path, f"no column {name} (found: {shown})", advice=advice)
    if doubled := [column for column, count in Counter(found.values()).items() if count > 1]:
        raise DatasetError("DATASET_COLUMNS", path, f"{doubled[0]} cannot be two things at once")
    return found


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _score(text: str, line: int, faults: _Faults) -> float:
    word = text.strip()
    if word.casefold() in _NO_FILM:
        return math.nan
    number = word.removesuffix("%").rstrip()
    try:
        value = float(number if "." in number else number.replace(",", ".", 1))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        faults.add(line, f"the score is {word!r}, not a number")
    return value


def _answer(text: str, column: str, line: int, faults: _Faults) -> int:
    word = " ".join(text.casefold().split()).removeprefix("mtb ")
    if word in _YES:
        return 1
    if word in _NO:
        return 0
    if word not in _NOT_CONFIRMED:
        faults.add(line, f"{column} is {text.strip()!r}: 1, 0, or empty where it is not known")
    return -1
