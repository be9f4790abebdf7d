import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from lungspot.detect import Knots, Platt, calibrate
from lungspot.evaluate import fit_isotonic, fit_platt


def bent(films, seed=0):
    """Scores whose log odds are bent: true up to a half, and far too sure above."""
    rng = np.random.default_rng(seed)
    scores = rng.random(films)
    odds = np.log(scores / (1 - scores))
    truth = 1 / (1 + np.exp(-np.where(odds > 0, 0.3 * odds, odds)))
    return scores, rng.random(films) < truth, truth


def test_platt_as_logistic_regression():
    rng = np.random.default_rng(0)
    scores = rng.random(4000)
    x = np.log(scores / (1 - scores))
    positive = rng.random(4000) < 1 / (1 + np.exp(-(0.6 * x - 1)))
    found = fit_platt(scores, positive)
    reference = LogisticRegression(C=1e6).fit(x[:, None], positive)
    assert found.a == pytest.approx(float(reference.coef_[0, 0]), abs=0.01)
    assert found.b == pytest.approx(float(reference.intercept_[0]), abs=0.01)


@pytest.mark.parametrize("positive", [[True, True], [False, False]])
def test_platt_of_one_class_changes_nothing(positive):
    assert fit_platt(np.array([0.2, 0.8]), np.array(positive)) == Platt(1.0, 0.0)


def test_platt_never_turns_scores_around():
    assert fit_platt(np.array([0.1, 0.2, 0.8, 0.9]), np.array([True, True, False, False])).a > 0


def test_the_level_alone_makes_the_mean_what_came_true():
    rng = np.random.default_rng(1)
    scores = rng.random(500)
    positive = rng.random(500) < 0.1
    found = fit_platt(scores, positive, slope=False)
    assert found.a == 1
    assert calibrate(scores, found).mean() == pytest.approx(positive.mean(), abs=0.01)


def test_an_isotonic_curve_is_near_the_isotonic_regression_and_the_truth():
    scores, positive, truth = bent(20_000)
    curve = fit_isotonic(scores, positive)
    assert isinstance(curve, Knots)
    reference = IsotonicRegression(out_of_bounds="clip").fit(scores, positive)
    said = calibrate(scores, curve)
    assert np.abs(said - reference.predict(scores)).mean() < 0.01
    assert np.abs(said - truth).mean() < np.abs(calibrate(scores, fit_platt(scores, positive)) - truth).mean()


def test_an_isotonic_curve_keeps_the_order_of_all_scores():
    scores, positive, _ = bent(800, seed=3)
    said = calibrate(np.sort(scores), fit_isotonic(scores, positive))
    assert (np.diff(said) > 0).all()


@pytest.mark.parametrize(
    ("scores", "positive"),
    [
        ([0.5] * 6, [True, False] * 3),  # one score for all
        ([0.1, 0.2, 0.8, 0.9], [True, True, False, False]),  # turned round
        ([0.2, 0.8], [True, True]),
        ([1e-9] * 5 + [1e-8] * 5, [False] * 4 + [True] + [False] + [True] * 4),  # two that are one
    ],
)
def test_where_nothing_rises_the_isotonic_curve_is_platts(scores, positive):
    scores, positive = np.array(scores), np.array(positive)
    assert fit_isotonic(scores, positive) == fit_platt(scores, positive)
