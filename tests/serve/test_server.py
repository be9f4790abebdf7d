"""Clients that lie, dawdle, or come in crowds: bounded memory, and honest clients are served meanwhile."""

import json
import os
import resource
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
from tests.serve.conftest import form

HEAD = b"POST /v1/readings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"


def dial(server):
    return socket.create_connection((server.host, server.port), timeout=60)


def memory(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) >> 10


@contextmanager
def files_of_at_most(server, size):
    """Let the server write no file beyond a size, as a full disk would."""
    before = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, before)


def heard(connection):
    """Return everything until the server closes; empty where it closes at once."""
    said = b""
    try:
        while piece := connection.recv(65536):
            said += piece
    except ConnectionResetError:
        pass
    return said


def test_slow_clients_are_dropped_and_others_served(server, picture):
    header = [dial(server) for _ in range(100)]
    for connection in header[:50]:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: local")
    body = [dial(server) for _ in range(100)]
    for connection in body:
        connection.sendall(HEAD + b"Content-Length: 1000000\r\n\r\nsome")
    start = time.monotonic()
    assert server.read(("honest.png", picture(1000)))[0]["status"] == "assessed"
    assert server.get("/v1/readings").status == 200
    assert time.monotonic() - start < 60  # not a speed: the slow ones hold nobody up for ever
    for connection in header:
        assert heard(connection) == b""
    for connection in body:
        assert b"408" in heard(connection).split(b"\r\n")[0]
    for connection in header + body:
        connection.close()
    assert not list((server.data / "incoming").iterdir())


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (HEAD + b"Content-Length: 99999999999999\r\n\r\n", b"413"),
        (HEAD + b"Content-Length: -1\r\n\r\n", b"400"),
        (HEAD + b"Content-Length: ten\r\n\r\n", b"400"),
        (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", b"400"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", b"200"),
    ],
)
def test_what_is_not_honest_http_is_refused_at_once(server, request_, status):
    with dial(server) as connection:
        connection.sendall(request_)
        said = connection.recv(65536)
        said += heard(connection) if status == b"400" else b""
    assert status in said.split(b"\r\n")[0]
    if status == b"400":
        assert json.loads(said.partition(b"\r\n\r\n")[2])["error"]["code"] == "BAD_REQUEST"


def test_a_body_that_ends_before_its_length_is_not_accepted(server):
    before = server.get("/v1/readings").json["total"]
    with dial(server) as connection:
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\nshort")
    time.sleep(0.5)
    assert server.get("/v1/readings").json["total"] == before
    assert "bug" not in server.log.read_text()
    assert not list((server.data / "incoming").iterdir())


def test_a_hundred_thousand_parts_are_refused_in_little_memory(server):
    before = memory(server)
    body, kind = form(*[("a.png", b"")] * 100_000)
    answer = server.ask("POST", "/v1/readings", body, {"Content-Type": kind})
    assert (answer.status, answer.code) == (413, "TOO_LARGE")
    fields = b"--edge\r\nContent-Disposition: form-data; name=x\r\n\r\n\r\n" * 100_000 + b"--edge--\r\n"
    assert server.ask("POST", "/v1/readings", fields, {"Content-Type": kind}).code == "TOO_LARGE"
    assert memory(server) - before < 60
    assert not list((server.data / "incoming").iterdir())


def test_a_disk_that_takes_no_more_is_no_bug_and_keeps_nothing(start, picture):
    server = start()
    bodies = (
        (os.urandom(1 << 20), "application/octet-stream"),
        form(("a", b"x" * 99_000), ("b", os.urandom(1 << 20))),
    )
    with files_of_at_most(server, 100_000):
        for body, kind in bodies:
            answer = server.ask("POST", "/v1/readings", body, {"Content-Type": kind})
            assert (answer.status, answer.code) == (503, "BUSY")
            assert not list((server.data / "incoming").iterdir())
    assert server.read(("a.png", picture(1)))[0]["status"] == "assessed"
    assert "bug" not in server.log.read_text()


def test_a_crowd_is_served_in_bounded_memory(server, film, picture):
    whole = server.read(("a.dcm", film), ("b.png", picture(1)))
    large, small = (f"/v1/readings/{each['id']}" for each in whole)
    before = memory(server)

    def visit(number):
        if number % 4 == 0:
            return server.send(("a.png", picture(2000 + number))).status
        return server.get((f"{large}/image.raw16", f"{small}/image?bits=16", "/v1/readings")[number % 4 - 1]).status

    with ThreadPoolExecutor(200) as pool:
        statuses = list(pool.map(visit, range(200)))
    assert set(statuses) <= {200, 202}
    assert memory(server) - before < 150  # 50 clients ask for 7 MiB each


def test_a_full_queue_says_so_at_once_and_loses_nothing(start, picture):
    server = start("--queue", 2, "--workers", 1)
    large = [(f"{number}.png", picture(number, (1500, 1500))) for number in range(2)]
    with files_of_at_most(server, 3 << 20):  # the films fit, their pixels do not: both wait for as long as this holds
        full = server.send(*large)
        busy = [server.send((f"{number}.png", picture(number))) for number in range(2, 6)]
        ready = server.get("/readyz")
    assert full.status == 202
    assert [answer.status for answer in [*busy, ready]] == [503] * 5
    assert all(answer.code == "BUSY" and int(answer.headers["Retry-After"]) > 0 for answer in [*busy, ready])
    assert not list((server.data / "incoming").iterdir())
    assert [server.whole(each["id"])["status"] for each in full.json["readings"]] == ["assessed"] * 2
    assert server.get("/v1/readings").json["total"] == 2
    assert server.get("/readyz").status == 200


def test_stopping_finishes_what_is_read_and_keeps_what_waits(start, picture, tmp_path):
    server = start("--workers", 1, data=tmp_path)
    sent = server.send(*(("a.png", picture(number, (1500, 1500))) for number in range(6))).json["readings"]
    with closing(HTTPConnection(server.host, server.port, timeout=60)) as asked:
        asked.request("GET", f"/v1/readings/{sent[-1]['id']}?wait=30")
        assert server.stop(signal.SIGTERM) == 0
    assert "Traceback" not in server.log.read_text()
    again = start(data=tmp_path)
    assert {again.whole(each["id"])["status"] for each in sent} == {"assessed"}
    assert again.get("/v1/readings").json["total"] == len(sent)


def test_a_taken_port_or_folder_is_one_line(start, server, tmp_path):
    with pytest.raises(AssertionError, match=r"lungspot: error: .*: IN_USE: another server uses this folder; stop"):
        start(data=server.data)
    with pytest.raises(AssertionError, match=r"lungspot: error: 127.0.0.1:\d+: PORT: Address already in use"):
        start("--port", server.port, data=tmp_path)
