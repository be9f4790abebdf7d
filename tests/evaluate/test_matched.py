import pytest

from lungspot.errors import InputError
from lungspot.evaluate.matched import IOUS, Pair, ScoreLimits, level, tabulate
from lungspot.findings import Box, Finding, Frame, Reading, State

A, HALF, FAR = (0, 0, 10, 10), (0, 0, 10, 5), (50, 50, 60, 60)


def test_best_score_first_over_all_films(one_label):
    matched = one_label([([A], [(A, 0.2), (FAR, 0.9)]), ([A], [(A, 0.5)])])
    assert matched.score.tolist() == [0.9, 0.5, 0.2]
    assert matched.film.tolist() == [0, 1, 0]
    assert matched.order.tolist() == [1, 0, 0]
    assert matched.right[level(0.5)].tolist() == [False, True, True]
    assert matched.taken_by[level(0.5)].tolist() == [2, 1]


def test_overlaps_and_what_the_limit_leaves(one_label):
    # The half box: IoU .5, all of it inside. It is below the limit, so the true box is not reached by it.
    matched = one_label([([A], [(HALF, 0.3)])], limit=0.5)
    assert matched.iou.tolist() == [0.5]
    assert matched.iobb.tolist() == [1.0]
    assert matched.centred.tolist() == [True]
    assert matched.true_iou.tolist() == [0.0]
    assert matched.area.tolist() == [0.005]
    assert one_label([([A], [(HALF, 0.3)])], limit=0.3).true_iobb.tolist() == [1.0]


def test_a_box_is_right_up_to_its_overlap(one_label):
    matched = one_label([([A], [(HALF, 0.9)])])
    assert matched.right[:, 0].tolist() == [iou <= 0.5 for iou in IOUS]


def test_nobody_looked_no_boxes(one_label):
    matched = one_label([([], [(A, 0.9)], State.NOT_LOOKED_FOR)])
    assert len(matched.film) == 0
    assert not matched.known.any()


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        ((), 0.0),
        ((Finding("effusion", Box(*A), 0.7),), 0.7),
        ((Finding("effusion", Box(*A), 0.7), Finding("effusion", score=0.4)), 0.4),
        ((Finding("effusion", Box(*A)),), 1.0),  # a person
    ],
)
def test_the_films_probability(findings, expected):
    frame = Frame(100, 100)
    true = Reading("truth", (), {"effusion": State.ABSENT}, frame)
    found = Reading("model", findings, {"effusion": State.PRESENT}, frame)
    assert tabulate([Pair("f", "p", true, found)], "effusion", ScoreLimits()).probability.tolist() == [expected]


def test_two_frames_are_refused():
    readings = [Reading.of_boxes("r", Frame(n, n), [("effusion", Box(*A))], ["effusion"]) for n in (100, 200)]
    with pytest.raises(InputError, match="two frames"):
        Pair("f", "p", *readings)


def test_a_threshold_that_was_not_matched():
    with pytest.raises(InputError, match="BAD_VALUE"):
        level(0.42)
