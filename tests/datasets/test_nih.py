import collections
import re

import pytest

from lungspot.datasets import nih as adapter
from lungspot.errors import DatasetError
from lungspot.findings import Box, Frame, State
from lungspot.formats.case import Split
from lungspot.images.radiograph import Sex, View


def test_entries_boxes_films_and_the_official_split(nih):
    first, second, third, boxed = adapter.cases(nih)
    assert (first.id, first.dataset, first.patient, first.frame) == (
        "00000001_000",
        "nih",
        "nih_00000001",
        Frame(1024, 1024),
    )
    assert (first.view, first.age_years, first.sex, first.split) == (View.PA, 57.0, Sex.MALE, Split.TEST)
    assert first.image == nih / "images_001" / "images" / "00000001_000.png"
    reports, boxes = first.readings
    assert (reports.reader, boxes.reader) == (adapter.REPORTS, adapter.BOXES)
    assert {label for label, state in reports.states.items() if state is State.PRESENT} == {"cardiomegaly", "effusion"}
    assert len(reports.states) == 14
    assert set(reports.states.values()) == {State.PRESENT, State.ABSENT}
    assert reports.state("covid19") is State.NOT_LOOKED_FOR
    assert boxes.boxes("cardiomegaly") == (Box(100.5, 200.5, 400.5, 450.5),)
    assert dict(boxes.states) == {"cardiomegaly": State.PRESENT}  # one box a class: never said to be all
    assert second.image is None
    assert set(second.readings[0].states.values()) == {State.ABSENT}
    assert third.image is not None
    assert third.image.suffix == ".JPG"
    assert third.split is Split.TRAIN
    assert (boxed.id, boxed.readings[0].boxes("infiltration")) == ("00000003_000", (Box(10, 20, 40, 60),))


def test_version_2017_gives_the_same_but_for_its_ages(nih, nih_2017):
    old, new = list(adapter.cases(nih_2017)), list(adapter.cases(nih))
    assert [case.readings for case in old] == [case.readings for case in new]
    assert [case.age_years for case in old] == [58.0, None, pytest.approx(13 / 12), None]


@pytest.mark.parametrize(
    ("file", "change", "code", "words"),
    [
        ("Data_Entry_2017_v2020.csv", ("Mass", "Masss"), "DATASET_ROW", ":4: DATASET_ROW: unknown label 'Masss'"),
        ("Data_Entry_2017_v2020.csv", ("Finding Labels", "Labels"), "DATASET_COLUMNS", "no column Finding Labels"),
        ("Data_Entry_2017_v2020.csv", ("00000002_000.png", "2.png"), "DATASET_ROW", "is no NIH film"),
        (
            "Data_Entry_2017_v2020.csv",
            (",Mass,0,2,80,F,PA,2500,2048,0.171,0.171", ",Ma"),
            "DATASET_ROW",
            "2 values where",
        ),
        ("BBox_List_2017.csv", ("100.5", "abc"), "DATASET_ROW", ":2: DATASET_ROW: x is 'abc'"),
        ("BBox_List_2017.csv", ("300,250", "-300,250"), "DATASET_ROW", ":2: DATASET_ROW: a box from"),
        ("BBox_List_2017.csv", ("Infiltrate", "Spot"), "DATASET_ROW", ":3: DATASET_ROW: unknown label 'Spot'"),
        ("BBox_List_2017.csv", ("Finding Label", "Label"), "DATASET_COLUMNS", "no column Finding Label"),
    ],
)
def test_a_corrupted_file_is_one_line_with_its_row(nih, file, change, code, words):
    path = nih / file
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(DatasetError) as caught:
        list(adapter.cases(nih))
    assert caught.value.code == code
    assert words in str(caught.value)
    assert file in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["Data_Entry_2017_v2020.csv", "BBox_List_2017.csv"])
def test_half_a_download_names_what_is_missing(nih, file):
    (nih / file).unlink()
    with pytest.raises(DatasetError, match=rf"DATASET_INCOMPLETE: no {file}"):
        list(adapter.cases(nih))


def test_counts_equal_the_raw_files(shared_data, real):
    lines = (shared_data / "nih" / "Data_Entry_2017_v2020.csv").read_text().splitlines()[1:]
    entries = collections.Counter(word for line in lines for word in line.split(",")[1].split("|"))
    rows = (shared_data / "nih" / "BBox_List_2017.csv").read_text().splitlines()[1:]
    boxes = collections.Counter(re.split(",", row)[1] for row in rows)
    cases = real("nih")
    readings = [reading for case in cases for reading in case.readings]
    mined = [reading for reading in readings if reading.reader == adapter.REPORTS]
    assert len(mined) == len(lines) == 8389
    for name, label in adapter.LABELS.items():
        assert sum(reading.state(label) is State.PRESENT for reading in mined) == entries[name]
        assert sum(reading.state(label) is State.ABSENT for reading in mined) == len(lines) - entries[name]
    empty = [reading for reading in mined if not reading.findings]
    assert len(empty) == entries["No Finding"]
    found = collections.Counter(
        f.label for reading in readings if reading.reader == adapter.BOXES for f in reading.findings
    )
    labels = adapter.LABELS | {"Infiltrate": "infiltration"}
    assert found == {labels[name]: count for name, count in boxes.items()}
    films = {path.stem for path in (shared_data / "nih" / "images").iterdir()}
    assert {case.id for case in cases if case.image is not None} == films
