"""Costs, held to a study that published them.

Philipsen and others, Sci Rep 5 (2015) 12215: 388 people in Cape Town, 71 with a positive culture, 56 of them found by
Xpert alone at 13.09 USD a person. Published are the shares who have Xpert, the sensitivities, the cost a person
screened and a case notified. Solved for, from them: that a film with its reading costs 1.46 USD, and the whole numbers
of tests that the rounded shares stand for. One such number explains every row below, to the cent.
"""

import numpy as np
import pytest

from lungspot.adapt.tb import Costs, screening_table, verification_weights
from lungspot.errors import InputError

TEST, FILM = 13.09, 1.46

# people, of them found by Xpert alone; tests after the film, of 100 published; cases found; cost a person, a case
PHILIPSEN = [
    (388, 56, 156, 40, 48, 6.72, 54.34),  # the abstract: 40 % tested, eight cases missed
    (388, 56, 243, 63, 54, 9.66, 69.40),  # table 3: reader 1
    (388, 56, 125, 32, 41, 5.68, 53.73),
    (388, 56, 216, 56, 53, 8.75, 64.04),  # reader 2
    (128, 25, 115, 90, 23, 13.22, 73.58),  # table 5: people with HIV, thresholds 17 to 98
    (128, 25, 102, 80, 23, 11.89, 66.18),
    (128, 25, 90, 70, 21, 10.66, 65.00),
    (128, 25, 77, 60, 20, 9.33, 59.74),
    (128, 25, 64, 50, 20, 8.01, 51.23),
    (128, 25, 51, 40, 19, 6.68, 44.97),
    (128, 25, 38, 30, 17, 5.35, 40.25),
    (128, 25, 26, 20, 13, 4.12, 40.56),
]


@pytest.mark.parametrize(("people", "alone", "tests", "per_cent", "found", "per_person", "per_case"), PHILIPSEN)
def test_triage_costs_what_philipsen_published(people, alone, tests, per_cent, found, per_person, per_case):
    """The reference is what Xpert finds and culture confirms: the cases that are notified."""
    score = np.repeat([90.0, 90.0, 10.0, 10.0], [found, tests - found, alone - found, people - tests - alone + found])
    notified = np.repeat([1, 0, 1, 0], [found, tests - found, alone - found, people - tests - alone + found])
    reference = notified.astype(np.int8)
    costs = Costs(test=TEST, screen=FILM)
    (row,) = screening_table(score, reference, verification_weights(score, reference), np.array([50.0]), costs=costs)
    assert row.counts["tested"] == tests
    assert round(100 * tests / people) == per_cent
    assert row.counts["fn"] == alone - found
    assert row.measures["cost_per_person"].value == pytest.approx(per_person, abs=0.0075)
    assert row.measures["cost_per_case"].value == pytest.approx(per_case, abs=0.0075)


@pytest.mark.parametrize(("people", "found", "per_case"), [(388, 56, 90.70), (128, 25, 67.02)])
def test_xpert_for_everybody_costs_what_philipsen_published(people, found, per_case):
    assert Costs(TEST, FILM).of_testing_all(people) / people == pytest.approx(13.09)
    assert Costs(TEST, FILM).of_testing_all(people) / found == pytest.approx(per_case, abs=0.0075)


@pytest.mark.parametrize("wrong", [{"test": -1}, {"test": float("nan")}, {"test": 1, "fixed": float("inf")}])
def test_what_is_no_cost_is_refused(wrong):
    with pytest.raises(InputError, match="is no cost"):
        Costs(**wrong)
