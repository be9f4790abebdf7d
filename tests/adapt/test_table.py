"""The table of thresholds, counted by hand on few people."""

import numpy as np
import pytest

from lungspot.adapt.tb import Costs, screening_table, thresholds_of, verification_weights

SCORE = np.array([0.2, 0.4, 0.4, 0.6, 0.8, 0.8])
TRUTH = np.array([0, 0, 1, 0, 1, 1], dtype=np.int8)


def rows_of(score, truth, thresholds, **options):
    return screening_table(
        score, truth, verification_weights(score, truth), np.array(thresholds, dtype=float), **options
    )


@pytest.mark.parametrize(
    ("threshold", "tested", "tp", "fp", "tn", "fn"),
    [
        (0.0, 6, 3, 3, 0, 0),
        (0.2, 6, 3, 3, 0, 0),  # at or above
        (0.4, 5, 3, 2, 1, 0),  # equal scores go together
        (0.41, 3, 2, 1, 2, 1),
        (0.8, 2, 2, 0, 3, 1),
        (0.9, 0, 0, 0, 3, 3),
    ],
)
def test_counts_by_hand(threshold, tested, tp, fp, tn, fn):
    (row,) = rows_of(SCORE, TRUTH, [threshold])
    assert row.counts == {"tested": tested, "saved": 6 - tested, "tp": tp, "fp": fp, "tn": tn, "fn": fn}
    assert row.measures["sensitivity"].value == pytest.approx(tp / 3)
    assert row.measures["yield_1000"].value == pytest.approx(1000 * tp / 6)
    per_case = (6 / tp, tested / tp) if tp else (None, None)
    assert (row.measures["nns"].value, row.measures["tests_per_case"].value) == pytest.approx(per_case)
    assert row.measures["ppv"].value == (pytest.approx(tp / tested) if tested else None)


def test_costs_of_a_row():
    (row,) = rows_of(SCORE, TRUTH, [0.41], costs=Costs(test=10, screen=2, fixed=6))
    of = {name: row.measures[name].value for name in ("cost", "cost_per_person", "cost_per_case")}
    assert of == {"cost": 6 + 6 * 2 + 3 * 10, "cost_per_person": 8, "cost_per_case": 24}


@pytest.mark.parametrize(("kind", "tested", "fn"), [("refer", 3, 0), ("not-refer", 2, 1)])
def test_people_without_a_score_are_counted(kind, tested, fn):
    score = np.array([0.9, 0.9, 0.1, np.nan])
    truth = np.array([1, 0, 0, 1], dtype=np.int8)
    (row,) = rows_of(score, truth, [0.5], not_assessed=kind)
    assert (row.counts["tested"], row.counts["fn"], row.counts["tn"]) == (tested, fn, 1)


@pytest.mark.parametrize(("truth", "unknown"), [([0, 0, 0], "sensitivity"), ([1, 1, 1], "specificity")])
def test_what_cannot_be_known_has_no_number(truth, unknown):
    (row,) = rows_of(np.array([0.1, 0.5, 0.9]), np.array(truth, dtype=np.int8), [0.5])
    assert row.measures[unknown].value is None
    assert row.measures["ppv"].value == truth[0]


def test_equal_arguments_give_equal_rows_and_another_seed_other_limits():
    one, same, other = (rows_of(SCORE, TRUTH, [0.4, 0.8], seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert [row.counts for row in one] == [row.counts for row in other]
    assert one != other


@pytest.mark.parametrize(
    ("score", "first", "last", "some"),
    [
        (np.array([3.0, 3.0, 7.5, np.nan]), 3, 7.5, {3.0, 7.5}),  # few scores: each of them
        (np.linspace(0, 1, 5000), 0, 1, {0.01, 0.35, 0.99}),
        (np.linspace(0.5, 97.2, 5000), 0.5, 97, {1.0, 35.0, 97.0}),  # per cent; everybody reaches the first
        (np.linspace(-4, 9, 5000), -4, 9, set()),  # no scale that we know: quantiles
    ],
)
def test_thresholds_that_a_table_shows(score, first, last, some):
    truth = np.zeros(len(score), dtype=np.int8)
    truth[::50] = 1
    found = thresholds_of(score, truth, [0.1234])
    assert (np.diff(found) > 0).all()
    assert len(found) <= 210
    assert some | {0.1234} <= set(found.tolist())
    kept = found[found != 0.1234]
    assert (kept[0], kept[-1]) == pytest.approx((first, last))
