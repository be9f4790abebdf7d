"""Films as small tables: what is true and what was found, box by box."""

import numpy as np
import pytest

from lungspot.evaluate.matched import Pair, ScoreLimits, tabulate
from lungspot.findings import Box, Finding, Frame, Reading, State

FRAME = Frame(100, 100)
LABEL = "effusion"


def pair_of(number, true, found, state=None, *, patient=None, probability=None, label=LABEL, **groups):
    """Return a film: ``true`` boxes, ``found`` (box, score); absent without a box, else boxed."""
    state = state or (State.BOXED if true else State.ABSENT)
    said = [Finding(label, Box(*box)) for box in true]
    marks = [Finding(label, Box(*box), score) for box, score in found]
    marks += [] if probability is None else [Finding(label, score=probability)]
    return Pair(
        f"film{number}",
        patient or f"patient{number}",
        Reading("truth", tuple(said), {label: state}, FRAME),
        Reading("model", tuple(marks), {label: State.PRESENT}, FRAME),
        groups,
    )


@pytest.fixture
def one_label():
    """A function that matches the films of a table: (true boxes, [(box, score)], state or None, …)."""

    def make(films, limit=0.5):
        pairs = [pair_of(i, *film) for i, film in enumerate(films)]
        return tabulate(pairs, LABEL, ScoreLimits(limit, 0.5))

    return make


def random_pairs(seed, films=60, labels=(LABEL,), patients=None):
    """Return films with jittered, missed and invented boxes of several labels and all states."""
    rng = np.random.default_rng(seed)
    pairs = []
    for number in range(films):
        said, marks, states = [], [], {}
        for label in labels:
            state = (State.BOXED, State.BOXED, State.ABSENT, State.PRESENT, State.NOT_LOOKED_FOR)[rng.integers(5)]
            corners = rng.uniform(0, 60, (rng.integers(1, 4), 2)) if state is not State.ABSENT else np.zeros((0, 2))
            true = np.concatenate((corners, corners + rng.uniform(8, 40, corners.shape)), 1)
            found = true + rng.normal(0, 4, true.shape)
            stray = rng.uniform(0, 60, (rng.integers(0, 4), 2))
            found = np.concatenate((found, np.concatenate((stray, stray + 20), 1)))
            found = found[(found[:, 2:] > found[:, :2] + 1).all(1)]
            if state is State.NOT_LOOKED_FOR:
                true = true[:0]
            else:
                states[label] = state
            said += [Finding(label, Box(*box)) for box in true]
            marks += [Finding(label, Box(*box), float(rng.random())) for box in found]
            marks.append(Finding(label, score=float(np.round(rng.random(), 1))))
        pairs.append(
            Pair(
                f"film{number}",
                f"patient{number if patients is None else number % patients}",
                Reading("truth", tuple(said), states, FRAME),
                Reading("model", tuple(marks), dict.fromkeys(labels, State.PRESENT), FRAME),
                {"source": "one" if number % 3 else "two"},
            )
        )
    return pairs
