"""``POST /v1/suggestions``: the boxes of a film and no trace of it."""

import pytest

from lungspot.serve.suggestion_routes import SuggestionsAnswer

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


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"no film at all", "image/png", 422, "NOT_AN_IMAGE"),
        (b"", "image/png", 422, "NOT_AN_IMAGE"),
        (b"x", "text/html", 400, "BAD_REQUEST"),
        (b"PK\x03\x04 no zip", "application/zip", 422, "ARCHIVE"),
    ],
)
def test_what_is_no_film_is_said(server, body, kind, status, code):
    answer = server.ask("POST", "/v1/suggestions", body, {"Content-Type": kind})
    assert (answer.status, answer.code) == (status, code)
    assert not list((server.data / "incoming").iterdir())
