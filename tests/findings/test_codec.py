import copy
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lungspot.errors import InputError
from lungspot.findings import (
    Box,
    Finding,
    Frame,
    Reading,
    Side,
    State,
    Zone,
    finding_from_json,
    finding_to_json,
    label_to_json,
    reading_from_json,
    reading_to_json,
    taxonomy,
)

LABELS = [label.id for label in taxonomy()]
READING = {
    "reader": "R8",
    "frame": [2336, 2836],
    "states": {"effusion": "boxed", "mass": "absent"},
    "findings": [
        {
            "label": "effusion",
            "box": [1.5, 2.0, 3.0, 4.25],
            "score": 0.8,
            "side": "left",
            "zone": "lower",
            "source": "R8",
        }
    ],
}


@st.composite
def boxes(draw):
    x0, y0 = draw(st.floats(-1e4, 1e4)), draw(st.floats(-1e4, 1e4))
    return Box(x0, y0, x0 + draw(st.floats(0.01, 1e4)), y0 + draw(st.floats(0.01, 1e4)))


def optional(strategy):
    return st.none() | strategy


findings = st.builds(
    Finding,
    label=st.sampled_from(LABELS),
    box=optional(boxes()),
    score=optional(st.floats(0, 1)),
    side=optional(st.sampled_from(Side)),
    zone=optional(st.sampled_from(Zone)),
    source=optional(st.text(max_size=5)),
    judged=st.booleans(),
).flatmap(lambda f: st.just(f) if f.box is None else st.booleans().map(lambda crowd: replace(f, crowd=crowd)))


@st.composite
def readings(draw):
    found = draw(st.lists(findings, max_size=5))
    boxed = {finding.label for finding in found if finding.box}
    states = {}
    for label in {finding.label for finding in found} | set(draw(st.lists(st.sampled_from(LABELS), max_size=4))):
        possible = [State.PRESENT, State.BOXED] if label in boxed else [State.PRESENT, State.ABSENT]
        states[label] = draw(st.sampled_from(possible))
    size = st.builds(Frame, st.integers(1, 9999), st.integers(1, 9999))
    rejected = tuple(each for each in draw(st.lists(findings, max_size=2)) if each.box)
    frame = draw(size if boxed or rejected else optional(size))
    when, basis = draw(st.none() | st.text(max_size=3)), draw(st.none() | st.text(max_size=3))
    return Reading(draw(st.text(min_size=1, max_size=5)), tuple(found), states, frame, rejected, when, basis)


@given(readings())
def test_a_reading_survives_json(reading):
    text = json.dumps(reading_to_json(reading), allow_nan=False)
    assert reading_from_json(json.loads(text)) == reading


@given(findings)
def test_a_finding_survives_json_and_says_nothing_about_what_it_lacks(finding):
    value = finding_to_json(finding)
    assert None not in value.values()
    assert finding_from_json(json.loads(json.dumps(value))) == finding


def test_the_json_of_a_reading():
    before = copy.deepcopy(READING)
    reading = reading_from_json(READING)
    assert before == READING
    assert reading == Reading(
        "R8",
        (Finding("effusion", Box(1.5, 2, 3, 4.25), 0.8, Side.LEFT, Zone.LOWER, "R8"),),
        {"effusion": State.BOXED, "mass": State.ABSENT},
        Frame(2336, 2836),
    )
    assert reading_to_json(reading) == READING
    assert json.dumps(reading_to_json(Reading("R8"))) == '{"reader": "R8", "states": {}, "findings": []}'


def changed(**values):
    return READING | values


def with_finding(**values):
    return changed(findings=[READING["findings"][0] | values])


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "BAD_VALUE"),
        ([], "BAD_VALUE"),
        ({}, "BAD_VALUE"),
        ("reading", "BAD_VALUE"),
        (changed(reader=""), "BAD_VALUE"),
        (changed(reader=8), "BAD_VALUE"),
        (changed(frame=None), "BAD_VALUE"),
        (changed(frame=[10]), "BAD_VALUE"),
        (changed(frame=[10, 0]), "BAD_VALUE"),
        (changed(frame=[10.5, 12]), "BAD_VALUE"),
        (changed(frame=["a", "b"]), "BAD_VALUE"),
        (changed(states=None), "BAD_VALUE"),
        (changed(states=["effusion"]), "BAD_VALUE"),
        (changed(states={"effusion": "perhaps"}), "BAD_VALUE"),
        (changed(states={"effusion": "absent"}), "BAD_VALUE"),
        (changed(states={}), "BAD_VALUE"),
        (changed(findings=None), "BAD_VALUE"),
        (changed(findings=[None]), "BAD_VALUE"),
        (changed(findings=["effusion"]), "BAD_VALUE"),
        (with_finding(label=None), "BAD_VALUE"),
        (with_finding(label="Effusion"), "UNKNOWN_LABEL"),
        (with_finding(box=[1, 2, 3]), "BAD_VALUE"),
        (with_finding(box=None), "BAD_VALUE"),
        (with_finding(box="0123"), "BAD_VALUE"),
        (with_finding(box=[0, 0, True, 1]), "BAD_VALUE"),
        (with_finding(box=[3, 0, 1, 1]), "BAD_BOX"),
        (with_finding(box=[0, 0, float("inf"), 1]), "BAD_BOX"),
        (with_finding(score="0.5"), "BAD_VALUE"),
        (with_finding(score=2), "BAD_VALUE"),
        (with_finding(side="up"), "BAD_VALUE"),
        (with_finding(zone="apex"), "BAD_VALUE"),
        (with_finding(source=8), "BAD_VALUE"),
        (with_finding(judged=0), "BAD_VALUE"),
        (with_finding(judged="false"), "BAD_VALUE"),
    ],
)
def test_what_is_not_a_reading_is_refused(value, code):
    with pytest.raises(InputError) as caught:
        reading_from_json(value)
    assert caught.value.code == code


def test_a_label_says_its_names_and_codes():
    assert label_to_json(taxonomy()["effusion"]) == {
        "id": "effusion",
        "name": "Pleural effusion",
        "parent": taxonomy()["effusion"].parent,
        "disease": True,
        "codes": {code.scheme: code.value for code in taxonomy()["effusion"].codes},
        "aliases": list(taxonomy()["effusion"].aliases),
    }
    assert label_to_json(taxonomy()["effusion"])["codes"]["SCT"] == "60046008"
    assert json.loads(json.dumps([label_to_json(label) for label in taxonomy()]))
