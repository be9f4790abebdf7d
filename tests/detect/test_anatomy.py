import numpy as np
import pytest

from lungspot.detect.anatomy import (
    Anatomy,
    anatomy,
    cardiothoracic_ratio,
    is_plausible,
    left_side,
    lungs_cut_off,
    organ_box,
)
from lungspot.detect.detector import Raw
from lungspot.findings import Box, Frame, Side
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
    ("probability", "mirrored", "said", "right_lung"),
    [
        (0.02, False, Side.RIGHT, 8),
        (0.5, None, Side.RIGHT, 8),
        (0.98, True, Side.LEFT, 48),
        (0.5, None, Side.LEFT, 48),  # the file's word, which the heart does not contradict
        (0.02, False, Side.LEFT, None),  # the heart contradicts the file
        (0.98, True, Side.RIGHT, None),
        (0.02, False, None, None),  # nobody says, as of findings
        (0.5, None, None, None),
        (0.98, True, None, None),
    ],
)
def test_sides_are_the_patient_s_where_findings_have_sides(probability, mirrored, said, right_lung):
    organs = np.stack([likely((4, 8, 4, 7, 1)), likely((1, 9, 1, 4, 1)), likely((1, 9, 6, 9, 1))])
    found = anatomy(raw(organs, probability), Placement(Frame(160, 240), 80), 0.95, said)
    assert found.mirrored is mirrored
    assert (left_side(said, found) is None) is (right_lung is None)
    if right_lung is None:
        assert (found.left_lung, found.right_lung, len(found.unsided)) == (None, None, 2)
    else:
        assert found.right_lung.x0 == pytest.approx(2 * right_lung)  # in pixels of the original
        assert found.left_lung.x0 == pytest.approx(2 * (56 - right_lung))
        assert found.unsided == ()
    assert found.heart.corners == pytest.approx((64, 96, 112, 192))
    assert found.cardiothoracic_ratio == pytest.approx(3 / 8)
    assert [box.x0 for box in found.lungs] == pytest.approx([16, 96])
    shifted = found.moved(lambda box: Box(box.x0 + 1, box.y0, box.x1 + 1, box.y1))
    assert [box.x0 for box in shifted.lungs] == pytest.approx([17, 97])


@pytest.mark.parametrize("said", [None, Side.RIGHT])
def test_a_lung_that_was_not_seen(said):
    organs = np.stack([likely((4, 8, 4, 7, 1)), likely(), likely((1, 9, 6, 9, 1))])
    found = anatomy(raw(organs, 0.5), Placement(SQUARE, 80), 0.95, said)
    assert found.right_lung is None
    assert [box.x0 for box in found.lungs] == pytest.approx([48])
    assert (found.left_lung is None) is (said is None)


# heart, lung at the picture's left, lung at its right, in per cent of the film
HEART, RIGHT, LEFT = (38, 45, 68, 78), (12, 10, 46, 80), (56, 10, 90, 82)
CHESTS = {
    "as most": (HEART, RIGHT, LEFT),
    "a mirror image": ((32, 45, 62, 78), (10, 10, 44, 82), (54, 10, 88, 80)),
    "a slender heart": ((40, 45, 67, 78), RIGHT, LEFT),
    "a large heart": ((30, 40, 86, 85), RIGHT, LEFT),
    "a heart that reaches the chest's wall": ((36, 42, 91, 84), RIGHT, LEFT),
    "a high diaphragm at one side": (HEART, RIGHT, (56, 10, 90, 60)),
}
NO_CHESTS = {
    # as the shipped model outlined films of test with much disease
    "a heart twice as wide as the chest": (
        (44.1, 47.0, 75.5, 72.4),
        (29.7, 41.3, 44.8, 69.3),
        (32.2, 14.3, 44.7, 28.4),
    ),
    "a heart beyond the chest": ((3.2, 12.4, 67.1, 77.2), (19.6, 47.9, 37.2, 81.8), (43.5, 15.4, 87.4, 63.4)),
    "a bit of heart in a lung": ((39.8, 42.3, 50.7, 60.4), (5.7, 12.6, 45.0, 77.7), (64.4, 26.4, 90.1, 74.1)),
    "a heart all at one side": ((64.6, 51.8, 77.1, 68.6), (20.9, 19.7, 50.5, 66.0), (63.0, 26.7, 84.7, 69.9)),
    "a heart that takes in masses": (
        (15.6, 37.2, 77.5, 77.4),
        (6.2, 7.6, 43.4, 76.6),
        (53.2, 2.1, 92.3, 79.7),
    ),
    # one thing wrong at a time
    "a narrow heart": ((44, 45, 62, 78), RIGHT, LEFT),
    "a heart as wide as the chest": ((15, 45, 85, 78), RIGHT, LEFT),
    "a heart out of the chest": ((44, 45, 95, 78), RIGHT, LEFT),
    "a heart beside the middle": ((49, 45, 79, 78), RIGHT, LEFT),
    "a heart at the lungs' tops": ((38, 20, 68, 78), RIGHT, LEFT),
    "a heart far below the lungs": ((38, 45, 68, 100), RIGHT, LEFT),
    "one lung half white": (HEART, RIGHT, (56, 10, 90, 50)),
    "one lung higher": (HEART, (12, 25, 46, 80), LEFT),
    "one lung narrow": (HEART, RIGHT, (74, 10, 90, 82)),
    "lungs that overlap": (HEART, (12, 10, 57, 80), LEFT),
    "lungs that changed sides": (HEART, LEFT, RIGHT),
    "no heart": (None, RIGHT, LEFT),
    "no left lung": (HEART, RIGHT, None),
    "no right lung": (HEART, None, LEFT),
}


def boxes(corners):
    return [None if each is None else Box(*each) for each in corners]


@pytest.mark.parametrize("scale", [(1, 1), (30, 12)])  # also where pixels are higher than wide
@pytest.mark.parametrize("name", [*CHESTS, *NO_CHESTS])
def test_what_looks_like_a_chest(name, scale):
    organs = [box and box.scale(*scale) for box in boxes((CHESTS | NO_CHESTS)[name])]
    assert is_plausible(*organs) is (name in CHESTS)


def test_no_ratio_of_what_looks_like_no_chest():
    lungs = likely((1, 9, 1, 4, 1)), likely((1, 9, 6, 9, 1))
    for columns, ratio in (((4, 7), 3 / 8), ((1, 9), None), ((7, 9), None)):
        organs = np.stack([likely((4, 8, *columns, 1)), *lungs])
        found = anatomy(raw(organs, 0.02), Placement(SQUARE, 80), 0.95)
        assert found.heart.x0 == pytest.approx(8 * columns[0])  # it is told what was seen
        assert found.cardiothoracic_ratio == (ratio and pytest.approx(ratio))
        assert found.plausible is (ratio is not None)


LUNG = (2, 18, 11, 18, 1)  # one that lies free on 20 x 20 cells: rows, columns, how likely
CUT_OFF = {
    "free": ([(2, 18, 2, 9, 1)], False),
    "at the left": ([(2, 18, 0, 6, 1)], True),
    "at the right": ([(2, 18, 14, 20, 1)], True),
    "at the top": ([(0, 10, 2, 9, 1)], True),
    "at the bottom": ([(10, 20, 2, 9, 1)], True),
    "a corner at the side": ([(2, 18, 1, 9, 1), (14, 18, 0, 1, 1)], False),
    "a tip at the top": ([(1, 18, 2, 9, 1), (0, 1, 4, 7, 1)], False),
    "an angle at the bottom": ([(2, 19, 2, 9, 1), (19, 20, 2, 4, 1)], False),
    "a spot": ([(6, 9, 0, 2, 1)], False),
    "nothing": ([], False),
}


@pytest.mark.parametrize("name", CUT_OFF)
def test_a_lung_that_the_picture_s_edge_cuts_off(name):
    spots, cut = CUT_OFF[name]
    heart = likely((8, 20, 6, 20, 1), cells=20)  # a heart at the edge is none of it
    for lungs in (
        (likely(*spots, cells=20), likely(LUNG, cells=20)),
        (likely(LUNG, cells=20), likely(*spots, cells=20)),
    ):
        assert lungs_cut_off(raw(np.stack([heart, *lungs]), 0.02)) is cut
    assert not lungs_cut_off(raw(None, None))


def test_a_network_without_anatomy_says_none():
    assert anatomy(raw(None, None), Placement(SQUARE, 80), 0.95) is None
    empty = anatomy(raw(np.zeros((3, 10, 10), np.float32), 0.02), Placement(SQUARE, 80), 0.95)
    assert empty == Anatomy(None, None, None, None, mirrored=False)
    assert empty.lungs == ()


def raw(organs, probability):
    nothing = np.zeros((0, 4), np.float32), np.zeros((0, 1), np.float32), np.zeros(1, np.float32)
    mirrored = None if probability is None else np.array([probability], np.float32)
    return Raw(*nothing, np.zeros((1, 2, 2), np.float32), np.zeros(4, np.float32), None, organs, mirrored)
