"""The page is the numbers of the summary; whatever a file says stands in it as text."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from lungspot.evaluate.page import page
from lungspot.evaluate.summary import EvaluationSettings, summarise

from .conftest import LABEL, random_pairs

EVIL = "<script>alert('1')</script>\"&"


class Reader(HTMLParser):
    """Collects a page's tables as lists of rows of text, and the names of its tags."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.tables = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in {"td", "th"}:
            self.tables[-1][-1].append("")

    def handle_data(self, data):
        if self.tables and self.tables[-1] and self.tables[-1][-1]:
            self.tables[-1][-1][-1] += data


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "film.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (100, 100), dtype=np.uint8)).save(path)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no film")
    return [
        replace(pair, film=f"{number} {EVIL}", groups={"source": f"one {EVIL}"}, image=broken if number % 9 else path)
        for number, pair in enumerate(random_pairs(0, labels=(LABEL, "pneumonia")))
    ]


@pytest.fixture
def summary(pairs):
    found = summarise(pairs, {}, EvaluationSettings(resamples=20), (pairs, {}))
    found.document["problems"] = [f"{number} {EVIL}" for number in range(203)]
    return found


def test_nothing_that_a_file_says_becomes_markup(summary):
    text = page(summary, title=EVIL, about=[EVIL], films=20)
    reader = Reader(text)
    assert not reader.tags & {"script", "iframe", "object", "link", "form", "base"}
    assert "<script" not in text
    assert text.count("&lt;script&gt;") > 200
    assert "203" in text
    assert "and 3 more in report.json" in text
    assert "data:image/jpeg" in text
    assert "broken.png: " in text  # a film that cannot be read is said in its place


def test_the_main_table_holds_the_numbers_of_the_document(summary):
    first = Reader(page(summary, films=0)).tables[0]
    assert first[0][:6] == ["label", "boxes", "films with", "films without", "AP@.1", "AP@.3"]
    assert [row[0] for row in first[1:]] == ["Pleural effusion", "Pneumonia", "mean"]
    row = summary.document["labels"][LABEL]
    assert first[1][1:4] == [str(row["counts"][name]) for name in ("boxes", "positive", "negative")]
    cell = row["metrics"]["ap0.1"]
    low, high = cell["interval"]
    assert first[1][4] == f"{cell['value']:.3f}{low:.3f} to {high:.3f}"
    assert first[-1][1:4] == [""] * 3
    assert first[-1][4].startswith(f"{summary.document['mean']['ap0.1']['value']:.3f}")


def test_every_row_is_as_wide_as_its_head(summary):
    tables = Reader(page(summary, films=0)).tables
    assert len(tables) >= 8
    for table in tables:
        assert {len(row) for row in table} == {len(table[0])}, table[0]


def test_what_does_not_exist_is_an_empty_cell(pairs):
    found = summarise(pairs[:3], {}, EvaluationSettings(resamples=1))
    cells = {cell for table in Reader(page(found)).tables for row in table for cell in row}
    assert not [cell for cell in cells if re.search("nan|None", cell)]


def test_the_style_is_the_one_that_the_page_allows_itself(summary):
    text = page(summary, films=0)
    assert text.count("sha256-") == 1
    assert "&" not in re.search("<style>(.*?)</style>", text, re.DOTALL)[1]
