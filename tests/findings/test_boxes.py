import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lungspot.errors import InputError
from lungspot.findings import Box, Frame, as_array, enclosing, intersection_matrix, iou_matrix

NAN, INF = math.nan, math.inf


@st.composite
def boxes(draw, limit=4096):
    x0, y0 = draw(st.floats(-limit, limit)), draw(st.floats(-limit, limit))
    return Box(x0, y0, x0 + draw(st.floats(0.5, limit)), y0 + draw(st.floats(0.5, limit)))


frames = st.builds(Frame, st.integers(1, 10_000), st.integers(1, 10_000))


@pytest.mark.parametrize(
    ("corners", "error"),
    [
        ((0, 0, 10, 8), None),
        ((-5.5, -2, 3, 4), None),
        ((np.float32(1), np.int64(2), 3, 4), None),
        ((10, 0, 10, 8), "BAD_BOX"),
        ((11, 0, 10, 8), "BAD_BOX"),
        ((0, 8, 10, 8), "BAD_BOX"),
        ((0, 9, 10, 8), "BAD_BOX"),
        ((NAN, 0, 10, 8), "BAD_BOX"),
        ((0, 0, INF, 8), "BAD_BOX"),
        ((0, -INF, 10, 8), "BAD_BOX"),
    ],
)
def test_box_refuses_what_has_no_area(corners, error):
    if error is None:
        assert Box(*corners).corners == tuple(float(corner) for corner in corners)
        assert all(type(corner) is float for corner in Box(*corners).corners)
    else:
        with pytest.raises(InputError) as caught:
            Box(*corners)
        assert caught.value.code == error


@pytest.mark.parametrize(
    ("sides", "error"),
    [
        ((1, 1), None),
        ((np.int64(2336), 2836), None),
        ((0, 5), "BAD_VALUE"),
        ((5, -1), "BAD_VALUE"),
        ((5.5, 5), "BAD_VALUE"),
        ((5, NAN), "BAD_VALUE"),
        (("5", 5), "BAD_VALUE"),
        ((5, None), "BAD_VALUE"),
    ],
)
def test_frame_refuses_what_is_no_size(sides, error):
    if error is None:
        frame = Frame(*sides)
        assert (frame.width, frame.height) == sides
        assert type(frame.width) is type(frame.height) is int
    else:
        with pytest.raises(InputError) as caught:
            Frame(*sides)
        assert caught.value.code == error


def test_box_measures():
    box = Box(10, 20, 40, 100)
    assert (box.width, box.height, box.area, box.center) == (30, 80, 2400, (25, 60))
    assert box.xywh == (10, 20, 30, 80)
    assert Box.from_xywh(*box.xywh) == box
    assert hash(Box(0, 0, 1, 1)) == hash(Box(0.0, 0.0, 1.0, 1.0))
    assert sorted([Box(1, 0, 2, 1), Box(0, 5, 1, 6)]) == [Box(0, 5, 1, 6), Box(1, 0, 2, 1)]


@pytest.mark.parametrize(
    ("points", "corners"),
    [
        ([(3, 4), (1, 2)], (1, 2, 3, 4)),
        ([(1, 4), (3, 2)], (1, 2, 3, 4)),
        ([(5, 5), (1, 7), (3, 9), (4, 1)], (1, 1, 5, 9)),
    ],
)
def test_box_around_points_in_any_order(points, corners):
    assert Box.from_points(points).corners == corners


@pytest.mark.parametrize(
    ("corners", "clipped", "inside"),
    [
        ((0, 0, 10, 8), (0, 0, 10, 8), True),
        ((2, 3, 4, 5), (2, 3, 4, 5), True),
        ((-1, 3, 4, 5), (0, 3, 4, 5), False),
        ((2, -1, 4, 5), (2, 0, 4, 5), False),
        ((2, 3, 11, 5), (2, 3, 10, 5), False),
        ((2, 3, 4, 9), (2, 3, 4, 8), False),
        ((10, 0, 12, 8), None, False),
        ((0, 8, 10, 12), None, False),
        ((-3, 0, 0, 8), None, False),
    ],
)
def test_box_clips_to_the_frame(corners, clipped, inside):
    box, frame = Box(*corners), Frame(10, 8)
    part = box.clip(frame)
    assert (part.corners if part else None) == clipped
    assert box.is_inside(frame) is inside


@pytest.mark.parametrize(
    ("first", "second", "shared", "iou"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 100, 1.0),
        ((0, 0, 10, 10), (5, 0, 15, 10), 50, 1 / 3),
        ((0, 0, 10, 10), (10, 0, 20, 10), 0, 0.0),  # half-open: an edge in common is nothing in common
        ((0, 0, 10, 10), (20, 20, 30, 30), 0, 0.0),
        ((0, 0, 10, 10), (2, 2, 4, 4), 4, 0.04),
        ((0, 0, 1, 1), (0.5, 0.5, 1.5, 1.5), 0.25, 1 / 7),
    ],
)
def test_iou_adds_no_pixel(first, second, shared, iou):
    a, b = Box(*first), Box(*second)
    assert a.intersection(b) == b.intersection(a) == shared
    assert a.iou(b) == b.iou(a) == pytest.approx(iou, abs=1e-15)


@given(st.lists(boxes(), max_size=5), st.lists(boxes(), max_size=5))
def test_matrices_say_what_the_boxes_say(first, second):
    left, right = as_array(first), as_array(second)
    shared, overlap = intersection_matrix(left, right), iou_matrix(left, right)
    assert shared.shape == overlap.shape == (len(first), len(second))
    for row, a in enumerate(first):
        for column, b in enumerate(second):
            assert shared[row, column] == a.intersection(b)
            assert overlap[row, column] == pytest.approx(a.iou(b), rel=1e-12)
            assert 0 <= overlap[row, column] <= 1 + 1e-12


@given(boxes(), frames, frames)
def test_a_box_moves_there_and_back(box, source, target):
    back = box.move(source, target).move(target, source)
    assert back.corners == pytest.approx(box.corners, rel=1e-12, abs=1e-9)


@given(boxes(), frames)
def test_a_clipped_box_is_inside_and_stays(box, frame):
    part = box.clip(frame)
    if part is not None:
        assert part.is_inside(frame)
        assert part.clip(frame) == part
        assert part.intersection(box) == pytest.approx(part.area)


@given(st.lists(boxes(), min_size=1, max_size=6))
def test_enclosing_holds_all_and_touches(inner):
    outer = enclosing(inner)
    corners = as_array(inner)
    assert outer.corners == (*corners[:, :2].min(axis=0), *corners[:, 2:].max(axis=0))
    assert all(outer.intersection(box) == pytest.approx(box.area) for box in inner)


def test_no_boxes():
    assert as_array([]).shape == (0, 4)
    assert as_array([]).dtype == np.float64
    with pytest.raises(InputError, match="no boxes to enclose"):
        enclosing([])


def test_moving_scales_each_axis_by_its_own():
    assert Box(100, 200, 300, 400).move(Frame(1000, 2000), Frame(500, 500)) == Box(50, 50, 150, 100)
    assert Box(1, 2, 3, 4).scale(2, 0.5) == Box(2, 1, 6, 2)
