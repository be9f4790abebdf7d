import dataclasses
import hashlib
import json
import pickle

import pytest

from lungspot.detect import OPERATING_POINTS, GateCard, ModelCard, PlaceRule, Platt, SecondLook, Standing, Thresholds
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
    standing={"edema": "experimental"},
    place_rule=PlaceRule(0.6, 0.7),
    second_look=SecondLook(("effusion",), 512, 384, ((0, 0, 0.5, 1),)),
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


def test_a_hash_that_is_kept_is_that_of_the_card_it_is_asked_of():
    before = CARD.sha256
    other = dataclasses.replace(CARD, version="another")
    assert before == hashlib.sha256(CARD.to_json().encode()).hexdigest() == CARD.sha256
    assert other.sha256 == hashlib.sha256(other.to_json().encode()).hexdigest() != before
    assert dataclasses.replace(other, version=CARD.version) == CARD
    assert before not in repr(CARD)
    assert "digest" not in CARD.to_json()


def test_a_card_can_be_sent_to_another_process():
    again = pickle.loads(pickle.dumps(CARD))
    assert again == CARD
    with pytest.raises(TypeError):
        again.box_fusion["effusion"] = 2.0
    assert pickle.loads(pickle.dumps(CARD.gate)) == CARD.gate


def test_a_card_from_before_standings_and_places_still_loads():
    old = {
        key: value
        for key, value in json.loads(CARD.to_json()).items()
        if key not in {"standing", "place_rule", "second_look"}
    }
    card = ModelCard.from_json(json.dumps(old))
    assert card.is_reported("edema")
    assert card.place_rule == PlaceRule()
    assert card.second_look is None


def test_a_label_is_reported_unless_the_card_says_otherwise():
    assert CARD.standing == {"edema": Standing.EXPERIMENTAL}
    assert CARD.is_reported("effusion")
    assert not CARD.is_reported("edema")


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
        {"vote_ious": {"effusion": 0.0}},
        {"vote_ious": {"effusion": float("nan")}},
        {"vote_ious": {"mass": 0.5}},
        {"box_fusion": {"effusion": -1.0}},
        {"box_from_map": {"edema": float("nan")}},
        {"thresholds": {"guess": {}}},
        {"standing": {"effusion": "famous"}},
        {"standing": {"mass": "reported"}},
    ],
)
def test_a_card_that_contradicts_itself_is_refused(change):
    with pytest.raises(InputError):
        dataclasses.replace(CARD, **change)


LOW, HIGH = Thresholds(0.2, 0.3), Thresholds(0.4, 0.5)


@pytest.mark.parametrize(
    ("lower", "upper"), [("sensitive", "balanced"), ("balanced", "specific"), ("sensitive", "specific")]
)
@pytest.mark.parametrize("high", [HIGH, Thresholds(0.1, 0.5), Thresholds(0.4, 0.1), Thresholds(0.2, 0.3)])
def test_a_card_whose_points_are_not_in_order_is_refused(lower, upper, high):
    thresholds = {lower: {"effusion": LOW}, upper: {"effusion": high}}
    if high in {HIGH, LOW}:
        assert dataclasses.replace(CARD, thresholds=thresholds).threshold("effusion", upper) == high
        return
    with pytest.raises(InputError, match=f"effusion: the {lower} thresholds .* are not at or below the {upper}"):
        dataclasses.replace(CARD, thresholds=thresholds)
    text = json.loads(CARD.to_json())
    text["thresholds"] = {p: {k: dataclasses.asdict(v) for k, v in of.items()} for p, of in thresholds.items()}
    with pytest.raises(ModelError, match="MODEL_FORMAT"):
        ModelCard.from_json(json.dumps(text))


@pytest.mark.parametrize("given", ["sensitive", "balanced", "specific"])
@pytest.mark.parametrize("limits", [Thresholds(0.2, 0.8), Thresholds(0.8, 0.2)])
def test_a_point_that_a_card_lacks_keeps_the_order(given, limits):
    card = dataclasses.replace(CARD, thresholds={given: {"effusion": limits}})
    found = [card.threshold("effusion", point) for point in OPERATING_POINTS]
    assert card.threshold("effusion", given) == limits
    assert [each.box for each in found] == sorted(each.box for each in found)
    assert [each.image for each in found] == sorted(each.image for each in found)


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
