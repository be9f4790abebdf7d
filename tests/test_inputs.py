import os
import socket
from contextlib import closing

import pytest

from lungspot.inputs import regular


def test_a_file_is_one_by_whatever_link_and_what_is_not_there_is_said_by_who_opens_it(tmp_path):
    (tmp_path / "film").write_bytes(b"")
    (tmp_path / "link").symlink_to("film")
    for name in ("film", "link", "none", "film/none", "n" * 300, "null\0"):
        assert regular(tmp_path / name) == tmp_path / name


def test_what_is_no_file_is_an_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    os.mkfifo("pipe")
    (tmp_path / "link").symlink_to("pipe")
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind("socket")
        for name in ("pipe", "link", "socket", "/dev/zero", "/dev/null"):
            with pytest.raises(OSError, match=f"not a file: .*{name}"):
                regular(tmp_path / name)
    with pytest.raises(IsADirectoryError):
        regular(tmp_path)
