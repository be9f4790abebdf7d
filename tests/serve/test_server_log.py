"""The log of ``lungspot serve``: levels and JSON lines as asked for, and nothing of a film or its address in it."""

import json
import re
import socket
import subprocess
import sys
import time

import pytest


@pytest.fixture(scope="module")
def told(start, picture):
    """The log of a server that was asked for a film, a review, a bug of a client's and a film that is none."""

    def run(*options):
        server = start(*options)
        film = server.read(("Jane Doe.png", picture(900)), ("Doe.txt", b"Dear Sir"))[0]
        server.ask("POST", f"/v1/readings/{film['id']}/review", {"reader": "Dr Doe", "note": "Doe"})
        server.get("/v1/readings?patient=Doe")
        server.get("/Doe")
        assert server.stop() == 0
        return server.log.read_text(), film["id"]

    return run


def test_json_lines_at_the_level_asked_for(told):
    text, identifier = told("--log-json", "--log-level", "debug")
    lines = [json.loads(line) for line in text.splitlines()]
    assert {"time", "level", "logger", "message"} <= set(lines[0])
    assert {line["level"] for line in lines} == {"info", "debug"}
    messages = [line["message"] for line in lines]
    assert any(message.startswith("serving http://127.0.0.1:") for message in messages)
    assert "POST /v1/readings: 202" in messages
    assert "GET /v1/readings/{identifier}: 200" in messages
    assert any(message.startswith("film 1: assessed in ") for message in messages)
    assert "Doe" not in text
    assert identifier not in text


def test_lines_for_people(told):
    text, _ = told()
    assert "lungspot serve: Research use only, not for clinical use." in text
    form = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ lungspot serve: ")
    assert [line for line in text.splitlines() if not form.match(line)] == []
    assert "debug" not in text
    assert "GET" not in text
    assert "Doe" not in text


def test_the_level_rules_every_line(model_file, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--port", str(port), "--data", tmp_path, "--model", model_file, "--log-level", "warning"]
    command = [sys.executable, "-m", "lungspot", "serve", *map(str, options)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert answers(port, process)
        finally:
            process.terminate()
            _, log = process.communicate(timeout=60)
    assert (process.returncode, log) == (0, "")


def answers(port, process, seconds=120):
    """Whether a program answers at a port of this machine, within so many seconds and before it ends."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return True
    return False


def test_an_unknown_level_is_a_mistake_of_usage():
    command = [sys.executable, "-m", "lungspot", "serve", "--log-level", "loud"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert "'loud' is none of debug, info, warning, error" in " ".join(answer.stderr.split())
