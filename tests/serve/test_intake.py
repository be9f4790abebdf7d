import asyncio
import io
import threading
import zipfile

import pytest
from tests.serve.conftest import form

from lungspot.errors import RequestError
from lungspot.serve.intake import receive


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


async def pieces(body):
    """Yield a body as a socket does."""
    for at in range(0, len(body), 1 << 16):
        yield body[at : at + (1 << 16)]


@pytest.mark.parametrize("body", [bytes(64 << 20), zipped(*((f"{number}.png", b"x") for number in range(9)))])
def test_an_upload_ends_where_the_disk_is_nearly_full(tmp_path, body):
    said = iter([None, "the disk is nearly full"])
    with pytest.raises(RequestError, match="BUSY: the disk is nearly full"):
        asyncio.run(receive(pieces(body), "application/octet-stream", "a", tmp_path, 9, lambda: next(said)))
    assert not list(tmp_path.iterdir())


def test_zips_that_wait_for_each_other_hold_up_no_film(tmp_path):
    archive, gate = zipped(("a.png", b"a")), threading.Event()

    async def crowd():
        def upload(body, full):
            return receive(pieces(body), "application/octet-stream", "a", tmp_path, 9, full)

        zips = [asyncio.create_task(upload(archive, lambda: gate.wait(60) and None)) for _ in range(64)]
        await asyncio.sleep(0)
        try:
            film = await asyncio.wait_for(upload(b"a film", lambda: None), 30)
        finally:
            gate.set()
        return film, await asyncio.gather(*zips)

    film, unpacked = asyncio.run(crowd())
    assert [each.name for each in film.films] == ["a"]
    assert {each.films[0].name for each in unpacked} == {"a/a.png"}
