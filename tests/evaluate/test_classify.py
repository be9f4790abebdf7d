import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from lungspot.evaluate import auroc
from lungspot.evaluate.classify import area_under, precision_recall, reliability, shortfall, weighted_shortfall
from lungspot.evaluate.metrics import metrics_of
from lungspot.evaluate.resample import unit_weights


@pytest.mark.parametrize(
    ("scores", "positive", "expected"),
    [
        ([0.1, 0.9], [False, True], 1.0),
        ([0.9, 0.1], [False, True], 0.0),
        ([0.5, 0.5], [False, True], 0.5),
        ([0.1, 0.4, 0.35, 0.8], [False, False, True, True], 0.75),
        ([0.5], [True], np.nan),
        ([], [], np.nan),
    ],
)
def test_auroc(scores, positive, expected):
    assert auroc(np.array(scores), np.array(positive, bool)) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("seed", range(5))
def test_as_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    scores, positive = np.round(rng.random(500), 2), rng.random(500) < 0.3  # with ties
    assert auroc(scores, positive) == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_under_weights_as_scikit_learn_on_repeated_films(seed):
    rng = np.random.default_rng(seed)
    scores, positive = np.round(rng.random(200), 2), rng.random(200) < 0.3
    weights = rng.integers(0, 4, (5, 200))
    for row, area, precise, gap in zip(
        weights,
        area_under(scores, positive, weights),
        precision_recall(scores, positive, weights),
        weighted_shortfall(scores, positive, weights),
        strict=True,
    ):
        again = np.repeat(np.arange(200), row)
        assert area == pytest.approx(roc_auc_score(positive[again], scores[again]), abs=1e-12)
        assert precise == pytest.approx(average_precision_score(positive[again], scores[again]), abs=1e-12)
        assert gap == pytest.approx(shortfall(scores[again], positive[again]), abs=1e-12)


def test_one_kind_of_films_has_no_area():
    assert np.isnan(area_under(np.array([0.2, 0.8]), np.array([True, True]), np.ones((1, 2), int))).all()


def test_calibration_by_hand():
    # Bin .2: promised .2 twice, true once: gap .3 over 2 of 4. Bin .9: promised .9, both true: gap .1 over 2 of 4.
    scores, positive = np.array([0.2, 0.2, 0.9, 0.9]), np.array([True, False, True, True])
    assert shortfall(scores, positive) == pytest.approx(0.5 * 0.3 + 0.5 * 0.1)
    assert reliability(scores, positive) == {"score": [0.2, 0.9], "observed": [0.5, 1.0], "count": [2.0, 2.0]}


def test_brier_is_the_mean_square(one_label):
    films = [([(0, 0, 9, 9)], [((0, 0, 9, 9), 0.8)]), ([], [((0, 0, 9, 9), 0.3)])]
    found = metrics_of(one_label(films), unit_weights(2))
    assert found["brier_film"][0] == pytest.approx(brier_score_loss([1, 0], [0.8, 0.3]))
    assert found["brier_box"][0] == pytest.approx(brier_score_loss([1, 0], [0.8, 0.3]))


def test_reliability_counts():
    found = reliability(np.array([0.05, 0.05, 0.95, 1.0]), np.array([False, True, True, True]))
    assert found == {"score": [0.05, 0.975], "observed": [0.5, 1.0], "count": [2.0, 2.0]}
