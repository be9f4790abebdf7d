"""Films' pixels and the viewer's files as HTTP has files: an ETag, byte ranges, 304 for who has them already."""

import re

import pytest


@pytest.fixture(scope="module")
def raw(server, picture):
    return f"/v1/readings/{server.read(('a.png', picture(501)))[0]['id']}/image.raw16"


@pytest.fixture(scope="module")
def whole(server, raw):
    return server.get(raw)


@pytest.mark.parametrize(
    ("asked", "begin", "end"),
    [("bytes=0-0", 0, 1), ("bytes=10-99", 10, 100), ("bytes=18000-", 18000, None), ("bytes=-7", -7, None)],
)
def test_a_part_can_be_asked_for(server, raw, whole, asked, begin, end):
    part = server.get(raw, Range=asked)
    assert part.status == 206
    assert part.body == whole.body[begin:end]
    assert re.fullmatch(rf"bytes \d+-\d+/{len(whole.body)}", part.headers["Content-Range"])
    assert part.headers["X-Image-Width"] == whole.headers["X-Image-Width"]


def test_several_parts_at_once(server, raw, whole):
    parts = server.get(raw, Range="bytes=0-3,100-104")
    assert parts.status == 206
    assert parts.headers["Content-Type"].startswith("multipart/byteranges; boundary=")
    assert whole.body[:4] in parts.body
    assert whole.body[100:105] in parts.body


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=9-3", "bytes=", "lines=1-2", "bytes=x-y"])
def test_a_part_that_is_none_is_refused_in_the_one_shape(server, raw, whole, asked):
    answer = server.get(raw, Range=asked)
    assert (answer.status, answer.code) == (416, "WRONG_RANGE")
    assert answer.headers["Content-Range"] == f"bytes */{len(whole.body)}"


def test_who_has_the_file_gets_it_only_anew(server, raw, whole):
    etag = whole.headers["ETag"]
    assert re.fullmatch(r'"[0-9a-f]{32}"', etag)
    for has in (etag, f'"other", W/{etag}', "*"):
        answer = server.get(raw, **{"If-None-Match": has})
        assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", etag)
    assert server.get(raw, **{"If-None-Match": '"other"'}).body == whole.body
    assert server.get(raw, **{"Range": "bytes=0-1", "If-Range": '"other"'}).body == whole.body
    assert server.get(raw, **{"Range": "bytes=0-1", "If-Range": etag}).status == 206


@pytest.mark.parametrize("path", ["/", "/viewer/main.js", "/viewer/theme.css"])
def test_the_viewers_files_are_asked_for_anew_and_sent_once(server, path):
    first = server.get(path)
    assert first.headers["Cache-Control"] == "no-cache"
    again = server.get(path, **{"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    assert server.get(path, Range="bytes=0-9").body == first.body[:10]


def test_the_viewers_files_differ_in_their_etag(server):
    tags = {server.get(path).headers["ETag"] for path in ("/", "/viewer/main.js", "/viewer/theme.css")}
    assert len(tags) == 3
