import numpy as np
import pytest

from lungspot.evaluate import auroc
from lungspot.evaluate.agreement import agreement_auroc
from lungspot.evaluate.matched import Pair, ScoreLimits, tabulate
from lungspot.evaluate.resample import by_patient
from lungspot.findings import Box, Finding, Frame, Reading, State

from .conftest import LABEL

BOX, FRAME = Box(10, 10, 30, 30), Frame(100, 100)


def film(number, rows, *, right=True, score=0.9):
    true = Reading.of_boxes("t", FRAME, [(LABEL, BOX)] if right else [], [LABEL])
    found = Reading("m", (Finding(LABEL, BOX, score),), {LABEL: State.PRESENT}, FRAME)
    return Pair(f"f{number}", f"p{number}", true, found, {"source": "s"}, rows)


def told(pairs):
    weights = by_patient([pair.patient for pair in pairs], 20, 0)
    return agreement_auroc(pairs, {LABEL: tabulate(pairs, LABEL, ScoreLimits())}, weights)


def test_low_agreement_that_tells_wrong_boxes_is_found():
    rng = np.random.default_rng(0)
    pairs, wrong, energies = [], [], []
    for i in range(60):
        right = bool(rng.random() < 0.5)
        energy = float(rng.random() * (1 if right else 0.6))
        pairs.append(film(i, ({"energy_in_box": energy, "area": 0.04},), right=right))
        wrong.append(not right)
        energies.append(-energy)
    said = told(pairs)
    assert (said["boxes"], said["wrong"]) == (60, sum(wrong))
    assert set(said["auroc"]) == {"energy_in_box", "score"}
    cell = said["auroc"]["energy_in_box"]
    assert cell["value"] == pytest.approx(auroc(np.array(energies), np.array(wrong)), abs=1e-6)
    assert cell["interval"][0] < cell["value"] < cell["interval"][1]
    assert said["auroc"]["score"]["value"] == 0.5


@pytest.mark.parametrize(
    ("rows", "measures"),
    [
        ([({"a": 0.1, "b": 0.2},), ({"a": 0.3},)], {"a", "score"}),  # what every box has
        ([({"a": 0.1},), ({"b": 0.3},)], None),
        ([({"a": 0.1},), ()], {"a", "score"}),
        ([(), ()], None),
    ],
)
def test_measures_are_those_that_every_box_has(rows, measures):
    said = told([film(i, row) for i, row in enumerate(rows)])
    assert (None if said is None else set(said["auroc"])) == measures


def test_boxes_below_the_limit_tell_nothing():
    assert told([film(0, ({"a": 0.1},), score=0.4)]) is None
