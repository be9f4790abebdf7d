"""Films that the RSNA challenge's radiologists read as Normal, as a folder of images.

Boxes: none.
Known faults: the file names (``rsna_Normal-10016``) are neither NIH's nor RSNA's, so a film may be in ``nih`` too.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lungspot.datasets.declaration import Dataset
from lungspot.datasets.rsna import READER
from lungspot.errors import DatasetError
from lungspot.formats import Case, everything_absent, find_films, require_folder

__all__ = ["DATASET", "cases"]


def cases(root: Path) -> Iterator[Case]:
    """Yield a case for each film named ``rsna_Normal-*`` below ``root``: every finding is absent."""
    films = {stem: path for stem, path in find_films([require_folder(root)]).items() if stem.startswith("rsna_Normal")}
    if not films:
        raise DatasetError("DATASET_INCOMPLETE", root, "no film called rsna_Normal-* below it")
    reading = everything_absent(READER)
    for stem, path in sorted(films.items()):
        yield Case(id=stem, dataset="rsna_normals", patient=f"rsna_{stem}", readings=(reading,), image=path)


DATASET: Final = Dataset(
    name="rsna_normals",
    folder="rsna-normals",
    title="films that RSNA's readers call normal",
    boxed="none",
    citation="as rsna's",
    link="https://www.kaggle.com/c/rsna-pneumonia-detection-challenge",
    terms="research, non-commercial; do not share the files.",
    research_only=True,
    cases=cases,
    sources=(),
)
