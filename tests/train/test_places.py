import numpy as np
import pytest

from lungspot.detect import ModelCard, PlaceRule, Thresholds
from lungspot.findings import BOXED
from lungspot.formats.case import Split
from lungspot.train.data import FilmTruth
from lungspot.train.places import place_rule
from lungspot.train.validate import Found, Predictions

LABELS = ("pneumonia", "covid19", "cardiomegaly")
CARD = ModelCard("m", "1", LABELS, 64, thresholds={"balanced": dict.fromkeys(LABELS, Thresholds(0.5, 0.5))})


def film(true, pneumonia, covid19, heart=()):
    """Return a film with true boxes of pneumonia and boxes that a network shows of each label."""
    boxes = np.array(true, np.float32).reshape(-1, 4)
    about = (np.zeros(len(boxes), np.int64), np.array([BOXED] * 3), np.zeros(3, bool))
    found = (np.array(each, np.float64).reshape(-1, 4) for each in (pneumonia, covid19, heart))
    return FilmTruth("f", "a", "p", Split.VAL, boxes, *about), tuple(
        Found(each, np.full(len(each), 0.9)) for each in found
    )


def val(rows):
    films, found = zip(*rows, strict=True)
    return Predictions(films, found, np.ones((len(rows), 3)), np.zeros((len(rows), 1), np.float32))


def wide(x, width):
    return [x, 0.0, x + width, 1.0]


@pytest.mark.parametrize(("shift", "near"), [(0.15, 0.35), (0.25, 0.45), (0.05, 0.2)])
def test_the_rule_tells_one_thing_from_two(shift, near):
    one = film([wide(0.2, 0.5)], [wide(0.2, 0.5)], [wide(0.2 + shift, 0.5)])
    two = film([wide(0.0, 0.5), wide(near, 0.5)], [wide(0.0, 0.5)], [wide(near, 0.5)])
    rule = place_rule(val([one, two] * 40), CARD)
    overlaps = [(0.5 - by) / (0.5 + by) for by in (shift, near)]
    assert overlaps[1] < rule.iou <= overlaps[0]


def test_too_few_pairs_choose_nothing():
    one = film([wide(0.2, 0.5)], [wide(0.2, 0.5)], [wide(0.3, 0.5)])
    two = film([wide(0.0, 0.3), wide(0.5, 0.3)], [wide(0.0, 0.3)], [wide(0.5, 0.3)])
    assert place_rule(val([one] * 40 + [two] * 29), CARD) == PlaceRule()
    assert place_rule(val([one] * 29 + [two] * 40), CARD) == PlaceRule()


def test_hearts_and_boxes_on_nothing_do_not_count():
    one = film([wide(0.2, 0.5)], [wide(0.2, 0.5)], [wide(0.3, 0.5)])
    heart = film([wide(0.0, 0.3)], [wide(0.0, 0.3)], [], [wide(0.0, 0.3)])
    nothing = film([wide(0.0, 0.3)], [wide(0.0, 0.3)], [wide(0.6, 0.3)])
    assert place_rule(val([one, heart, nothing] * 40), CARD) == PlaceRule()
