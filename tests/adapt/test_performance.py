import numpy as np
import pytest

from lungspot.adapt import (
    Goal,
    GoalKind,
    Level,
    Sample,
    by_person,
    clopper_pearson,
    of_films,
    performance_at,
    performance_of_choice,
)
from lungspot.adapt.site.performance import predictive, targets_needed


@pytest.fixture
def sample():
    """Ten films with the label, of which eight reach 0.5, and twenty without, of which four do."""
    score = np.array([0.9] * 8 + [0.1] * 2 + [0.6] * 4 + [0.2] * 16)
    return of_films(score, np.arange(30) < 10, np.arange(30))


def test_a_threshold_is_judged_by_counting(sample):
    found = performance_at(sample, 0.5, 95)
    assert (found.sensitivity.value, found.specificity.value, found.false_per_film) == (0.8, 0.8, None)
    assert found.sensitivity.interval == pytest.approx(tuple(clopper_pearson(8, 10)))
    assert found.specificity.interval == pytest.approx(tuple(clopper_pearson(16, 20)))
    assert performance_at(sample, np.inf, 95).sensitivity.value == 0
    assert performance_at(sample, 0.1, 95).specificity.value == 0


def test_boxes_have_a_rate_of_false_ones():
    target, person = np.array([0.9, 0.4, -np.inf]), np.array([0, 0, 1])
    found = performance_at(
        Sample(Level.BOX, target, person, np.array([0.8, 0.5, 0.2]), np.array([2, 2, 3]), np.arange(4)), 0.5, 95
    )
    assert found.sensitivity.value == pytest.approx(1 / 3)
    assert found.sensitivity.interval == by_person(np.array([True, False, False]), person)
    assert found.false_per_film.value == 0.5
    assert found.false_per_film.interval[0] < 0.5 < found.false_per_film.interval[1]
    assert found.to_json()["false_per_film"]["value"] == 0.5


def test_a_cost_is_judged_with_wider_intervals(sample):
    plain, cost = (
        performance_of_choice(sample, Goal(kind, 0.9), 0.5, 90) for kind in (GoalKind.SENSITIVITY, GoalKind.COST)
    )
    assert plain == performance_at(sample, 0.5, 90)
    assert cost == performance_at(sample, 0.5, 95)


def test_predictive_values_follow_bayes(sample):
    measured, wider = performance_at(sample, 0.5, 95), performance_at(sample, 0.5, 97.5)
    found = predictive(measured, wider, 0.1)
    assert found["ppv"].value == pytest.approx(0.8 * 0.1 / (0.8 * 0.1 + 0.2 * 0.9))
    assert found["npv"].value == pytest.approx(0.8 * 0.9 / (0.8 * 0.9 + 0.2 * 0.1))
    assert found["calls_per_film"].value == pytest.approx(0.8 * 0.1 + 0.2 * 0.9)
    for value in found.values():
        assert value.interval[0] < value.value < value.interval[1]


def test_where_nothing_is_called_there_is_no_predictive_value(sample):
    nothing = performance_at(sample, np.inf, 95)
    assert predictive(nothing, nothing, 0.1)["ppv"].to_json()["value"] is None


@pytest.mark.parametrize(("share", "width"), [(0.9, 0.1), (0.5, 0.2), (1.0, 0.05)])
def test_so_many_people_make_an_interval_so_narrow(share, width):
    need = targets_needed(share, width, 95)
    widths = [np.diff(clopper_pearson(share * n, n))[0] for n in (need - 1, need)]
    assert widths[0] > width >= widths[1]
