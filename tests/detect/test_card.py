import dataclasses
import json

import pytest

from lungspot.detect import GateCard, ModelCard, Platt, Thresholds
from lungspot.errors import InputError, ModelError

CARD = ModelCard(
    name="lungspot",
    version="1",
    labels=("effusion", "edema"),
    input_size=64,
    box_fusion={"effusion": 0.5},
    box_calibration={"effusion": Platt(1.2, -0.3)},
    image_calibration={"edema": Platt(0.9, 0.1)},
    thresholds={"balanced": {"effusion": Thresholds(0.3, 0.4)}},
    box_from_map={"edema": 0.5},
    gate=GateCard(("what:frontal", "what:lateral"), {"frontal": 0.5}, {"ood test": {"lateral": [16, 16]}}),
    reliability={"effusion": [{"score": 0.5, "observed": 0.4, "count": 10}]},
    training_data=("NIH",),
    metrics={"val": {"map40": 0.3}},
)


def test_a_card_survives_json_and_equal_cards_are_equal_bytes():
    again = ModelCard.from_json(CARD.to_json())
    assert again == CARD
    assert again.to_json() == CARD.to_json()
    assert again.sha256 == CARD.sha256


def test_a_card_cannot_be_changed_through_its_mappings():
    with pytest.raises(TypeError):
        CARD.box_fusion["effusion"] = 2.0


@pytest.mark.parametrize(
    ("label", "point", "expected"),
    [
        ("effusion", "balanced", Thresholds(0.3, 0.4)),
        ("effusion", "specific", Thresholds(0.5, 0.5)),
        ("edema", "balanced", Thresholds(0.5, 0.5)),
    ],
)
def test_thresholds_have_a_neutral_value(label, point, expected):
    assert CARD.threshold(label, point) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"labels": ()},
        {"labels": ("effusion", "effusion", "edema")},
        {"labels": ("Effusion",)},
        {"labels": ("effusion",)},  # other fields still speak of edema
        {"input_size": 8},
        {"nms_iou": 0.0},
        {"box_fusion": {"effusion": -1.0}},
        {"box_from_map": {"edema": float("nan")}},
        {"thresholds": {"guess": {}}},
    ],
)
def test_a_card_that_contradicts_itself_is_refused(change):
    with pytest.raises(InputError):
        dataclasses.replace(CARD, **change)


@pytest.mark.parametrize(
    ("make", "arguments"),
    [(Platt, (0.0, 0.0)), (Platt, (float("inf"), 0.0)), (Thresholds, (1.5, 0.1)), (GateCard, (("frontal",),))],
)
def test_parts_of_a_card_refuse_nonsense(make, arguments):
    with pytest.raises(InputError):
        make(*arguments)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        "{" * 100_000,
        json.dumps({"name": "x"}),
        json.dumps({**json.loads(CARD.to_json()), "surprise": 1}),
        json.dumps({**json.loads(CARD.to_json()), "input_size": "big"}),
        json.dumps({**json.loads(CARD.to_json()), "thresholds": {"balanced": {"effusion": 3}}}),
    ],
)
def test_text_that_is_not_a_card_is_refused(text):
    with pytest.raises(ModelError, match="MODEL_FORMAT"):
        ModelCard.from_json(text)
