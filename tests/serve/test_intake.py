import io
import zipfile

import pytest
from tests.serve.conftest import form


def zipped(*members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def test_several_films_and_a_zip_in_one_form(server, picture):
    films = [picture(300 + number) for number in range(5)]
    archive = zipped(("in/b.png", films[1]), ("../../c.png", films[2]), ("__MACOSX/x", b"x"), ("d.png", films[0]))
    answer = server.send(("a.png", films[0]), ("films.zip", archive), ("empty.png", b""), ("e ü.png", films[3]))
    assert answer.status == 202
    said = [(each["name"], each["duplicate"]) for each in answer.json["readings"]]
    assert said == [
        ("a.png", False),
        ("films.zip/in/b.png", False),
        ("films.zip/../../c.png", False),
        ("films.zip/d.png", True),
        ("e ü.png", False),
    ]
    assert [(each["name"], each["error"]["code"]) for each in answer.json["refused"]] == [("empty.png", "NOT_AN_IMAGE")]
    assert not list((server.data / "incoming").iterdir())


@pytest.mark.parametrize(
    "kind", ["application/dicom", "application/octet-stream", "image/png", "application/zip; charset=x"]
)
def test_a_film_as_the_body(server, picture, kind):
    answer = server.ask("POST", "/v1/readings?name=x.png", picture(400), {"Content-Type": kind})
    assert answer.json["readings"][0]["name"] == "x.png"


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"", "application/octet-stream", 422, "NOT_AN_IMAGE"),
        (b"x", "text/plain", 400, "BAD_REQUEST"),
        (b"x", "", 400, "BAD_REQUEST"),
        (b"x", "multipart/form-data", 400, "BAD_REQUEST"),
        (b"x", "multipart/form-data; boundary=edge", 400, "BAD_REQUEST"),
        (b"--edge\r\n", "multipart/form-data; boundary=edge", 400, "BAD_REQUEST"),
        (form(("a.png", b"x" * 99))[0][:-12], "multipart/form-data; boundary=edge", 400, "BAD_REQUEST"),
        (form()[0], "multipart/form-data; boundary=edge", 400, "BAD_REQUEST"),
        (
            b"--edge\r\nX: " + b"x" * 9000 + b"\r\n\r\n--edge--",
            "multipart/form-data; boundary=edge",
            400,
            "BAD_REQUEST",
        ),
        (b"PK\x03\x04broken", "application/zip", 422, "ARCHIVE"),
        (zipped(("inner.zip", zipped(("a", b"a")))), "application/zip", 422, "NOT_AN_IMAGE"),
        (zipped(("bomb.png", bytes(20 << 20))), "application/zip", 413, "TOO_LARGE"),
        (zipped(*((f"{number}.png", b"x%d" % number) for number in range(300))), "application/zip", 413, "TOO_LARGE"),
    ],
)
def test_what_brings_no_film_is_refused_and_leaves_nothing(server, body, kind, status, code):
    before = server.get("/v1/readings").json["total"]
    answer = server.ask("POST", "/v1/readings", body, {"Content-Type": kind})
    assert (answer.status, answer.code) == (status, code)
    assert server.get("/v1/readings").json["total"] == before
    assert not list((server.data / "incoming").iterdir())
