"""Agreement of CAD and readers."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from lungspot.adapt.tb import cad_agreement, share, shares_by_month

CAD = np.repeat([True, True, False, False], [20, 5, 10, 15])
READER = np.repeat([1, 0, 1, 0], [20, 5, 10, 15]).astype(np.int8)


def test_kappa_by_hand_and_by_scikit_learn():
    """20 and 15 of 50 agree: 0.7; by chance (25 x 30 + 25 x 20) / 2500 = 0.5; kappa 0.4."""
    found = cad_agreement(CAD, READER)
    assert (found.both, found.cad_only, found.reader_only, found.neither, found.films) == (20, 5, 10, 15, 50)
    assert found.observed.value == pytest.approx(0.7)
    assert found.kappa.value == pytest.approx(0.4)
    assert found.kappa.value == pytest.approx(cohen_kappa_score(CAD, READER))
    assert (found.positive, found.negative) == pytest.approx((40 / 55, 30 / 45))
    assert (found.cad.value, found.reader.value) == pytest.approx((0.5, 0.6))


def test_the_interval_of_kappa_is_that_of_the_delta_method():
    cells = np.array([20, 5, 10, 15]) / 50

    def kappa(p):
        expected = (p[0] + p[1]) * (p[0] + p[2]) + (p[2] + p[3]) * (p[1] + p[3])
        return (p[0] + p[3] - expected) / (1 - expected)

    slope = np.array([(kappa(cells + 1e-6 * unit) - kappa(cells - 1e-6 * unit)) / 2e-6 for unit in np.eye(4)])
    error = np.sqrt((cells @ slope**2 - (cells @ slope) ** 2) / 50)
    found = cad_agreement(CAD, READER).kappa
    assert (found.high - found.low) / 2 == pytest.approx(1.959964 * error, rel=1e-4)


def test_films_that_nobody_read_do_not_count():
    assert cad_agreement(CAD, np.full(50, -1, dtype=np.int8)) is None
    assert cad_agreement(CAD, np.where(np.arange(50) < 30, READER, -1)).films == 30


def test_where_both_always_say_the_same_word_there_is_no_kappa():
    found = cad_agreement(np.ones(4, dtype=bool), np.ones(4, dtype=np.int8))
    assert (found.kappa.value, found.observed.value, found.negative) == (None, 1, None)


def test_months():
    date = np.array(["2026-01-05", "2026-01-31", "2026-02-01", "NaT", "2026-02-02"], dtype="datetime64[D]")
    score = np.array([0.9, 0.1, 0.9, 0.9, np.nan])
    reader = np.array([1, 0, -1, 1, 1], dtype=np.int8)
    first, second = shares_by_month(date, score, 0.5, reader)
    assert (first.month, first.films, first.cad.value, first.agreement.observed.value) == ("2026-01", 2, 0.5, 1)
    assert (second.month, second.films, second.cad.value, second.agreement) == ("2026-02", 1, 1, None)
    assert share(0, 0).value is None
