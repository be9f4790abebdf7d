"""Intervals of a programme's numbers: Jeffreys' where all are confirmed, honest where only a sample is."""

import numpy as np
import pytest
from scipy import stats

from lungspot.adapt.tb import screening_table, verification_weights


@pytest.mark.parametrize(("tp", "fn", "fp", "tn"), [(45, 5, 60, 290), (3, 0, 2, 5), (0, 2, 1, 1), (90, 10, 270, 630)])
def test_where_all_are_confirmed_the_intervals_are_those_of_jeffreys(tp, fn, fp, tn):
    score = np.repeat([0.9, 0.1, 0.9, 0.1], [tp, fn, fp, tn])
    reference = np.repeat([1, 1, 0, 0], [tp, fn, fp, tn]).astype(np.int8)
    (row,) = screening_table(score, reference, verification_weights(score, reference), np.array([0.5]))
    for name, yes, no in (("sensitivity", tp, fn), ("specificity", tn, fp), ("ppv", tp, fp), ("npv", tn, fn)):
        low, high = stats.beta.ppf((0.025, 0.975), yes + 0.5, no + 0.5)
        found = row.measures[name]
        wide = high - low
        assert found.value == pytest.approx(yes / (yes + no))
        assert found.low == pytest.approx(low if yes else 0, abs=0.1 * wide)
        assert found.high == pytest.approx(high if no else 1, abs=0.1 * wide)


def test_limits_rise_and_fall_with_what_they_enclose():
    rng = np.random.default_rng(0)
    sick = rng.random(2000) < 0.1
    score = np.round(100 / (1 + np.exp(-rng.normal(2 * sick - 1, 1))))
    reference = np.where((score >= 50) | (rng.random(2000) < 0.3), sick, -1).astype(np.int8)
    rows = screening_table(score, reference, verification_weights(score, reference, 50), np.arange(5.0, 95.0))
    for of in ("value", "low", "high"):
        sensitivity = np.array([getattr(row.measures["sensitivity"], of) for row in rows])
        assert (np.diff(sensitivity) <= 1e-9).all()
        assert (np.diff([getattr(row.measures["specificity"], of) for row in rows]) >= -1e-9).all()


def test_the_intervals_of_weighted_numbers_cover():
    """80 programmes of 1000 people; benchmarks/screening.py does this with more of everything."""
    rng = np.random.default_rng(7)
    truth = {"sensitivity": stats.norm.sf(1 - 2), "specificity": stats.norm.cdf(1)}
    covered = dict.fromkeys(truth, 0)
    for _ in range(80):
        sick = rng.random(1000) < 0.08
        score = rng.normal(2.0 * sick, 1)
        reference = np.where((score >= 0.7) | (rng.random(1000) < 0.2), sick, -1).astype(np.int8)
        (row,) = screening_table(score, reference, verification_weights(score, reference, 0.7), np.array([1.0]))
        for name, value in truth.items():
            covered[name] += row.measures[name].low <= value <= row.measures[name].high
    least = stats.binom.ppf(0.001, 80, 0.95)
    assert all(count >= least for count in covered.values()), covered
