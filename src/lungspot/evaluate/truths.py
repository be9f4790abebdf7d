"""What counts as truth: of each film the one reading that predictions are judged by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from lungspot.datasets import DATASETS, SOURCES, cases_of_source, noisy, truth
from lungspot.errors import DatasetError
from lungspot.evaluate.pairing import exhaustive, without
from lungspot.findings import Reading, majority
from lungspot.formats import Case, ClassMap, read_coco

__all__ = ["coco_truth", "judged_cases", "load_truth", "truth_source", "truths"]

_COCO: Final = "coco"

# readers whose labels mean another disease by the rule of the ten diseases, wherever they were written to
_RULED = frozenset(reader for reader, source in SOURCES.items() if source.ruled)


def truth_source(words: str) -> tuple[str, Path]:
    """Return the dataset's or format's name and its folder that ``NAME:ROOT`` means; a bare path is COCO's."""
    name, colon, root = words.partition(":")
    if colon and root and name.isidentifier():
        return name, Path(root)
    return _COCO, Path(words)


def coco_truth(name: str, root: Path) -> Path | None:
    """Return the COCO file that a truth is, whose ids a bare list of COCO results uses; None where it is none."""
    return root if name == _COCO and root.is_file() else None


def load_truth(name: str, root: Path, splits: Path | None = None, *, classes: ClassMap | None = None) -> list[Case]:
    """Return the cases of a truth, as :func:`lungspot.datasets.cases_of_source` does.

    Those of COCO without ``splits`` need no films: boxes can be judged where the films are not.
    """
    if name == _COCO and splits is None:
        return read_coco(root, need_films=False, names=classes)
    return cases_of_source(name, root, splits, classes=classes)


def judged_cases(
    cases: Sequence[Case], *, split: str | None = None, looked_for_all: bool = False, where: object = None
) -> list[Case]:
    """Return the cases that predictions are held to: of one ``split`` alone, where given.

    ``looked_for_all``: on every film people looked for every label (:func:`~lungspot.evaluate.exhaustive`). Raises
    ``DATASET_INCOMPLETE``, at ``where``, if no film is left.
    """
    kept = [case for case in cases if split is None or case.split == split]
    if not kept:
        raise DatasetError(
            "DATASET_INCOMPLETE", where, "no film to judge on", advice="give another --split or --splits"
        )
    return exhaustive(kept) if looked_for_all else kept


def truths(cases: Iterable[Case], name: str, *, certain: bool = False) -> list[tuple[Case, Reading]]:
    """Return each case with the reading that counts, in the case's frame.

    It is what the rule of the ten diseases makes of its readings (:func:`lungspot.datasets.truth.truth`) where they
    are a public dataset's; else its only reading; else the majority of its readers, as for a dataset that declares
    ``several_readers``. ``name``: of the dataset or format that the cases are from, or ``all``. ``certain``: without
    the labels that are doubtful on a film (:func:`lungspot.datasets.truth.noisy`), which then nobody looked for there.
    """
    public = name == "all" or (name in DATASETS and not DATASETS[name].several_readers)
    found = []
    for case in cases:
        if public or _RULED & {reading.reader for reading in case.readings}:
            found.append((case, without(truth(case), noisy(case) if certain else ())))
        else:
            found.append((case, case.readings[0] if len(case.readings) == 1 else majority(case.readings)))
    return found
