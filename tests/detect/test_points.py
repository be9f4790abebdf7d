from dataclasses import replace

import pytest

from lungspot.detect import at_point, in_order, limit_of, reaches
from lungspot.detect.card import Thresholds
from lungspot.findings import Box, Finding, Frame, Reading, State

BOX = Box(0, 0, 9, 9)


@pytest.fixture
def card(generated_card):
    points = {
        "sensitive": {"effusion": Thresholds(0.2, 0.1)},
        "balanced": {"effusion": Thresholds(0.5, 0.4)},
        "specific": {"effusion": Thresholds(0.9, 0.8)},
    }
    return replace(generated_card, thresholds=points)


@pytest.mark.parametrize(
    ("point", "box", "film"), [("sensitive", 0.2, 0.1), ("balanced", 0.5, 0.4), ("specific", 0.9, 0.8)]
)
def test_a_box_and_a_film_have_their_own_limits_and_reach_them_from_at_on(card, point, box, film):
    assert limit_of(card, Finding("effusion", BOX), point) == box
    assert limit_of(card, Finding("effusion"), point) == film
    assert reaches(card, Finding("effusion", BOX, box), point)
    assert not reaches(card, Finding("effusion", BOX, box - 1e-6), point)
    assert reaches(card, Finding("effusion", score=film), point)
    assert not reaches(card, Finding("effusion"), point)  # nobody said how sure


@pytest.mark.parametrize(
    ("point", "kept", "state"),
    [
        ("sensitive", (True, True), State.BOXED),
        ("balanced", (True, False), State.BOXED),
        ("specific", (False, False), State.ABSENT),
    ],
)
def test_a_reading_is_looked_at_again_at_another_point(card, point, kept, state):
    marks = (Finding("effusion", BOX, 0.6), Finding("effusion", BOX, 0.3), Finding("effusion", score=0.5))
    reading = Reading("m", marks, {"effusion": State.BOXED}, Frame(9, 9))
    seen, shown = at_point(card, reading, point)
    assert shown == kept
    assert seen.state("effusion") is state
    assert len(seen.boxes("effusion")) == sum(kept)
    assert seen.findings[-1] == marks[-1]  # the film's probability stays


def test_a_film_that_reaches_its_limit_without_a_box_is_present(card):
    reading = Reading("m", (Finding("effusion", score=0.45),), {"effusion": State.ABSENT}, Frame(9, 9))
    assert at_point(card, reading, "balanced")[0].state("effusion") is State.PRESENT


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"sensitive": 0.3, "balanced": 0.2, "specific": 0.1}, (0.2, 0.2, 0.2)),
        ({"sensitive": 0.1, "balanced": 0.2, "specific": 0.3}, (0.1, 0.2, 0.3)),
        ({"sensitive": 0.3, "specific": 0.1}, (0.3, None, 0.3)),
        ({"balanced": 0.2}, (None, 0.2, None)),
    ],
)
def test_points_are_put_in_order_around_the_balanced_one(given, expected):
    found = in_order(given)
    assert tuple(found.get(point) for point in ("sensitive", "balanced", "specific")) == expected


@pytest.mark.parametrize(
    ("given", "fixed", "expected"),
    [
        ((0.3, 0.4, 0.5), (), (0.3, 0.4, 0.5)),
        ((0.5, 0.4, 0.3), (), (0.5, 0.5, 0.5)),
        ((0.5, 0.4, 0.3), ("sensitive",), (0.5, 0.5, 0.5)),
        ((0.5, 0.4, 0.3), ("specific",), (0.3, 0.3, 0.3)),
        ((0.2, 0.9, 0.4), ("sensitive", "specific"), (0.2, 0.4, 0.4)),
        ((0.2, 0.1, 0.4), ("sensitive", "specific"), (0.2, 0.2, 0.4)),
        ((0.6, 0.3, 0.5), ("balanced", "specific"), (0.3, 0.3, 0.5)),
        ((0.5, 0.1, 0.9), ("sensitive", "balanced", "specific"), (0.5, 0.1, 0.9)),
    ],
)
def test_fixed_points_stay_and_the_others_give_way(given, fixed, expected):
    """As a site's own thresholds do beside the model's; those that are at odds the card refuses."""
    names = ("sensitive", "balanced", "specific")
    found = in_order(dict(zip(names, given, strict=True)), fixed)
    assert found == dict(zip(names, expected, strict=True))
    assert list(found) == list(names)
