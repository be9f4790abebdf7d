import numpy as np
import pytest

from lungspot.errors import InputError
from lungspot.evaluate import match

A, B, NEAR_A, FAR = (0, 0, 10, 10), (20, 0, 30, 10), (1, 0, 11, 10), (50, 50, 60, 60)


@pytest.mark.parametrize(
    ("found", "scores", "true", "iou", "taken"),
    [
        ([], [], [], 0.5, []),
        ([], [], [A], 0.5, []),
        ([A], [0.9], [], 0.5, [-1]),
        ([A], [0.9], [A], 1.0, [0]),
        ([A, B], [0.1, 0.9], [B, A], 0.5, [1, 0]),
        ([NEAR_A, A], [0.9, 0.8], [A], 0.5, [0, -1]),  # the surer one takes it, though it fits less
        ([NEAR_A, A], [0.8, 0.9], [A], 0.5, [-1, 0]),
        ([A, A], [0.5, 0.5], [A], 0.5, [0, -1]),  # of equals, the first
        ([NEAR_A], [0.9], [A], 9 / 11, [0]),  # exactly at the threshold
        ([NEAR_A], [0.9], [A], 0.82, [-1]),
        ([FAR], [0.9], [A, B], 0.1, [-1]),
    ],
)
def test_match(found, scores, true, iou, taken):
    boxes = np.array(found, float).reshape(-1, 4)
    assert match(boxes, np.array(scores, float), np.array(true, float).reshape(-1, 4), iou).tolist() == taken


def test_shapes_must_agree():
    with pytest.raises(InputError, match="BAD_VALUE"):
        match(np.zeros((2, 4)), np.zeros(1), np.zeros((0, 4)), 0.5)
