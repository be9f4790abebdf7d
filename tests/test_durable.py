import errno
import os
import stat
from pathlib import Path

import pytest

from lungspot.durable import sync_path, write_atomic


def test_a_full_disk_leaves_the_old_file_and_no_crumbs(tmp_path, monkeypatch):
    target = tmp_path / "r.json"
    target.write_bytes(b"old")

    def full(_):
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_atomic(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_new_file_has_the_mode_that_files_have_here(tmp_path):
    (tmp_path / "usual").write_bytes(b"")
    write_atomic(tmp_path / "ours", b"")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("usual", "ours")}
    assert len(modes) == 1


def test_a_private_file_is_nobody_else_s(tmp_path):
    write_atomic(tmp_path / "key", b"", private=True)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_a_file_and_a_folder_are_brought_to_the_disk(tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    before = len(list(Path("/proc/self/fd").iterdir()))
    sync_path(tmp_path / "a")
    sync_path(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    with pytest.raises(FileNotFoundError):
        sync_path(tmp_path / "b")
