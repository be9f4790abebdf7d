"""Real servers on free ports, forked where a user starts them (tests/warm.py), and a client of plain HTTP."""

import http.client
import io
import json
import os
import re
import signal
import time
import urllib.parse
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.warm import Warm


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json["error"]["code"]


class Running:
    """One server process."""

    def __init__(self, process, address, log):
        self.process, self.address, self.log = process, address, log
        self.host, self.port = urllib.parse.urlsplit(address).hostname, urllib.parse.urlsplit(address).port

    def ask(self, method, path, body=None, headers=None, timeout=60):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            if isinstance(body, dict):
                body, headers = json.dumps(body), {"Content-Type": "application/json", **(headers or {})}
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.ask("GET", path, headers=headers)

    def send(self, *films):
        """Upload (name, bytes) pairs as a form."""
        body, kind = form(*films)
        return self.ask("POST", "/v1/readings", body, {"Content-Type": kind})

    def read(self, *films):
        """Upload films, wait until each is done, and return what the server says of each."""
        answer = self.send(*films)
        assert answer.status == 202, answer.body
        return [self.whole(each["id"]) for each in answer.json["readings"]]

    def whole(self, identifier, point="balanced"):
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            value = self.get(f"/v1/readings/{identifier}?wait=30&point={point}").json
            if value["state"] == "done":
                return value
        raise AssertionError(f"{identifier} is never done")

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(60)


def form(*films):
    """Return a multipart body of (name, bytes) pairs, and its type."""
    parts = []
    for name, data in films:
        quoted = name.replace('"', "%22")
        head = f'--edge\r\nContent-Disposition: form-data; name="film"; filename="{quoted}"\r\n\r\n'
        parts += [head.encode(), data, b"\r\n"]
    return b"".join([*parts, b"--edge--\r\n"]), "multipart/form-data; boundary=edge"


@contextmanager
def starting(warm, model_file, tmp_path_factory):
    """A function that starts a server and returns it once it answers; all are ended with the context."""
    running = []

    def begin(*options, data=None, model=model_file, environment=None):
        data = data or tmp_path_factory.mktemp("served")
        log = tmp_path_factory.mktemp("log") / "stderr"
        command = ["serve", "--port", "0", "--data", data, "--model", model, *options]
        with log.open("wb") as sink, Path(os.devnull).open("rb") as nothing:
            environment = os.environ | (environment or {})
            process = Warm(warm, command, stdin=nothing.fileno(), stderr=sink.fileno(), env=environment)
        deadline = time.monotonic() + 300
        while not (found := re.search(r"serving (\S+)", log.read_text())):
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise AssertionError(log.read_text())
            time.sleep(0.05)
        running.append(Running(process, found[1], log))
        running[-1].data = data
        return running[-1]

    yield begin
    for server in running:  # a third of a second of a processor less than to stop
        server.process.kill()
        server.process.wait(60)


@pytest.fixture(scope="module")
def start(warm, model_file, tmp_path_factory):
    """A function that starts servers, which end with the module."""
    with starting(warm, model_file, tmp_path_factory) as begin:
        yield begin


@pytest.fixture(scope="session")
def server(warm, model_file, tmp_path_factory):
    """One server that all tests share."""
    with starting(warm, model_file, tmp_path_factory) as begin:
        yield begin()


@pytest.fixture(scope="session")
def film(rg1):
    """The real chest film of pydicom-data."""
    return rg1["UNCR"].read_bytes()


@pytest.fixture(scope="session")
def picture():
    """A function that makes a small film as PNG, one a number; the generated network calls it frontal and upright."""

    def make(number, shape=(96, 96), peak=0.95):
        rng = np.random.default_rng(number)
        grey = rng.uniform(0.6, peak, shape)
        grey[: shape[0] // 2, : shape[1] // 2] = rng.uniform(0.1, 0.3)
        buffer = io.BytesIO()
        Image.fromarray((grey * 255).astype(np.uint8)).save(buffer, "png")
        return buffer.getvalue()

    return make
