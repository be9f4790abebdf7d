"""Intervals of proportions against published and reference values."""

import numpy as np
import pytest
from scipy import stats

from lungspot.adapt import by_person, clopper_pearson, rate_by_person, wilson, worth
from lungspot.errors import InputError

# Newcombe, Statistics in Medicine 1998, table I: hits, of, Wilson's interval (method 3), the exact one (method 5)
NEWCOMBE = [
    (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
    (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
    (0, 20, (0.0, 0.1611), (0.0, 0.1684)),
    (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
]


@pytest.mark.parametrize(("hits", "of", "score", "exact"), NEWCOMBE)
def test_intervals_are_those_of_the_literature(hits, of, score, exact):
    assert wilson(hits, of) == pytest.approx(score, abs=5e-5)
    assert clopper_pearson(hits, of) == pytest.approx(exact, abs=5e-5)


def test_intervals_of_many_are_those_of_scipy():
    of = np.arange(1, 40)
    hits = of * 2 // 3
    for method, ours in (("wilson", wilson), ("exact", clopper_pearson)):
        found = ours(hits, of, 90)
        for k, n, (low, high) in zip(hits, of, found, strict=True):
            theirs = stats.binomtest(int(k), int(n)).proportion_ci(0.9, method=method)
            assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@pytest.mark.parametrize("of_none", [wilson(0, 0), clopper_pearson(0, 0)])
def test_of_nothing_nothing_is_known(of_none):
    assert of_none.tolist() == [0, 1]


@pytest.mark.parametrize(("hits", "of", "level"), [(3, 2, 95), (-1, 2, 95), (1, np.inf, 95), (1, 2, 100), (1, 2, 0)])
def test_what_is_no_proportion_is_refused(hits, of, level):
    for interval in (wilson, clopper_pearson):
        with pytest.raises(InputError, match="BAD_VALUE"):
            interval(hits, of, level)


def test_films_of_different_people_have_the_exact_interval():
    hit = np.array([True] * 9 + [False] * 3)
    exact = stats.binomtest(9, 12).proportion_ci(0.9, method="exact")
    assert by_person(hit, np.arange(12), 90) == pytest.approx((exact.low, exact.high))


def test_films_of_one_person_that_are_alike_say_no_more_than_one():
    hit, person = np.repeat([True, False, True, True, True, True], 5), np.repeat(np.arange(6), 5)
    low, high = by_person(hit, person)
    one = clopper_pearson(5, 6)
    assert worth(hit, person) == pytest.approx(5, abs=0.01)  # 6 people, less one for what they are compared with
    assert low <= one[0] + 0.02
    assert high >= one[1] - 0.01
    assert by_person(np.ones(30, bool), person) == pytest.approx(tuple(clopper_pearson(6, 6)))
    assert by_person(np.zeros(0, bool), np.zeros(0, int)) == (0, 1)


@pytest.mark.parametrize(("events", "films"), [(0, 10), (3, 10), (40, 10)])
def test_a_rate_of_different_people_has_garwoods_interval(events, films):
    """By two quantiles of chi squared; events are spread evenly, so that they do not come in clusters."""
    low, high = rate_by_person(np.arange(events) % films, np.arange(films))
    assert low == pytest.approx(0 if events == 0 else stats.chi2.ppf(0.025, 2 * events) / 2 / films)
    assert high == pytest.approx(stats.chi2.ppf(0.975, 2 * events + 2) / 2 / films)


def test_events_in_clusters_widen_the_interval_of_a_rate():
    alone, films = rate_by_person(np.arange(20), np.arange(100)), np.arange(100)
    together = rate_by_person(np.repeat([3, 4], 10), films)
    assert together[0] < alone[0] < 0.2 < alone[1] < together[1]
    assert rate_by_person(np.zeros(0, int), np.zeros(0, int)) == (0, float("inf"))


@pytest.mark.parametrize("share", [0.6, 0.95])
def test_intervals_of_films_in_clusters_cover_what_they_say(share):
    """300 drawn sites of 80 people with one to six films that are alike: 90 %, but for the binomial's bounds."""
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(300):
        person = np.repeat(np.arange(80), rng.integers(1, 7, 80))
        own = (
            stats.norm.ppf(share)
            + np.sqrt(0.5) * rng.normal(size=80)[person]
            + np.sqrt(0.5) * rng.normal(size=len(person))
        )
        low, high = by_person(own > 0, person, 90)
        true = stats.norm.cdf(stats.norm.ppf(share))
        inside += low <= true <= high
    assert inside >= stats.binom.ppf(0.005, 300, 0.9)
