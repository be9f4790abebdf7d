"""The how-to explains every problem, and no other."""

import re
from pathlib import Path

from lungspot.formats.problems import PROBLEMS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "datasets.md"


def test_the_how_to_explains_every_problem():
    table = re.findall(r"^\| `([A-Z_]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert table == sorted(PROBLEMS)
