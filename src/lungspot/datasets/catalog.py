"""The datasets by name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from lungspot.datasets import (
    chestxdet,
    dadb,
    hannover,
    jsrt,
    lidc_drr,
    nih,
    nlm_tb,
    own_films,
    rsna,
    rsna_normals,
    siim_acr,
    siim_covid,
    tbx11k,
    vindr,
    wingspan,
)
from lungspot.datasets.declaration import Dataset, TruthSource
from lungspot.datasets.merge import merge
from lungspot.datasets.splits import SPLITS_FILE, apply_splits, read_splits
from lungspot.errors import DatasetError
from lungspot.formats import Case, list_films

__all__ = [
    "DATASETS",
    "SOURCES",
    "Dataset",
    "datasets_below",
    "load",
    "load_all",
    "load_with_splits",
    "terms_of",
    "unknown_dataset",
]


# Films' own datasets stand before those that only read them: merge() takes its facts from the first.
DATASETS: Final[dict[str, Dataset]] = {
    module.DATASET.name: module.DATASET
    for module in (
        nih,
        chestxdet,
        rsna,
        siim_covid,
        tbx11k,
        nlm_tb,
        dadb,
        hannover,
        rsna_normals,
        jsrt,
        wingspan,
        lidc_drr,
        vindr,
        siim_acr,
        own_films,
    )
}

# Every reader of a dataset, and how what it says counts as truth.
SOURCES: Final[dict[str, TruthSource]] = {
    source.reader: source for data in DATASETS.values() for source in data.sources
}


def terms_of(names: Iterable[str]) -> tuple[str, ...]:
    """Return one line a dataset, in the catalogue's order: what it is, its terms and its link; each name once.

    A model trained on datasets carries these. Names that are no dataset's raise :class:`DatasetError`.
    """
    wanted = set(names)
    if unknown := sorted(wanted - DATASETS.keys()):
        raise unknown_dataset(unknown[0])
    return tuple(f"{data.title}: {data.terms} {data.link}" for name, data in DATASETS.items() if name in wanted)


def load(name: str, root: Path) -> list[Case]:
    """Return the cases of one dataset; raises :class:`DatasetError`."""
    if name not in DATASETS:
        raise unknown_dataset(name)
    return list(DATASETS[name].cases(root))


def datasets_below(data_root: Path) -> list[Dataset]:
    """Return the datasets whose folder is below ``data_root``, in the catalogue's order.

    Raises :class:`DatasetError` ``DATASET_NOT_FOUND`` where none is.
    """
    here = [data for data in DATASETS.values() if (data_root / data.folder).is_dir()]
    if not here:
        folders = ", ".join(data.folder for data in DATASETS.values())
        raise DatasetError("DATASET_NOT_FOUND", data_root, f"none of the folders {folders} here")
    return here


def load_all(data_root: Path, *, with_film: bool = True) -> list[Case]:
    """Return the cases of every dataset whose folder is below ``data_root``, one a film (:func:`merge`).

    ``with_film``: leave out cases whose film is not there. Raises :class:`DatasetError` where no dataset is there.
    """
    here = datasets_below(data_root)
    if with_film:  # a folder of annotations alone need not be read
        here = [data for data in here if data.films_elsewhere or any(list_films(data_root / data.folder))]
    cases = (case for data in here for case in data.cases(data_root / data.folder))
    return merge(case for case in cases if case.image is not None or not with_film)


def load_with_splits(data_root: Path) -> list[Case]:
    """Return the cases of :func:`load_all` that ``splits.csv`` below ``data_root`` names, with its patients and parts.

    Raises :class:`DatasetError` where no dataset or no such table is there.
    """
    return apply_splits(load_all(data_root), read_splits(data_root / SPLITS_FILE), data_root)


def unknown_dataset(name: str) -> DatasetError:
    """Return what is said of a name that is no dataset's."""
    advice = f"use one of {', '.join(DATASETS)}"
    return DatasetError("DATASET_NOT_FOUND", None, f"no dataset is called {name!r}", advice=advice)
