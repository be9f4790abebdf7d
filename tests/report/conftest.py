import numpy as np
import pytest

from lungspot.detect import ModelCard, Thresholds
from lungspot.explain import agree
from lungspot.findings import Box, Finding, Reading, State
from lungspot.images import Notice, Origin, Radiograph
from lungspot.report import Analysis, Model

LABELS = ("effusion", "cardiomegaly", "edema")
BOXES = (("effusion", (0.6, 0.7, 0.9, 0.9), 0.9), ("cardiomegaly", (0.3, 0.5, 0.7, 0.8), 0.4))


@pytest.fixture
def card():
    limits = dict.fromkeys(LABELS, Thresholds(0.5, 0.5))
    return ModelCard("m", "2", LABELS, 64, thresholds={"balanced": limits}, training_data=("NIH",), terms="research")


@pytest.fixture
def make(card):
    """A function that makes a result on a generated film: two boxes, or none, or a refusal."""

    def result(width=200, height=300, boxes=BOXES, reasons=(), path="film.png"):
        pixels = np.random.default_rng(1).random((height, width), dtype=np.float32)
        film = Radiograph(pixels, Origin(path, "a" * 64, "png"), 8, notices=(Notice("LOSSY", "<b>x</b>"),))
        model = Model(card, "b" * 64, "1.0")
        if reasons:
            return Analysis(film, model, None, tuple(reasons))
        findings = []
        for label, (x0, y0, x1, y1), score in boxes:
            box = Box(x0 * width, y0 * height, x1 * width, y1 * height)
            findings.append(Finding(label, box, score, "left", "lower"))
        heat = {label: np.zeros((8, 8), np.float32) for label in LABELS}
        for values in heat.values():
            values[6, 6] = 1
        agreement = tuple(agree(heat[f.label], f.box, film.frame).to_json() for f in findings)
        findings += [Finding(label, score=0.3) for label in LABELS]
        boxed = {f.label for f in findings if f.box}
        states = {label: State.BOXED if label in boxed else State.ABSENT for label in LABELS}
        reading = Reading("m 2", tuple(findings), states, film.frame)
        return Analysis(film, model, reading, (), (), heat, agreement, timings={"read": 1.23, "detect": 4.56})

    return result
