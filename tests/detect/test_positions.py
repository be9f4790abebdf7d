import pickle

import numpy as np
import pytest

from lungspot.detect import Positions
from lungspot.detect.positions import confine
from lungspot.errors import InputError
from lungspot.findings import Box, Frame

FRAME = Frame(80, 40)
LUNGS = np.zeros((8, 8), bool)
LUNGS[1:6, 1:3] = LUNGS[1:6, 5:7] = True  # pixels x 10-30 and 50-70, y 5-30
NET = Positions.of(LUNGS)


def test_a_net_survives_its_digits():
    assert np.array_equal(NET.array, LUNGS)
    assert not NET.array.flags.writeable
    assert pickle.loads(pickle.dumps(NET)) == NET
    odd = np.ones((3, 3), bool)
    odd[1, 1] = False
    assert np.array_equal(Positions.of(odd).array, odd)


@pytest.mark.parametrize(
    ("grid", "cells"), [(8, ""), (8, "00" * 8), (8, "ff" * 7), (0, ""), (8, "xy" * 8), (300, "ff")]
)
def test_what_is_no_net_is_refused(grid, cells):
    with pytest.raises(InputError):
        Positions(grid, cells)


@pytest.mark.parametrize(
    ("corners", "expected"),
    [
        ((12, 10, 28, 25), (12, 10, 28, 25)),  # within a lung: as it is
        ((0, 10, 28, 25), (10, 10, 28, 25)),  # over the film's margin: cut
        ((12, 20, 28, 36), (12, 20, 28, 30)),  # over the diaphragm: cut
        ((10, 5, 70, 30), (10, 5, 70, 30)),  # over both lungs and what is between them
        ((12, 32, 28, 38), None),  # below the diaphragm
        ((12, 24, 28, 37), None),  # mostly below it
        ((0, 0, 80, 40), None),  # the whole film
    ],
)
def test_a_box_is_kept_where_lungs_are(corners, expected):
    wanted = None if expected is None else Box(*expected)
    lungs = (Box(10, 5, 30, 30), Box(50, 5, 70, 30))
    assert confine(Box(*corners), FRAME, NET) == wanted
    assert confine(Box(*corners), FRAME, None, lungs) == wanted


def test_lungs_that_are_known_lie_behind_what_is_between_them_too():
    between = Box(32, 10, 48, 25)
    assert confine(between, FRAME, NET) is None
    assert confine(between, FRAME, NET, (Box(10, 5, 30, 30), Box(50, 5, 70, 30))) == between


def test_a_films_own_lungs_count_before_the_net():
    box = Box(12, 32, 28, 38)
    assert confine(box, FRAME, NET) is None
    assert confine(box, FRAME, NET, [Box(10, 20, 30, 40)]) == box
    assert confine(Box(12, 10, 28, 25), FRAME, NET, []) is None  # a film on which no lung was seen


@pytest.mark.parametrize(("least", "kept"), [(0.5, True), (0.75, True), (0.76, False), (1.0, False)])
def test_how_much_of_a_box_must_lie_where_lungs_are_can_be_said(least, kept):
    box = Box(12, 15, 28, 35)  # three quarters of it above the diaphragm
    assert (confine(box, FRAME, NET, least=least) == Box(12, 15, 28, 30)) is kept
    assert confine(box, FRAME, NET, [Box(10, 5, 30, 30)], least=least) == Box(12, 15, 28, 30)  # known lungs: a half


def test_where_nothing_is_known_a_box_stays():
    assert confine(Box(0, 0, 80, 40), FRAME, None) == Box(0, 0, 80, 40)


def test_no_part_of_a_kept_box_lies_beyond_the_outermost_cell_of_it():
    rng = np.random.default_rng(0)
    kept = 0
    for _ in range(500):
        x, y = rng.uniform(0, 79, 2), rng.uniform(0, 39, 2)
        if x[0] == x[1] or y[0] == y[1]:
            continue
        box = Box(min(x), min(y), max(x), max(y))
        inside = confine(box, FRAME, NET)
        if inside is None:
            continue
        kept += 1
        assert inside.intersection(box) == pytest.approx(inside.area)
        assert inside.x0 >= 10
        assert inside.x1 <= 70
        assert inside.y0 >= 5
        assert inside.y1 <= 30
    assert kept > 20
