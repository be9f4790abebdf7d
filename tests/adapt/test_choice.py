"""Thresholds by rule."""

import numpy as np
import pytest

from lungspot.adapt.tb import (
    Estimate,
    TargetProfile,
    ThresholdRow,
    choices,
    meets,
    screening_table,
    verification_weights,
)

TARGET = TargetProfile("t", "s", 0.9, 0.7)


def row(sensitivity, specificity, low=None):
    measures = {"sensitivity": Estimate(sensitivity, low, 1.0), "specificity": Estimate(specificity, specificity, 1.0)}
    return ThresholdRow(0.0, {}, measures)


def test_each_rule_on_a_small_table():
    rows = [row(1, 0, 1), row(0.98, 0.5, 0.93), row(0.92, 0.69, 0.85), row(0.89, 0.75, 0.8), row(0.5, 0.99, 0.3)]
    assert {choice.rule: choice.row for choice in choices(rows, TARGET)} == {
        "sensitivity": 2,
        "sensitivity_assured": 1,
        "specificity": 3,
        "youden": 3,
    }


def test_where_nothing_is_known_nothing_is_chosen():
    score, reference = np.array([0.2, 0.2, 0.2, 0.8]), np.zeros(4, dtype=np.int8)
    rows = screening_table(score, reference, verification_weights(score, reference), np.array([0.2, 0.8]))
    assert {choice.rule: choice.row for choice in choices(rows, TARGET)} == {
        "sensitivity": None,
        "sensitivity_assured": None,
        "specificity": 1,
        "youden": None,
    }


@pytest.mark.parametrize(
    ("of", "target", "expected"),
    [
        (row(0.95, 0.8, 0.91), TARGET, "yes"),
        (row(0.95, 0.8, 0.85), TARGET, "perhaps"),
        (row(0.89, 0.8, 0.85), TARGET, "no"),
        (row(None, 0.8), TARGET, "not known"),
        (row(0.95, 0.8, 0.91), TargetProfile("2025", "s"), "not known"),
        (row(0.95, 0.1, 0.91), TargetProfile("one", "s", 0.9), "yes"),
    ],
)
def test_whether_a_target_is_met(of, target, expected):
    assert meets(of, target) == expected
