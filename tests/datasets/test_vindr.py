import collections
import csv
import gzip

import pytest

from lungspot.datasets import vindr as adapter
from lungspot.errors import DatasetError
from lungspot.findings import Box, Frame, State
from lungspot.formats.case import Split


def test_kaggle_gives_one_reading_a_reader(vindr_kaggle):
    first, second = adapter.cases(vindr_kaggle)
    assert [reading.reader for reading in first.readings] == ["R8", "R9", "R10"]
    r8, r9, r10 = first.readings
    assert r8.boxes("effusion") == (Box(10, 20, 110, 120.5), Box(300, 20, 400, 120))  # both of one reader's boxes
    assert r8.state("nodule_mass") is State.ABSENT
    assert r9.state("nodule_mass") is State.BOXED
    assert r9.state("tuberculosis") is State.NOT_LOOKED_FOR
    assert set(r10.states.values()) == {State.ABSENT}
    assert len(r10.states) == len(adapter.KAGGLE) == 14
    assert first.frame == Frame(400, 121)  # nobody says the size: the smallest that holds the boxes
    assert second.frame is None
    assert first.patient == "vindr_f1"
    assert not adapter.sizes_known(vindr_kaggle)


def test_the_originating_copy_has_width_and_height(vindr_kaggle):
    path = vindr_kaggle / "train.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0] + ",width,height", *(line + ",2336,2836" for line in lines[1:])]))
    assert [case.frame for case in adapter.cases(vindr_kaggle)] == [Frame(2336, 2836)] * 2
    assert adapter.sizes_known(vindr_kaggle)


def test_a_dicom_film_says_its_size(vindr_kaggle, rg1):
    (vindr_kaggle / "train").mkdir()
    (vindr_kaggle / "train" / "f1.dicom").write_bytes(rg1["J2KR"].read_bytes())
    first = next(iter(adapter.cases(vindr_kaggle)))
    assert first.frame == Frame(1841, 1955)
    assert first.image == vindr_kaggle / "train" / "f1.dicom"
    assert adapter.sizes_known(vindr_kaggle)


def test_physionet_gives_boxes_calls_by_image_and_the_test_consensus(vindr_physionet):
    train, test = adapter.cases(vindr_physionet)
    r8, r9 = train.readings
    assert (train.split, test.split) == (Split.TRAIN, Split.TEST)
    assert train.frame == Frame(2836, 2336)
    assert r8.boxes("rib_fracture") == (Box(10, 20, 110, 120),)
    assert r8.state("tuberculosis") is State.PRESENT
    assert r8.state("edema") is State.ABSENT
    assert r8.state("other_disease") is State.ABSENT
    assert len(r8.states) == 22 + 5
    assert set(r9.states.values()) == {State.ABSENT}
    (consensus,) = test.readings
    assert consensus.reader == adapter.CONSENSUS
    assert consensus.state("edema") is State.BOXED
    assert consensus.state("other_disease") is State.PRESENT


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        (
            "annotations/annotations_train.csv",
            "Rib fracture,10",
            "Spot,10",
            ":2: DATASET_ROW: unknown class_name 'Spot'",
        ),
        ("annotations/annotations_train.csv", "10,20,110,120", "10,20,10,120", ":2: DATASET_ROW: a box from"),
        ("annotations/annotations_train.csv", "x_min", "xmin", "DATASET_COLUMNS: no column x_min"),
        ("annotations/image_labels_train.csv", "R8,0", "R8,yes", ":2: DATASET_ROW: Aortic enlargement is 'yes'"),
        ("annotations/image_labels_train.csv", "R8,0", "R8,2", "neither 0 nor 1"),
        ("annotations/image_labels_train.csv", "Tuberculosis", "TBC", "DATASET_COLUMNS: no column Tuberculosis"),
    ],
)
def test_a_corrupted_file_is_one_line(vindr_physionet, file, old, new, words):
    path = vindr_physionet / file
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DatasetError) as caught:
        list(adapter.cases(vindr_physionet))
    assert words in str(caught.value)
    assert file in str(caught.value)
    assert "\n" not in str(caught.value)


def test_half_a_download_names_what_is_missing(vindr_physionet, download):
    (vindr_physionet / "annotations" / "image_labels_test.csv").unlink()
    with pytest.raises(DatasetError, match=r"annotations_test\.csv is here, image_labels_test\.csv is not"):
        list(adapter.cases(vindr_physionet))
    with pytest.raises(DatasetError, match=r"DATASET_INCOMPLETE: no train\.csv, train\.csv\.gz or annotations"):
        list(adapter.cases(download({}, "empty")))


def test_counts_equal_the_raw_files(shared_data, real):
    with gzip.open(shared_data / "vindr" / "train.csv.gz", "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    boxes = collections.Counter(row["class_name"] for row in rows if row["class_id"] != "14")
    marked = collections.defaultdict(set)
    for row in rows:
        marked[row["class_name"]].add(row["image_id"])
    cases = real("vindr")
    assert len(cases) == 15000
    assert {len(case.readings) for case in cases} == {3}
    found = collections.Counter(f.label for case in cases for r in case.readings for f in r.findings)
    assert found == {adapter.KAGGLE[name]: count for name, count in boxes.items()}
    for name, label in adapter.KAGGLE.items():
        films = {case.id for case in cases if any(reading.state(label) is State.BOXED for reading in case.readings)}
        assert films == marked[name]
    assert [len(marked[name]) for name in ("Atelectasis", "Pleural effusion", "Cardiomegaly")] == [186, 1032, 2300]
