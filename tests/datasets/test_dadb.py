import collections

import pytest

from lungspot.datasets import dadb as adapter
from lungspot.errors import DatasetError
from lungspot.findings import State


def test_the_first_letter_is_the_class(download):
    root = download({"DA/px7.jpg": "", "DA/nx24.JPG": "", "DB/p1.png": "", "DB/n12.jpg": "", "DB/note1.jpg": ""})
    cases = {case.id: case for case in adapter.cases(root)}
    assert {name: case.readings[0].state("tuberculosis") for name, case in cases.items()} == {
        "n12": State.ABSENT,
        "nx24": State.ABSENT,
        "p1": State.PRESENT,
        "px7": State.PRESENT,
    }
    assert cases["nx24"].patient == "tbe_nx24"
    assert cases["p1"].readings[0].state("edema") is State.NOT_LOOKED_FOR
    assert cases["n12"].readings[0].state("edema") is State.ABSENT


def test_a_wrong_folder_is_one_line(download):
    with pytest.raises(DatasetError, match="DATASET_INCOMPLETE: no film called p#, px#, n# or nx# below it"):
        list(adapter.cases(download({"a.png": ""})))


def test_counts_equal_the_raw_files(shared_data):
    root = shared_data / "tb-extra" / "dadb"
    letters = collections.Counter(path.name[0] for path in root.iterdir())
    states = collections.Counter(case.readings[0].state("tuberculosis") for case in adapter.cases(root))
    assert states == {State.PRESENT: letters["p"], State.ABSENT: letters["n"]}
