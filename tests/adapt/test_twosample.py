"""The tests of the watch against SciPy's, against counting, and against chance itself."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from lungspot.adapt.watch import twosample

TABLES = [
    (0, 800, 3, 30),
    (80, 800, 10, 100),
    (80, 800, 30, 100),
    (80, 800, 1, 100),
    (5, 10, 5, 5),
    (3, 7, 0, 4),
    (0, 9, 0, 9),
]


@pytest.mark.parametrize(("good", "bad", "drawn"), [(5, 9, 4), (40, 160, 25), (900, 100, 50), (3, 2000, 700)])
def test_the_hypergeometric_tail_is_scipys(good, bad, drawn):
    expected = drawn * good / (good + bad)
    for at_least in range(drawn + 2):
        tail = float(twosample.hypergeometric_tail(at_least, good, bad, drawn))
        exact = stats.hypergeom.sf(at_least - 1, good + bad, good, drawn)
        if at_least <= expected:
            assert tail == 1.0
        else:
            assert tail == pytest.approx(exact, rel=1e-6, abs=1e-300)


@pytest.mark.parametrize(("before", "before_of", "now", "now_of"), TABLES)
def test_shares_differ_as_fisher_says(before, before_of, now, now_of):
    p = float(twosample.share_p(before, before_of, now, now_of))
    table = [[now, now_of - now], [before, before_of - before]]
    tails = [stats.fisher_exact(table, alternative=side).pvalue for side in ("less", "greater")]
    assert p == pytest.approx(min(1, 2 * min(tails)), rel=1e-6)


def test_exceedances_by_counting_every_order():
    """Of three old and two new values every order is as likely: how often are both new below the second lowest old?"""
    orders = set(itertools.permutations("oooNN"))
    for rank, at_least in itertools.product((1, 2, 3), (1, 2)):
        hits = 0
        for order in orders:
            old = [place for place, kind in enumerate(order) if kind == "o"]
            hits += sum(kind == "N" for kind in order[: old[rank - 1]]) >= at_least
        p = float(twosample.exceedance_p(rank, 3, at_least, 2))
        # 1 where no more than expected are asked for, else exact
        assert p == pytest.approx(hits / len(orders)) or (p == 1.0 and hits / len(orders) > 0.25)
    assert float(twosample.exceedance_p(1, 800, 0, 100)) == 1.0


@pytest.mark.parametrize(("n", "m"), [(5, 40), (14, 114), (30, 200), (100, 800), (400, 800)])
def test_the_distance_of_kolmogorov_and_smirnov_is_bounded(n, m):
    """Where alarms are raised (p of 1e-3 to 1e-7), the bound lies above the exact chance, or a hair below."""
    for wanted in (1e-3, 1e-5, 1e-7):
        distance = math.ceil(math.sqrt(math.log(2 / wanted) * (n + m) / (2 * n * m)) * n * m) / (n * m)
        if distance <= 1:
            exact = stats._stats_py._attempt_exact_2kssamp(n, m, math.gcd(n, m), distance, "two-sided")[2]
            assert exact <= 1.05 * float(twosample.ks_p(distance, m, n))


@pytest.mark.parametrize("bins", [2, 10])
def test_the_index_of_stability_stays_below_what_chance_gives(bins):
    rng = np.random.default_rng(4)
    before = rng.multinomial(800, [1 / bins] * bins, size=4000).astype(float)
    now = rng.multinomial(100, [1 / bins] * bins, size=4000).astype(float)
    found = twosample.psi(before, now)
    assert np.mean(found < twosample.psi_by_chance(bins, 800, 100)) == pytest.approx(0.95, abs=0.012)
    assert twosample.psi(before[0], before[0]) == 0
    assert np.isfinite(twosample.psi(np.array([5.0, 0.0]), np.array([0.0, 5.0])))


@pytest.mark.parametrize(("value", "freedom"), [(3.8, 1), (14.1, 7), (30.0, 7), (80.0, 51), (0.0, 7)])
def test_chi_square(value, freedom):
    assert twosample.chi_square_tail(value, freedom) == pytest.approx(stats.chi2.sf(value, freedom), rel=0.25)


@pytest.mark.parametrize(("t", "freedom"), [(0.0, 7), (2.3, 7), (-5.4, 6), (12.0, 7), (1.1, 1), (3.0, 60), (40.0, 4)])
def test_student(t, freedom):
    assert twosample.student_p(t, freedom) == pytest.approx(2 * stats.t.sf(abs(t), freedom), rel=1e-6)
    assert twosample.student_p(t, 0) == 1.0


def waves(rng, n, shift=0.0, baseline=300):
    films = rng.normal(size=(baseline + n, 16))
    films[baseline:, :4] += shift
    found = twosample.fourier_features(films, np.arange(len(films)) < baseline)
    return found[:baseline], found[baseline:]


def test_features_that_moved_are_seen_and_others_are_not():
    rng = np.random.default_rng(5)
    apart, p = twosample.mmd(*waves(rng, 80, shift=1.0), smallest=1e-3, seed=1)
    assert p < 1e-3
    chance = [twosample.mmd(*waves(rng, 80), smallest=1e-3, seed=seed) for seed in range(150)]
    assert apart > 2 * max(distance for distance, _ in chance)
    assert np.mean([p <= 0.2 for _, p in chance]) == pytest.approx(0.2, abs=0.1)


def test_few_films_can_be_shuffled_too():
    before, now = waves(np.random.default_rng(6), 5)
    assert 0 < twosample.mmd(before, now, smallest=1e-2, seed=0)[1] <= 1
    assert twosample.mmd(before, now, 1e-2, 0) == twosample.mmd(before, now, 1e-2, 0)


def test_equal_values_and_rare_ones_raise_no_false_alarm():
    """Over many weeks without a change, each test is below 0.01 in no more than a hundredth of them, or so."""
    rng = np.random.default_rng(7)
    weeks = 6000
    now, before = rng.binomial(60, 0.03, weeks), rng.binomial(400, 0.03, weeks)
    assert np.mean(twosample.share_p(before, 400, now, 60) <= 0.01) <= 0.012
    values = rng.integers(0, 12, size=(3000, 460))
    lowest = np.sort(values[:, :400])[:, 3]
    beyond = (values[:, 400:] < lowest[:, None]).sum(1)
    assert np.mean(twosample.exceedance_p(4, 400, beyond, 60) <= 0.01) <= 0.012
