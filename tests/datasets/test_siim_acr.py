import numpy as np
import pytest
from scipy import ndimage

from lungspot.datasets import siim_acr as adapter
from lungspot.errors import DatasetError
from lungspot.findings import Box, Frame, State

SMALL = Frame(6, 4)


def code_of(mask):
    """Encode as the publisher does: offsets from the end of the run before, lengths, down the columns."""
    flat = np.concatenate([[0], mask.T.ravel().astype(int), [0]])
    starts, stops = np.flatnonzero(np.diff(flat) == 1), np.flatnonzero(np.diff(flat) == -1)
    offsets = starts - np.concatenate([[0], stops[:-1]])
    return " ".join(f"{offset} {length}" for offset, length in zip(offsets, stops - starts, strict=True)) or "-1"


@pytest.mark.parametrize(
    ("code", "boxes"),
    [
        ("-1", []),
        (" -1", []),
        ("0 1", [Box(0, 0, 1, 1)]),
        ("5 2 2 2", [Box(1, 1, 3, 3)]),  # rows 1 and 2 of column 1, then of column 2
        ("0 8", [Box(0, 0, 2, 4)]),  # one run over two whole columns
        ("0 1 4 1", [Box(0, 0, 2, 2)]),  # corner to corner is one part
        ("0 1 1 1", [Box(0, 0, 1, 1), Box(0, 2, 1, 3)]),
        ("0 1 7 1", [Box(0, 0, 1, 1), Box(2, 0, 3, 1)]),
        ("3 1 0 1", [Box(0, 3, 1, 4), Box(1, 0, 2, 1)]),  # the foot of one column does not touch the next one's head
    ],
)
def test_codes_run_down_the_columns_from_the_end_of_the_run_before(code, boxes):
    assert adapter.boxes_of(adapter.runs_of(code, SMALL), SMALL) == boxes


@pytest.mark.parametrize("code", ["", "1", "1 2 3", "-2 3", "a b", "20 5"])
def test_a_code_that_is_none_is_refused(code):
    with pytest.raises(ValueError, match=r"pairs|invalid literal|the mask ends at pixel 25 of 24"):
        adapter.runs_of(code, SMALL)


@pytest.mark.parametrize("seed", range(20))
def test_parts_equal_those_of_scipy(seed):
    mask = np.random.default_rng(seed).random((23, 31)) < [0.2, 0.4, 0.6, 0.9][seed % 4]
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    expected = [Box(x.start, y.start, x.stop, y.stop) for y, x in ndimage.find_objects(labels)]
    frame = Frame(31, 23)
    assert adapter.boxes_of(adapter.runs_of(code_of(mask), frame), frame) == sorted(expected)


@pytest.mark.parametrize(
    ("runs", "box"),
    [
        ([(4, 12), (5, 6), (0, 5)], Box(0, 0, 3, 4)),
        ([(1, 3), (0, 2)], Box(0, 0, 1, 3)),  # within one column,
        ([(2, 4), (0, 2)], Box(0, 0, 1, 4)),  # be it that one begins where the other ends
    ],
)
def test_runs_that_overlap_are_united(runs, box):
    assert adapter.boxes_of(runs, SMALL) == [box]


def test_rows_of_one_film_are_one_mask(download):
    root = download({
        "train-rle.csv": "ImageId, EncodedPixels\n1.2.3,1024 2 1022 2\n1.2.3,1025 2\n4.5.6, -1\n7.8.9, 0 1\n",
        "dicom-images-train/a/b/7.8.9.png": "",
    })  # fmt: skip
    first, second, third = adapter.cases(root)
    assert (first.id, first.patient, first.frame) == ("1.2.3", "acr_1.2.3", Frame(1024, 1024))
    assert first.readings[0].boxes("pneumothorax") == (Box(1, 0, 3, 3),)
    assert dict(first.readings[0].states) == {"pneumothorax": State.BOXED}
    assert dict(second.readings[0].states) == {"pneumothorax": State.ABSENT}
    assert third.image == root / "dicom-images-train" / "a" / "b" / "7.8.9.png"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ImageId,Pixels\na,-1\n", "DATASET_COLUMNS: no column EncodedPixels"),
        ("ImageId, EncodedPixels\na, 1 2 3\n", ":2: DATASET_ROW: EncodedPixels: 3 numbers are no pairs"),
        ("ImageId, EncodedPixels\na, 1048576 1\n", ":2: DATASET_ROW: EncodedPixels: the mask ends"),
        ("ImageId, EncodedPixels\na\n", ":2: DATASET_ROW: 1 values where 2 are needed"),
    ],
)
def test_a_corrupted_file_is_one_line(download, text, words):
    root = download({"stage_2_train.csv": text})
    with pytest.raises(DatasetError) as caught:
        list(adapter.cases(root))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
