"""COVID-19 image repository of the Hannover Medical School: 243 films of 71 patients with COVID-19.

Boxes: none.
Known faults: no negatives; many films of one patient, some before admission; the patient is known to be ill, which a
single film need not show.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lungspot.datasets.declaration import Dataset, TruthSource
from lungspot.findings import Finding, Reading, State
from lungspot.formats import (
    STRICT,
    Case,
    Faults,
    PublishedTable,
    Row,
    find_films,
    require_folder,
)
from lungspot.images import age_in_years, parse_sex, parse_view

__all__ = ["DATASET", "READER", "cases"]

READER: Final = "hannover"
_HEADER: Final = (
    "patient_id,image_id,sex,age,size,weight,admission_offset,icu_admission_offset,icu_release_offset,death_offset,"
    "modality,projection,crp_offset,crp_val,d-dimer_offset,d-dimer_val,factor_xii_offset,factor_xii_val,ldh_offset,"
    "ldh_val,lymphocytes_offset,lymphocytes_val,neutrophils_offset,neutrophils_val,pco2_offset,pco2_val,po2_offset,"
    "po2_val"
)
FILMS: Final = PublishedTable(
    names=("data.csv",),
    headers=(_HEADER,),
    needs=("patient_id", "image_id", "sex", "age", "projection"),
    film="image_id",
    once=("image_id",),
)


def cases(root: Path) -> Iterator[Case]:
    """Yield a case for each row of ``data.csv``, with its film if that is there."""
    films = find_films([require_folder(root)])
    reading = Reading(READER, (Finding("covid19"),), {"covid19": State.PRESENT})
    for patient, image, row in _rows(root):
        yield Case(
            id=image,
            dataset="hannover",
            patient=f"han_{patient}",
            readings=(reading,),
            image=films.get(image),
            view=parse_view(row["projection"]),
            age_years=age_in_years(row["age"]),
            sex=parse_sex(row["sex"]),
        )


def _rows(root: Path, faults: Faults = STRICT) -> Iterator[tuple[str, str, Row]]:
    """Yield patient, film and row."""
    for where, row in faults.rows(FILMS, root):
        image, patient = faults.word(where, row, "image_id"), faults.word(where, row, "patient_id")
        if image is not None and patient is not None:
            yield patient, image, row


DATASET: Final = Dataset(
    name="hannover",
    folder="hannover",
    title="Hannover COVID-19 repository",
    boxed="none",
    citation="Winther HB, Laser H, Gerbel S, et al. COVID-19 image repository. figshare 2020, 10.25835/0090041.",
    link="https://github.com/ml-workgroup/covid-19-image-repository",
    terms="CC BY 3.0.",
    cases=cases,
    sources=(TruthSource(READER),),
    tables=(_rows,),
)
