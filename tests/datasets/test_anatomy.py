import numpy as np
import pytest
from PIL import Image

from lungspot.datasets.anatomy import anatomy_masks, anatomy_of, anatomy_reading
from lungspot.datasets.masks import ORGANS
from lungspot.errors import DatasetError
from lungspot.findings import Box, Frame, State
from lungspot.formats.case import Case


@pytest.fixture
def case(tmp_path):
    """A film of JSRT with its masks, one byte a pixel, at a quarter of its size; the right lung's is empty."""
    for organ, (x0, y0, x1, y1) in zip(ORGANS, ((3, 4, 7, 9), (6, 1, 9, 8), (0, 0, 0, 0)), strict=True):
        (tmp_path / "masks" / organ).mkdir(parents=True)
        mask = np.zeros((10, 10), np.uint8)
        mask[y0:y1, x0:x1] = 1
        Image.fromarray(mask).save(tmp_path / "masks" / organ / "a.png")
    (tmp_path / "images").mkdir()
    return Case("a", "jsrt", "p", (), tmp_path / "images" / "a.jpg", Frame(40, 20))


def test_organs_are_boxed_in_the_frame_asked_for(case):
    assert anatomy_of(case) == {"heart": Box(12, 8, 28, 18), "left_lung": Box(24, 2, 36, 16)}
    assert anatomy_of(case, Frame(10, 10))["heart"] == Box(3, 4, 7, 9)
    assert set(anatomy_masks(case)) == set(ORGANS)


def test_they_are_a_reading_of_their_own(case):
    reading = anatomy_reading(case)
    assert (reading.reader, reading.frame) == ("jsrt-masks", Frame(40, 20))
    assert dict(reading.states) == {"heart": State.BOXED, "left_lung": State.BOXED}


@pytest.mark.parametrize(
    "changed", [{"dataset": "nih"}, {"image": None}, {"id": "b", "image": "images/b.jpg"}, {"frame": None}]
)
def test_without_masks_nothing_is_known(case, changed, tmp_path):
    values = {name: getattr(case, name) for name in ("id", "dataset", "patient", "readings", "image", "frame")}
    values |= {key: tmp_path / value if key == "image" and value else value for key, value in changed.items()}
    other = Case(**values)
    assert anatomy_of(other) == {}
    assert anatomy_reading(other) is None


def test_a_mask_that_is_no_picture_is_one_line(case, tmp_path):
    (tmp_path / "masks" / "heart" / "a.png").write_text("no picture")
    with pytest.raises(DatasetError, match=r"a\.png: DATASET_INCOMPLETE: not a mask"):
        anatomy_of(case)


def test_the_real_masks_have_the_left_lung_on_the_right_of_the_picture(real):
    cases = (*real("jsrt"), *real("wingspan"))
    assert len(cases) == 444
    for case in cases:
        organs = anatomy_of(case)
        assert set(organs) == set(ORGANS)
        assert organs["left_lung"].center[0] > organs["right_lung"].center[0]
        assert all(box.is_inside(case.frame) for box in organs.values())
