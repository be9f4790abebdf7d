"""How large a study must be."""

import numpy as np
import pytest

from lungspot.adapt import wilson
from lungspot.adapt.tb import StudyAim, plan_study
from lungspot.errors import InputError


def test_where_all_are_confirmed_cases_decide():
    """Wilson's interval around 90 % has limits 5 points away on average from 138 cases on."""
    aim = StudyAim(prevalence=0.02, not_assessed=0)
    (plan,) = plan_study(aim, (1.0,))
    low, high = wilson(0.9 * plan.cases, plan.cases)
    assert (high - low) / 2 <= 0.05
    low, high = wilson(0.9 * (plan.cases - 1), plan.cases - 1)
    assert (high - low) / 2 > 0.05
    assert plan.people == plan.tests == pytest.approx(plan.cases / 0.02)
    assert plan.decided_by == "sensitivity"


def test_a_common_disease_is_decided_by_specificity():
    (plan,) = plan_study(StudyAim(prevalence=0.9, half_width=0.05), (1.0,))
    assert plan.decided_by == "specificity"


@pytest.mark.parametrize("confirmed", [0.5, 0.1])
def test_the_variance_of_a_partly_confirmed_study_is_as_planned(confirmed):
    """The weighted sensitivity in 4000 simulated studies spreads as the plan says it will: 5 points are 1.96 of it."""
    aim = StudyAim(sensitivity=0.9, specificity=0.7, prevalence=0.05, half_width=0.05, not_assessed=0)
    (plan,) = plan_study(aim, (confirmed,))
    rng = np.random.default_rng(3)
    cells = rng.multinomial(plan.people, [0.045, 0.005, 0.285, 0.665], size=4000)  # found, missed, false, cleared
    below = cells[:, 1] + cells[:, 3]
    sampled = np.round(confirmed * below).astype(int)
    seen = rng.hypergeometric(cells[:, 1], cells[:, 3], sampled)
    found = cells[:, 0] / (cells[:, 0] + seen * below / sampled)
    assert found.mean() == pytest.approx(0.9, abs=0.004)
    assert 1.96 * found.std() == pytest.approx(0.05, rel=0.1)
    assert plan.cases_below_confirmed == pytest.approx(seen.mean(), rel=0.03)
    assert plan.tests == pytest.approx((plan.people - below + sampled).mean(), rel=0.01)


def test_fewer_confirmed_needs_more_screened_and_films_that_fail_more_too():
    plans = plan_study(StudyAim())
    assert [plan.confirmed_below for plan in plans] == [1, 0.5, 0.25, 0.1, 0.05]
    assert sorted(plan.people for plan in plans) == [plan.people for plan in plans]
    assert plan_study(StudyAim(not_assessed=0.1))[0].people > plans[0].people
    assert plan_study(StudyAim(design_effect=2))[0].people == pytest.approx(2 * plans[0].people, abs=2)


@pytest.mark.parametrize(
    "wrong",
    [{"sensitivity": 1}, {"prevalence": 0}, {"half_width": float("nan")}, {"level": 100}, {"design_effect": 0.5}],
)
def test_aims_that_cannot_be_meant(wrong):
    with pytest.raises(InputError):
        StudyAim(**wrong)


def test_what_no_study_reaches_is_refused():
    with pytest.raises(InputError, match="would be needed"):
        plan_study(StudyAim(prevalence=0.0001, half_width=0.001))
    with pytest.raises(InputError, match="share confirmed"):
        plan_study(StudyAim(), (0.0,))
