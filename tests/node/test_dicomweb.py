"""STOW-RS to a server that answers as it is told; what a real one says is in test_service_orthanc.py."""

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydicom import dcmread

from lungspot.errors import InputError
from lungspot.node import Certificates
from lungspot.node.dicomweb import AUTHORIZATION, open_client, stow_to
from lungspot.node.sender import Unreachable
from lungspot.node.spool import Job

JOB = Job("a" * 64, "1.2.3", "1.2", "CR1", 0)


def failed(*reasons):
    """A STOW-RS answer with a Failed SOP Sequence."""
    items = [{"00081197": {"vr": "US", "Value": [reason]}} for reason in reasons]
    return json.dumps({"00081198": {"vr": "SQ", "Value": items}}).encode()


@pytest.fixture
def server():
    """A server of which a test says the status, headers and body of every answer; `asked` are the requests."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            if length := int(self.headers.get("Content-Length", 0)):
                self.rfile.read(length)
            self.server.asked.append((self.path, dict(self.headers)))
            status, headers, body = self.server.answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815 - likewise

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.asked, running.url = [], f"http://127.0.0.1:{running.server_port}/dicom-web"
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


JSON = {"Content-Type": "application/dicom+json"}


@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        ((200, JSON, b"{}"), None),
        ((200, JSON, failed(0x0122)), "failure reason 0122H"),
        ((200, JSON, failed(0x0111)), None),  # it has it already, from before a crash of ours
        ((200, JSON, failed(0x0111, 0xC000)), "failure reason C000H"),
        ((409, JSON, b"{}"), "HTTP 409"),
        ((415, {}, b""), "HTTP 415"),
    ],
)
def test_an_answer_of_stow(server, write_film, answer, refused):
    server.answer = answer
    deliver = stow_to(open_client(server.url, "--stow"))
    assert list(deliver([(JOB, [dcmread(write_film(1))])])) == [(JOB, refused)]
    assert server.asked[0][0] == "/dicom-web/studies"


@pytest.mark.parametrize(
    "answer",
    [
        (503, {}, b""),
        (500, {}, b""),
        (401, {}, b""),
        (302, {"Location": "http://192.0.2.1/"}, b""),  # to nowhere else, and with no password
        (200, JSON, b"no JSON"),
        (200, JSON, failed(0xA700)),  # out of resources
    ],
)
def test_an_archive_that_cannot_answer_is_asked_again_later(server, write_film, answer):
    server.answer = answer
    with pytest.raises(Unreachable):
        list(stow_to(open_client(server.url, "--stow"))([(JOB, [dcmread(write_film(1))])]))
    assert len(server.asked) == 1  # nothing is tried twice here


def test_https_with_an_authority_of_the_hospital_s_own(server, write_film, certificates):
    at = certificates.joinpath
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(at("node.pem"), at("node.key"))
    context.load_verify_locations(at("ca.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.answer, url = (200, JSON, b"{}"), server.url.replace("http:", "https:")
    batch = [(JOB, [dcmread(write_film(1))])]
    ours = Certificates(at("sender.pem"), at("sender.key"), at("ca.pem"))
    assert list(stow_to(open_client(url, "--stow", ours))(batch)) == [(JOB, None)]
    for others in (None, Certificates(at("sender.pem"), at("sender.key"), at("stranger.pem"))):
        with pytest.raises(Unreachable, match="SSLError"):
            list(stow_to(open_client(url, "--stow", others))(batch))
    with pytest.raises(InputError, match="cannot be used"):
        open_client(url, "--stow", Certificates(at("sender.pem"), at("node.key")))


def test_nobody_there():
    with pytest.raises(Unreachable):
        list(stow_to(open_client("http://127.0.0.1:1/x", "--stow"))([(JOB, [])]))


def test_who_asks_is_said_by_the_environment(server, write_film, monkeypatch):
    monkeypatch.setenv(AUTHORIZATION, "Bearer abc")
    server.answer = (200, JSON, b"{}")
    list(stow_to(open_client(server.url, "--stow"))([(JOB, [dcmread(write_film(1))])]))
    assert server.asked[0][1]["Authorization"] == "Bearer abc"


def test_an_endless_answer_is_not_read(server, monkeypatch):
    monkeypatch.setattr("lungspot.node.dicomweb._MOST", 1 << 20)
    server.answer = (200, JSON, b" " * (3 << 20))
    client = open_client(server.url, "--stow")
    with pytest.raises(OSError, match="larger than any film"):
        client.search_for_series()


@pytest.mark.parametrize("url", ["ftp://host/x", "host", "http://user:secret@host/x", ""])
def test_what_is_no_address(url):
    with pytest.raises(InputError):
        open_client(url, "--stow")
