from datetime import date, timedelta

import pytest

from lungspot.errors import InputError
from lungspot.node.pull import Question


def test_every_value_is_a_query_of_its_own():
    question = Question.parse(["StationName=A,B", "Modality=CR,DX"], "2026-01-31")
    assert list(question.queries()) == [
        {"StationName": station, "Modality": modality, "StudyDate": "20260131-"}
        for station in "AB"
        for modality in ("CR", "DX")
    ]


def test_films_are_asked_for_where_nothing_is_said():
    assert [query["Modality"] for query in Question.parse([], "1d").queries()] == ["CR", "DX"]


def test_days_count_back_from_today():
    question = Question.parse([], "7d")
    assert question.since == timedelta(days=7)
    first = date.today() - timedelta(days=7)  # noqa: DTZ011 - DICOM dates are local
    assert next(question.queries())["StudyDate"] in {f"{first:%Y%m%d}-", f"{first + timedelta(days=1):%Y%m%d}-"}


@pytest.mark.parametrize(
    ("texts", "since"),
    [(["Modality"], "1d"), (["=CR"], "1d"), (["Modality="], "1d"), (["A b=C"], "1d"), ([], "yesterday"), ([], "xd")],
)
def test_what_is_no_question(texts, since):
    with pytest.raises(InputError):
        Question.parse(texts, since)
