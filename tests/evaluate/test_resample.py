import numpy as np
import pytest

from lungspot.errors import InputError
from lungspot.evaluate.resample import by_patient, interval, p_value, permutation_weights


def test_films_of_a_patient_come_together_and_as_many_patients_as_there_are():
    patients = ["a", "b", "a", "c"]
    weights = by_patient(patients, 200, seed=0)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, [0, 1, 3]].sum(1) == 3).all()
    assert abs(weights.mean() - 1) < 0.1
    assert len(np.unique(weights, axis=0)) > 5


def test_equal_seeds_give_equal_resamples():
    assert (by_patient(["a", "b", "c"], 50, 3) == by_patient(["a", "b", "c"], 50, 3)).all()
    assert (by_patient(["a", "b", "c"], 50, 3) != by_patient(["a", "b", "c"], 50, 4)).any()


def test_patients_change_models_whole():
    swapped = permutation_weights(["a", "b", "a"], 100, 0)
    assert (swapped[:, 0] == swapped[:, 2]).all()
    assert set(np.unique(swapped)) == {0, 1}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.arange(101.0), (2.5, 97.5)),
        (np.array([1.0, np.nan, np.nan]), None),
        (np.array([1.0, 1.0, np.nan]), (1.0, 1.0)),
        (np.array([]), None),
    ],
)
def test_interval(values, expected):
    assert interval(values) == expected


@pytest.mark.parametrize(
    ("observed", "permuted", "expected"),
    [
        (0.5, [0.1, -0.6, 0.2, 0.5], 3 / 5),
        (2.0, [0.1] * 99, 1 / 100),
        (float("nan"), [0.1], None),
        (0.1, [float("nan")], None),
    ],
)
def test_p(observed, permuted, expected):
    assert p_value(observed, np.array(permuted)) == expected


def test_no_resamples_are_refused():
    with pytest.raises(InputError, match="BAD_VALUE"):
        by_patient(["a"], 0, 0)


def test_an_interval_of_a_mean_covers_as_theory_says():
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, 400)
    weights = by_patient([str(i) for i in range(400)], 2000, 1)
    low, high = interval((weights @ values) / weights.sum(1))
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
