"""What is no file, whatever it is called, is refused by every reader of annotations and never waited for."""

import contextlib
import os
import signal
import socket
from pathlib import Path

import pytest

from lungspot.errors import DatasetError
from lungspot.formats.case_json import load_json
from lungspot.formats.tables import header_of, read_lines, read_list, read_rows
from lungspot.formats.xml_tree import parse_xml


@contextlib.contextmanager
def within(seconds):
    def ring(*_):
        raise AssertionError("waits")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(params=["pipe", "link to a pipe", "socket", "device"])
def no_file(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    if request.param == "pipe":
        os.mkfifo("x")
    elif request.param == "link to a pipe":
        os.mkfifo("pipe")
        Path("x").symlink_to("pipe")
    elif request.param == "device":
        Path("x").symlink_to("/dev/zero")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listening:
        if request.param == "socket":
            listening.bind("x")
        yield tmp_path / "x"


@pytest.mark.parametrize(
    "reader",
    [
        load_json,
        read_lines,
        read_list,
        header_of,
        lambda path: list(read_rows(path, ())),
        lambda path: parse_xml(path, "x"),
    ],
    ids=["json", "lines", "list", "header", "table", "xml"],
)
def test_what_is_no_file_is_refused_and_not_waited_for(reader, no_file):
    with within(10), pytest.raises(DatasetError, match="not a file"):
        reader(no_file)
