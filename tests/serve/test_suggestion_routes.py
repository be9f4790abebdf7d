"""``POST /v1/suggestions``: the boxes of a film and no trace of it."""

import asyncio
import threading

import pytest
from starlette.requests import Request

from lungspot.detect import load_detector
from lungspot.errors import RequestError
from lungspot.serve.app_state import AppState
from lungspot.serve.metrics import Metrics
from lungspot.serve.settings import Settings
from lungspot.serve.store import Store
from lungspot.serve.suggestion_routes import SuggestionsAnswer, suggestions

PNG = {"Content-Type": "image/png"}


def files(server):
    return sorted(str(path.relative_to(server.data)) for path in server.data.rglob("*") if path.parent != server.data)


def test_a_film_gives_the_boxes_that_reading_it_gives_and_leaves_nothing(start, film, picture):
    server = start()
    before = files(server)
    for data, kind in ((film, "application/dicom"), (picture(5), "image/png")):
        answer = server.ask("POST", "/v1/suggestions", data, {"Content-Type": kind})
        assert answer.status == 200, answer.body
        SuggestionsAnswer.model_validate(answer.json, strict=False)
        said = [(each["label"], each["box"], each["score"]) for each in answer.json["suggestions"]]
        assert server.get("/v1/readings").json["total"] == 0
        assert files(server) == before
        (whole,) = server.read(("film", data))
        boxed = [each for each in whole["result"]["findings"] if each["positive"]]
        assert [(each["label"], each["score"]) for each in boxed] == [(label, score) for label, _, score in said]
        assert all(each["box"] == pytest.approx(box, abs=0.01) for each, (_, box, _) in zip(boxed, said, strict=True))
        assert said
        server.ask("DELETE", f"/v1/readings/{whole['id']}")


def test_labels_may_be_chosen_and_a_form_is_a_film_too(server, picture):
    every = server.ask("POST", "/v1/suggestions?point=sensitive", picture(6), PNG).json["suggestions"]
    labels = sorted({each["label"] for each in every})
    assert len(labels) > 1
    body = b"--e\r\nContent-Disposition: form-data; name=film; filename=a\r\n\r\n" + picture(6) + b"\r\n--e--\r\n"
    path = f"/v1/suggestions?point=sensitive&label={labels[0]}"
    one = server.ask("POST", path, body, {"Content-Type": "multipart/form-data; boundary=e"}).json["suggestions"]
    assert one == [each for each in every if each["label"] == labels[0]]


@pytest.mark.parametrize("asked_for", ["nodule", "Effusion", "", "effusion&label=nodule", "pneumonia", "%00", "x" * 99])
def test_a_label_that_the_model_does_not_know_is_no_clear_film(server, generated_card, picture, asked_for):
    """Which the model's card lacks, though a person would know it; the film is not even read."""
    assert "pneumonia" not in generated_card.labels
    answer = server.ask("POST", f"/v1/suggestions?label={asked_for}", picture(6), PNG)
    assert (answer.status, answer.code) == (422, "BAD_VALUE")
    assert generated_card.labels[0] in answer.json["error"]["advice"]


def test_every_label_of_the_model_may_be_asked_for(server, generated_card, picture):
    path = "/v1/suggestions?point=sensitive&label=" + "&label=".join(generated_card.labels)
    every = server.ask("POST", "/v1/suggestions?point=sensitive", picture(6), PNG).json["suggestions"]
    assert server.ask("POST", path, picture(6), PNG).json["suggestions"] == every


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"no film at all", "image/png", 422, "NOT_AN_IMAGE"),
        (b"", "image/png", 422, "NOT_AN_IMAGE"),
        (b"x", "text/html", 400, "BAD_REQUEST"),
        (b"PK\x03\x04 no zip", "application/zip", 422, "ARCHIVE"),
        (b"PK\x05\x06" + bytes(18), "application/zip", 422, "NOT_AN_IMAGE"),
    ],
)
def test_what_is_no_film_is_said(server, body, kind, status, code):
    answer = server.ask("POST", "/v1/suggestions", body, {"Content-Type": kind})
    assert (answer.status, answer.code) == (status, code)
    assert not list((server.data / "incoming").iterdir())


def asked(chunks, app):
    """Return the suggestions for a film that arrives in these chunks, as the server asks for them."""
    arriving = iter(chunks)

    async def receive():
        chunk = next(arriving, None)
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"image/png")]}
    return suggestions(Request(scope, receive), app)


@pytest.fixture
def within(tmp_path, model_file):
    """A function that runs what it is given with the state of a server of one worker, on an event loop."""

    def run(use):
        async def inside():
            store = Store(tmp_path)
            app = AppState(Settings(tmp_path, workers=1), store, load_detector(model_file), Metrics())
            try:
                return await use(app)
            finally:
                app.close()
                store.close()

        return asyncio.run(inside())

    return run


def test_a_film_that_waits_for_its_turn_waits_on_the_disk(within, picture):
    go = threading.Event()

    async def use(app):
        before = asyncio.create_task(app.suggester.all([lambda: go.wait(60)], 60))
        mine, gone = (asyncio.create_task(asked([picture(1)], app)) for _ in range(2))
        incoming = app.store.folder / "incoming"
        while app.suggester._waiting < 3:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
        assert len(list(incoming.iterdir())) == 2
        gone.cancel()
        await asyncio.wait([gone])
        assert len(list(incoming.iterdir())) == 1
        go.set()
        await before
        assert (await mine)["suggestions"]
        assert not list(incoming.iterdir())

    within(use)


def test_a_film_that_arrives_while_the_server_stops_is_refused(within):
    async def use(app):
        def chunks():
            yield bytes(1 << 20)
            app.stopping = True
            yield bytes(32 << 20)

        with pytest.raises(RequestError, match="BUSY: the server is stopping"):
            await asked(chunks(), app)
        assert not list((app.store.folder / "incoming").iterdir())

    within(use)
