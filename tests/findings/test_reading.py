import pickle

import numpy as np
import pytest

from lungspot.errors import InputError
from lungspot.findings import ABSENT, BOXED, PRESENT, UNKNOWN, Box, Finding, Frame, Reading, Side, State, Zone

FRAME = Frame(1000, 800)
BOX = Box(10, 20, 30, 40)
EFFUSION = Finding("effusion", BOX)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"label": "effusion"}, None),
        ({"label": "effusion", "score": 0}, None),
        ({"label": "effusion", "score": 1, "side": Side.LEFT, "zone": Zone.LOWER, "source": "R8"}, None),
        ({"label": "Effusion"}, "UNKNOWN_LABEL"),
        ({"label": "effusion", "score": -0.01}, "BAD_VALUE"),
        ({"label": "effusion", "score": 1.01}, "BAD_VALUE"),
        ({"label": "effusion", "score": float("nan")}, "BAD_VALUE"),
        ({"label": "effusion", "score": float("inf")}, "BAD_VALUE"),
    ],
)
def test_a_finding_refuses_bad_ids_and_scores(values, error):
    if error is None:
        assert Finding(**values).label == "effusion"
    else:
        with pytest.raises(InputError) as caught:
            Finding(**values)
        assert caught.value.code == error


def test_a_score_is_a_plain_float():
    assert type(Finding("effusion", score=np.float32(0.25)).score) is float
    assert Finding("effusion", score=np.float32(0.25)) == Finding("effusion", score=0.25)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, None),
        ({"states": {"effusion": State.PRESENT}}, None),
        ({"states": {"effusion": "boxed"}, "findings": [EFFUSION], "frame": FRAME}, None),
        ({"states": {"effusion": State.PRESENT}, "findings": [EFFUSION], "frame": FRAME}, None),
        ({"states": {"effusion": State.ABSENT}, "findings": [Finding("effusion", score=0.1)]}, None),
        ({"reader": ""}, "no reader is named"),
        ({"states": {"effusion": State.BOXED}, "findings": [EFFUSION]}, "boxes without the frame they are in"),
        ({"states": {"Effusion": State.ABSENT}}, "label id 'Effusion' is not a lower-case word"),
        ({"states": {"effusion": State.BOXED}}, "effusion is said to be boxed but has no box"),
        (
            {"states": {"effusion": State.BOXED}, "findings": [Finding("effusion")]},
            "effusion is said to be boxed but has no box",
        ),
        (
            {"states": {"effusion": State.ABSENT}, "findings": [EFFUSION], "frame": FRAME},
            "effusion is said to be absent but has a box",
        ),
        ({"findings": [EFFUSION], "frame": FRAME}, "effusion was found but is not among the labels looked for"),
        (
            {"states": {"effusion": State.NOT_LOOKED_FOR}, "findings": [EFFUSION], "frame": FRAME},
            "effusion was found but is not among the labels looked for",
        ),
        ({"rejected": [EFFUSION], "frame": FRAME}, None),
        ({"states": {"effusion": State.ABSENT}, "rejected": [EFFUSION], "frame": FRAME}, None),
        ({"rejected": [EFFUSION]}, "boxes without the frame they are in"),
        ({"rejected": [Finding("effusion")], "frame": FRAME}, "a rejected finding has no box"),
    ],
)
def test_a_reading_refuses_to_contradict_itself(values, reason):
    values = {"reader": "R1"} | values
    if reason is None:
        assert Reading(**values).reader == "R1"
    else:
        with pytest.raises(InputError, match=reason) as caught:
            Reading(**values)
        assert caught.value.code == "BAD_VALUE"
        assert caught.value.where == f"reading of {values['reader']!r}"


def test_an_unknown_state_is_refused():
    with pytest.raises(ValueError, match="'maybe' is not a valid State"):
        Reading("R1", states={"effusion": "maybe"})


def test_not_looked_for_is_not_absent():
    reading = Reading.of_boxes("R1", FRAME, [("effusion", BOX)], ["effusion", "pneumothorax"])
    assert reading.states == {"effusion": State.BOXED, "pneumothorax": State.ABSENT}
    assert reading.state("tuberculosis") is State.NOT_LOOKED_FOR
    assert Reading("R1", states={"edema": State.NOT_LOOKED_FOR}).states == {}
    assert [state for state in State if state.is_positive] == [State.BOXED, State.PRESENT]


def test_a_found_label_counts_as_looked_for():
    reading = Reading.of_boxes("R1", FRAME, [("edema", BOX)], ["effusion"])
    assert reading.states == {"effusion": State.ABSENT, "edema": State.BOXED}


def test_findings_and_boxes_of_a_label_keep_their_order():
    second = Box(0, 0, 5, 5)
    boxes = [("effusion", BOX), ("mass", Box(1, 1, 2, 2)), ("effusion", second)]
    reading = Reading.of_boxes("R1", FRAME, boxes, [])
    assert reading.boxes("effusion") == (BOX, second)
    assert reading.boxes() == (BOX, Box(1, 1, 2, 2), second)
    assert reading.of("mass") == (Finding("mass", Box(1, 1, 2, 2)),)
    assert reading.of("edema") == reading.boxes("edema") == ()


def test_only_keeps_states_and_findings_of_the_labels_asked_for():
    reading = Reading.of_boxes("R1", FRAME, [("effusion", BOX), ("mass", BOX)], ["edema"])
    assert reading.only(["effusion", "edema"]) == Reading.of_boxes("R1", FRAME, [("effusion", BOX)], ["edema"])
    assert reading.only([]) == Reading("R1", frame=FRAME)


def test_a_reading_moves_to_another_frame_with_its_boxes():
    whole = Finding("mass", score=0.5)
    states = {"effusion": State.BOXED, "mass": State.PRESENT}
    reading = Reading("R1", (EFFUSION, whole), states, FRAME)
    moved = reading.to_frame(Frame(500, 1600))
    assert moved == Reading("R1", (Finding("effusion", Box(5, 40, 15, 80)), whole), states, Frame(500, 1600))
    assert reading.boxes() == (BOX,)  # the input is unchanged
    assert reading.to_frame(FRAME) == reading
    assert Reading("R1", states={"mass": State.ABSENT}).to_frame(FRAME).frame == FRAME


def test_a_reading_cannot_be_changed_and_can_be_a_key():
    states = {"effusion": State.BOXED}
    findings = [EFFUSION]
    reading = Reading("R1", findings, states, FRAME)
    states["effusion"] = State.ABSENT
    findings.clear()
    assert reading.state("effusion") is State.BOXED
    assert reading.findings == (EFFUSION,)
    with pytest.raises(TypeError):
        reading.states["mass"] = State.ABSENT
    with pytest.raises(AttributeError):
        reading.reader = "R2"
    assert {reading: 1}[Reading("R1", [EFFUSION], {"effusion": "boxed"}, FRAME)] == 1


def test_a_reading_can_be_pickled():
    reading = Reading.of_boxes("R1", FRAME, [("effusion", BOX)], ["mass"])
    assert pickle.loads(pickle.dumps(reading)) == reading


def test_rejected_boxes_are_no_findings_and_move_with_the_frame():
    reading = Reading("R1", (), {"mass": State.ABSENT}, FRAME, (EFFUSION, Finding("mass", EFFUSION.box)))
    assert reading.boxes() == ()
    assert reading.state("effusion") is State.NOT_LOOKED_FOR
    doubled = reading.to_frame(Frame(2 * FRAME.width, 2 * FRAME.height))
    assert doubled.rejected[0].box.corners == tuple(2 * corner for corner in EFFUSION.box.corners)
    assert [finding.label for finding in reading.only(["mass"]).rejected] == ["mass"]
    assert reading != Reading("R1", (), {"mass": State.ABSENT}, FRAME)
    assert pickle.loads(pickle.dumps(reading)) == reading
    assert len({reading, pickle.loads(pickle.dumps(reading))}) == 1


def test_a_state_has_one_code_in_every_array():
    codes = {State.NOT_LOOKED_FOR: 0, State.ABSENT: 1, State.PRESENT: 2, State.BOXED: 3}
    assert {state: state.code for state in State} == codes
    assert {State.of_code(np.int64(code)): code for code in codes.values()} == codes
    assert (UNKNOWN, ABSENT, PRESENT, BOXED) == (0, 1, 2, 3)
    for code in (-1, 4):
        with pytest.raises(KeyError):
            State.of_code(code)
