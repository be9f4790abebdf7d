import numpy as np
import pytest

from lungspot.detect import Correction
from lungspot.errors import InputError
from lungspot.findings import Box, Finding, Frame, Reading, State


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_box_found_upright_marks_the_same_pixels_in_the_file(turns):
    file = np.zeros((7, 10), np.float32)
    file[2:4, 5:9] = 1
    correction = Correction(turns)
    upright = correction.pixels(file)
    rows, columns = np.nonzero(upright)
    found = Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    frame = Frame(upright.shape[1], upright.shape[0])
    assert correction.box(found, frame) == Box(5, 2, 9, 4)
    assert correction.frame(frame) == Frame(10, 7)
    np.testing.assert_array_equal(correction.maps(upright[None])[0], file)


def test_swapped_greys_are_swapped_back():
    np.testing.assert_allclose(Correction(invert=True).pixels(np.array([[0.25, 1]], np.float32)), [[0.75, 0]])


def test_a_reading_keeps_its_side_and_states():
    finding = Finding("effusion", Box(0, 0, 2, 1), 0.5, side="right", zone="upper")
    reading = Reading("m", (finding, Finding("effusion", score=0.9)), {"effusion": State.BOXED}, Frame(7, 10))
    moved = Correction(1).reading(reading)
    assert moved.frame == Frame(10, 7)
    assert moved.findings[0].box == Box(9, 0, 10, 2)
    assert moved.findings[0].side == "right"
    assert moved.findings[1] == reading.findings[1]
    assert Correction().reading(reading) is reading


def test_there_are_four_turns():
    assert not Correction()
    assert Correction(3)
    assert Correction(invert=True)
    with pytest.raises(InputError):
        Correction(4)
