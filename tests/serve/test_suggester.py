import asyncio
import threading

import pytest

from lungspot.detect import load_detector
from lungspot.errors import FilmError, RequestError
from lungspot.serve import suggester as module
from lungspot.serve.app_state import model_of
from lungspot.serve.suggester import Suggester


@pytest.fixture
def suggester(model_file):
    detector = load_detector(str(model_file))
    made = Suggester(detector, model_of(detector), 2, 5)
    yield made
    made.close()


def test_each_answer_stands_where_its_question_stood_and_no_failure_stops_the_rest(suggester, caplog):
    def no_film():
        raise FilmError("NOT_AN_IMAGE", "x", "no film")

    def bug():
        raise KeyError("a patient's name")

    first, refused, failed, last = asyncio.run(suggester.all([lambda: 1, no_film, bug, lambda: 2], 30))
    assert (first, refused.code, failed.code, last) == (1, "NOT_AN_IMAGE", "BUG", 2)
    assert "patient" not in caplog.text


def test_what_takes_too_long_is_answered_busy_and_the_rest_is_there(suggester):
    begun, go, late = threading.Event(), threading.Event(), []

    def slow():
        begun.set()
        go.wait(60)

    async def ask():
        said = await suggester.all([lambda: 1, slow, slow, lambda: late.append(1)], 1)
        await asyncio.sleep(0)  # what was dropped is counted
        return said, suggester._waiting

    (first, *others), waiting = asyncio.run(ask())
    go.set()
    assert begun.is_set()
    assert (first, [other.code for other in others], waiting) == (1, ["BUSY"] * 3, 0)
    assert asyncio.run(suggester.all([lambda: 3], 30)) == [3]
    assert late == []  # what was not begun is dropped, for whoever asked is gone


def test_nobody_waits_for_a_film_that_is_read_when_the_server_stops(suggester):
    begun, go, ended = threading.Event(), threading.Event(), []

    def slow():
        begun.set()
        go.wait(5)
        ended.append(1)

    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(suggester.all([slow], 30), 0.5))
    assert begun.wait(60)
    suggester.close()
    assert ended == []
    go.set()


def test_no_more_waits_than_may(suggester):
    with pytest.raises(RequestError) as refused:
        asyncio.run(suggester.all([lambda: 1] * 6, 30))
    assert refused.value.code == "BUSY"


def test_the_same_bytes_are_read_once_and_the_last_films_are_remembered(suggester, picture, monkeypatch):
    read, count = module.analyze, []
    monkeypatch.setattr(module, "analyze", lambda *args, **kw: count.append(1) or read(*args, **kw))
    monkeypatch.setattr(module, "_REMEMBERED", 1)
    first, second = picture(1), picture(2)
    assert suggester.read(first, "balanced").reading == suggester.read(first, "balanced").reading
    assert len(count) == 1
    suggester.read(second, "balanced")
    suggester.read(first, "balanced")
    assert len(count) == 3
