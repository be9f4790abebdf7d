"""The words of films and work items are those that the journal's tables take."""

import re
import sqlite3

import pytest

from lungspot.node.migrations import MIGRATIONS
from lungspot.node.states import FilmState, ItemState


@pytest.mark.parametrize(("table", "states"), [("film", FilmState), ("item", ItemState)])
def test_a_table_takes_these_words_and_no_others(table, states):
    db = sqlite3.connect(":memory:")
    for step in MIGRATIONS:
        step(db)
    made = db.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (table,)).fetchone()[0]
    taken = re.search(r"state IN \(([^)]*)\)", made)[1]
    assert sorted(re.findall(r"'(\w+)'", taken)) == sorted(states)
