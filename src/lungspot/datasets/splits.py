"""A given split by patient: a CSV of ``image, patient, split``, and its use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from lungspot.formats import Case, Split, read_rows, refuse_row

__all__ = ["SPLITS_FILE", "apply_splits", "read_splits"]

# What the split of all datasets below a folder is called there.
SPLITS_FILE: Final = "splits.csv"


def read_splits(path: Path) -> dict[str, tuple[str, Split]]:
    """Return image path relative to the CSV's folder → (patient, split); raises :class:`DatasetError`."""
    splits: dict[str, tuple[str, Split]] = {}
    for line, row in read_rows(path, ("image", "patient", "split"), errors="surrogateescape"):  # names of files
        if row["split"] not in set(Split):
            raise refuse_row(path, line, f"split is {row['split']!r}, not train, val or test")
        entry = (row["patient"], Split(row["split"]))
        if splits.setdefault(row["image"], entry) != entry:
            raise refuse_row(path, line, f"{row['image']} is here twice, and differs")
    return splits


def apply_splits(cases: Iterable[Case], splits: Mapping[str, tuple[str, Split]], root: Path) -> list[Case]:
    """Return the cases with the patient and split of ``splits``; cases that it does not name are left out.

    ``root`` is the folder that the paths of ``splits`` are relative to. The patient of ``splits`` counts, for it also
    groups near-duplicates over datasets.
    """
    found: list[Case] = []
    for case in cases:
        if case.image is None:
            continue
        entry = splits.get(case.image.relative_to(root).as_posix()) if case.image.is_relative_to(root) else None
        if entry is not None:
            found.append(replace(case, patient=entry[0], split=entry[1]))
    return found
