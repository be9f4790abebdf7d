import csv

import pytest

from lungspot.datasets import hannover as adapter
from lungspot.errors import DatasetError
from lungspot.findings import State
from lungspot.images.radiograph import Sex, View

HEADER = "patient_id,image_id,sex,age,size,weight,admission_offset,modality,projection\n"


def test_rows_are_films_with_covid19(download):
    root = download(
        {"data.csv": HEADER + "024e7871,fff13f3a,f,,,,0,CR,pa\n024e7871,aa,m,61,,,0,DX,ap\n", "png/aa.jpg": ""}
    )
    first, second = adapter.cases(root)
    assert (first.id, first.patient, first.view, first.sex, first.age_years, first.image) == (
        "fff13f3a",
        "han_024e7871",
        View.PA,
        Sex.FEMALE,
        None,
        None,
    )
    assert (second.patient, second.age_years, second.image) == ("han_024e7871", 61.0, root / "png" / "aa.jpg")
    assert dict(first.readings[0].states) == {"covid19": State.PRESENT}


def test_bad_downloads_are_one_line(download):
    with pytest.raises(DatasetError, match=r"DATASET_INCOMPLETE: no data\.csv"):
        list(adapter.cases(download({})))
    with pytest.raises(DatasetError, match="DATASET_COLUMNS: no column projection"):
        list(adapter.cases(download({"data.csv": HEADER.replace("projection", "view")})))
    with pytest.raises(
        DatasetError, match=r"data\.csv:2: DATASET_ROW: patient_id is empty"
    ):  # else all are one person's
        list(adapter.cases(download({"data.csv": f"{HEADER},aa,m,61,,,0,DX,ap\n"})))


def test_counts_equal_the_raw_files(shared_data):
    root = shared_data / "hannover"
    with (root / "data.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    cases = list(adapter.cases(root))
    assert [case.id for case in cases] == [row["image_id"] for row in rows]
    assert {case.image for case in cases} - {None} == set((root / "png").iterdir())
    assert len({case.patient for case in cases}) == len({row["patient_id"] for row in rows})
