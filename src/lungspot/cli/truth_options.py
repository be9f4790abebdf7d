"""What verbs share that hold predictions against the truth: where the truth is from, and which of its films count."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lungspot.cli.console import require_one_of
from lungspot.cli.data_sources import cases_of, say_classes, united
from lungspot.errors import DatasetError

if TYPE_CHECKING:
    from lungspot.formats import Case, ClassMap

__all__ = ["source_of", "truth_cases"]


def source_of(truth: str) -> tuple[str, Path]:
    """Return the dataset's or format's name and its folder; a bare path is COCO."""
    name, colon, root = truth.partition(":")
    if colon and root and name.isidentifier():
        return name, Path(root)
    return "coco", Path(truth)


def truth_cases(
    name: str,
    root: Path,
    splits: Path | None,
    split: str | None,
    classes: ClassMap,
    *,
    looked_for_all: bool,
    quiet: bool,
) -> list[Case]:
    """Return the films of the truth; raises ``DATASET_INCOMPLETE`` where no film is left to judge on."""
    from lungspot.evaluate import exhaustive

    if name == "coco" and splits is None:
        from lungspot.formats import coco

        cases = coco.read(root, need_films=False, names=classes)  # boxes can be judged where the films are not
    else:
        cases = cases_of(name, root, splits, classes=classes)
    if not quiet:
        say_classes(classes)
    cases = united(cases, quiet=quiet)
    if split is not None:
        require_one_of(split, ("train", "val", "test"), "--split")
        cases = [case for case in cases if case.split == split]
    if not cases:
        raise DatasetError("DATASET_INCOMPLETE", root, "no film to judge on", advice="give another --split or --splits")
    return exhaustive(cases) if looked_for_all else cases
