"""COVID-19 image repository of the Hannover Medical School: 243 films of 71 patients with COVID-19.

Citation: Winther HB, Laser H, Gerbel S, et al. COVID-19 image repository. figshare 2020, 10.25835/0090041.
Link: https://github.com/ml-workgroup/covid-19-image-repository
Terms: CC BY 3.0.
Boxes: none.
Known faults: no negatives; many films of one patient, some before admission; the patient is known to be ill, which a
single film need not show.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lungspot.findings import Finding, Reading, State
from lungspot.formats.case import Case
from lungspot.formats.films import find_films
from lungspot.formats.tables import age_in_years, need, read_rows, sex, view, word

__all__ = ["READER", "cases"]

READER: Final = "hannover"


def cases(root: Path) -> Iterator[Case]:
    """Yield a case for each row of ``data.csv``, with its film if that is there."""
    films = find_films([root])
    reading = Reading(READER, (Finding("covid19"),), {"covid19": State.PRESENT})
    path = need(root, "data.csv")
    for line, row in read_rows(path, ("patient_id", "image_id", "sex", "age", "projection")):
        yield Case(
            id=word(path, line, row, "image_id"),
            dataset="hannover",
            patient=f"han_{word(path, line, row, 'patient_id')}",
            readings=(reading,),
            image=films.get(row["image_id"]),
            view=view(row["projection"]),
            age_years=age_in_years(row["age"]),
            sex=sex(row["sex"]),
        )
