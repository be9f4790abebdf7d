import asyncio
import json
import sys

import pytest

from lungspot.detect import load_detector
from lungspot.errors import ModelError, RequestError
from lungspot.serve import app_state, serve
from lungspot.serve.app_state import AppState
from lungspot.serve.exports import bytes_of
from lungspot.serve.metrics import Metrics
from lungspot.serve.review_routes import reviews_coco
from lungspot.serve.routes import raw16
from lungspot.serve.settings import Settings
from lungspot.serve.store import Arrived, Store


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    yield store
    store.close()


def asked(store, model_file, size=0, *, stopping=False, **settings):
    """Return what the state says of being full."""

    async def ask():
        app = AppState(Settings(store.folder, **settings), store, load_detector(model_file), Metrics())
        app.stopping = stopping
        try:
            return app.full(size)
        finally:
            app.close()

    return asyncio.run(ask())


def test_a_picture_of_a_film_that_was_deleted_meanwhile_is_no_bug(store, model_file):
    async def drawn():
        app = AppState(Settings(store.folder), store, load_detector(model_file), Metrics())
        try:
            with pytest.raises(RequestError, match="NO_READING"):
                await app.drawn(lambda: store.pixels("x").read_bytes())
            with store.writing() as db:
                row = "INSERT INTO readings (id, sha256, state, created, width, height) VALUES"
                db.execute(f"{row} ('x', 's', 'done', '', 40, 50)")
            with pytest.raises(RequestError, match="NO_READING"):
                raw16(app, "x")
        finally:
            app.close()

    asyncio.run(drawn())


def test_threads_that_ask_how_films_lie_on_each_other_do_not_take_it_from_each_other(store, model_file, monkeypatch):
    """What one thread dropped while another looked for the oldest pair was a RuntimeError."""
    monkeypatch.setattr(app_state, "_REMEMBERED", 1)

    def asks(app, ids):
        return all(app.laid((each, each), lambda each=each: each) == each for each in ids * 20_000)

    async def asked_by_four():
        app = AppState(Settings(store.folder), store, load_detector(model_file), Metrics())
        usual = sys.getswitchinterval()
        try:
            sys.setswitchinterval(1e-6)
            return await asyncio.gather(*(asyncio.to_thread(asks, app, ids) for ids in ("abc", "bca", "cab", "acb")))
        finally:
            sys.setswitchinterval(usual)
            app.close()

    assert asyncio.run(asked_by_four()) == [True] * 4


def test_films_are_refused_before_the_disk_is_full(store, model_file):
    free = store.free()
    assert asked(store, model_file) is None
    assert asked(store, model_file, least_free=2 * free) == "the disk is nearly full"
    assert asked(store, model_file, 2 * free) == "the disk is nearly full"


def test_films_are_packed_only_where_the_disk_has_room(store, model_file):
    with store.writing() as db:
        db.execute(
            "INSERT INTO readings (id, sha256, state, created, width, height) VALUES ('a', 's', 'done', '', 40, 50)"
        )
        assert bytes_of(store) == 0  # nobody has said anything of it
        number = db.execute("SELECT number FROM readings").fetchone()[0]
        db.execute("INSERT INTO reviews (reading, reader, created, body) VALUES (?, 'R1', '', '{}')", (number,))
    assert bytes_of(store) == 3 * 2 * 40 * 50

    async def ask():
        settings = Settings(store.folder, least_free=2 * store.free())
        app = AppState(settings, store, load_detector(model_file), Metrics())
        try:
            with pytest.raises(RequestError, match=r"BUSY.*no room"):
                reviews_coco(app, films=True)
        finally:
            app.close()

    asyncio.run(ask())


def test_films_are_refused_while_the_queue_is_full_or_the_server_stops(store, model_file):
    path = store.folder / "incoming" / "a"
    path.write_bytes(b"a")
    store.accept([Arrived(path, "a", "sha")])
    assert asked(store, model_file, queue=1) == "1 films wait; 1 may"
    assert asked(store, model_file, queue=2) is None
    assert asked(store, model_file, stopping=True) == "the server is stopping"


def test_results_keep_the_site_that_judged_them(start, model_file, picture, tmp_path):
    """A server with a site's thresholds says so; one without them, later, says it of the films of before alone."""
    sha256 = load_detector(model_file).sha256
    level = {"probability": {"curve": {"a": 1.0, "b": -1.0}}, "points": {"balanced": {"threshold": 0.45}}}
    site = {
        "schema": "lungspot-site/1",
        "name": "St. E",
        "made": "2026-11-29",
        "model": {"sha256": sha256},
        "films": {"used": 400},
        "labels": {"effusion": {"film": level}},
        "prediction_sets": {"coverage": 90, "groups": {}},
    }
    (tmp_path / "site.json").write_text(json.dumps(site))
    here = start("--site", tmp_path / "site.json")
    about = here.get("/v1/model").json
    assert (about["site"]["name"], about["sha256"]) == ("St. E", sha256)
    (first,) = here.read(("a.png", picture(91)))
    assert first["result"]["site"]["name"] == "St. E"
    assert first["image_thresholds"]["effusion"]["balanced"] == 0.45
    here.stop()
    plain = start(data=here.data)
    again = plain.whole(first["id"])
    assert (again["result"], again["image_thresholds"]) == (first["result"], first["image_thresholds"])
    assert plain.get("/v1/model").json["site"] is None
    (second,) = plain.read(("b.png", picture(92)))
    assert second["result"]["site"] is None
    assert second["result"]["model"] == first["result"]["model"]
    assert second["image_thresholds"]["effusion"]["balanced"] == 0.5


def test_a_server_does_not_start_with_another_models_site(model_file, tmp_path):
    (tmp_path / "site.json").write_text("{}")
    with pytest.raises(ModelError, match="SITE_FORMAT"):
        serve(Settings(tmp_path / "data", port=0, model=str(model_file), site=tmp_path / "site.json"))
