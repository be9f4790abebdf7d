"""Cases by the name of where they are from: a dataset, a folder in a tool's format, or ``all`` below a data folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lungspot.datasets import own_films
from lungspot.datasets.catalog import DATASETS, datasets_below, load, unknown_dataset
from lungspot.datasets.merge import merge
from lungspot.datasets.splits import apply_splits, read_splits
from lungspot.errors import DatasetError
from lungspot.formats import ANNOTATION_FORMATS, Case, ClassMap, Split, image_label_cases

__all__ = ["ALL", "NAMES", "cases_of", "in_split", "load_source", "same_kind", "sources_of", "unsized"]

ALL: Final = "all"  # every dataset whose folder is below the root
NAMES: Final = (*DATASETS, *ANNOTATION_FORMATS, ALL)


def sources_of(name: str, root: Path) -> list[tuple[str, Path]]:
    """Return the datasets or formats that a name means, each with its folder; raises ``DATASET_NOT_FOUND``."""
    if name in DATASETS or name in ANNOTATION_FORMATS:
        return [(name, root)]
    if name != ALL:
        raise unknown_dataset(name)
    return [(data.name, root / data.folder) for data in datasets_below(root)]


def load_source(name: str, root: Path, classes: ClassMap | None = None) -> list[Case]:
    """Return the cases of one dataset or of one folder in a tool's format; raises :class:`DatasetError`.

    ``classes``: what class names mean in a tool's files and in one's own tables; a public dataset's are known.
    """
    if name == own_films.DATASET.name:
        return list(image_label_cases(root, classes))
    return load(name, root) if name in DATASETS else ANNOTATION_FORMATS[name].read(root, names=classes)


def cases_of(
    name: str, root: Path, splits: Path | None = None, *, merged: bool = False, classes: ClassMap | None = None
) -> list[Case]:
    """Return the cases of a dataset, of a folder in a tool's format, or of ``all`` datasets below ``root``.

    ``splits``: only the films that this CSV names, with its patients and splits. ``merged``: one case a film.
    ``classes``: as for :func:`load_source`.
    """
    splits, root = same_kind(splits, root)
    cases = [case for source, folder in sources_of(name, root) for case in load_source(source, folder, classes)]
    if splits is not None:
        cases, _ = in_split(cases, read_splits(splits), splits, root)
    return merge(cases) if merged else cases


def same_kind(splits: Path | None, root: Path) -> tuple[Path | None, Path]:
    """Return both paths absolute where one of them is, so that one can be said relative to the other."""
    if splits is not None and splits.is_absolute() != root.is_absolute():
        return splits.absolute(), root.absolute()
    return splits, root


def in_split(
    cases: list[Case], given: Mapping[str, tuple[str, Split]], splits: Path, root: Path
) -> tuple[list[Case], Path]:
    """Return the cases that a split names, with its patients and splits, and the folder that its paths start from."""
    named = {base: apply_splits(cases, given, base) for base in (splits.parent, root, root.parent)}
    base = max(named, key=lambda base: len(named[base]))
    if not named[base]:
        raise DatasetError("DATASET_INCOMPLETE", splits, f"no film of {root} is named in it")
    return named[base], base


def unsized(name: str, root: Path) -> frozenset[str]:
    """Return the datasets that a name means (:func:`sources_of`) whose films' true sizes are not known there."""
    public = ((source, folder) for source, folder in sources_of(name, root) if source in DATASETS)
    return frozenset(source for source, folder in public if not DATASETS[source].sizes_known(folder))
