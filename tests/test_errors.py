import pickle

import pytest

from lungspot import errors
from lungspot.errors import (
    CODES,
    DatasetError,
    FilmError,
    InputError,
    LungspotError,
    ModelError,
    RequestError,
    SetupError,
    printable,
)

TREE = [(InputError, 1), (FilmError, 1), (DatasetError, 1), (ModelError, 4), (SetupError, 4), (RequestError, 1)]


@pytest.mark.parametrize(("kind", "exit_code"), TREE)
def test_each_kind_knows_its_exit_code(kind, exit_code):
    assert issubclass(kind, LungspotError)
    assert kind.exit_code == exit_code
    assert kind.__name__ in errors.__doc__


def test_the_line_says_where_code_reason_and_what_to_do():
    error = FilmError("NOT_FOUND", "a/b.dcm", "no such file")
    assert str(error) == "a/b.dcm: NOT_FOUND: no such file; check the path"
    assert str(InputError("BAD_BOX", None, "a box")).startswith("BAD_BOX: a box; give x0 < x1")
    assert str(SetupError("MISSING_EXTRA", None, "no torch", advice="pip install it")).endswith(
        "no torch; pip install it"
    )


def test_a_file_name_cannot_forge_a_line():
    error = FilmError("NOT_FOUND", "a\nlungspot: error: b\x1b[31m\u202e.png", "no such file")
    assert "\n" not in str(error)
    assert "\x1b" not in str(error)
    assert str(error).startswith("a\\nlungspot: error: b\\x1b[31m\\u202e.png: NOT_FOUND")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Müller 胸 film.png", "Müller 胸 film.png"),
        ("a\tb\r\n", "a\\tb\\r\\n"),
        ("\x00\x7f", "\\x00\\x7f"),
        ("\u2028\u2029\u200b", "\\u2028\\u2029\\u200b"),
        ("\udcff", "\\udcff"),
        ("\ue000", "\\ue000"),
    ],
)
def test_printable(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize("kind", [kind for kind, _ in TREE])
def test_an_error_crosses_a_pipe_whole(kind):
    error = kind("BAD_VALUE", "x.png row 3", "reason", advice="advice")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (copy.code, copy.where, copy.reason, copy.advice) == ("BAD_VALUE", "x.png row 3", "reason", "advice")
    assert str(copy) == str(error)


def test_an_undocumented_code_is_a_bug():
    with pytest.raises(AssertionError, match="'SHRUG' is not in"):
        FilmError("SHRUG", None, "x")


def test_input_errors_are_value_errors():
    with pytest.raises(ValueError, match="BAD_VALUE"):
        raise InputError("BAD_VALUE", None, "x")


@pytest.mark.parametrize(("code", "advice"), CODES.items())
def test_each_code_comes_with_advice(code, advice):
    assert code == code.upper()
    assert advice
    assert not advice.endswith(".")
