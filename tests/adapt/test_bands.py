"""Columns as parts of a programme."""

import numpy as np
import pytest

from lungspot.adapt.tb import divisions_of
from lungspot.errors import InputError

CD4 = [word for word in ("below 1.75", "1.75 to below 3.5", "3.5 to below 5.25", "5.25 or more") for _ in range(2)]


def names_of(column, values, cuts=None):
    divisions, left = divisions_of({column: values}, cuts)
    if column not in divisions:
        return left
    division = divisions[column]
    return [division.names[member] for member in division.member]


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("sex", ["F", "M", "", "F"], ["F", "M", "not known", "F"]),
        ("age", ["14", "034Y", "66", "500"], ["below 15", "25 to below 35", "65 or more", "not known"]),
        ("Patient Age", ["20", "70"], ["15 to below 25", "65 or more"]),
        ("stage", ["20", "70"], ["20", "70"]),  # no age, and few numbers stand for themselves
        ("cd4", list("01234567"), CD4),
        ("name", [f"person {each}" for each in range(30)], ["name has 30 different values"]),
        ("clinic", ["A", "A"], ["clinic is the same for everybody"]),
        ("notes", ["", "NA"], ["notes is empty"]),
    ],
)  # fmt: skip
def test_parts(column, values, expected):
    assert names_of(column, values) == expected


def test_bands_are_in_the_order_of_numbers_and_what_is_not_known_comes_last():
    divisions, _ = divisions_of({"age": ["", "70", "16", "30", "9"]})
    assert divisions["age"].names == ("below 15", "15 to below 25", "25 to below 35", "65 or more", "not known")
    assert divisions["age"].member.dtype == np.int64


def test_cuts_of_the_caller():
    assert names_of("cd4", ["50", "200", "350", "x2"] * 9, {"cd4": [350, 200]})[:2] == ["below 200", "200 to below 350"]


@pytest.mark.parametrize(("cuts", "says"), [({"cd8": [1]}, "there are: cd4"), ({"cd4": [1]}, "no numbers")])
def test_cuts_that_cannot_be_meant(cuts, says):
    with pytest.raises(InputError, match=says):
        divisions_of({"cd4": ["low", "high"]}, cuts)
