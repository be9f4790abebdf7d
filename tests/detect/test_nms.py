import numpy as np
import pytest

from lungspot.detect.nms import FLOOR, nms_with_voting

ONE, NEAR, FAR, FLAT = (0, 0, 10, 10), (0, 0, 10, 12), (50, 50, 60, 60), (5, 5, 5, 9)


@pytest.mark.parametrize(
    ("boxes", "scores", "vote", "expected"),
    [
        ([], [], 0.4, []),
        ([ONE], [0.9], 0.4, [(0, ONE)]),
        ([NEAR, ONE], [0.3, 0.9], 1.0, [(1, ONE)]),  # nobody else votes
        ([NEAR, ONE], [0.3, 0.9], 0.4, [(1, (0, 0, 10, 10.5))]),  # a quarter of the weight
        ([NEAR, ONE], [0.3, 0.9], 0.9, [(1, ONE)]),  # they overlap by 0.83
        ([FAR, ONE, NEAR], [0.5, 0.4, 0.4], 0.4, [(0, FAR), (1, (0, 0, 10, 11))]),
        ([ONE, ONE], [0.5, 0.5], 0.4, [(0, ONE)]),  # ties: the first
        ([FLAT, ONE], [0.9, 0.5], 0.4, [(1, ONE)]),
        ([ONE, FAR], [0.5, FLOOR], 0.4, [(0, ONE)]),
    ],
)
def test_few_boxes_of_many(boxes, scores, vote, expected):
    given = np.array(boxes, np.float32).reshape(-1, 4)
    kept, which = nms_with_voting(given, np.array(scores), 0.5, vote)
    assert which.tolist() == [index for index, _ in expected]
    np.testing.assert_allclose(kept, np.array([box for _, box in expected]).reshape(-1, 4))


def test_a_threshold_takes_boxes_away_and_moves_none():
    random = np.random.default_rng(1)
    low = random.uniform(0, 60, (300, 2))
    boxes, scores = np.concatenate((low, low + random.uniform(5, 40, (300, 2))), 1), random.random(300)
    every, which = nms_with_voting(boxes, scores, 0.4, 0.4)
    few, chosen = nms_with_voting(boxes, scores, 0.4, 0.4, least=0.9)
    assert 1 < len(few) < len(every)
    np.testing.assert_array_equal(few, every[: len(few)])
    np.testing.assert_array_equal(chosen, which[: len(few)])
    assert (scores[chosen] >= 0.9).all()
    assert len(nms_with_voting(boxes, scores, 0.4, 0.4, most=2)[0]) == 2
