import numpy as np
import pytest

from lungspot.detect.anatomy import Anatomy, anatomy, cardiothoracic_ratio, organ_box
from lungspot.detect.detector import Raw
from lungspot.findings import Box, Frame
from lungspot.images import Placement

SQUARE = Frame(80, 80)


def likely(*spots, cells=10):
    found = np.zeros((cells, cells), np.float32)
    for y0, y1, x0, x1, value in spots:
        found[y0:y1, x0:x1] = value
    return found


@pytest.mark.parametrize(
    ("spots", "corners"),
    [
        ([], None),
        ([(2, 5, 3, 7, 0.4)], None),  # nowhere likelier than not
        # an edge lies half way from a centre of 1 to one of 0, which is the border between both cells
        ([(2, 5, 3, 7, 1.0)], (24, 16, 56, 40)),
        # towards a cell of .25 it lies two thirds of a cell away from the centre
        ([(2, 5, 3, 7, 1.0), (2, 5, 7, 8, 0.25)], (24, 16, 8 * (6.5 + 2 / 3), 40)),
        ([(0, 10, 0, 4, 0.9)], (0, 0, 8 * (3.5 + 4 / 9), 80)),  # to the film's own borders
        ([(2, 5, 3, 7, 1.0), (8, 9, 8, 9, 1.0)], (24, 16, 56, 40)),  # the largest region
    ],
)
def test_organ_box(spots, corners):
    box = organ_box(likely(*spots), SQUARE)
    assert (box is None) == (corners is None)
    if box is not None:
        assert box.corners == pytest.approx(corners)


@pytest.mark.parametrize(
    ("heart", "one", "other", "ratio"),
    [
        (Box(30, 40, 60, 70), Box(10, 10, 40, 70), Box(50, 10, 70, 70), 0.5),
        (Box(30, 40, 60, 70), Box(50, 10, 70, 70), Box(10, 10, 40, 70), 0.5),
        (None, Box(10, 10, 40, 70), Box(50, 10, 70, 70), None),
        (Box(30, 40, 60, 70), None, Box(50, 10, 70, 70), None),
    ],
)
def test_cardiothoracic_ratio(heart, one, other, ratio):
    assert cardiothoracic_ratio(heart, one, other) == ratio


@pytest.mark.parametrize(
    ("probability", "mirrored", "right_lung"),
    [(0.02, False, 8), (0.5, None, 8), (0.98, True, 48)],
)
def test_sides_are_the_patient_s(probability, mirrored, right_lung):
    organs = np.stack([likely((4, 8, 4, 7, 1)), likely((1, 9, 1, 4, 1)), likely((1, 9, 6, 9, 1))])
    found = anatomy(raw(organs, probability), Placement(Frame(160, 240), 80), 0.95)
    assert found.mirrored is mirrored
    assert found.right_lung.x0 == pytest.approx(2 * right_lung)  # in pixels of the original
    assert found.heart.corners == pytest.approx((64, 96, 112, 192))
    assert found.cardiothoracic_ratio == pytest.approx(3 / 8)
    assert [box.x0 for box in found.lungs] == pytest.approx([16, 96])


def test_a_network_without_anatomy_says_none():
    assert anatomy(raw(None, None), Placement(SQUARE, 80), 0.95) is None
    empty = anatomy(raw(np.zeros((3, 10, 10), np.float32), 0.02), Placement(SQUARE, 80), 0.95)
    assert empty == Anatomy(None, None, None, None, mirrored=False)
    assert empty.lungs == ()


def raw(organs, probability):
    nothing = np.zeros((0, 4), np.float32), np.zeros((0, 1), np.float32), np.zeros(1, np.float32)
    mirrored = None if probability is None else np.array([probability], np.float32)
    return Raw(*nothing, np.zeros((1, 2, 2), np.float32), np.zeros(4, np.float32), None, organs, mirrored)
