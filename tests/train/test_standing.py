import dataclasses

import numpy as np
import pytest

from lungspot.detect import ModelCard, Standing, Thresholds
from lungspot.findings import ABSENT, BOXED, PRESENT, UNKNOWN
from lungspot.formats.case import Split
from lungspot.train.data import FilmTruth
from lungspot.train.standing import standing
from lungspot.train.validate import Found, Predictions

BOX = [0.1, 0.1, 0.5, 0.5]
CARD = ModelCard("m", "1", ("effusion",), 64, thresholds={"balanced": {"effusion": Thresholds(0.5, 0.5)}})


def films(count, source, state, image, box_score, *, at=BOX, noisy=False):
    """Return ``count`` films of one kind, what the network says of the film, and its one box with its score."""
    true = np.array([BOX] if state == BOXED else [], np.float32).reshape(-1, 4)
    film = FilmTruth(
        "f", source, "p", Split.VAL, true, np.zeros(len(true), np.int64), np.array([state]), np.array([noisy])
    )
    return [(film, image, Found(np.array([at]), np.array([box_score])))] * count


def judged(*kinds, card=CARD):
    rows = [row for kind in kinds for row in kind]
    image = np.array([[row[1]] for row in rows])
    val = Predictions(
        tuple(r[0] for r in rows), tuple((r[2],) for r in rows), image, np.zeros((len(rows), 1), np.float32)
    )
    standings, numbers = standing(val, card)
    return standings["effusion"], numbers["effusion"]


GOOD = (films(20, "a", BOXED, 0.9, 0.9), films(40, "a", ABSENT, 0.1, 0.1))


def test_a_label_that_is_found_is_reported():
    said, numbers = judged(*GOOD)
    assert said is Standing.REPORTED
    assert numbers == {
        "source": "a", "positive": 20, "auroc": 1.0, "called": 20, "calls_right": 1.0, "shown": 20, "boxes_right": 1.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kinds", "reason"),
    [
        ((films(9, "a", BOXED, 0.9, 0.9), GOOD[1]), "source"),  # too few that show it
        ((GOOD[0], films(9, "a", ABSENT, 0.1, 0.1)), "source"),  # too few that do not
        ((GOOD[0], films(40, "b", ABSENT, 0.1, 0.1)), "source"),  # they come from another source
        ((GOOD[0], films(40, "a", ABSENT, 0.9, 0.1)), "auroc"),
        ((*GOOD, films(61, "a", ABSENT, 0.6, 0.1)), "calls_right"),  # one call in four is right, and not quite
        ((*GOOD, films(61, "a", ABSENT, 0.1, 0.6)), "calls_right"),  # a box is a call
        ((*GOOD, films(61, "a", ABSENT, 0.6, 0.1, noisy=True)), "calls_right"),  # doubtful films are met too
        ((films(20, "a", BOXED, 0.9, 0.9, at=[0.6, 0.6, 0.9, 0.9]), GOOD[1]), "boxes_right"),
        ((films(20, "a", BOXED, 0.9, 0.1), films(9, "a", BOXED, 0.9, 0.6), GOOD[1]), None),  # boxes missed, none wrong
        ((films(20, "a", PRESENT, 0.9, 0.9, at=[0.6, 0.6, 0.9, 0.9]), GOOD[1]), None),  # nobody knows where
        ((*GOOD, films(60, "a", ABSENT, 0.6, 0.1)), None),  # one in four
        ((*GOOD, films(500, "a", UNKNOWN, 0.9, 0.9)), None),  # nobody looked
        ((*GOOD, films(15, "b", BOXED, 0.1, 0.1), films(40, "b", ABSENT, 0.9, 0.9)), None),  # another, smaller source
    ],
)
def test_the_rule_of_the_page(kinds, reason):
    said, numbers = judged(*kinds)
    assert said is (Standing.REPORTED if reason is None else Standing.EXPERIMENTAL)
    bounds = {"auroc": 0.8, "calls_right": 0.25, "boxes_right": 0.2}
    failed = [name for name, bound in bounds.items() if numbers[name] is not None and numbers[name] < bound]
    if reason == "source":
        assert numbers["source"] is None
        assert failed == []
    else:
        assert failed == ([] if reason is None else [reason])


def test_what_is_never_called_has_earned_nothing():
    said, numbers = judged(films(20, "a", BOXED, 0.4, 0.1), GOOD[1])
    assert said is Standing.EXPERIMENTAL
    assert (numbers["called"], numbers["calls_right"], numbers["shown"], numbers["boxes_right"]) == (0, None, 0, 0.0)


def test_a_label_whose_boxes_come_from_its_map_is_judged_by_films():
    card = dataclasses.replace(CARD, box_from_map={"effusion": 0.4})
    said, numbers = judged(films(20, "a", BOXED, 0.9, 0.9, at=[0.6, 0.6, 0.9, 0.9]), GOOD[1], card=card)
    assert said is Standing.REPORTED
    assert numbers["boxes_right"] is None
