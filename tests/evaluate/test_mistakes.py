from pathlib import Path

import pytest

from lungspot.evaluate.matched import Pair, ScoreLimits, tabulate
from lungspot.evaluate.mistakes import gallery, mistakes
from lungspot.findings import Box, Finding, Frame, Reading, State

A, PART, FAR = (0, 0, 10, 10), (0, 0, 10, 3), (50, 50, 60, 60)
LABELS = ("effusion", "pneumonia")


def film(true, found, states=None, name="a"):
    states = states or {label: State.BOXED if label in {one for one, _ in true} else State.ABSENT for label in LABELS}
    return Pair(
        name,
        name,
        Reading("t", tuple(Finding(label, Box(*box)) for label, box in true), states, Frame(100, 100)),
        Reading(
            "m",
            tuple(Finding(label, Box(*box), score) for label, box, score in found),
            dict.fromkeys(LABELS, State.PRESENT),
            Frame(100, 100),
        ),
        image=Path(name),
    )


def sorted_out(*films):
    matched = {label: tabulate(films, label, ScoreLimits()) for label in LABELS}
    return mistakes(films, matched)


@pytest.mark.parametrize(
    ("true", "found", "kinds"),
    [
        ([("effusion", A)], [("effusion", A, 0.9)], ["right"]),
        ([("effusion", A)], [("effusion", A, 0.9), ("effusion", A, 0.8)], ["right", "duplicate"]),
        ([("effusion", A)], [("pneumonia", A, 0.9)], ["class"]),
        ([("effusion", A)], [("effusion", PART, 0.9)], ["place"]),
        ([("effusion", A)], [("pneumonia", PART, 0.9)], ["class and place"]),
        ([("effusion", A)], [("effusion", FAR, 0.9)], ["background"]),
        ([], [("effusion", A, 0.9)], ["background"]),
        ([("effusion", A)], [("effusion", A, 0.4)], []),  # not shown
    ],
)
def test_kinds(true, found, kinds):
    assert [one.kind for one in sorted_out(film(true, found)).shown] == kinds


def test_where_nobody_boxed_all_nothing_is_called_wrong():
    states = {"effusion": State.PRESENT, "pneumonia": State.ABSENT}
    assert sorted_out(film([], [("effusion", A, 0.9)], states)).shown == ()


def test_counts_and_confusion():
    found = sorted_out(
        film([("effusion", A), ("effusion", FAR)], [("pneumonia", A, 0.9), ("effusion", FAR, 0.8)]),
        film([], [("effusion", A, 0.7)]),
    )
    assert found.table["effusion"] == {
        "right": 1,
        "duplicate": 0,
        "class": 0,
        "place": 0,
        "class and place": 0,
        "background": 1,
        "missed": 1,
    }
    assert found.confusion["effusion"] == {"effusion": 1, "pneumonia": 1, "missed": 1}
    assert found.confusion["background"]["effusion"] == 1
    assert found.missed == {0: 1}


def test_the_films_worth_seeing():
    films = [
        film([("effusion", A)], [("effusion", A, 0.9)], name="good"),
        film([("effusion", A)], [("effusion", FAR, 0.6)], name="bad"),
        film([], [("effusion", FAR, 0.95)], name="sure"),
        film([], [], name="dull"),
    ]
    matched = {label: tabulate(films, label, ScoreLimits()) for label in LABELS}
    chosen = gallery(films, mistakes(films, matched), 2)
    assert chosen == {"best": [0], "worst": [1, 2], "most confident mistakes": [2, 1]}
