"""The datasets by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
    rsna,
    rsna_normals,
    siim_acr,
    siim_covid,
    tbx11k,
    vindr,
    wingspan,
)
from lungspot.datasets.merge import merge
from lungspot.errors import DatasetError
from lungspot.formats import image_labels
from lungspot.formats.case import Case
from lungspot.formats.films import list_films

__all__ = ["DATASETS", "Dataset", "load", "load_all"]


@dataclass(frozen=True, slots=True)
class Dataset:
    """An adapter, and the folder below a common data folder where its download lies."""

    cases: Callable[[Path], Iterator[Case]]
    folder: str
    films_elsewhere: bool = False  # its films may lie in the folder of the NIH's


# Films' own datasets stand before those that only read them: merge() takes its facts from the first.
DATASETS: Final[dict[str, Dataset]] = {
    "nih": Dataset(nih.cases, "nih"),
    "chestxdet": Dataset(chestxdet.cases, "chestx-det", films_elsewhere=True),
    "rsna": Dataset(rsna.cases, "rsna", films_elsewhere=True),
    "siim_covid": Dataset(siim_covid.cases, "siim-covid"),
    "tbx11k": Dataset(tbx11k.cases, "tbx11k"),
    "nlm_tb": Dataset(nlm_tb.cases, "tb-extra"),
    "dadb": Dataset(dadb.cases, "tb-extra/dadb"),
    "hannover": Dataset(hannover.cases, "hannover"),
    "rsna_normals": Dataset(rsna_normals.cases, "rsna-normals"),
    "jsrt": Dataset(jsrt.cases, "jsrt"),
    "wingspan": Dataset(wingspan.cases, "wingspan"),
    "lidc_drr": Dataset(lidc_drr.cases, "lidc-drr"),
    "vindr": Dataset(vindr.cases, "vindr"),
    "siim_acr": Dataset(siim_acr.cases, "siim-acr"),
    "csv": Dataset(image_labels.cases, "csv"),
}


def load(name: str, root: Path) -> list[Case]:
    """Return the cases of one dataset; raises :class:`DatasetError`."""
    if name not in DATASETS:
        raise DatasetError(
            "DATASET_NOT_FOUND", None, f"no dataset is called {name!r}", advice=f"use one of {', '.join(DATASETS)}"
        )
    return list(DATASETS[name].cases(root))


def load_all(data_root: Path, *, with_film: bool = True) -> list[Case]:
    """Return the cases of every dataset whose folder is below ``data_root``, one a film (:func:`merge`).

    ``with_film``: leave out cases whose film is not there. Raises :class:`DatasetError` where no dataset is there.
    """
    here = [data for data in DATASETS.values() if (data_root / data.folder).is_dir()]
    if not here:
        folders = ", ".join(data.folder for data in DATASETS.values())
        raise DatasetError("DATASET_NOT_FOUND", data_root, f"none of the folders {folders} here")
    if with_film:  # a folder of annotations alone need not be read
        here = [data for data in here if data.films_elsewhere or any(list_films(data_root / data.folder))]
    cases = (case for data in here for case in data.cases(data_root / data.folder))
    return merge(case for case in cases if case.image is not None or not with_film)
