"""Every way in which a picture can lie: what the file's letters mean for the sides of the patient."""

import itertools
import pickle

import numpy as np
import pytest
from PIL import Image

from lungspot.errors import InputError
from lungspot.findings import Side
from lungspot.images import AXES, UNKNOWN_ORIENTATION, Orientation, read

L, R = Side.LEFT, Side.RIGHT


@pytest.mark.parametrize(
    ("row", "column", "left", "right", "turns", "mirrored"),
    [
        ("L", "F", R, L, 0, False),  # as people read films
        ("R", "F", L, R, 0, True),
        ("R", "H", L, R, 2, False),  # upside down
        ("L", "H", R, L, 2, True),
        ("F", "L", None, None, 3, True),
        ("F", "R", None, None, 3, False),
        ("H", "L", None, None, 1, False),
        ("H", "R", None, None, 1, True),
        ("LH", "FR", R, L, 0, False),  # the first letter leads
        ("RAF", "FP", L, R, 0, True),
        ("L", "FR", R, L, 0, False),
        ("A", "F", None, None, 0, None),  # a lateral film
        ("PR", "FA", None, None, 0, None),
        ("L", "P", R, L, None, None),  # lying below the beam
        ("R", "", L, R, None, None),
        ("", "F", None, None, 0, None),
        ("", "", None, None, None, None),
    ],
)
def test_what_lies_at_the_edges(row, column, left, right, turns, mirrored):
    found = Orientation.of_words(row, column)
    assert (found.left_side, found.right_side) == (left, right)
    assert found.quarter_turns == turns
    assert found.mirrored is mirrored
    assert bool(found) is bool(row or column)


@pytest.mark.parametrize(
    ("row", "column"),
    [("X", "F"), ("L", "R"), ("L", "LF"), ("LR", "F"), ("L", "FH"), ("l", "f"), ("L F", ""), ("LL", "F"), ("HF", "R")],
)
def test_nonsense_is_no_orientation(row, column):
    assert Orientation.of_words(row, column) is None


@pytest.mark.parametrize(("right", "bottom"), [("X", "F"), ("L", "L"), ("L", "R"), ("LF", None)])
def test_the_value_refuses_what_cannot_be(right, bottom):
    with pytest.raises(InputError, match="BAD_VALUE"):
        Orientation(right, bottom)


def labelled(orientation):
    """A picture of three rows and columns with the letters of the edges on its edges."""
    picture = np.full((3, 3), ".", dtype="U1")
    picture[1, 0], picture[1, 2] = orientation.left or ".", orientation.right or "."
    picture[0, 1], picture[2, 1] = orientation.top or ".", orientation.bottom or "."
    return picture


ALL = [Orientation(r, b) for r, b in itertools.product([*"LRAPHF", None], repeat=2) if not r or AXES[r] != AXES.get(b)]


@pytest.mark.parametrize("turns", range(5))
def test_a_turned_picture_is_turned_as_numpy_turns(turns):
    assert len(ALL) == 24 + 12 + 1
    for orientation in ALL:
        assert (labelled(orientation.turned(turns)) == np.rot90(labelled(orientation), turns)).all()
        assert orientation.turned(4) == orientation
        assert orientation.turned(turns).mirrored == orientation.mirrored
        assert pickle.loads(pickle.dumps(orientation)) == orientation


def test_the_turns_bring_the_feet_to_the_bottom():
    for orientation in ALL:
        turns = orientation.quarter_turns
        assert (turns is None) == ("F" not in labelled(orientation))
        assert turns is None or orientation.turned(turns).bottom == "F"


@pytest.mark.parametrize(
    ("row", "column", "turns", "side"),
    [
        ("L", "F", 0, R),
        ("R", "F", 0, L),
        ("H", "L", 1, R),
        ("F", "L", 3, L),
        ("R", "H", 2, R),
        ("L", "F", 2, None),  # the file says that it stood upright
        ("L", "F", 1, None),
        ("R", "H", 0, None),
        ("F", "L", 0, None),
        ("R", "", 0, L),
        ("R", "", 2, R),
        ("R", "", 1, None),
        ("", "", 0, None),
        ("A", "F", 0, None),
    ],
)
def test_the_side_of_the_upright_picture(row, column, turns, side):
    assert Orientation.of_words(row, column).upright_left_side(turns) == side


@pytest.mark.parametrize(
    ("elements", "left", "codes"),
    [
        ({}, None, set()),
        ({"PatientOrientation": ["L", "F"]}, R, set()),
        ({"PatientOrientation": ["R", "F"]}, L, {"MIRRORED"}),
        ({"PatientOrientation": [" r ", "f"]}, L, {"MIRRORED"}),
        ({"PatientOrientation": ["RA", "FP"]}, L, {"MIRRORED"}),
        ({"PatientOrientation": ["R", ""]}, L, set()),
        ({"PatientOrientation": "R"}, L, set()),
        ({"PatientOrientation": ["L", "F", ""]}, R, set()),
        ({"PatientOrientation": ["F", "L"]}, None, {"MIRRORED"}),
        ({"PatientOrientation": ["L", "H"]}, R, {"MIRRORED"}),
        ({"PatientOrientation": ""}, None, set()),
        ({"PatientOrientation": ["", ""]}, None, set()),
        ({"PatientOrientation": ["L", "L"]}, None, {"ORIENTATION"}),
        ({"PatientOrientation": ["L", "X"]}, None, {"ORIENTATION"}),
        ({"PatientOrientation": "L/F"}, None, {"ORIENTATION"}),
        ({"PatientOrientation": ["L", "F", "A"]}, None, {"ORIENTATION"}),
        ({"PatientOrientation": ["LEFT", "FOOT"]}, None, {"ORIENTATION"}),
        # what has no say
        ({"ViewPosition": "PA"}, None, set()),
        ({"ViewPosition": "AP", "PatientOrientation": ["R", "F"]}, L, {"MIRRORED"}),
        ({"FieldOfViewHorizontalFlip": "YES", "PatientOrientation": ["L", "F"]}, R, set()),
        ({"FieldOfViewHorizontalFlip": "YES"}, None, set()),
        ({"FieldOfViewRotation": "180", "PatientOrientation": ["L", "F"]}, R, set()),
        ({"Laterality": "R", "PatientOrientation": ["L", "F"]}, R, set()),
        # direction cosines: x to the left, y to the back, z to the head
        ({"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}, R, set()),
        ({"ImageOrientationPatient": [-1, 0, 0, 0, 0, -1]}, L, {"MIRRORED"}),
        ({"ImageOrientationPatient": [0.99, 0.1, 0, 0, 0, -1]}, R, set()),
        ({"ImageOrientationPatient": [0.7, 0.7, 0, 0, 0, -1]}, None, set()),
        ({"ImageOrientationPatient": [1, 0, 0]}, None, set()),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, None, set()),
        ({"ImageOrientationPatient": [5, 0, 0, 0, 0, -1]}, None, set()),
        ({"ImageOrientationPatient": [-1, 0, 0, 0, 0, -1], "PatientOrientation": ["R", "F"]}, L, {"MIRRORED"}),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 0, -1], "PatientOrientation": ["R", "F"]}, None, {"ORIENTATION"}),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 0, -1], "PatientOrientation": ["R", ""]}, None, {"ORIENTATION"}),
    ],
)
def test_a_dicom_film_says_which_side_is_left(elements, left, codes, make_dicom, gradient):
    film = read(make_dicom(gradient, **elements))
    assert film.orientation.left_side == left
    assert {notice.code for notice in film.notices} - {"NO_WINDOW"} == codes


def test_a_film_whose_turn_alone_is_known_says_so(make_dicom, gradient):
    film = read(make_dicom(gradient, PatientOrientation=["F", "L"]))
    assert (film.orientation.top, film.orientation.bottom) == ("R", "L")
    assert film.orientation.quarter_turns == 3


def test_a_picture_cannot_say(gradient, tmp_path):
    Image.fromarray((gradient / 16).astype(np.uint8)).save(tmp_path / "a.png")
    film = read(tmp_path / "a.png")
    assert film.orientation == UNKNOWN_ORIENTATION
    assert (film.orientation.left_side, film.pixel_aspect) == (None, (1, 1))
