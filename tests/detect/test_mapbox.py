import numpy as np
import pytest

from lungspot.detect import cut_map
from lungspot.detect.mapbox import boxes_from_map
from lungspot.findings import Box, Frame


def test_a_map_of_two_regions_gives_two_boxes_and_weak_ones_do_not_count():
    heat = np.zeros((8, 8), np.float32)
    heat[1:5, 1:3] = 1
    heat[2:6, 5:7] = 0.9
    heat[7, 0] = 0.8
    found = boxes_from_map(heat, 0.5, Frame(80, 80))
    assert len(found) == 2
    assert found[0].iou(Box(10, 10, 30, 50)) > 0.75
    assert boxes_from_map(np.zeros((8, 8), np.float32), 0.5, Frame(80, 80)) == ()


@pytest.mark.parametrize(
    ("rows", "fraction", "expected"),
    [
        (["000", "090", "000"], 0.5, [(1 / 3, 1 / 3, 2 / 3, 2 / 3)]),
        (["990", "009", "000"], 0.5, [(0, 0, 2 / 3, 1 / 3), (2 / 3, 1 / 3, 1, 2 / 3)]),  # corners do not touch
        (["950", "000", "004"], 0.3, [(0, 0, 2 / 3, 1 / 3), (2 / 3, 2 / 3, 1, 1)]),
        (["990", "990", "002"], 0.2, [(0, 0, 2 / 3, 2 / 3)]),  # a region under a quarter of the strongest is noise
        (["000", "000", "000"], 0.5, []),
        (["909", "999", "000"], 0.5, [(0, 0, 1, 2 / 3)]),  # a bent region is one
    ],
)
def test_boxes_are_cut_around_regions(rows, fraction, expected):
    heat = np.array([[float(cell) for cell in row] for row in rows], np.float32)
    found = cut_map(heat, fraction, Frame(1, 1))
    assert [box.corners for box in found] == [pytest.approx(box) for box in expected]
