"""Check a dataset before anything is trained on it: name every problem, with its file and row.

Four looks: the publisher's tables row by row (each dataset's own readers, which keep every fault instead of raising the
first: :mod:`lungspot.formats.faults`), what the adapter makes of them (a box that leaves its film, a film that is
missing), patients on both sides of a split, and the films themselves (:mod:`.check_films`).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from lungspot.datasets.catalog import DATASETS
from lungspot.datasets.check_films import check_films, missing_films
from lungspot.datasets.sources import in_split, load_source, same_kind, sources_of
from lungspot.datasets.split import leaks
from lungspot.datasets.splits import read_splits
from lungspot.errors import DatasetError
from lungspot.findings import Box
from lungspot.formats import (
    ANNOTATION_FORMATS,
    PROBLEMS,
    AnnotatedImage,
    Case,
    ClassMap,
    Faults,
    Problem,
    Split,
    film_size,
    suggestion,
)

__all__ = ["PROBLEMS", "FilmLook", "Problem", "check", "check_cases", "check_reading", "check_tables", "films_of_split"]

FilmLook = Literal["skip", "open", "compare"]


def check(  # noqa: PLR0913 - what to check, how closely, and how it is told
    name: str,
    root: Path,
    *,
    splits: Path | None = None,
    films: FilmLook = "compare",
    progress: Callable[[Sequence[Path]], Iterable[Path]] = iter,
    classes: ClassMap | None = None,
) -> tuple[Problem, ...]:
    """Return every problem of a dataset, or of a folder in a tool's format; none means that it can be trained on.

    ``name``: of a dataset or a format, or ``all``: every dataset whose folder is below ``root``, and the pairs of films
    across them. ``splits``: a CSV of image, patient, split, which counts instead of the publisher's split. ``films``:
    ``skip`` them, ``open`` each, or ``compare`` them too, to find those that show the same picture (needs the extra
    ``data``). ``progress``: draws a bar. ``classes``: what class names mean in a tool's files; it learns what became of
    each.
    Raises ``DATASET_NOT_FOUND`` for a name or folder that is none, ``MISSING_EXTRA``.
    """
    splits, root = same_kind(splits, root)
    cases: list[Case] = []
    found: list[Problem] = []
    for source, folder in sources_of(name, root):
        loaded, problems = check_reading(source, folder, classes)
        cases += loaded
        found += problems
    if any(problem.code == "NOT_LOADED" for problem in found):
        return tuple(found)
    if splits is not None:
        given = read_splits(splits)
        cases, base = in_split(cases, given, splits, root)
        found += films_of_split(given, base, root)
    return (*found, *check_cases(cases, films=films, progress=progress))


def check_tables(name: str, root: Path) -> list[Problem]:
    """Return what is wrong with the tables of one dataset, in the order of its readers and of their rows.

    A table that is not there, or is no table, is left to the adapter, which says so.
    """
    kept: list[Problem] = []
    for read in DATASETS[name].tables if name in DATASETS else ():
        try:
            rows = read(root, Faults(kept))
            if isinstance(rows, Iterator):
                deque(rows, maxlen=0)
        except DatasetError:
            continue
    return kept


def check_reading(name: str, root: Path, classes: ClassMap | None = None) -> tuple[list[Case], list[Problem]]:
    """Return the cases of one dataset or one folder in a tool's format, and what is wrong with tables and cases.

    What the tables tell already is not said twice. Raises ``DATASET_NOT_FOUND``; whatever else the adapter refuses is
    the problem ``NOT_LOADED``, and there are no cases.
    """
    found = check_tables(name, root)
    met = (classes or ClassMap()).keeping_unknown()
    try:
        cases = load_source(name, root, met)
        if name in ANNOTATION_FORMATS:
            found += check_stated_sizes(ANNOTATION_FORMATS[name].annotated_images(root, met.keeping_unknown()), cases)
    except DatasetError as error:
        if error.code == "DATASET_NOT_FOUND":
            raise
        return [], [*found, Problem.of("NOT_LOADED", error)]
    if classes is not None:
        classes.take_over(met)
    for unknown, (where, number) in met.unknown.items():
        found.append(Problem("LABEL_UNKNOWN", where, f"{unknown!r}, of {number} annotations: {suggestion(unknown)}"))
    told = {problem.code for problem in found}
    if not any(code.startswith("BOX_") for code in told):
        found += check_boxes(cases)
    if "ROW_DUPLICATED" not in told:
        found += check_repeats(cases)
    return cases, found


def check_cases(
    cases: Sequence[Case],
    *,
    films: FilmLook = "compare",
    progress: Callable[[Sequence[Path]], Iterable[Path]] = iter,
) -> tuple[Problem, ...]:
    """Return the problems that any cases can have, of one dataset or of several together: films, patients, splits."""
    found = [*missing_films(cases), *check_patients(cases)]
    if films != "skip":
        found += check_films(cases, compare=films == "compare", progress=progress)
    return tuple(found)


def check_stated_sizes(annotated: Sequence[AnnotatedImage], cases: Sequence[Case]) -> Iterator[Problem]:
    """Yield films whose size is another than a tool's file states, and one film that stands for two."""
    seen: dict[Path, str] = {}
    for stated, case in zip(annotated, cases, strict=True):
        if case.image is None or stated.case_json is not None:
            continue
        if (other := seen.setdefault(case.image, stated.where)) != stated.where:
            yield Problem("ROW_DUPLICATED", stated.where, f"{case.image} is the film of {other} too")
        try:
            shown = film_size(case.image)
        except DatasetError:  # opening the film says so
            continue
        if case.frame is not None and case.frame != shown:
            text = f"{case.frame.width} x {case.frame.height} is stated, {case.image} is {shown.width} x {shown.height}"
            yield Problem("SIZE_DIFFERS", stated.where, text)


def check_boxes(cases: Iterable[Case]) -> Iterator[Problem]:
    """Yield boxes that leave their film, and boxes around several instances."""
    for case in cases:
        for reading in case.readings:
            for finding in reading.findings:
                if finding.crowd and finding.box is not None:
                    text = f"{finding.label} of {reading.reader} at {_shown(finding.box)}"
                    yield Problem("BOX_CROWD", f"{case.dataset}/{case.id}", text)
                if finding.box is not None and case.frame is not None and not finding.box.is_inside(case.frame):
                    size = f"{case.frame.width} x {case.frame.height}"
                    text = f"{finding.label} of {reading.reader} at {_shown(finding.box)}, on a film of {size}"
                    yield Problem("BOX_OUTSIDE", f"{case.dataset}/{case.id}", text)


def check_repeats(cases: Iterable[Case]) -> Iterator[Problem]:
    """Yield films that a dataset holds twice, and boxes that one reader drew twice."""
    films: set[tuple[str, str]] = set()
    for case in cases:
        where = f"{case.dataset}/{case.id}"
        if (case.dataset, case.id) in films:
            yield Problem("ROW_DUPLICATED", where, "the film is there twice")
        films.add((case.dataset, case.id))
        for reading in case.readings:
            boxes = Counter((finding.label, finding.box) for finding in reading.findings if finding.box is not None)
            for (label, box), number in boxes.items():
                if number > 1:
                    text = f"{label} of {reading.reader} at {_shown(box)}, {number} times"
                    yield Problem("ROW_DUPLICATED", where, text)


def films_of_split(given: Mapping[str, tuple[str, Split]], base: Path, root: Path) -> Iterator[Problem]:
    """Yield the films below ``root`` that a given split names (relative to ``base``) and that are not there."""
    for image in given:
        path = base / image
        if path.is_relative_to(root) and not path.is_file():
            yield Problem("FILM_MISSING", str(path), "the split names it, and it is not there")


def check_patients(cases: Iterable[Case]) -> Iterator[Problem]:
    """Yield the patients with films in several splits."""
    for leak in leaks(cases):
        films = "; ".join(f"{split}: {', '.join(names)}" for split, names in leak.films)
        yield Problem("PATIENT_IN_TWO_SPLITS", leak.patient, films)


def _shown(box: Box) -> str:
    return ", ".join(f"{corner:g}" for corner in box.corners)
