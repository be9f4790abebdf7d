import re
from pathlib import Path

import pytest

import lungspot
from lungspot.findings import Box, Frame
from lungspot.report.words import joined, percent, picture_side_of, place_of


@pytest.mark.parametrize(
    ("label", "side", "zone", "picture_side", "expected"),
    [
        ("effusion", "left", "lower", None, "left lower zone"),
        ("effusion", "left", None, None, "left"),
        ("pneumonia", "right", None, None, "right lung"),
        ("effusion", None, None, None, ""),
        ("effusion", "bilateral", "middle", None, "both sides, middle zone"),
        ("effusion", "bilateral", None, None, "both sides"),
        ("effusion", None, None, "left", "left of the picture"),
        ("effusion", None, "upper", "right", "right of the picture, upper zone"),
        ("effusion", None, "upper", "bilateral", "both sides, upper zone"),
    ],
)
def test_places_in_words(label, side, zone, picture_side, expected):
    assert place_of(label, side, zone, picture_side) == expected


@pytest.mark.parametrize(
    ("box", "expected"),
    [((10, 0, 40, 9), "left"), ((60, 0, 90, 9), "right"), ((30, 0, 70, 9), "bilateral"), ((30, 0, 60, 9), "left")],
)
def test_sides_of_the_picture(box, expected):
    assert picture_side_of(Box(*box), Frame(100, 100)) == expected


@pytest.mark.parametrize(
    ("probability", "expected"),
    [(0.9, "90 %"), (0.994, "99 %"), (0.9941, "> 99 %"), (1.0, "> 99 %"), (0.006, "1 %"), (0.0059, "< 1 %")],
)
def test_nobody_is_quite_sure(probability, expected):
    assert percent(probability) == expected


@pytest.mark.parametrize(
    ("words", "expected"), [([], ""), (["a"], "a"), (["a", "b"], "a or b"), (["a", "b", "a", "c"], "a, b or c")]
)
def test_words_are_joined(words, expected):
    assert joined(words, "or") == expected


@pytest.mark.parametrize(
    ("words", "places"),
    [
        ("Not assessed|(lungspot: |it is |%s: )not assessed", {"report/words.py"}),
        ("[Rr]esearch use only, not for", {"__init__.py", "serve/viewer/index.html", "web/page/how.html"}),
    ],
)
def test_what_every_form_says_stands_once(words, places):
    """In the pages it stands for those who run no script: viewer/main.js puts the server's own there."""
    root = Path(lungspot.__file__).parent
    files = (path for path in root.rglob("*") if path.suffix in {".py", ".js", ".html"} and "vendor" not in path.parts)
    said = [path for path in files if re.search(words, _without_docstrings(path))]
    assert {path.relative_to(root).as_posix() for path in said} == places


def _without_docstrings(path):
    text = path.read_text(encoding="utf-8")
    return re.sub(r'""".*?"""', "", text, flags=re.DOTALL) if path.suffix == ".py" else text
