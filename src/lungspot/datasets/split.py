"""Split films by patient: the same patient always falls on the same side, in this run and in every other.

The side is read off a hash of the patient's id, so it depends neither on the order of films nor on which others are
there: a set that grows keeps its split, and two machines agree without a file. Films of one person in several datasets
share the patient's id (``nih_00000001`` in NIH, RSNA and ChestX-Det), and so their side.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from lungspot.datasets.catalog import DATASETS
from lungspot.errors import DatasetError, InputError
from lungspot.formats import Case, Split

__all__ = [
    "FRACTIONS",
    "Leak",
    "leaks",
    "refuse_leaks",
    "side",
    "split",
    "split_base",
    "splits_csv",
    "without_patient",
    "write_splits",
]

FRACTIONS: Final[Mapping[Split, float]] = {Split.TRAIN: 0.8, Split.VAL: 0.1, Split.TEST: 0.1}


@dataclass(frozen=True, slots=True)
class Leak:
    """A patient with films in several splits: the films' ids by split."""

    patient: str
    films: tuple[tuple[Split, tuple[str, ...]], ...]

    @property
    def splits(self) -> tuple[Split, ...]:
        """The splits that hold films of the patient."""
        return tuple(split for split, _ in self.films)

    def __str__(self) -> str:
        """Say who, how many films, where."""
        return f"{self.patient} has " + ", ".join(f"{len(films)} in {split}" for split, films in self.films)


def side(patient: str, *, fractions: Mapping[Split, float] = FRACTIONS, salt: str = "lungspot") -> Split:
    """Return the split of a patient: the first 64 bits of SHA-256 over ``salt``, a zero byte and the id, as a fraction.

    ``fractions`` in their order share out the numbers from 0 to 1; they must not be negative and must add up to 1
    (``BAD_VALUE``). Another ``salt`` gives an independent split.
    """
    total = sum(fractions.values())
    if not fractions or min(fractions.values()) < 0 or abs(total - 1) > 1e-9:
        raise InputError("BAD_VALUE", None, f"split fractions {', '.join(map(str, fractions.values()))} are not of 1")
    digest = hashlib.sha256(salt.encode() + b"\0" + patient.encode(errors="surrogateescape")).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    reached = 0.0
    chosen = next(iter(fractions))
    for name, fraction in fractions.items():
        reached += fraction
        if fraction > 0:
            chosen = name  # the last of them holds also what rounding leaves below 1
            if place < reached:
                break
    return Split(chosen)


def split(
    cases: Iterable[Case],
    *,
    fractions: Mapping[Split, float] = FRACTIONS,
    salt: str = "lungspot",
    given: Mapping[str, tuple[str, Split]] | None = None,
    root: Path | None = None,
) -> list[Case]:
    """Return all cases, each in a split, no patient in two.

    ``given``: a split that counts first (:func:`lungspot.datasets.splits.read_splits`): a film named there takes its
    patient and split, and every other film of such a patient follows; the rest are hashed by :func:`side`. ``root`` is
    the folder that the paths of ``given`` are relative to. Entries that share one film's file, as of two people who
    drew on it, are on one side. Raises ``DATASET_LEAK`` where ``given`` puts a patient in two splits.
    """
    named: list[Case] = []
    for case in cases:
        entry = None
        if given and root is not None and case.image is not None and case.image.is_relative_to(root):
            entry = given.get(case.image.relative_to(root).as_posix())
        named.append(case if entry is None else replace(case, patient=entry[0], split=None))
    known = _known(given or {})
    one = _sharing(named)
    found = [
        replace(case, split=known.get(case.patient) or side(one[case.patient], fractions=fractions, salt=salt))
        for case in named
    ]
    refuse_leaks(found)
    return found


def leaks(cases: Iterable[Case]) -> tuple[Leak, ...]:
    """Return the patients with films in several splits, by patient; films without a split do not count."""
    patients: dict[str, dict[Split, list[str]]] = {}
    for case in cases:
        if case.split is not None:
            patients.setdefault(case.patient, {}).setdefault(case.split, []).append(case.id)
    return tuple(
        Leak(patient, tuple((name, tuple(splits[name])) for name in Split if name in splits))
        for patient, splits in sorted(patients.items())
        if len(splits) > 1
    )


def refuse_leaks(cases: Iterable[Case], where: object = None) -> None:
    """Raise ``DATASET_LEAK`` where a patient has films in several splits."""
    found = leaks(cases)
    if found:
        more = f", and {len(found) - 1} more patients" if len(found) > 1 else ""
        raise DatasetError("DATASET_LEAK", where, f"{found[0]}{more}")


def without_patient(cases: Iterable[Case]) -> list[Case]:
    """Return the films of which nobody says whose they are: their patient is made of the film's own id.

    Each counts as a patient of its own, so that films of one person may fall on two sides. Public datasets with one
    film a patient, and such whose names tell the patient, are known (``patients_known`` of their declaration).
    """
    known = {name for name, data in DATASETS.items() if data.patients_known}
    return [case for case in cases if case.dataset not in known and case.patient.endswith(f"_{case.id}")]


def write_splits(cases: Iterable[Case], path: Path, root: Path) -> int:
    """Write :func:`splits_csv` to ``path``, over what is there; return how many films it names."""
    text = splits_csv(cases, path, root)
    path.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
    return text.count("\n") - 1


def splits_csv(cases: Iterable[Case], path: Path, root: Path) -> str:
    """Return ``image, patient, split`` of the cases that have a film and a split, as CSV.

    ``image`` is relative to ``root``, with forward slashes. Raises ``DATASET_LEAK``, which names ``path``.
    """
    found = [case for case in cases if case.image is not None and case.split is not None]
    refuse_leaks(found, path)
    rows = [(_relative(case.image, root), case.patient, str(case.split)) for case in found]
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("image", "patient", "split"))
    writer.writerows(rows)
    return file.getvalue()


def split_base(cases: Iterable[Case], path: Path, root: Path) -> Path:
    """Return the folder that the paths of a split's CSV at ``path`` start from: the first below which all films are.

    Asked are the CSV's own folder, the dataset's ``root``, and the one above that; where none holds all, it is the
    first.
    """
    images = [case.image for case in cases if case.image is not None]
    bases = (path.parent, root, root.parent)
    return next((base for base in bases if all(image.is_relative_to(base) for image in images)), bases[0])


def _sharing(cases: Iterable[Case]) -> dict[str, str]:
    """Return patient → the first name of those that share a film's file with it, at last its own."""
    one: dict[str, str] = {}
    owners: dict[Path, str] = {}

    def first(patient: str) -> str:
        while one.setdefault(patient, patient) != patient:
            patient = one[patient]
        return patient

    for case in cases:
        here = first(case.patient)
        if case.image is not None:
            there = first(owners.setdefault(case.image, case.patient))
            one[max(here, there)] = min(here, there)
    return {patient: first(patient) for patient in one}


def _known(given: Mapping[str, tuple[str, Split]]) -> dict[str, Split]:
    known: dict[str, Split] = {}
    for image, (patient, name) in given.items():
        if known.setdefault(patient, name) is not name:
            raise DatasetError("DATASET_LEAK", image, f"{patient} is in {known[patient]} and in {name}")
    return known


def _relative(image: Path | None, root: Path) -> str:
    if image is None or not image.is_relative_to(root):
        raise InputError("BAD_VALUE", image, f"the film is not below {root}, which the split's paths start from")
    return image.relative_to(root).as_posix()
