import pytest

from lungspot.datasets import lidc_drr as adapter
from lungspot.datasets.truth import truth
from lungspot.errors import DatasetError
from lungspot.findings import Box, Frame, State
from lungspot.formats.case import Split

HEADER = "image,native_width,native_height,x0,y0,x1,y1\n"
ROWS = "LIDC-IDRI-0001.jpg,512,472,297,135,341,167\nLIDC-IDRI-0001.jpg,512,472,10,20,30,41\n"


def test_rows_are_boxes_for_training(download):
    root = download({"nodules.csv": HEADER + ROWS, "images/LIDC-IDRI-0001.jpg": ""})
    (case,) = adapter.cases(root)
    assert (case.id, case.patient, case.frame) == ("LIDC-IDRI-0001", "lidc_LIDC-IDRI-0001", Frame(512, 472))
    assert (case.split, case.image) == (Split.TRAIN, root / "images" / "LIDC-IDRI-0001.jpg")
    assert case.readings[0].boxes("nodule_mass") == (Box(297, 135, 341, 167), Box(10, 20, 30, 41))
    assert dict(truth(case).states) == {"nodule_mass": State.BOXED}


def test_a_second_projection_is_of_the_same_patient(download):
    root = download({"nodules.csv": HEADER + ROWS + "LIDC-IDRI-0001_2.jpg,512,472,10,20,30,41\n"})
    assert [case.patient for case in adapter.cases(root)] == ["lidc_LIDC-IDRI-0001"] * 2


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (ROWS.replace("512,472,10", "512,473,10"), ":3: DATASET_ROW: LIDC-IDRI-0001 has two sizes"),
        ("LIDC-IDRI-0001.jpg,512,472,341,135,297,167\n", ":2: DATASET_ROW"),
        ("LIDC-IDRI-0001.jpg,512,0,1,2,3,4\n", ":2: DATASET_ROW"),
        ("LIDC-IDRI-0001.jpg,512,472,1,2,3,nan\n", ":2: DATASET_ROW: y1 is 'nan'"),
    ],
)
def test_a_bad_row_is_one_line(download, row, words):
    with pytest.raises(DatasetError) as caught:
        list(adapter.cases(download({"nodules.csv": HEADER + row})))
    assert words in str(caught.value)


def test_counts_equal_the_raw_file(shared_data, real):
    root = shared_data / "lidc-drr"
    rows = (root / "nodules.csv").read_text().splitlines()[1:]
    cases = real("lidc_drr")
    assert {case.image for case in cases} == set((root / "images").iterdir())
    boxes = [finding.box for case in cases for finding in case.readings[0].findings]
    assert (len(cases), len(boxes)) == (486, len(rows)) == (486, 1368)
    assert {case.split for case in cases} == {Split.TRAIN}
    assert all(box.is_inside(case.frame) for case in cases for box in case.readings[0].boxes("nodule_mass"))
