import pytest
from PIL import Image

from lungspot.errors import DatasetError
from lungspot.evaluate.matched import Pair, ScoreLimits
from lungspot.evaluate.pairing import (
    Paired,
    common_films,
    exhaustive,
    groups_of,
    limits_of,
    only_labels,
    pair_up,
    people,
    without,
)
from lungspot.evaluate.predicted import Predicted
from lungspot.findings import Box, Finding, Frame, Reading, State
from lungspot.formats.case import Case
from lungspot.images import Sex, View

NATIVE = Frame(200, 100)


def case(name="a", image=None, readings=(), frame=NATIVE, **facts):
    return Case(name, "set", f"p_{name}", readings, image, frame, **facts)


def truth(*boxes):
    return Reading.of_boxes("r", NATIVE, [("effusion", Box(*box)) for box in boxes], ["effusion"])


def said(film, *boxes, frame=NATIVE, where="found:1", limits=None):
    findings = tuple(Finding("effusion", Box(*box), 0.9) for box in boxes)
    return Predicted(film, where, Reading("m", findings, {"effusion": State.PRESENT}, frame), limits or {})


@pytest.mark.parametrize("name", ["a", "a.png", "somewhere/else/a.dcm", "set/a", "c:\\films\\a.png"])
def test_a_film_is_found_by_its_name(name):
    found = pair_up([(case(), truth((0, 0, 10, 10)))], [said(name, (0, 0, 10, 10))])
    assert not found.refused
    assert found.pairs[0].found.boxes()[0].corners == (0, 0, 10, 10)


def test_a_path_says_which_of_two_films_of_one_name(tmp_path):
    films = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        films.append(tmp_path / folder / "a.png")
        Image.new("L", (20, 10)).save(films[-1])
    truths = [(case("x", films[0]), truth()), (case("y", films[1]), truth())]
    found = pair_up(truths, [said(str(films[1]), (0, 0, 5, 5)), said("a.png", where="found:2")])
    assert [pair.film for pair in found.pairs] == ["set/y"]
    assert sorted(str(error).partition(":")[0] for error in found.refused) == ["found", "set/x"]
    assert "any of 2 films" in str(found.refused[0])


@pytest.mark.parametrize("turn", [1, -1])
@pytest.mark.parametrize("stranger", ["p2/view1.png", "somewhere/p2/view1.dcm", "patient00002/study1/view1.png"])
def test_no_film_stands_for_another_of_its_name(stranger, turn):
    """Predictions of a whole set, held against part of it: what is not in the truth is no film of the truth."""
    truths = [(case("p1/view1"), truth()), (case("patient00001/study1/view1"), truth())]
    names = [(stranger, (0, 0, 9, 9)), ("p1/view1.png", (0, 0, 5, 5)), ("patient00001/study1/view1.png", (0, 0, 5, 5))]
    found = pair_up(truths, [said(*name, where=f"found:{name[0]}") for name in names[::turn]])
    assert [pair.found.boxes()[0].corners for pair in found.pairs] == [(0, 0, 5, 5)] * 2
    (refused,) = found.refused
    assert f"{stranger} is no film of the truth" in str(refused)


@pytest.mark.parametrize(
    ("film", "alike"),
    [
        ("patient00002/study1/view1.png", False),
        ("x/patient00001/study9/view1.png", True),
        ("view1.png", True),
        ("copy/view1.png", True),
    ],
)
def test_a_film_s_name_alone_is_enough_where_no_patient_is_another(film, alike):
    found = pair_up([(case("patient00001/study1/view1"), truth())], [said(film, (0, 0, 5, 5))])
    assert bool(found.pairs) is alike


@pytest.mark.parametrize(
    ("predicted", "says"),
    [
        ([], "set/a: DATASET_INCOMPLETE: no prediction of this film"),
        ([said("b.png")], "found:1: DATASET_ROW: b.png is no film of the truth"),
        (
            [said("a"), said("a.png", where="found:2")],
            "found:2: DATASET_ROW: a.png is predicted twice, first in found:1",
        ),
        ([Predicted("a", "found:1", None, reasons=("NOT_A_CHEST_FILM",))], "not assessed (NOT_A_CHEST_FILM)"),
        ([said("a", (0, 0, 5, 5), frame=Frame(100, 100))], "frame of 100 x 100, the film is 200 x 100"),
        ([said("a", (190, 90, 260, 160))], "lies off the film"),
        ([said("a", (0.1, 0.2, 0.4, 0.5))], "in fractions of the film"),
        ([said("a", (0, 0, 5, 5), frame=Frame(10**400, 100))], "the film is 200 x 100"),
    ],
)
def test_what_cannot_be_judged_is_named(predicted, says):
    found = pair_up([(case(), truth((0, 0, 10, 10)))], predicted)
    assert any(says in str(error) for error in found.refused)
    assert len(found.pairs) == (len(predicted) == 2)


def test_boxes_on_a_smaller_copy_are_moved(tmp_path):
    squashed = tmp_path / "a.png"
    Image.new("L", (50, 50)).save(squashed)  # another shape than the native film: the file itself says so
    found = pair_up([(case(image=squashed), truth())], [said("a.png", (0, 0, 25, 25), frame=Frame(50, 50))])
    assert found.pairs[0].found.boxes()[0].corners == (0, 0, 100, 50)
    half = pair_up([(case(), truth())], [said("a", (0, 0, 50, 25), frame=Frame(100, 50))])
    assert half.pairs[0].found.boxes()[0].corners == (0, 0, 100, 50)


def test_people_are_judged_by_each_other():
    readings = tuple(
        Reading.of_boxes(name, NATIVE, [("effusion", Box(0, 0, 10, 10 + i))], ["effusion"])
        for i, name in enumerate(("R1", "R2", "R3"))
    )
    films = [case(readings=readings), case("b", readings=readings[:1])]
    assert len(people(films, None)) == 6
    pairs = people(films, "R2")
    assert [(pair.found.reader, pair.true.reader) for pair in pairs] == [("R2", "R1"), ("R2", "R3")]
    with pytest.raises(DatasetError, match="R9"):
        people(films, "R9")


def test_what_a_reader_did_not_look_for_was_not_missed():
    one = truth((0, 0, 10, 10))
    both = Reading.of_boxes("both", NATIVE, [("effusion", Box(0, 0, 9, 9))], ["effusion", "edema"])
    edema = Reading("edema only", (), {"edema": State.ABSENT}, NATIVE)
    pairs = people([case(readings=(one, both, edema))], None)
    asked = {(pair.found.reader, pair.true.reader): (set(pair.found.states), set(pair.true.states)) for pair in pairs}
    assert asked == {
        ("r", "both"): ({"effusion"}, {"effusion"}),
        ("both", "r"): ({"effusion"}, {"effusion"}),
        ("both", "edema only"): ({"edema"}, {"edema"}),
        ("edema only", "both"): ({"edema"}, {"edema"}),
    }


def test_limits_come_from_the_predictions():
    one = {"effusion": ScoreLimits(0.3, 0.4)}
    assert limits_of([said("a", (0, 0, 5, 5), limits=one)], None) == one
    assert limits_of([said("a", limits=one)], 0.7) == {"effusion": ScoreLimits(0.7, 0.7)}
    assert limits_of([said("a")], 0.7) == {"effusion": ScoreLimits(0.7, 0.7)}  # a file that names none, as COCO
    other = said("b", (0, 0, 5, 5), limits={"effusion": ScoreLimits(0.5, 0.4)}, where="found:2")
    with pytest.raises(DatasetError, match="two operating points"):
        limits_of([said("a", (0, 0, 5, 5), limits=one), other], None)


def test_groups(tmp_path):
    film = tmp_path / "a.png"
    Image.new("L", (50, 70)).save(film)
    one = case(image=film, view=View.PA, sex=Sex.FEMALE, age_years=59.5)
    wanted = {"source": "set", "view": "pa", "sex": "f", "age": "40 to 59", "stored": "70 px"}
    assert groups_of(one, tuple(wanted)) == wanted
    assert groups_of(case(), ("age", "stored")) == {"source": "set", "age": "unknown", "stored": "unknown"}


def test_without_says_nothing_about_a_label():
    assert without(truth((0, 0, 5, 5)), ["effusion"]) == Reading("r", (), {}, NATIVE)


def test_exhaustive_readers_call_absent_what_they_did_not_box():
    edema = Reading.of_boxes("r", NATIVE, [("edema", Box(0, 0, 5, 5))], [])
    films = exhaustive([case("a", readings=(truth((0, 0, 5, 5)),)), case("b", readings=(edema,)), case("c")])
    assert [dict(film.readings[0].states) for film in films] == [
        {"edema": "absent", "effusion": "boxed"},
        {"edema": "boxed", "effusion": "absent"},
        {"edema": "absent", "effusion": "absent"},
    ]


def test_a_label_takes_its_boxes_and_their_agreements_with_it():
    looked = {"effusion": State.PRESENT, "edema": State.PRESENT}
    marks = (
        Finding("edema", Box(0, 0, 5, 5), 0.9),
        Finding("effusion", score=0.4),
        Finding("effusion", Box(1, 1, 9, 9), 0.8),
    )
    both = Reading("m", marks, looked, NATIVE)
    pair = Pair("a", "p", truth((1, 1, 9, 9)), both, agreement=({"iou": 0.1}, {"iou": 0.7}))
    (one,) = only_labels([pair], ["effusion"])
    assert one.agreement == ({"iou": 0.7},)
    assert set(one.found.states) == set(one.true.states) == {"effusion"}
    assert only_labels([pair], ["gout"])[0].found.findings == ()


def test_two_models_are_compared_on_the_films_that_both_read():
    def read(*names):
        return Paired(tuple(Pair(name, "p", truth(), truth()) for name in names), ())

    theirs, mine = common_films(read("a", "b", "c"), read("d", "c", "a"), "other.json")
    assert [pair.film for pair in mine.pairs] == [pair.film for pair in theirs] == ["a", "c"]
    assert [error.reason for error in mine.refused] == [
        "b was judged for one of the two models only",
        "d was judged for one of the two models only",
    ]
