import numpy as np
import pytest

from lungspot.adapt.site.recalibrate import refit
from lungspot.detect import Knots, Platt, calibrate


def site(films, prevalence, shift, seed=0, *, bend=False):
    """Scores whose log odds are off by ``shift`` (and bent), with what is true."""
    rng = np.random.default_rng(seed)
    odds = np.log(prevalence / (1 - prevalence)) + 2 * rng.normal(size=films)
    positive = rng.random(films) < 1 / (1 + np.exp(-odds))
    said = np.where(odds > 0, 3 * odds, odds) if bend else odds
    return 1 / (1 + np.exp(-(said + shift))), positive, np.arange(films)


@pytest.mark.parametrize(
    ("films", "prevalence", "kind"),
    [(40, 0.05, "none"), (150, 0.2, "level"), (600, 0.3, "platt"), (6000, 0.3, "isotonic")],
)
def test_what_is_fitted_follows_how_many_people_there_are(films, prevalence, kind):
    score, positive, person = site(films, prevalence, 2.0)
    found = refit(score, positive, person, None)
    assert found.kind == kind
    assert isinstance(found.curve, {"none": type(None), "isotonic": Knots}.get(kind, Platt))
    if kind == "none":
        assert "10 are the fewest" in found.why
    else:
        assert found.after["log_loss"] < found.before["log_loss"]


def test_a_device_that_scores_too_high_is_set_right():
    score, positive, person = site(3000, 0.2, 1.5, bend=True)
    found = refit(score, positive, person, None)
    fresh, truth, _ = site(20_000, 0.2, 1.5, seed=9, bend=True)
    said = calibrate(fresh, found.curve)
    for low in (0.0, 0.2, 0.4, 0.6):
        inside = (said >= low) & (said < low + 0.2)
        assert said[inside].mean() == pytest.approx(truth[inside].mean(), abs=0.06)


def test_scores_that_are_right_already_stay():
    score, positive, person = site(400, 0.3, 0.0, seed=4)
    found = refit(score, positive, person, None)
    assert (found.curve, found.kind) == (None, "none")
    assert "no part in the fit" in found.why


def test_another_prevalence_moves_the_level_alone():
    score, positive, person = site(2000, 0.5, 0.0, seed=4)
    here = refit(score, positive, person, None)
    there = refit(score, positive, person, 0.05)
    odds = np.log(positive.mean() / (1 - positive.mean()))
    grid = np.linspace(0.05, 0.95, 9)
    moved = [np.log(p / (1 - p)) for p in (calibrate(grid, here.curve), calibrate(grid, there.curve))]
    assert moved[1] - moved[0] == pytest.approx(np.full(9, np.log(0.05 / 0.95) - odds))


def test_people_not_films_are_counted():
    score, positive, _ = site(60, 0.5, 2.0)
    one_each = refit(score, positive, np.arange(60), None)
    of_six = refit(score, positive, np.arange(60) % 6, None)
    assert (one_each.kind, of_six.kind) == ("level", "none")
