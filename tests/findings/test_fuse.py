"""Fusing readers; the tests named ``slip`` each hold one of the originating notebooks' mistakes (detection, 1.3)."""

import itertools
from dataclasses import replace

import ensemble_boxes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lungspot.errors import InputError
from lungspot.findings import EDITED, HUMAN, MODEL, Box, Finding, Frame, Reading, Side, State
from lungspot.findings.fuse import majority, one_reader, union, weighted

FRAME = Frame(1000, 1000)
BOX = (100, 100, 300, 200)
NEAR = (110, 100, 310, 200)  # IoU with BOX 190 / 210
FAR = (600, 600, 700, 700)
LOOKED = ("effusion", "nodule_mass", "cardiomegaly")


def read(reader, *boxes, looked=LOOKED):
    return Reading.of_boxes(reader, FRAME, [(label, Box(*corners)) for label, corners in boxes], looked)


def shown(reading):
    return [
        (f.label, tuple(round(c) for c in f.box.corners) if f.box else None, round(f.score, 3), f.source)
        for f in reading.findings
    ]


def test_slip_first_box_of_a_film_is_not_one_reader():
    """``agg('first')`` kept one box of 202 effusion films in which the reader had drawn two."""
    films = [read("R9", ("effusion", BOX), ("effusion", FAR)), read("R8", ("effusion", NEAR))]
    assert len(one_reader(films, "R9").boxes("effusion")) == 2
    assert one_reader(films, ["R1", "R8", "R9"]).reader == "R8"


def test_slip_a_lone_reader_is_told_from_three():
    """Boxes went in without agreement: 398 of 1,032 effusion films were marked by one reader of three."""
    readers = [read("R1", ("effusion", BOX)), read("R2"), read("R3")]
    assert majority(readers).state("effusion") is State.ABSENT
    assert shown(weighted(readers)) == [("effusion", BOX, 0.333, "R1")]


def test_slip_the_score_counts_readers():
    """Fusing all boxes as one list gave every box the score 1."""
    readers = [
        read("R1", ("effusion", BOX), ("nodule_mass", FAR)),
        read("R2", ("effusion", NEAR), ("nodule_mass", FAR)),
        read("R3", ("effusion", BOX)),
    ]
    assert shown(weighted(readers)) == [
        ("effusion", (103, 100, 303, 200), 1.0, "R1+R2+R3"),
        ("nodule_mass", FAR, 0.667, "R1+R2"),
    ]


def test_slip_two_boxes_of_one_reader_are_one_vote():
    """The library's score counts boxes; agreement counts people."""
    readers = [read("R1", ("effusion", BOX), ("effusion", NEAR)), read("R2"), read("R3")]
    assert shown(weighted(readers)) == [("effusion", (105, 100, 305, 200), 0.333, "R1")]
    assert majority(readers, least=2).boxes() == ()


def test_slip_fused_boxes_keep_their_own_labels():
    """Early versions zipped the fused boxes with the labels from before the fusion."""
    readers = [
        read("R1", ("nodule_mass", FAR), ("effusion", BOX)),
        read("R2", ("effusion", NEAR), ("nodule_mass", FAR)),
        read("R3", ("cardiomegaly", BOX)),
    ]
    fused = weighted(readers)
    assert {f.label: tuple(map(round, f.box.corners)) for f in fused.findings} == {
        "effusion": (105, 100, 305, 200),
        "nodule_mass": FAR,
        "cardiomegaly": BOX,
    }


def test_slip_a_film_keeps_every_finding():
    """``drop_duplicates`` and the rows without ``|`` left one disease a film."""
    readers = [read("R1", ("effusion", BOX), ("cardiomegaly", BOX)), read("R2", ("nodule_mass", FAR))]
    for fused in (union(readers), weighted(readers)):
        assert {label for label in LOOKED if fused.state(label) is State.BOXED} == set(LOOKED)


def test_union_keeps_every_box_and_who_drew_it():
    readers = [read("R10", ("effusion", NEAR)), read("R2", ("effusion", BOX), ("effusion", FAR))]
    fused = union(readers)
    assert [(f.box.corners, f.source) for f in fused.findings] == [(BOX, "R2"), (FAR, "R2"), (NEAR, "R10")]
    assert fused.states == {"effusion": "boxed", "nodule_mass": "absent", "cardiomegaly": "absent"}


@pytest.mark.parametrize(
    ("said", "least", "state"),
    [
        ("bbb", None, State.BOXED),
        ("bba", None, State.BOXED),
        ("baa", None, State.ABSENT),
        ("ba-", None, State.NOT_LOOKED_FOR),  # one against one decides nothing
        ("b--", None, State.BOXED),  # the one who looked
        ("b--", 2, State.NOT_LOOKED_FOR),
        ("bba", 3, State.NOT_LOOKED_FOR),
        ("aaa", 3, State.ABSENT),
        ("bfa", 2, State.PRESENT),  # two say that it is there, and not where
        ("pba", 2, State.PRESENT),
        ("ppa", None, State.PRESENT),
        ("---", None, State.NOT_LOOKED_FOR),
        ("aa-", 1, State.ABSENT),
    ],
)
def test_majority_states(said, least, state):
    kinds = {
        "b": lambda name: read(name, ("effusion", BOX)),
        "f": lambda name: read(name, ("effusion", FAR)),
        "a": read,
        "p": lambda name: Reading(name, states={"effusion": State.PRESENT}),
        "-": lambda name: read(name, looked=()),
    }
    fused = majority([kinds[kind](f"R{number}") for number, kind in enumerate(said)], least=least)
    assert fused.state("effusion") is state
    assert bool(fused.boxes("effusion")) is (state is State.BOXED)


def test_a_reader_who_did_not_look_is_no_vote_against():
    readers = [read("R1", ("effusion", BOX)), read("R2", looked=("nodule_mass",))]
    assert shown(weighted(readers)) == [("effusion", BOX, 1.0, "R1")]


def test_present_without_a_box_keeps_who_said_so():
    readers = [Reading("nih", states={"edema": State.PRESENT}), Reading("mimic", states={"edema": State.ABSENT})]
    assert shown(weighted(readers)) == [("edema", None, 0.5, "nih")]
    assert weighted(readers).state("edema") is State.PRESENT
    assert union(readers).state("edema") is State.PRESENT


def test_side_survives_where_all_agree():
    def one(name, side):
        return Reading(name, (Finding("effusion", Box(*BOX), side=side),), {"effusion": State.BOXED}, FRAME)

    both = weighted([one("R1", Side.LEFT), one("R2", Side.LEFT)])
    torn = weighted([one("R1", Side.LEFT), one("R2", Side.RIGHT)])
    assert [both.findings[0].side, torn.findings[0].side] == [Side.LEFT, None]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: weighted([read("R1"), read("R1")]), "two readings of one film by R1"),
        (lambda: weighted([read("R1"), Reading("R2", frame=Frame(5, 5))]), "several frames"),
        (lambda: weighted([], iou=1.0), "threshold"),
        (lambda: majority([], least=0), "at least 0"),
        (lambda: one_reader([read("R1")], "R2"), "read by R1, not by R2"),
        (lambda: one_reader([], "R2"), "read by nobody"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(InputError, match=words):
        call()


def test_nobody_read_it():
    assert union([]) == Reading("union")


def test_coordinates_equal_ensemble_boxes():
    """300 random films, three models, two labels, any scores: the same boxes at the same scores as the library."""
    random = np.random.default_rng(3)
    compared = 0
    for _ in range(300):
        boxes, scores, labels, readings = [], [], [], []
        for model in range(3):
            n = int(random.integers(0, 7))
            corner = np.round(random.uniform(0, 500, (n, 2)))
            part = np.concatenate([corner, corner + np.round(random.uniform(80, 500, (n, 2)))], axis=1)
            score, label = random.uniform(0.05, 1, n), random.integers(0, 2, n)
            boxes.append(part / 1000)
            scores.append(score)
            labels.append(label)
            findings = tuple(Finding(LOOKED[k], Box(*b), float(s)) for b, s, k in zip(part, score, label, strict=True))
            states = dict.fromkeys(LOOKED[:2], State.PRESENT)
            readings.append(Reading(f"M{model}", findings, states, FRAME))
        theirs, rated, named = ensemble_boxes.weighted_boxes_fusion(boxes, scores, labels, iou_thr=0.4)
        ours = weighted(readings)
        mine = {(f.label, *np.round(np.array(f.box.corners) / 1000, 4)): f for f in ours.findings if f.box is not None}
        other = {(LOOKED[int(k)], *np.round(b, 4)): s for b, s, k in zip(theirs, rated, named, strict=True)}
        assert len(mine) == len(other)
        for key, finding in mine.items():
            near = min(
                other, key=lambda k: (k[0] != key[0], max(abs(a - b) for a, b in zip(k[1:], key[1:], strict=True)))
            )
            assert near[0] == key[0]
            np.testing.assert_allclose(near[1:], key[1:], atol=2e-4)
            members = finding.source.count("+") + 1
            assert finding.score <= other[near] + 1e-6  # ours counts readers, theirs boxes
            assert members <= 3
            compared += 1
    assert compared > 2000


@pytest.mark.parametrize("source", [HUMAN, MODEL, EDITED])
def test_whence_a_person_has_a_box_is_not_who_says_it(source):
    """An answer read back says that a box was a model's, with its score: it is the reader who agrees, and wholly."""
    ann, bob = read("ann", ("effusion", BOX)), read("bob", ("effusion", NEAR))
    took = replace(ann, findings=tuple(replace(f, source=source, score=0.25) for f in ann.findings))
    for how in (weighted, majority):
        assert shown(how([took, bob])) == shown(how([ann, bob])) == [("effusion", (105, 100, 305, 200), 1.0, "ann+bob")]
    assert [finding.source for finding in union([took, bob]).findings] == ["ann", "bob"]
    named = replace(ann, findings=tuple(replace(f, source="R1+R2") for f in ann.findings))
    assert [finding.source for finding in union([named]).findings] == ["R1+R2"]  # of a reading that was fused before


@st.composite
def films(draw):
    sides = st.integers(0, 8)
    boxes = st.lists(st.tuples(sides, sides, st.integers(1, 8), st.integers(1, 8)), max_size=3)
    return [read(f"R{n}", *[("effusion", (x, y, x + w, y + h)) for x, y, w, h in draw(boxes)]) for n in range(1, 4)]


@given(films())
def test_order_of_readings_never_matters(readings):
    for how in (union, weighted, majority):
        assert len({how(list(order)) for order in itertools.permutations(readings)}) == 1


@given(films())
def test_every_box_is_in_exactly_one_spot_of_its_own_film(readings):
    fused = weighted(readings)
    drawn = [box for reading in readings for box in reading.boxes()]
    assert len(fused.boxes()) <= len(drawn)
    assert bool(drawn) is bool(fused.boxes())
    for box in fused.boxes():
        assert min(b.x0 for b in drawn) <= box.x0 < box.x1 <= max(b.x1 for b in drawn)
    agreed = set(majority(readings, least=2).boxes())
    assert agreed == {f.box for f in fused.findings if len(f.source.split("+")) >= 2}
    assert all(round(f.score * 3) == len(f.source.split("+")) for f in fused.findings)


def test_a_reader_who_is_called_as_an_origin_is_taken_for_no_person():
    """What a tool calls `model` says how sure it is; fused once and again it weighs no more for its name."""
    frame = Frame(100, 100)
    unnamed = Reading("model", (Finding("edema", Box(10, 10, 30, 30), 0.2),), {"edema": State.PRESENT}, frame)
    once = union([unnamed])
    assert [(one.source, one.of_a_person) for one in once.findings] == [("reader model", False)]
    assert [one.score for one in weighted([once]).findings] == [pytest.approx(0.2)]
