"""Intervals of proportions against published and reference values."""

import numpy as np
import pytest
from scipy import stats

from lungspot.adapt import clopper_pearson, wilson
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
