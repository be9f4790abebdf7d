"""The card's numbers are those that validation chose by, counted by the room that counts for everybody."""

import numpy as np
import pytest

from lungspot.findings import ABSENT, BOXED, PRESENT, UNKNOWN
from lungspot.formats.case import Split
from lungspot.train.accuracy import accuracy
from lungspot.train.calibrate import Fitted
from lungspot.train.data import FilmTruth
from lungspot.train.validate import Found, Predictions, film_auroc, precision

LABELS = ("effusion", "edema")


def boxes(rng, count):
    corners = rng.uniform(0, 0.6, (count, 2))
    return np.concatenate((corners, corners + rng.uniform(0.05, 0.4, (count, 2))), 1)


@pytest.fixture(scope="module")
def predictions():
    """Sixty films of thirty patients and two sources with jittered and invented boxes, in every state."""
    rng = np.random.default_rng(0)
    films, found = [], []
    for i in range(60):
        states = rng.choice([UNKNOWN, ABSENT, PRESENT, BOXED], len(LABELS))
        true = [boxes(rng, 1 + i % 2 if state == BOXED else 0) for state in states]
        said = [np.concatenate((np.clip(of + 0.02, 0, 1), boxes(rng, i % 3))) for of in true]
        film = FilmTruth(
            id=str(i),
            source="nih" if i % 3 else "siim_covid",
            patient=f"p{i // 2}",
            split=Split.TEST,
            boxes=np.concatenate(true).astype(np.float32),
            labels=np.repeat(np.arange(len(LABELS)), [len(of) for of in true]),
            states=states.astype(np.int64),
            noisy=rng.random(len(LABELS)) < 0.2,
        )
        films.append(film)
        found.append(tuple(Found(of, rng.random(len(of))) for of in said))
    return Predictions(tuple(films), tuple(found), rng.random((60, len(LABELS))), np.zeros((60, 2), np.float32))


def test_a_cards_numbers_are_validations(predictions):
    fitted = Fitted({"effusion": 0.5, "edema": 1.0}, {}, {}, {}, {}, {})
    table = accuracy(predictions, LABELS, fitted)
    for column, label in enumerate(LABELS):
        row, power = table["labels"][label], fitted.box_fusion[label]
        for iou in (0.3, 0.4, 0.5):
            assert row[f"ap{iou}"] == pytest.approx(precision(predictions, column, iou, power), abs=1e-4)
        assert row["auroc"] == pytest.approx(film_auroc(predictions, column), abs=1e-4)
        certain = precision(predictions, column, 0.4, power, certain=True)
        assert row["certain"]["ap0.4"] == pytest.approx(certain, abs=1e-4)
        for source, of in row["source"].items():
            alone = precision(predictions, column, 0.4, power, sources=[source])
            assert of["ap0.4"] == pytest.approx(alone, abs=1e-4)
        parts = row["source"].values()
        assert [sum(of[name] for of in parts) for name in ("positive", "negative", "boxes")] == [
            row[name] for name in ("positive", "negative", "boxes")
        ]
        for name, (low, high) in row["ci95"].items():
            assert low < row[name] < high
    assert table["map0.4"] == pytest.approx(np.mean([table["labels"][label]["ap0.4"] for label in LABELS]), abs=1e-4)
    assert table["films"] == 60
