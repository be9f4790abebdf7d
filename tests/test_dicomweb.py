"""The client against a real HTTP server that answers as it is told; Orthanc is in test_service_orthanc.py."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from lungspot.dicomweb import AUTHORIZATION, DicomWebArchive, open_client, value_of
from lungspot.errors import InputError

JSON = {"Content-Type": "application/dicom+json"}


def entry(number):
    """One series as QIDO-RS lists it."""
    uids = {"0020000D": f"1.2.{number}", "0020000E": f"1.3.{number}"}
    return {tag: {"vr": "UI", "Value": [uid]} for tag, uid in uids.items()}


def listing(*numbers):
    return (200, JSON, json.dumps([entry(number) for number in numbers]).encode())


def offset_of(path):
    return int(parse_qs(urlsplit(path).query).get("offset", [0])[0])


def paged(count, size):
    """What an honest server says, of so many series, so many a page."""
    return lambda path, _: listing(*range(count)[offset_of(path) : offset_of(path) + size])


def overlapping(path, _):
    """A server whose pages overlap by one, because a series came in meanwhile."""
    return listing(*range(max(0, offset_of(path) - 1), min(7, offset_of(path) + 2)))


def only_at_first(*answer):
    """A server that says something else where it is asked for an offset."""
    return lambda path, _: answer if offset_of(path) else listing(0, 1)


EMPTY = {"Content-Length": "0"}
SERVERS = [
    ("honest, one page", paged(3, 100), 3, 2),
    ("honest, many pages", paged(7, 3), 7, 4),
    ("ignores offset", listing(0, 1, 2), 3, 2),
    ("ignores offset, one entry", listing(0), 1, 2),
    ("repeats entries in a page", listing(0, 0, 1, 0, 1), 2, 2),
    ("pages overlap", overlapping, 7, 4),
    ("says nothing at the end", only_at_first(204, {}, b""), 2, 2),
    ("an empty body at the end", only_at_first(200, JSON, b""), 2, 2),
    ("refuses an offset beyond the end", only_at_first(400, {}, b""), 2, 2),
    ("knows no offset", only_at_first(404, {}, b"<html>"), 2, 2),
    ("nothing at all", (204, {}, b""), 0, 1),
    ("an empty list", (200, JSON, b"[]"), 0, 1),
    ("one entry without a list", (200, JSON, json.dumps(entry(0)).encode()), 1, 2),
    (
        "entries that are none",
        (200, JSON, b'[5, null, "x", [], {}, {"0020000D": 5}, {"0020000D": {"Value": []}}]'),
        0,
        1,
    ),
]


@pytest.mark.parametrize(("server", "answer", "found", "requests_"), SERVERS, ids=[name for name, *_ in SERVERS])
def test_a_search_finds_each_once_and_ends(http_server, server, answer, found, requests_):
    assert server
    http_server.answer = answer
    client = open_client(http_server.url, "--from-dicomweb")
    series = [value_of(each, "0020000E") for each in client.find_series({"Modality": "CR"})]
    assert series == [f"1.3.{number}" for number in range(found)]
    assert len(http_server.asked) == requests_


def test_a_search_of_instances_ends_likewise(http_server):
    one = [{"00080018": {"vr": "UI", "Value": [f"1.4.{number}"]}} for number in range(3)]
    http_server.answer = (200, JSON, json.dumps(one).encode())
    client = open_client(http_server.url, "--from-dicomweb")
    assert [value_of(each, "00080018") for each in client.find_instances("1.2", "1.3")] == ["1.4.0", "1.4.1", "1.4.2"]
    assert len(http_server.asked) == 2


def test_a_server_that_never_comes_to_an_end_is_left(http_server, monkeypatch, caplog):
    monkeypatch.setattr("lungspot.dicomweb.MOST_FOUND", 50)
    http_server.answer = lambda path, _: listing(*range(offset_of(path), offset_of(path) + 10))
    assert len(list(open_client(http_server.url, "x").find_series({}))) == 50
    assert len(http_server.asked) == 5
    assert "50 entries" in caplog.messages[-1]


@pytest.mark.parametrize(
    "answer",
    [
        (500, {}, b""),
        (503, {}, b""),
        (401, {}, b""),
        (404, {}, b""),
        (200, {"Content-Type": "text/html"}, b"<html>log in</html>"),
        (302, {"Location": "http://192.0.2.1/"}, b""),
    ],
)
def test_a_search_that_is_not_answered_is_no_empty_answer(http_server, answer):
    http_server.answer = answer
    with pytest.raises(requests.RequestException):
        list(open_client(http_server.url, "x").find_series({}))
    assert len(http_server.asked) == 1  # and nothing is tried twice here


@pytest.mark.parametrize("status", [500, 401, 429])
def test_a_search_that_fails_midway_is_no_end(http_server, status):
    http_server.answer = only_at_first(status, {}, b"")
    with pytest.raises(requests.HTTPError):
        list(open_client(http_server.url, "x").find_series({}))


def test_who_asks_is_said_by_the_environment(http_server, monkeypatch):
    monkeypatch.setenv(AUTHORIZATION, "Bearer abc")
    http_server.answer = (204, {}, b"")
    list(open_client(http_server.url, "x").find_series({}))
    assert http_server.asked[0][1]["Authorization"] == "Bearer abc"


def test_no_proxy_of_the_environment_is_asked(http_server, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://192.0.2.1:1")
    http_server.answer = listing(0)
    assert len(list(open_client(http_server.url, "x").find_series({}))) == 1


MULTIPART = {"Content-Type": "multipart/related; type=application/dicom; boundary=b"}


def multipart(*parts):
    return b"".join(b"--b\r\nContent-Type: application/dicom\r\n\r\n%s\r\n" % part for part in parts) + b"--b--\r\n"


@pytest.mark.parametrize(
    ("answers", "given"),
    [
        ([(200, MULTIPART, multipart(b"film"))], b"film"),
        ([(406, {}, b""), (200, MULTIPART, multipart(b"film"))], b"film"),
        ([(400, {}, b""), (200, {"Content-Type": "application/dicom"}, b"film")], b"film"),
        ([(404, {}, b"")], requests.HTTPError),
        ([(406, {}, b""), (406, {}, b"")], requests.HTTPError),
        ([(302, {"Location": "http://192.0.2.1/"}, b"")], requests.TooManyRedirects),
        ([(200, {"Content-Type": "text/html"}, b"log in")], ValueError),
        ([(200, MULTIPART, multipart(b"film", b"other"))], ValueError),
        ([(200, MULTIPART, b"")], ValueError),
        ([(204, {}, b"")], Exception),
    ],
)
def test_a_film_is_fetched_as_it_is_kept(http_server, answers, given):
    left = list(answers)
    http_server.answer = lambda *_: left.pop(0)
    client = open_client(http_server.url, "x")
    if isinstance(given, bytes):
        assert client.fetch("1.2", "1.3", "1.4") == given
    else:
        with pytest.raises(given):
            client.fetch("1.2", "1.3", "1.4")
    assert http_server.asked[0][0].endswith("/studies/1.2/series/1.3/instances/1.4")
    assert "transfer-syntax=*" in http_server.asked[0][1]["Accept"]
    assert left == []


@pytest.mark.parametrize(("after", "status"), [("0", 503), ("0", 429), ("nonsense", 502)])
def test_a_busy_archive_is_asked_again_where_that_is_wanted(http_server, monkeypatch, after, status):
    waits = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", waits.append)
    busy = (status, {"Retry-After": after}, b"")
    answers = [busy, busy, listing(0)]
    http_server.answer = lambda *_: answers.pop(0) if answers else listing(0)
    assert len(list(open_client(http_server.url, "x", again=True).find_series({}))) == 1
    http_server.answer, http_server.asked[:] = busy, []
    with pytest.raises(requests.RequestException):
        list(open_client(http_server.url, "x", again=True).find_series({}))
    assert len(http_server.asked) == 6
    assert max(waits, default=0) <= 16
    http_server.answer = (503, {"Retry-After": "86400"}, b"")
    with pytest.raises(requests.HTTPError):
        list(open_client(http_server.url, "x", again=True).find_series({}))
    assert 16 in waits
    assert max(waits) == 16


def test_an_endless_answer_is_not_read(http_server, monkeypatch):
    monkeypatch.setattr("lungspot.dicomweb._MOST", 1 << 20)
    http_server.answer = (200, JSON, b" " * (3 << 20))
    with pytest.raises(OSError, match="larger than any film"):
        list(open_client(http_server.url, "x").find_series({}))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/x",
        "host",
        "http://user:secret@host/x",
        "",
        "http://",
        "http://[::1/x",
        "http://h:99999/x",
        "http://h:0/x",
        "http://h h/x",
    ],
)
def test_what_is_no_address(url):
    with pytest.raises(InputError):
        open_client(url, "--stow")


def test_what_is_an_address():
    assert isinstance(open_client("https://archive.example:8443/dicom-web/", "--stow"), DicomWebArchive)
