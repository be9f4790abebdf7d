"""Weights of those who were confirmed, on an example worked by hand."""

import numpy as np
import pytest

from lungspot.adapt.tb import VerificationGroup, likely_triage, screening_table, verification_weights
from lungspot.errors import InputError


def by_hand():
    """1000 people, triage at 50: 200 reach it, all confirmed, 60 with TB; of 800 others 80 are confirmed, 2 with TB.

    Of those confirmed 60 / 62 = 97 % were found. But the 2 stand for 2 x 800 / 80 = 20 people: 60 / 80 = 75 %.
    """
    score = np.repeat([70.0, 20.0], [200, 800])
    reference = np.full(1000, -1, dtype=np.int8)
    reference[:200] = np.repeat([1, 0], [60, 140])
    reference[200:280] = np.repeat([1, 0], [2, 78])
    return score, reference


def test_people_below_the_threshold_stand_for_those_like_them():
    score, reference = by_hand()
    verification = verification_weights(score, reference, triage=50)
    assert verification.groups == (
        VerificationGroup("score 50 or more", "above", 200, 200),
        VerificationGroup("score below 50", "below", 800, 80),
    )
    (row,) = screening_table(score, reference, verification, np.array([50.0]))
    assert row.counts == {"tested": 200, "saved": 800, "tp": 60, "fp": 140, "tn": 780, "fn": 20}
    shares = {name: row.measures[name].value for name in ("sensitivity", "specificity", "ppv", "npv")}
    assert shares == pytest.approx({"sensitivity": 0.75, "specificity": 780 / 920, "ppv": 0.3, "npv": 0.975})
    sensitivity = row.measures["sensitivity"]
    assert sensitivity.low < 0.55, "two people are few, and the interval says so"
    assert 0.9 < sensitivity.high < 0.97, "what only the confirmed would give is beyond it"


def test_a_sample_that_shows_no_case_does_not_prove_that_none_is_missed():
    score, reference = by_hand()
    reference[200:202] = 0
    (row,) = screening_table(score, reference, verification_weights(score, reference, triage=50), np.array([50.0]))
    assert row.counts["fn"] == 0
    assert (row.measures["sensitivity"].value, row.measures["sensitivity"].high) == (1, 1)
    assert row.measures["sensitivity"].low < 0.8
    assert row.measures["missed"].high > 15, "0 of 80 may well be 2 of 100"


def test_columns_that_chose_who_is_confirmed_make_groups_of_their_own():
    score = np.array([0.9, 0.1, 0.1, 0.1, 0.1, np.nan])
    reference = np.array([1, 0, -1, 0, 1, 0], dtype=np.int8)
    verification = verification_weights(score, reference, 0.5, {"cough": ["yes", "no", "no", "yes", "yes", ""]})
    assert {group.name: (group.people, group.confirmed, group.weight) for group in verification.groups} == {
        "score 0.5 or more, cough yes": (1, 1, 1),
        "score below 0.5, cough no": (2, 1, 2),
        "score below 0.5, cough yes": (2, 2, 1),
        "no score, cough not known": (1, 1, 1),
    }
    assert verification.weight.tolist() == [1, 2, 0, 1, 1, 1]


def test_where_nobody_below_was_confirmed_it_is_not_known_what_is_missed():
    score, reference = by_hand()
    reference[200:] = -1
    verification = verification_weights(score, reference, triage=50)
    assert [group.name for group in verification.blind] == ["score below 50"]
    low, at = screening_table(score, reference, verification, np.array([10.0, 50.0]))
    assert {name for name, value in at.counts.items() if value is None} == {"fn", "tn"}
    assert at.measures["ppv"].value == pytest.approx(0.3)
    assert at.measures["yield_1000"].value == pytest.approx(60)
    assert at.measures["sensitivity"].value is at.measures["npv"].value is low.measures["ppv"].value is None


def test_nobody_guesses_why_some_are_not_confirmed():
    score, reference = by_hand()
    with pytest.raises(InputError) as caught:
        verification_weights(score, reference)
    assert "720 of 1000 people are not confirmed" in str(caught.value)
    assert "100 % are confirmed from 70 up, and 10 % of the others" in str(caught.value)


@pytest.mark.parametrize(
    ("score", "confirmed", "expected"),
    [
        ([1, 2, 3, 4, 5, 6], [0, 0, 1, 1, 1, 1], 3),
        ([1, 2, 3, 4, 5, 6], [0, 0, 0, 1, 0, 1], 4),
        ([1, 2, np.nan, 4], [1, 1, 0, 1], None),  # only those without a score are not confirmed
        ([7, 7, 7], [0, 1, 1], None),
    ],
)
def test_the_likeliest_triage_threshold(score, confirmed, expected):
    assert likely_triage(np.array(score, dtype=float), np.array(confirmed, dtype=bool)) == expected
