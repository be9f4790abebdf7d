"""Tables of any tool's scores, and of what is true: a CSV with one row a film, and a column a label.

``film``
    The film's name; also called image, path, file, filename, image_id, id. Two tables are joined by it, or by its stem.
``patient``
    Whose film it is, if that is known; also called patient_id, subject_id, person. Else every film is someone else's.
a column a label
    Any name of a label. Scores: numbers from 0 to 1, or to 100 (then all are); truth: 1, 0, or empty where nobody
    knows.
``score``, ``reference``
    Instead, where the table is about one label, which the caller names (as the tables of ``lungspot tb`` have it).

Other columns are ignored.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungspot.errors import DatasetError, LungspotError
from lungspot.findings import is_label_id
from lungspot.formats import CSV_SUFFIXES, ClassMap, header_of, read_rows, refuse_row

__all__ = ["FilmTable", "is_table", "join", "read_scores", "read_truth"]

Array = NDArray[np.float64]

_FILM: Final = ("film", "image", "path", "filepath", "file", "filename", "imageindex", "imageid", "dicomid", "id")
_PATIENT: Final = ("patient", "patientid", "subjectid", "subject", "person", "personid")
_TRUTH: Final = ("reference", "truth")
_SCORE: Final = ("score", "probability")
_OF_TRUTH: Final[Mapping[str, float]] = {
    **dict.fromkeys(("", "-1", "-1.0", "na", "nan"), math.nan),
    **dict.fromkeys(("0", "0.0"), 0.0),
    **dict.fromkeys(("1", "1.0"), 1.0),
}
_PER_CENT: Final = 100.0


@dataclass(frozen=True, slots=True)
class FilmTable:
    """One row a film: names, whose they are, and by label (F,) values, NaN where the table says nothing.

    ``scale``: what scores were divided by (1 or 100).
    """

    films: tuple[str, ...]
    patients: tuple[str, ...]
    values: Mapping[str, Array]
    where: Path
    scale: float = 1.0


def is_table(path: Path) -> bool:
    """Say whether a path is a CSV file by its name."""
    return path.is_file() and path.name.lower().endswith(CSV_SUFFIXES)


def read_truth(path: Path, labels: Sequence[str], classes: ClassMap) -> FilmTable:
    """Return what is true of films: 1, 0, or NaN where nobody knows.

    ``labels``: only these (all, where empty); a column ``reference`` speaks of the one that is asked for. Raises
    ``DATASET_COLUMNS``, ``DATASET_ROW``, ``DATASET_INCOMPLETE``.
    """
    return _read(path, labels, classes, _TRUTH, _truth)


def read_scores(path: Path, labels: Sequence[str], classes: ClassMap) -> FilmTable:
    """Return a tool's scores of films, divided by 100 where one is above 1; raises as :func:`read_truth` does."""
    table = _read(path, labels, classes, _SCORE, _score)
    highest = max((float(np.nanmax(each)) for each in table.values.values() if np.isfinite(each).any()), default=0.0)
    if highest > _PER_CENT:
        raise DatasetError("DATASET_ROW", path, f"a score of {highest:g}", advice="give scores from 0 to 1, or to 100")
    scale = _PER_CENT if highest > 1 else 1.0
    values = {name: each / scale for name, each in table.values.items()}
    return FilmTable(table.films, table.patients, values, path, scale)


def join(truth: FilmTable, scores: FilmTable) -> tuple[NDArray[np.int64], list[LungspotError]]:
    """Return for each film of the truth its row among the scores, (F,), -1 for none, and what was refused.

    Names are compared whole, else by their stems where those mean one film.
    """
    whole = {film: row for row, film in enumerate(scores.films)}
    stems: dict[str, int] = {}
    for row, film in enumerate(scores.films):
        stem = _stem(film)
        stems[stem] = -2 if stem in stems else row
    rows = np.full(len(truth.films), -1, dtype=np.int64)
    refused: list[LungspotError] = []
    for number, film in enumerate(truth.films):
        row = whole.get(film, stems.get(_stem(film), -1))
        if row < 0:
            reason = "no score of this film" if row == -1 else "may be any of several films with scores"
            refused.append(DatasetError("DATASET_INCOMPLETE", film, reason, advice="score every film"))
        else:
            rows[number] = row
    taken: dict[int, int] = {}
    for number, row in enumerate(rows.tolist()):
        if row >= 0 and taken.setdefault(row, number) != number:
            rows[number] = -1
            reason = f"it and {truth.films[taken[row]]} have the score of one film"
            refused.append(DatasetError("DATASET_ROW", truth.films[number], reason))
    alone = len(scores.films) - len(taken)
    if alone:
        refused.append(
            DatasetError("DATASET_ROW", scores.where, f"{alone} films with scores are no films of the truth")
        )
    return rows, refused


def _read(
    path: Path, labels: Sequence[str], classes: ClassMap, alone: Sequence[str], value_of: Callable[[str], float]
) -> FilmTable:
    header = header_of(path)
    film, patient, one = (_called(header, names) for names in (_FILM, _PATIENT, alone))
    meant = {name: label for name in header if (label := classes.look_up(name)) is not None and is_label_id(label)}
    if one is not None and len(labels) == 1:
        meant = {one: labels[0]}
    meant = {name: label for name, label in meant.items() if not labels or label in labels}
    if "label" in {name.lower() for name in header}:
        advice = "give one row a film and a column a label; of lungspot, the JSON (--format json --min-score 0.01)"
        raise DatasetError("DATASET_COLUMNS", path, "one row a finding, not one a film", advice=advice)
    if film is None or not meant:
        missing = "no column film" if film is None else f"no column of a label ({', '.join(header)})"
        advice = "name the columns film, patient and by label; or score and reference, with --label"
        raise DatasetError("DATASET_COLUMNS", path, missing, advice=advice)
    if len(set(meant.values())) < len(meant):
        raise DatasetError("DATASET_COLUMNS", path, f"two columns of one label ({', '.join(meant)})")
    columns: dict[str, list[float]] = {name: [] for name in meant}
    films: dict[str, int] = {}
    patients: list[str] = []
    for line, row in read_rows(path, (film, *meant)):
        name = row[film].strip()
        if not name or name in films:
            what = "a film without a name" if not name else f"{name} stands here twice, first in line {films[name]}"
            raise refuse_row(path, line, what)
        films[name] = line
        patients.append((row.get(patient, "").strip() if patient else "") or name)
        for column, numbers in columns.items():
            try:
                numbers.append(value_of(row[column].strip()))
            except ValueError:
                raise refuse_row(path, line, f"{column} is {row[column][:40]!r}") from None
    if not films:
        raise DatasetError("DATASET_INCOMPLETE", path, "no film in it")
    values = {meant[column]: np.array(each, dtype=np.float64) for column, each in columns.items()}
    return FilmTable(tuple(films), tuple(patients), values, path)


def _truth(text: str) -> float:
    if text.casefold() not in _OF_TRUTH:
        raise ValueError(text)
    return _OF_TRUTH[text.casefold()]


def _score(text: str) -> float:
    if not text:
        return math.nan
    number = float(text)
    if not number >= 0 or math.isinf(number):
        raise ValueError(text)
    return number


def _called(header: Sequence[str], names: Sequence[str]) -> str | None:
    """Return the column that is called by the first of ``names``."""
    bare = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in reversed(header)}
    return next((bare[name] for name in names if name in bare), None)


def _stem(film: str) -> str:
    return PurePosixPath(film.replace("\\", "/")).stem
