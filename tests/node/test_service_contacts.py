"""Whom the node's process speaks with: the peers that its options name, and nobody else."""

import io
import json
import signal
import socket
import subprocess
import sys

import pytest

# An audit hook hears what Python calls, and all of the node's network is Python. A look-up of None asks nobody.
CODE = """
import sys

CALLS = {"connect", "sendto", "bind", "getaddrinfo", "gethostbyname", "gethostbyaddr", "getnameinfo"}

def watch(event, given):
    if event.startswith("socket.") and event.partition(".")[2] in CALLS and given[0] is not None:
        about = tuple(each for each in given if isinstance(each, (str, bytes, tuple)))
        with open(sys.argv[1], "a") as log:
            log.write(f"{event} {about}\\n")

sys.addaudithook(watch)
from lungspot.cli.app import run
sys.exit(run(sys.argv[2:]))
"""


@pytest.fixture
def contacts(tmp_path, model_file, monkeypatch):
    """A function that runs a node until a line of its log says so; returns what was looked up and whom it called."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://192.0.2.1:1")

    def run(words, last, at_listening=None):
        log = tmp_path / "contacts"
        log.touch()
        fixed = ["--model", str(model_file), "--spool", str(tmp_path / "spool"), "--keep-free", "0", "--port", "0"]
        command = [sys.executable, "-c", CODE, str(log), "node", *fixed, *words]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            lines = []
            for line in process.stderr:
                lines.append(line)
                if at_listening is not None and "listens at" in line:
                    at_listening(int(line.strip().rpartition(":")[2]))
                if last in line:
                    process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0, lines
        assert [line for line in lines if last in line], lines
        return log.read_text().splitlines()

    return run


@pytest.fixture
def bystander():
    """A server that nobody was told of; it must not be called."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)  # noqa: FBT003 - the socket's own word
        yield server.getsockname()[1]
        with pytest.raises(BlockingIOError):
            server.accept()


def addresses(lines, event):
    return {line.partition(" ")[2] for line in lines if line.startswith(f"{event} ")}


def test_a_node_that_listens_calls_its_archive_only(contacts, archive, program, write_film, bystander):
    assert bystander
    port, folder = archive

    def send(listening):
        storescu = [program("storescu", "dcmtk"), "-aec", "LUNGSPOT", "127.0.0.1", str(listening), write_film(1)]
        subprocess.run(storescu, check=True)

    lines = contacts(["--allow", "*@127.0.0.1", "--send-to", f"ARCHIVE@127.0.0.1:{port}"], "results sent", send)
    assert len(list(folder.iterdir())) == 1
    assert addresses(lines, "socket.connect") == {f"(('127.0.0.1', {port}),)"}
    for event in ("socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo", "socket.sendto"):
        assert addresses(lines, event) == set()
    assert {each for each in addresses(lines, "socket.getaddrinfo") if "'127.0.0.1'" not in each} == set()
    own = {"(('0.0.0.0', 0),)", "(('::1', 0),)"}  # pynetdicom's end of what it calls; urllib3's test for IPv6
    assert {each for each in addresses(lines, "socket.bind") - own if "'127.0.0.1'" not in each} == set()


def test_a_node_that_fetches_calls_its_archive_only_whatever_that_names(contacts, http_server, make_film, bystander):
    """The archive's lists name another server as the place of each object, and its film names one too."""
    film = make_film(1)
    elsewhere = f"http://127.0.0.1:{bystander}/studies"
    film.RetrieveURL = film.RetrieveURI = elsewhere
    buffer = io.BytesIO()
    film.save_as(buffer, enforce_file_format=True)
    tags = {
        "00080018": film.SOPInstanceUID,
        "0020000D": film.StudyInstanceUID,
        "0020000E": film.SeriesInstanceUID,
        "00081190": elsewhere,
    }
    listed = json.dumps([{tag: {"vr": "UR", "Value": [value]} for tag, value in tags.items()}]).encode()

    def answer(path, body):
        if body:  # the results, by STOW-RS
            return 302, {"Location": elsewhere}, b""
        if path.endswith(str(film.SOPInstanceUID)):
            kind = 'multipart/related; type="application/dicom"; boundary=x'
            part = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + buffer.getvalue() + b"\r\n--x--"
            return 200, {"Content-Type": kind, "Link": f"<{elsewhere}>"}, part
        return 200, {"Content-Type": "application/dicom+json"}, listed

    http_server.answer = answer
    lines = contacts(["--from-dicomweb", http_server.url], "cannot be reached (TooManyRedirects)")
    assert addresses(lines, "socket.connect") == {f"(('127.0.0.1', {http_server.server_port}),)"}
    assert {each for each in addresses(lines, "socket.getaddrinfo") if "'127.0.0.1'" not in each} == set()
