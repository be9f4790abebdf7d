"""Check a dataset before anything is trained on it: name every problem, with its file and row.

Four looks, each of which can be had alone: the publisher's tables row by row (:mod:`.check_rows`), what the adapter
makes of them (a box that leaves its film, a film that is missing), patients on both sides of a split, and the films
themselves (:mod:`.check_films`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from lungspot.datasets.case import Case
from lungspot.datasets.catalog import load
from lungspot.datasets.check_films import check_films, missing_films
from lungspot.datasets.check_rows import check_rows
from lungspot.datasets.problems import PROBLEMS, Problem
from lungspot.datasets.split import leaks
from lungspot.datasets.splits import apply_splits, read_splits
from lungspot.errors import DatasetError

__all__ = ["PROBLEMS", "Films", "Problem", "check", "check_cases", "check_tables"]

Films = Literal["skip", "open", "compare"]


def check(
    name: str,
    root: Path,
    *,
    splits: Path | None = None,
    films: Films = "compare",
    progress: Callable[[Sequence[Path]], Iterable[Path]] = iter,
) -> tuple[Problem, ...]:
    """Return every problem of one dataset; none means that it can be trained on.

    ``splits``: a CSV of image, patient, split, which counts instead of the publisher's split. ``films``: ``skip``
    them, ``open`` each, or ``compare`` them too, to find those that show the same picture (needs the extra ``data``).
    ``progress``: draws a bar.
    Raises ``DATASET_NOT_FOUND`` for a name or folder that is none, ``MISSING_EXTRA``.
    """
    found = check_tables(name, root)
    if any(problem.code == "NOT_LOADED" for problem in found):
        return found
    cases = load(name, root)
    if splits is not None:
        cases = apply_splits(cases, read_splits(splits), splits.parent)
    return (*found, *check_cases(cases, films=films, progress=progress))


def check_tables(name: str, root: Path) -> tuple[Problem, ...]:
    """Return what is wrong with the tables of one dataset, and whether its adapter refuses them (``NOT_LOADED``)."""
    found = list(check_rows(name, root))
    try:
        cases = load(name, root)
    except DatasetError as error:
        if error.code == "DATASET_NOT_FOUND":
            raise
        return (*found, Problem.of("NOT_LOADED", error))
    if not any(problem.code.startswith("BOX_") for problem in found):
        found += check_boxes(cases)
    return tuple(found)


def check_cases(
    cases: Sequence[Case],
    *,
    films: Films = "compare",
    progress: Callable[[Sequence[Path]], Iterable[Path]] = iter,
) -> tuple[Problem, ...]:
    """Return the problems that any cases can have, of one dataset or of several together: films, patients, splits."""
    found = [*missing_films(cases), *check_patients(cases)]
    if films != "skip":
        found += check_films(cases, compare=films == "compare", progress=progress)
    return tuple(found)


def check_boxes(cases: Iterable[Case]) -> Iterator[Problem]:
    """Yield boxes that leave their film."""
    for case in cases:
        for reading in case.readings:
            for finding in reading.findings:
                if finding.box is not None and case.frame is not None and not finding.box.is_inside(case.frame):
                    corners = ", ".join(f"{corner:g}" for corner in finding.box.corners)
                    size = f"{case.frame.width} x {case.frame.height}"
                    text = f"{finding.label} of {reading.reader} at {corners}, on a film of {size}"
                    yield Problem("BOX_OUTSIDE", f"{case.dataset}/{case.id}", text)


def check_patients(cases: Iterable[Case]) -> Iterator[Problem]:
    """Yield the patients with films in several splits."""
    for leak in leaks(cases):
        films = "; ".join(f"{split}: {', '.join(names)}" for split, names in leak.films)
        yield Problem("PATIENT_IN_TWO_SPLITS", leak.patient, films)
