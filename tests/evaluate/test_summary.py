from dataclasses import replace

import pytest

from lungspot.evaluate.matched import Pair, ScoreLimits
from lungspot.evaluate.summary import SCHEMA, EvaluationSettings, summarise
from lungspot.findings import Box, Finding, Frame, Reading, State

from .conftest import LABEL, random_pairs

QUICK = EvaluationSettings(("source",), resamples=20)


@pytest.fixture(scope="module")
def two_labels():
    return random_pairs(0, labels=["pneumonia", LABEL, "edema"])


def test_a_document_says_what_was_judged_and_how(two_labels):
    found = summarise(two_labels, {LABEL: ScoreLimits(0.3, 0.4)}, QUICK).document
    assert found["schema"] == SCHEMA
    assert found["films"] == 60
    assert list(found["labels"]) == ["edema", LABEL, "pneumonia"]  # the taxonomy's order
    assert found["labels"][LABEL]["limits"] == {"box": 0.3, "film": 0.4}
    assert set(found["by"]) == {"source", "size"}
    assert found["not_for_clinical_use"] is True
    assert found["mean"]["ap0.4"]["interval"] is not None


def test_several_sources_are_always_shown_apart(two_labels):
    assert set(summarise(two_labels, {}, EvaluationSettings((), resamples=5)).document["by"]["source"]) == {
        "one",
        "two",
    }


def test_labels_of_one_side_are_named():
    pair = random_pairs(1, films=1, labels=[LABEL])[0]
    frame = Frame(100, 100)
    states = {LABEL: State.ABSENT, "edema": State.ABSENT}
    found = Reading("m", (), {LABEL: State.ABSENT, "pneumonia": State.ABSENT}, frame)
    one = Pair("f", "p", Reading("t", (), states, frame), found, pair.groups)
    assert summarise([one], {}, QUICK).document["not_judged"] == {"only_true": ["edema"], "only_found": ["pneumonia"]}


def test_sizes_are_judged_apart():
    frame = Frame(100, 100)
    small, large = Box(0, 0, 5, 5), Box(20, 20, 80, 80)
    true = Reading.of_boxes("t", frame, [(LABEL, small), (LABEL, large)], [LABEL])
    wrong = Finding(LABEL, Box(90, 90, 95, 95), 0.95)
    found = Reading("m", (Finding(LABEL, large, 0.9), wrong), {LABEL: State.PRESENT}, frame)
    parts = summarise([Pair("f", "p", true, found, {"source": "s"})], {}, QUICK).document["by"]["size"]
    values = {
        name.split()[0]: part["labels"][LABEL]["ap0.4"]["value"] for name, part in parts.items() if part["labels"]
    }
    assert values == {"small": 0.0, "large": 1.0}  # the small wrong box does not count against the large true one


def test_another_model_on_the_same_films(two_labels):
    said = summarise(two_labels, {}, QUICK, (two_labels, {})).document["compare"]
    assert set(said) == {"edema", LABEL, "pneumonia", "mean"}
    assert said["mean"]["ap0.4"]["value"] == 0


def test_a_label_that_the_other_model_does_not_look_for_is_named_not_compared(two_labels):
    other = [replace(pair, found=pair.found.only([LABEL])) for pair in two_labels]
    document = summarise(two_labels, {}, QUICK, (other, {})).document
    assert set(document["compare"]) == {LABEL, "mean"}
    assert document["not_judged"]["not_compared"] == ["edema", "pneumonia"]
    back = summarise(other, {}, QUICK, (two_labels, {})).document
    assert set(back["compare"]) == {LABEL, "mean"}
    assert back["not_judged"]["not_compared"] == ["edema", "pneumonia"]
    nothing = [replace(pair, found=pair.found.only([])) for pair in two_labels]
    assert summarise(two_labels, {}, QUICK, (nothing, {})).document["compare"] == {}
