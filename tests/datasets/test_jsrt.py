import csv

import pytest

from lungspot.datasets import jsrt as adapter
from lungspot.datasets.truth import truth
from lungspot.errors import DatasetError
from lungspot.findings import Box, State
from lungspot.images.radiograph import Sex, View

HEADER = "image,subtlety,size_mm,age,sex,x_2048,y_2048,nature,location,diagnosis\n"
NODULE = "JPCLN002.png,5,35,78,Female,1614,1090,benign,l.upper lobe(S5),pulmonary hematoma\n"
CLEAR = "JPCNN090.png,,,68,Male,,,non-nodule,,\n"


@pytest.fixture
def root(download):
    masks = {f"masks/{organ}/JPCLN002.png": "" for organ in ("heart", "left_lung", "right_lung")}
    return download({"CLNDAT_EN.csv": HEADER + NODULE + CLEAR, "images/JPCLN002.jpg": "", **masks})


def test_a_film_with_a_nodule_and_one_without(root):
    first, second = adapter.cases(root)
    assert (first.id, first.patient, first.image) == ("JPCLN002", "jsrt_JPCLN002", root / "images" / "JPCLN002.jpg")
    assert (first.view, first.sex, first.age_years, first.frame) == (View.PA, Sex.FEMALE, 78.0, adapter.FRAME)
    (finding,) = first.readings[0].findings
    assert finding.label == "nodule_mass"
    assert finding.box.corners == pytest.approx(Box(1514, 990, 1714, 1190).corners)  # 35 mm are 200 pixels
    assert dict(first.readings[0].states) == {"nodule_mass": State.BOXED}
    assert dict(second.readings[0].states) == {"nodule_mass": State.ABSENT}
    assert second.image is None
    assert adapter.subtlety(root) == {"JPCLN002": 5}


def test_a_nodule_counts_and_nothing_else_was_looked_for(root):
    first, second = map(truth, adapter.cases(root))
    assert dict(first.states) == {"nodule_mass": State.BOXED}
    assert dict(second.states) == {"nodule_mass": State.ABSENT}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (NODULE.replace("1614", "left"), "x_2048 is 'left', not a number"),
        (NODULE.replace("benign", "unclear"), "nature is 'unclear'"),
        (NODULE.replace(",35,", ",0,"), "DATASET_ROW"),
        (",5,35,78,Female,1614,1090,benign,,\n", "image is empty"),
    ],
)
def test_a_bad_row_is_one_line(download, row, words):
    root = download({"CLNDAT_EN.csv": HEADER + row})
    with pytest.raises(DatasetError, match=r"CLNDAT_EN\.csv:2: DATASET_ROW") as caught:
        list(adapter.cases(root))
    assert words in str(caught.value)


def test_a_grade_that_is_none_is_refused(download):
    with pytest.raises(DatasetError, match="subtlety is '7', not 1 to 5"):
        adapter.subtlety(download({"CLNDAT_EN.csv": HEADER + NODULE.replace(",5,", ",7,")}))


def test_counts_equal_the_raw_file(shared_data, real):
    root = shared_data / "jsrt"
    with (root / "CLNDAT_EN.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    cases = real("jsrt")
    assert {case.image for case in cases} == set((root / "images").iterdir())
    boxed = [case.id for case in cases if case.readings[0].state("nodule_mass") is State.BOXED]
    assert boxed == [row["image"][:-4] for row in rows if row["nature"] != "non-nodule"]
    assert (len(boxed), len(cases)) == (130, 210)
    assert all(finding.box.is_inside(case.frame) for case in cases for finding in case.readings[0].findings)
    assert len(adapter.subtlety(root)) == 130
