"""DA and DB: 156 and 150 films of the National Institute of Tuberculosis, New Delhi: tuberculosis or normal.

Boxes: none.
Known faults: the class is the first letter of a file's name: ``p`` tuberculosis (``px7``), ``n`` normal (``nx24``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lungspot.datasets.declaration import Dataset, TruthSource
from lungspot.errors import DatasetError
from lungspot.findings import Finding, Reading, State
from lungspot.formats import Case, everything_absent, find_films, require_folder

__all__ = ["DATASET", "READER", "cases"]

READER: Final = "dadb"
_NAME = re.compile(r"([pn])x?\d+\Z")


def cases(root: Path) -> Iterator[Case]:
    """Yield a case for each film ``p#``, ``px#``, ``n#``, ``nx#`` below ``root``."""
    films = {stem: path for stem, path in find_films([require_folder(root)]).items() if _NAME.match(stem)}
    if not films:
        raise DatasetError("DATASET_INCOMPLETE", root, "no film called p#, px#, n# or nx# below it")
    positive = Reading(READER, (Finding("tuberculosis"),), {"tuberculosis": State.PRESENT})
    normal = everything_absent(READER)
    for stem, path in sorted(films.items()):
        reading = positive if stem.startswith("p") else normal
        yield Case(id=stem, dataset="dadb", patient=f"tbe_{stem}", readings=(reading,), image=path)


DATASET: Final = Dataset(
    name="dadb",
    folder="tb-extra/dadb",
    title="DA and DB, tuberculosis",
    boxed="none",
    citation=(
        "Chauhan A, Chauhan D, Rout C. Role of gist and PHOG features in computer-aided diagnosis of tuberculosis "
        "without segmentation. PLoS One 2014;9(11):e112980."
    ),
    link="https://sourceforge.net/projects/chestxrayhimachal/",
    terms="academic use.",
    research_only=True,
    cases=cases,
    sources=(TruthSource(READER),),
)
