"""Heart and lungs on request: drawn and coded where they lie as in a chest, and never without being asked for."""

import dataclasses
import json

import numpy as np
import pytest
from tests.report.test_overlay import near

from lungspot.detect import Anatomy
from lungspot.findings import Box, Side
from lungspot.report import overlay, page
from lungspot.report.organs import ORGAN_COLOR, organ_marks, ratio_points
from lungspot.report.write import data_of

HEART, RIGHT, LEFT = Box(76, 135, 136, 234), Box(24, 30, 92, 240), Box(112, 30, 180, 246)
SIDED = Anatomy(HEART, LEFT, RIGHT, 0.38, mirrored=False)
UNSIDED = Anatomy(HEART, None, None, 0.38, mirrored=None, unsided=(RIGHT, LEFT))
NO_CHEST = dataclasses.replace(SIDED, cardiothoracic_ratio=None)


@pytest.fixture
def seen(make):
    """A function that makes a result of no box on a film of 200 x 300 pixels with an anatomy."""
    return lambda anatomy, **how: dataclasses.replace(make(boxes=()), anatomy=anatomy, **how)


def test_what_is_shown_and_what_it_is_called(seen):
    assert [(mark.name, mark.box) for mark in organ_marks(seen(SIDED))] == [
        ("heart", HEART),
        ("left lung", LEFT),
        ("right lung", RIGHT),
    ]
    assert [(mark.name, mark.side) for mark in organ_marks(seen(UNSIDED))] == [
        ("heart", None),
        ("lung", None),
        ("lung", None),
    ]
    assert organ_marks(seen(SIDED))[1].side is Side.LEFT
    for nothing in (None, NO_CHEST, dataclasses.replace(UNSIDED, cardiothoracic_ratio=None)):
        assert organ_marks(seen(nothing)) == ratio_points(seen(nothing)) == ()


@pytest.mark.parametrize("anatomy", [SIDED, UNSIDED])
def test_the_ratio_is_measured_across_the_chest(seen, anatomy):
    points = np.array(ratio_points(seen(anatomy)))
    assert points[:, 0].tolist() == [76, 136, 24, 180]
    assert points[0, 1] == points[1, 1] == (135 + 234) / 2
    assert points[2, 1] == points[3, 1] == pytest.approx(30 + 0.8 * 216)
    turned = anatomy.moved(lambda box: Box(box.y0, box.x0, box.y1, box.x1))
    points = np.array(ratio_points(seen(turned, quarter_turns=1)))
    assert points[:, 1].tolist() == [76, 136, 24, 180]


@pytest.mark.parametrize("anatomy", [SIDED, UNSIDED])
def test_the_picture_shows_them_on_request_alone(seen, anatomy):
    result = seen(anatomy)
    drawn = overlay(result, anatomy=True)
    factor = drawn.width / 200
    for box in (HEART, LEFT, RIGHT):
        for x, y in ((box.x0, box.y0 + 20), ((box.x0 + box.x1) / 2, box.y0)):
            assert near(drawn, round(x * factor), round(y * factor), ORGAN_COLOR)
    plain = np.asarray(overlay(result))
    assert (np.asarray(overlay(seen(NO_CHEST), anatomy=True)) == np.asarray(overlay(seen(NO_CHEST)))).all()
    assert (plain == np.asarray(overlay(dataclasses.replace(result, anatomy=None)))).all()
    assert (plain != np.asarray(drawn)).any()
    assert data_of(result, "png", anatomy=True) != data_of(result, "png")


def organs_on(text):
    data = text.partition('<script type="application/json" id="data">')[2].partition("</script>")[0]
    return json.loads(data)["organs"]


def test_the_page_holds_them_on_request_alone(seen):
    found = organs_on(page(seen(SIDED), anatomy=True))
    assert [each["name"] for each in found] == ["heart", "left lung", "right lung"]
    assert found[0]["box"] == list(HEART.corners)
    assert [each["name"] for each in organs_on(page(seen(UNSIDED), anatomy=True))] == ["heart", "lung", "lung"]
    assert organs_on(page(seen(SIDED))) == organs_on(page(seen(NO_CHEST), anatomy=True)) == []
    assert organs_on(data_of(seen(SIDED), "html", anatomy=True).decode()) == found
