import dataclasses
import itertools
import pickle

import pytest

from lungspot.detect import ModelCard, Names, Place, PlaceRule, find_places
from lungspot.errors import InputError
from lungspot.findings import DISEASES, Box, Finding, Side

CARD = ModelCard("m", "1", DISEASES, 64, place_rule=PlaceRule(0.5, 0.8))
A, NEAR, INSIDE, APART = Box(0, 0, 100, 100), Box(10, 0, 110, 100), Box(40, 40, 70, 70), Box(200, 0, 300, 100)


def members(findings, card=CARD):
    return [place.members for place in find_places(findings, card)]


def test_four_boxes_on_one_lung_are_one_place_of_names_that_cannot_be_told_apart():
    findings = [
        Finding("covid19", A, 0.65),
        Finding("pneumonia", NEAR, 0.53),
        Finding("tuberculosis", INSIDE, 0.41),
        Finding("pneumonia", INSIDE, 0.37),
        Finding("covid19", None, 0.98),
    ]
    (place,) = find_places(findings, CARD)
    assert (place.number, place.box, place.members, place.label) == (1, A, (0, 1, 2, 3), "covid19")
    assert place.names == (Names("opacity", (("covid19", 0.65), ("pneumonia", 0.53), ("tuberculosis", 0.41))),)
    assert place.names[0].look_alike
    assert place.names[0].score == 0.65


@pytest.mark.parametrize(
    ("labels", "boxes", "expected"),
    [
        (("pneumonia", "pneumonia"), (A, APART), [(0,), (1,)]),
        (("pneumonia", "effusion"), (A, NEAR), [(0, 1)]),  # one shadow, whatever it is called
        (("pneumonia", "effusion"), (A, INSIDE), [(0,), (1,)]),  # one lies in the other, and they do not look alike
        (("pneumonia", "covid19"), (A, INSIDE), [(0, 1)]),
        (("emphysema", "nodule_mass"), (A, INSIDE), [(0,), (1,)]),
        (("cardiomegaly", "pneumonia"), (A, A), [(0,), (1,)]),  # a heart is no shadow on a lung
        (("cardiomegaly", "cardiomegaly"), (A, NEAR), [(0, 1)]),
        (("pneumonia", "covid19", "tuberculosis"), (A, Box(30, 0, 130, 100), Box(60, 0, 160, 100)), [(0, 1), (2,)]),
    ],
)
def test_which_boxes_are_one_place(labels, boxes, expected):
    findings = [Finding(label, box, 0.9 - 0.1 * i) for i, (label, box) in enumerate(zip(labels, boxes, strict=True))]
    assert members(findings) == expected


def test_different_names_stand_apart_and_are_ranked():
    findings = [Finding("effusion", A, 0.5), Finding("pneumonia", A, 0.4), Finding("covid19", A, 0.3)]
    (place,) = find_places(findings, CARD)
    assert place.names == (
        Names("effusion", (("effusion", 0.5),)),
        Names("opacity", (("pneumonia", 0.4), ("covid19", 0.3))),
    )
    assert [names.look_alike for names in place.names] == [False, True]


def test_a_rule_of_another_card_draws_other_places():
    findings = [Finding("pneumonia", A, 0.9), Finding("covid19", NEAR, 0.8)]
    assert members(findings) == [(0, 1)]
    assert members(findings, dataclasses.replace(CARD, place_rule=PlaceRule(0.9, 1.0))) == [(0,), (1,)]


def test_boxes_that_were_not_judged_are_one_place_around_them_all():
    findings = [
        Finding("pneumonia", A, 0.8),
        Finding("edema", A, 0.7, Side.RIGHT, judged=False),
        Finding("edema", APART, 0.7, Side.LEFT, judged=False),
    ]
    first, second = find_places(findings, CARD)
    assert (first.members, second.members) == ((0,), (1, 2))
    assert second.box == Box(0, 0, 300, 100)
    assert second.side is Side.BILATERAL
    assert not second.judged


def test_an_experimental_label_never_leads_a_reported_one_nor_takes_its_number():
    card = dataclasses.replace(CARD, standing={"pneumothorax": "experimental"})
    findings = [Finding("pneumothorax", A, 0.99), Finding("effusion", NEAR, 0.3), Finding("pneumothorax", APART, 0.98)]
    first, second = find_places(findings, card)
    assert (first.label, first.box, first.members) == ("effusion", NEAR, (1, 0))
    assert second.members == (2,)
    (alone,) = find_places(findings[1:2], card)
    assert (alone.number, alone.box) == (first.number, first.box)


def test_the_order_of_the_findings_and_lower_scores_change_no_place_that_was_there():
    findings = [
        Finding("covid19", A, 0.65),
        Finding("pneumonia", NEAR, 0.53),
        Finding("effusion", APART, 0.45),
        Finding("tuberculosis", INSIDE, 0.41),
    ]
    whole = [(place.box, set(place.findings)) for place in find_places(findings, CARD)]
    for order in itertools.permutations(findings):
        assert [(place.box, set(place.findings)) for place in find_places(order, CARD)] == whole
    for count in range(1, 5):
        fewer = find_places(findings[:count], CARD)
        assert [place.box for place in fewer] == [box for box, _ in whole][: len(fewer)]


def test_no_boxes_no_places():
    assert find_places([], CARD) == ()
    assert find_places([Finding("covid19", None, 0.98)], CARD) == ()


def test_a_place_can_be_sent_to_another_process():
    places = find_places([Finding("covid19", A, 0.65), Finding("effusion", NEAR, 0.5)], CARD)
    assert pickle.loads(pickle.dumps(places)) == places


@pytest.mark.parametrize(
    "make",
    [
        lambda: Place(0, A, (Finding("effusion", A),), (0,)),
        lambda: Place(1, A, (), ()),
        lambda: Place(1, A, (Finding("effusion", A),), (0, 1)),
        lambda: Place(1, A, (Finding("effusion"),), (0,)),
        lambda: PlaceRule(0.0, 0.5),
        lambda: PlaceRule(0.5, 1.1),
    ],
)
def test_what_is_no_place_is_refused(make):
    with pytest.raises(InputError):
        make()
