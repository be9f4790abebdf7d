"""What verbs share that hold predictions against the truth: where the truth is from, and which of its films count."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lungspot.cli.console import require_one_of
from lungspot.cli.data_sources import say_classes, united

if TYPE_CHECKING:
    from lungspot.formats import Case, ClassMap

__all__ = ["truth_cases"]


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
    from lungspot.datasets import SOURCE_NAMES
    from lungspot.evaluate import judged_cases, load_truth
    from lungspot.formats import Split

    require_one_of(name, SOURCE_NAMES, "NAME")
    cases = load_truth(name, root, splits, classes=classes)
    if not quiet:
        say_classes(classes)
    cases = united(cases, quiet=quiet)
    if split is not None:
        require_one_of(split, tuple(Split), "--split")
    return judged_cases(cases, split=split, looked_for_all=looked_for_all, where=root)
