"""Promises about thresholds: against their definitions, and against what comes true over many drawn sites."""

import numpy as np
import pytest
from scipy import stats

from lungspot.adapt.site.risk import effective, fewest, on_average, risks, with_confidence


def test_a_threshold_at_a_score_still_calls_it():
    steps, risk = risks(np.array([0.3, 0.1, 0.3, 0.9]))
    assert steps.tolist() == [0.1, 0.3, 0.9]
    assert risk.tolist() == [0, 0.25, 0.75]


def test_what_is_never_called_is_the_lowest_step():
    steps, risk = risks(np.array([-np.inf, 0.5]))
    assert (steps[0], risk.tolist()) == (-np.inf, [0, 0.5])


@pytest.mark.parametrize(
    ("most", "confidence", "least"), [(0.1, None, 9), (0.05, None, 19), (0.1, 90, 22), (0.05, 95, 59)]
)
def test_the_fewest_people_are_those_of_the_rule(most, confidence, least):
    """0.9 to the power of 22 is the first below 0.1; the mean needs 1 of n + 1 to be at most a tenth."""
    assert fewest(most, confidence) == least
    nothing_missed = np.zeros(1)
    for people in (least, least - 1):
        good = (
            on_average(nothing_missed, people, most)
            if confidence is None
            else with_confidence(nothing_missed, people, most, confidence)
        )
        assert good[0] == (people == least)


def test_with_confidence_is_the_exact_binomial_test():
    people = 80
    risk = np.arange(people + 1) / people
    good = with_confidence(risk, people, 0.1, 90)
    exact = stats.binom.cdf(np.arange(people + 1), people, 0.1) <= 0.1
    assert good.tolist() == exact.tolist()


def test_the_first_step_that_fails_ends_it():
    good = with_confidence(np.array([0.0, 0.5, 0.0]), 50, 0.1, 90)
    assert good.tolist() == [True, False, False]


def test_films_of_one_person_are_worth_less():
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(100), 4)
    alike = np.repeat(rng.random(100), 4)
    assert effective(rng.random(100), np.arange(100), 0.1) == 100
    assert 80 < effective(alike, person, 0.1) < 120
    assert effective(rng.random(400), person, 0.1) > 250


def drawn(sites, people, seed=0):
    """Scores of the diseased at many sites, uniform, so that the true risk of a threshold is the threshold."""
    return np.random.default_rng(seed).random((sites, people))


@pytest.mark.parametrize("people", [9, 30, 101])
def test_in_the_mean_over_sites_no_more_is_missed_than_promised(people):
    true = []
    for scores in drawn(4000, people):
        steps, risk = risks(scores)
        true.append(steps[np.flatnonzero(on_average(risk, people, 0.1))[-1]])
    assert np.mean(true) <= 0.1 + 3 * np.std(true) / np.sqrt(len(true))
    assert np.mean(true) > 0.08  # and it promises no less than it can


@pytest.mark.parametrize("people", [22, 60, 200])
def test_with_confidence_nine_sites_of_ten_miss_no_more(people):
    held = []
    for scores in drawn(4000, people):
        steps, risk = risks(scores)
        held.append(steps[np.flatnonzero(with_confidence(risk, people, 0.1, 90))[-1]] <= 0.1)
    assert np.mean(held) >= 0.9 - 3 * np.sqrt(0.09 / len(held))
    assert np.mean(held) < 0.97
