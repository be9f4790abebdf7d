"""A watch in each of its forms: what lungspot may replace later, and what other forms are refused."""

import json
from datetime import UTC, date, datetime

import pytest

from lungspot.adapt import (
    WATCH_FORMS,
    FilmRow,
    film_history,
    watch_file,
    watch_films,
    watch_metrics,
    watch_page,
    watch_text,
    watch_to_json,
)
from lungspot.errors import InputError
from lungspot.outputs import is_ours

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
def watch():
    facts = {"status": "assessed", "reasons": [], "warnings": [], "model": "m 1 (bb)", "software": "0.2"}
    facts |= {"device": None, "view": "PA", "bits": 12, "size": [20, 20], "statistics": {}, "features": None}
    facts |= {"scores": {"effusion": 0.4}, "positive": [], "abnormal": False}
    seconds = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    return watch_films(film_history([FilmRow(seconds, "Ä", facts)]), date(2026, 1, 5))


def test_each_form_says_the_watch_and_that_lungspot_made_it(watch, tmp_path):
    texts = {form: watch_text(watch, form, NOW) for form in WATCH_FORMS}
    assert texts["html"] == watch_page(watch)
    assert json.loads(texts["json"]) == json.loads(json.dumps(watch_to_json(watch)))
    assert texts["prom"] == watch_metrics(watch, NOW)
    for form, text in texts.items():
        path = tmp_path / watch_file(form)
        path.write_text(text, "utf-8")
        assert is_ours(path)
    assert {path.name for path in tmp_path.iterdir()} == {"watch.html", "watch.json", "watch.prom"}


def test_another_form_is_refused(watch):
    with pytest.raises(InputError, match="'pdf' is none of html, json, prom"):
        watch_text(watch, "pdf", NOW)
