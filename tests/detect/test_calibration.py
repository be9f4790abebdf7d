import numpy as np
import pytest

from lungspot.detect import Knots, Platt, calibrate, compose
from lungspot.errors import InputError

SCORES = np.array([0.0, 1e-9, 0.02, 0.3, 0.5, 0.77, 0.999, 1.0])
BEND = Knots((-2.0, 0.0, 1.0), (-1.0, -0.5, 3.0), slope=0.5)


def test_knots_are_what_they_say_and_lines_between():
    odds = np.array([-4.0, -2.0, -1.0, 0.0, 0.5, 1.0, 3.0])
    said = calibrate(1 / (1 + np.exp(-odds)), BEND)
    assert np.log(said / (1 - said)) == pytest.approx([-2.0, -1.0, -0.75, -0.5, 1.25, 3.0, 4.0])


@pytest.mark.parametrize("first", [None, Platt(0.7, -1.0), BEND])
@pytest.mark.parametrize("then", [None, Platt(1.4, 0.3), BEND])
def test_two_curves_are_one(first, then):
    odds = np.linspace(-6, 6, 401)
    scores = 1 / (1 + np.exp(-odds))
    both = calibrate(calibrate(scores, first), then)
    assert calibrate(scores, compose(first, then)) == pytest.approx(both, abs=1e-9)


def test_a_curve_keeps_the_order():
    assert (np.diff(calibrate(SCORES[1:-1], BEND)) > 0).all()


@pytest.mark.parametrize(
    ("x", "y", "slope"),
    [
        ((), (), 1.0),
        ((0.0, 1.0), (0.0,), 1.0),
        ((0.0, 0.0), (0.0, 1.0), 1.0),
        ((0.0, 1.0), (1.0, 1.0), 1.0),
        ((1.0, 0.0), (0.0, 1.0), 1.0),
        ((0.0, float("inf")), (0.0, 1.0), 1.0),
        ((0.0,), (float("nan"),), 1.0),
        ((0.0,), (0.0,), 0.0),
        ((0.0,), (0.0,), -1.0),
    ],
)
def test_what_does_not_rise_is_no_calibration(x, y, slope):
    with pytest.raises(InputError, match="BAD_VALUE"):
        Knots(x, y, slope)
