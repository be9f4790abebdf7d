"""The area under the ROC curve, weighted."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from lungspot.adapt.tb import area_under_roc, verification_weights


def people(rng, number=600, confirmed=1.0):
    sick = rng.random(number) < 0.15
    score = np.round(rng.normal(1.2 * sick, 1), 1)  # with ties
    reference = np.where((score >= 0.5) | (rng.random(number) < confirmed), sick, -1).astype(np.int8)
    return score, reference, sick


def test_the_area_is_that_of_scikit_learn():
    score, reference, _ = people(np.random.default_rng(1))
    score[:5] = np.nan
    known = np.isfinite(score)
    found = area_under_roc(score, reference, verification_weights(score, reference))
    assert found.value == pytest.approx(roc_auc_score(reference[known], score[known]), abs=1e-12)
    assert found.low < found.value < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * error_of(score[known], reference[known]), rel=0.1)


def error_of(score, reference):
    """The standard error of the area by DeLong, DeLong and Clarke-Pearson 1988, where everybody is confirmed."""
    sick, well = score[reference == 1][:, None], score[reference == 0][None, :]
    above = (sick > well) + 0.5 * (sick == well)
    return np.sqrt(np.var(above.mean(axis=1), ddof=1) / len(sick) + np.var(above.mean(axis=0), ddof=1) / well.size)


def test_a_case_stands_for_those_like_it_and_the_others_are_without():
    """Below 5 one of two is confirmed: the case at 2 stands for 2 people, of the 4 scores 1, 2, 3, 4 and of none else.

    Cases: 2 at score 2, 1 at 7. Others: one each at 1, 3, 4, 6, and 1 - 2 at score 2, so 3 in all. The case at 7 is
    above all of them; each of the two at 2 is above the one at 1, and level with -1: (1 - 1/2) / 3. (2 / 6 + 1) / 3.
    """
    score = np.array([1.0, 2, 3, 4, 6, 7])
    reference = np.array([0, 1, -1, -1, 0, 1], dtype=np.int8)
    found = area_under_roc(score, reference, verification_weights(score, reference, 5))
    assert found.value == pytest.approx((2 * (1 - 0.5) / 3 + 1) / 3)


@pytest.mark.parametrize("level", [50.0, 95.0])
def test_its_interval_covers_as_often_as_it_says(level):
    """At 50 too: of sixty intervals of 95 % all may cover, so that one of 0 to 1 would pass."""
    rng = np.random.default_rng(2)
    truth = roc_auc_score(*reversed(people(rng, 400_000)[::2]))
    covered = 0
    for _ in range(60):
        score, reference, _ = people(rng, confirmed=0.2)
        found = area_under_roc(score, reference, verification_weights(score, reference, 0.5), level)
        covered += found.low <= truth <= found.high
    least, most = stats.binom.ppf((0.001, 0.999), 60, level / 100)
    assert least <= covered <= most


@pytest.mark.parametrize(
    ("score", "reference", "value"),
    [
        ([0.1, 0.2], [0, 0], None),
        ([0.1, 0.2], [1, 1], None),
        ([0.1, 0.2], [0, 1], 1.0),
        ([0.2, 0.2], [0, 1], 0.5),
        ([np.nan, 0.2], [0, 1], None),
    ],
)
def test_small_cases(score, reference, value):
    score, reference = np.array(score), np.array(reference, dtype=np.int8)
    assert area_under_roc(score, reference, verification_weights(score, reference)).value == value


def test_where_a_group_was_not_confirmed_at_all_there_is_no_area():
    score, reference = np.array([0.9, 0.8, 0.1]), np.array([1, 0, -1], dtype=np.int8)
    assert area_under_roc(score, reference, verification_weights(score, reference, 0.5)).value is None
