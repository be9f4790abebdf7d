"""Strangers, liars and the silent are not admitted; honest senders are."""

import contextlib
import socket
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from lungspot.node import Certificates, parse_rule

SILENT = 40


@pytest.fixture
def connect():
    """A function that opens a bare connection to a node; all are closed at the end."""
    lines = []

    def to(node, data=b""):
        lines.append(socket.create_connection(("127.0.0.1", node.port), timeout=30))
        lines[-1].sendall(data)
        return lines[-1]

    yield to
    for line in lines:
        line.close()


@pytest.fixture
def rejection(program):
    """A function that returns what DCMTK's echoscu says when it is rejected."""

    def ask(node, title="CR1", called="LUNGSPOT"):
        command = [program("echoscu", "dcmtk"), "-aet", title, "-aec", called, "127.0.0.1", str(node.port)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        return done.stderr

    return ask


def test_only_the_allow_list_comes_in(start_node, echo, rejection):
    node = start_node(rules=(parse_rule("CR1@127.0.0.1"), parse_rule("CR2@192.0.2.7")))
    assert echo(node) == 0
    for title in ("CR2", "cr1", "STRANGER"):
        said = rejection(node, title)
        assert "Rejected Permanent, Source: Service User" in said
        assert "Calling AE Title Not Recognized" in said
    assert "Called AE Title Not Recognized" in rejection(node, called="OTHER")
    alerts = [line for line in node.audit() if line["event"]["code"] == "110113"]
    assert [line["who"]["ae"] for line in alerts] == ["CR2", "cr1", "STRANGER", "CR1"]


def test_an_address_that_nobody_may_call_from_hears_nothing(start_node, connect):
    node = start_node(rules=(parse_rule("CR1@192.0.2.7"),))
    assert connect(node).recv(1) == b""
    assert node.says("no sender is expected at this address")


def test_the_silent_take_no_place_and_no_thread(start_node, echo, connect, limits, wait_until):
    node = start_node(limits=limits(associations=2))
    before = _threads()
    silent = [connect(node, data) for data in [b"", b"\1", b"\1\0\0\0\1\0"] * (SILENT // 3)]
    assert echo(node) == 0
    wait_until(lambda: _threads() <= before)
    assert all(line.send(b"\0") == 1 for line in silent)  # they are still there


def test_the_silent_are_dismissed_in_time(start_node, echo, connect, limits):
    node = start_node(limits=limits(request_seconds=0.3))
    assert connect(node, b"\1\0").recv(1) == b""
    assert echo(node) == 0


def test_of_too_many_the_one_that_is_silent_longest_goes(start_node, echo, connect, limits):
    node = start_node(limits=limits(pending=3))
    lines = [connect(node) for _ in range(3)]
    assert echo(node) == 0
    assert lines[0].recv(1) == b""


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x04\0\0\0\0\4abcd",  # data before an association
        b"\x01\0\xff\xff\xff\xff",  # an association request of 4 GiB
        b"\x01\0\0\0\0\4abcd",  # and one too short for two titles
    ],
)
def test_what_is_no_association_request_ends_the_connection(start_node, echo, connect, data):
    node = start_node()
    assert connect(node, data).recv(1) == b""
    assert echo(node) == 0
    assert node.says("rejected ")


def test_one_association_more_than_agreed_is_rejected(start_node, limits, rejection):
    node = start_node(limits=limits(associations=1))
    entity = AE("CR1")
    entity.add_requested_context(Verification)
    first = entity.associate("127.0.0.1", node.port, ae_title="LUNGSPOT")
    assert first.is_established
    said = rejection(node)
    assert "Rejected Transient" in said
    assert "Local Limit Exceeded" in said
    first.release()


def test_alerts_are_bounded(start_node, connect, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("lungspot.node.service.time", SimpleNamespace(monotonic=lambda: now[0], sleep=time.sleep))
    node = start_node(rules=(parse_rule("CR1@192.0.2.7"),))
    for _ in range(80):
        assert connect(node).recv(1) == b""
    assert len(node.says("rejected ")) == 60
    now[0] += 60  # the next minute
    assert connect(node).recv(1) == b""
    assert len(node.says("rejected ")) == 61
    assert node.audit()[-1]["what"]["left_out"] == 20


def test_tls_lets_in_whom_the_authority_certified(start_node, certificates, program, connect):
    at = certificates.joinpath
    node = start_node(certificates=Certificates(at("node.pem"), at("node.key"), at("ca.pem")))

    def secure_echo(name):
        command = [program("echoscu", "dcmtk"), "+tls", at(f"{name}.key"), at(f"{name}.pem"), "+cf", at("ca.pem")]
        done = subprocess.run(
            [*command, "-aec", "LUNGSPOT", "-ta", "10", "127.0.0.1", str(node.port)], check=False, capture_output=True
        )
        return done.returncode

    silent = connect(node)  # a handshake that never comes holds nobody up
    assert secure_echo("sender") == 0
    assert secure_echo("stranger") != 0
    with contextlib.suppress(ConnectionResetError):
        assert connect(node, b"\1\0\0\0\1\0" + bytes(300)).recv(1) in {b"", b"\x15"}  # no TLS: closed, or an alert
    assert silent.send(b"\x16") == 1
    assert node.says("TLS handshake failed")


def _threads():
    return len(list(Path("/proc/self/task").iterdir()))
