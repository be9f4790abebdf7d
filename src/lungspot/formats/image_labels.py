"""A folder of films with a CSV of image labels: one's own, or any download in this form (CheXpert's among them).

Citation, link, terms: the publisher's.
Boxes: none.
Layout: films anywhere below the folder, and ``labels.csv`` (or the only CSV file) in it. One row a film:

``image``
    The film's path below the folder, or its name or stem where that is unique. Also called Path, Image Index, file,
    file_name, filename, image_id.
a column a label
    Any name of the taxonomy: 1 is present, 0 absent; empty and -1 (uncertain) say nothing.
``labels``
    Instead, or too: names joined by ``|`` or ``;``. They are present; others are not thereby absent, save by
    ``No Finding`` alone, which makes everything absent. Also called label, Finding Labels.
``patient``, ``view``, ``age``, ``sex``, ``split``
    If known. Also called Patient ID, patient_id; View Position, AP/PA; Patient Age; Patient Gender, gender.

Other columns are ignored. Known faults: labels without a place; without ``patient`` every film is someone else's.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from lungspot.errors import DatasetError
from lungspot.findings import Finding, Reading, State, taxonomy
from lungspot.formats.case import Case, Split, everything_absent
from lungspot.formats.films import dicom_facts, list_films
from lungspot.formats.tables import age_in_years, header_of, need_folder, read_rows, refuse_row, sex, view

__all__ = ["READER", "cases"]

READER: Final = "labels"
_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "image": ("image", "path", "image index", "file", "file_name", "filename", "image_id"),
    "labels": ("labels", "label", "finding labels"),
    "patient": ("patient", "patient_id", "patient id"),
    "view": ("view", "view position", "ap/pa"),
    "age": ("age", "patient age"),
    "sex": ("sex", "patient gender", "gender"),
    "split": ("split",),
}
_VALUES: Final[dict[str, State | None]] = {
    "": None,
    "-1": None,
    "-1.0": None,
    "0": State.ABSENT,
    "0.0": State.ABSENT,
    "1": State.PRESENT,
    "1.0": State.PRESENT,
}
_NOTHING = {"no finding", "no findings", "normal"}
_SPLITS = {"train": Split.TRAIN, "val": Split.VAL, "valid": Split.VAL, "validation": Split.VAL, "test": Split.TEST}


def cases(root: Path) -> Iterator[Case]:
    """Yield a case for each row of the CSV file in ``root``, with its film if that is there."""
    path = _table(need_folder(root))
    header = header_of(path)
    facts = {key: next((name for name in header if name.lower() in names), None) for key, names in _COLUMNS.items()}
    labels = {name: label for name in header if (label := _label(name)) is not None}
    if facts["image"] is None:
        raise DatasetError("DATASET_COLUMNS", path, f"no column image or path (found: {', '.join(header)})")
    if not labels and facts["labels"] is None:
        raise DatasetError(
            "DATASET_COLUMNS", path, f"no column labels, or of a known label (found: {', '.join(header)})"
        )
    films = _Films(root)
    for line, row in read_rows(path, (*labels, *(name for name in facts.values() if name))):
        value = {key: row[name].strip() if name else "" for key, name in facts.items()}
        if not value["image"]:
            raise refuse_row(path, line, f"{facts['image']} is empty")
        if value["split"] and value["split"].lower() not in _SPLITS:
            raise refuse_row(path, line, f"split is {value['split']!r}, not train, val or test")
        image = PurePosixPath(value["image"].replace("\\", "/"))
        name = image.with_suffix("").as_posix()
        film = films.find(image)
        known = dicom_facts(film)
        yield Case(
            id=name,
            dataset="csv",
            patient=f"csv_{root.resolve().name}_{value['patient'] or known.patient or name}",
            readings=(_reading(path, line, {label: row[column] for column, label in labels.items()}, value["labels"]),),
            image=film,
            frame=known.frame,
            split=_SPLITS.get(value["split"].lower()),
            view=view(value["view"]) if value["view"] else known.view,
            age_years=age_in_years(value["age"]) if value["age"] else known.age_years,
            sex=sex(value["sex"]) if value["sex"] else known.sex,
        )


def _table(root: Path) -> Path:
    if (root / "labels.csv").is_file():
        return root / "labels.csv"
    tables = sorted(path for path in root.iterdir() if path.name.lower().endswith((".csv", ".csv.gz")))
    if len(tables) != 1:
        raise DatasetError(
            "DATASET_INCOMPLETE", root, f"no labels.csv here, and {len(tables)} other CSV files, not one"
        )
    return tables[0]


def _label(name: str) -> str | None:
    """Return the label id that a name means, ``""`` for no finding at all, None where it is no label."""
    if name.strip().lower() in _NOTHING:
        return ""
    label = taxonomy().named(name)
    return None if label is None else label.id


def _reading(path: Path, line: int, columns: Mapping[str, str], listed: str) -> Reading:
    states: dict[str, State] = {}
    for label, value in columns.items():
        if value.strip() not in _VALUES:
            raise refuse_row(path, line, f"{label or 'no finding'} is {value!r}, not 1, 0, -1 or empty")
        state = _VALUES[value.strip()]
        if state is not None:
            states[label] = state
    for word in filter(None, (word.strip() for word in re.split(r"[|;]", listed))):
        named = _label(word)
        if named is None:
            raise refuse_row(path, line, f"unknown label {word!r}")
        states[named] = State.PRESENT
    nothing = states.pop("", None) is State.PRESENT
    findings = tuple(Finding(label) for label, state in states.items() if state is State.PRESENT)
    return everything_absent(READER) if nothing and not findings else Reading(READER, findings, states)


class _Films:
    """The films below a folder, found by as much of a path as is needed to tell them apart."""

    def __init__(self, root: Path) -> None:
        self._by_stem: defaultdict[str, list[Path]] = defaultdict(list)
        for path in list_films(root):
            self._by_stem[path.stem].append(path)

    def find(self, image: PurePosixPath) -> Path | None:
        """Return the one film whose path ends like ``image``, whatever its extension; None for none or several."""
        parts = image.with_suffix("").parts
        for start in range(len(parts)):
            tail = parts[start:]
            found = [path for path in self._by_stem[parts[-1]] if path.with_suffix("").parts[-len(tail) :] == tail]
            if found:
                return found[0] if len(found) == 1 else None
        return None
