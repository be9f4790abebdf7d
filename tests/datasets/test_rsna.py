import collections
import csv

import pytest

from lungspot.datasets import rsna as adapter
from lungspot.datasets import rsna_normals
from lungspot.errors import DatasetError
from lungspot.findings import Box, State, taxonomy


def test_boxes_classes_and_nih_names(rsna, nih):
    opaque, normal, other = adapter.cases(rsna)
    assert (opaque.id, opaque.patient) == ("00000001_000", "nih_00000001")
    assert opaque.image == nih / "images_001" / "images" / "00000001_000.png"
    assert opaque.readings[0].boxes() == (Box(264, 152, 477, 531), Box(562, 152, 818, 605))
    assert dict(opaque.readings[0].states) == {"opacity": State.BOXED}
    assert normal.id == "00000001_001"
    assert set(normal.readings[0].states.values()) == {State.ABSENT}
    assert len(normal.readings[0].states) == len(taxonomy())
    assert (other.id, other.patient) == ("cccc-3", "rsna_cccc-3")
    assert other.image == rsna / "stage_2_train_images" / "cccc-3.png"
    assert dict(other.readings[0].states) == {"opacity": State.ABSENT}


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("stage_2_train_labels.csv", ",,,,0", ",,,,2", ":4: DATASET_ROW: Target is '2'"),
        ("stage_2_train_labels.csv", "213.0", "", ":2: DATASET_ROW: width is ''"),
        ("stage_2_train_labels.csv", "213.0", "0", ":2: DATASET_ROW: a box from"),
        ("stage_2_train_labels.csv", "Target", "target", "DATASET_COLUMNS: no column Target"),
        ("stage_2_detailed_class_info.csv", "Normal\n", "Fine\n", "DATASET_ROW: unknown class"),
        ("nih_names.csv", "nih_image", "nih", "DATASET_COLUMNS: no column nih_image"),
    ],
)
def test_a_corrupted_file_is_one_line(rsna, file, old, new, words):
    path = rsna / file
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DatasetError) as caught:
        list(adapter.cases(rsna))
    assert words in str(caught.value)
    assert file in str(caught.value)
    assert "\n" not in str(caught.value)


def test_counts_equal_the_raw_files(shared_data, real):
    root = shared_data / "rsna"
    rows = [line.split(",") for line in (root / "stage_2_train_labels.csv").read_text().splitlines()[1:]]
    with (root / "stage_2_detailed_class_info.csv").open(newline="") as file:
        classes = {row["patientId"]: row["class"] for row in csv.DictReader(file)}
    cases = real("rsna")
    assert len(cases) == len({row[0] for row in rows}) == 26463
    assert sum(len(case.readings[0].findings) for case in cases) == sum(row[5] == "1" for row in rows)
    states = collections.Counter(case.readings[0].state("opacity") for case in cases)
    assert states[State.BOXED] == len({row[0] for row in rows if row[5] == "1"})
    assert states[State.ABSENT] == len({row[0] for row in rows if row[5] == "0"})
    normal = sum(case.readings[0].state("edema") is State.ABSENT for case in cases)
    assert normal == collections.Counter(classes.values())["Normal"]
    names = [line.split(",")[1][:-4] for line in (root / "nih_names.csv").read_text().splitlines()[1:]]
    assert {case.id for case in cases if case.patient.startswith("nih_")} == set(filter(None, names))


def test_normals_are_absent_of_everything(download):
    root = download({"images/rsna_Normal-1.jpg": "", "images/else.jpg": ""})
    (case,) = rsna_normals.cases(root)
    assert (case.id, case.patient, case.frame) == ("rsna_Normal-1", "rsna_rsna_Normal-1", None)
    assert dict.fromkeys(case.readings[0].states.values()) == {State.ABSENT: None}
    (root / "images" / "rsna_Normal-1.jpg").unlink()
    with pytest.raises(DatasetError, match=r"DATASET_INCOMPLETE: no film called rsna_Normal-\*"):
        list(rsna_normals.cases(root))


def test_normals_are_the_films_of_the_folder(shared_data):
    cases = list(rsna_normals.cases(shared_data / "rsna-normals"))
    assert {case.image for case in cases} == set((shared_data / "rsna-normals" / "images").iterdir())
    assert len(cases) == 780
