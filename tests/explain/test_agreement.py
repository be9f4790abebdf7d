import numpy as np
import pytest

from lungspot.explain import agree, agree_all
from lungspot.findings import Box, Frame

FRAME = Frame(80, 160)


def heat(rows, columns):
    values = np.zeros((8, 8), np.float32)
    values[rows, columns] = 1
    return values


@pytest.mark.parametrize(
    ("box", "energy", "peak", "iou"),
    [
        (Box(20, 40, 40, 80), (0.75, 1.0), True, (0.85, 1.0)),  # the box over the hot cells
        (Box(50, 100, 80, 160), (0.0, 0.02), False, (0.0, 0.02)),  # a box far away
        (Box(0, 0, 80, 160), (0.999, 1.0), True, (0.999, 1.0)),  # the whole film agrees with anything
    ],
)
def test_agreement(box, energy, peak, iou):
    found = agree(heat(slice(2, 4), slice(2, 4)), box, FRAME)
    assert energy[0] <= found.energy_in_box <= energy[1]
    assert found.peak_in_box is peak
    assert iou[0] <= found.iou <= iou[1] + 1e-9
    assert found.area == pytest.approx(box.area / (80 * 160), abs=1e-6)


def test_an_empty_map_agrees_with_nothing():
    found = agree(np.zeros((8, 8), np.float32), Box(0, 0, 40, 40), FRAME)
    assert found.to_json() == {"energy_in_box": 0.0, "peak_in_box": False, "iou": 0.0, "area": 0.125}


def test_a_flat_map_gives_what_chance_gives():
    found = agree(np.full((8, 8), 0.5, np.float32), Box(0, 0, 40, 80), FRAME)
    assert found.energy_in_box == pytest.approx(found.area)


def test_a_box_smaller_than_a_cell_has_an_answer():
    found = agree(heat(2, 2), Box(24.0, 48.0, 24.5, 48.5), FRAME)
    assert found.peak_in_box in {True, False}
    assert 0 <= found.iou <= 1


def test_several_boxes_on_one_map_are_each_judged_alone():
    hot = heat(slice(2, 4), slice(2, 6))
    boxes = [Box(20, 40, 40, 80), Box(0, 0, 80, 160), Box(24.0, 48.0, 24.5, 48.5)]
    assert agree_all(hot, boxes, FRAME) == [agree(hot, box, FRAME) for box in boxes]
    assert agree_all(hot, [], FRAME) == []
