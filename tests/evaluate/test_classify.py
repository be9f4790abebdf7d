import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lungspot.evaluate import auroc


@pytest.mark.parametrize(
    ("scores", "positive", "expected"),
    [
        ([0.1, 0.9], [False, True], 1.0),
        ([0.9, 0.1], [False, True], 0.0),
        ([0.5, 0.5], [False, True], 0.5),
        ([0.1, 0.4, 0.35, 0.8], [False, False, True, True], 0.75),
        ([0.1, 0.2], [True, True], np.nan),
        ([], [], np.nan),
    ],
)
def test_auroc(scores, positive, expected):
    assert auroc(np.array(scores), np.array(positive, bool)) == pytest.approx(expected, nan_ok=True)


def test_as_sklearn_with_ties():
    rng = np.random.default_rng(0)
    scores = np.round(rng.random(500), 2)
    positive = rng.random(500) < scores
    assert auroc(scores, positive) == pytest.approx(roc_auc_score(positive, scores))
