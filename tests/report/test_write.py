import errno
import json
import os
import stat
from pathlib import Path

import pytest
from PIL import Image

from lungspot.errors import FilmError
from lungspot.report import FORMATS, Refusal, read_sr, sync_path, write, write_atomic
from lungspot.report.write import ending_of


def test_each_format_is_a_file_of_its_kind(make, tmp_path):
    result = make()
    assert json.loads(write(result, tmp_path / "r.json", "json").read_text())["schema"] == "lungspot/1"
    with Image.open(write(result, tmp_path / "r.png", "png", heatmap=True)) as picture:
        assert picture.format == "PNG"
    assert write(result, tmp_path / "r.html", "html").read_text().startswith("<!doctype html>")
    assert {path.name for path in tmp_path.iterdir()} == {"r.json", "r.png", "r.html"}


def test_a_file_that_could_not_be_read_has_no_picture(tmp_path):
    refusal = Refusal("x", FilmError("TRUNCATED", "x", "ends early"))
    assert json.loads(write(refusal, tmp_path / "x.json", "json").read_text())["reasons"] == ["TRUNCATED"]
    for kind in ("png", "html"):
        with pytest.raises(ValueError, match="could not be read"):
            write(refusal, tmp_path / "x", kind)
    with pytest.raises(ValueError, match="no format"):
        write(None, tmp_path / "x", "pdf")


def test_dicom_needs_the_film_s_header_and_may_have_nothing_to_show(rg1_header, on, tmp_path):
    with pytest.raises(ValueError, match="without the film's header"):
        write(on(rg1_header), tmp_path / "x", "sr")
    assert write(on(rg1_header), tmp_path / "x.dcm", "sr", source=rg1_header) == tmp_path / "x.dcm"
    assert read_sr(tmp_path / "x.dcm").outcome == "assessed"
    assert write(on(rg1_header, reasons=("BLANK",)), tmp_path / "y.dcm", "gsps", source=rg1_header) is None
    assert not (tmp_path / "y.dcm").exists()
    assert json.loads(write(on(rg1_header), tmp_path / "x.json", "fhir").read_text())["resourceType"] == "Bundle"


def test_every_form_has_an_ending_of_its_own():
    endings = {kind: ending_of(kind) for kind in FORMATS}
    assert len(set(endings.values())) == len(FORMATS)
    assert (endings["png"], endings["sr"], endings["fhir"]) == ("png", "sr.dcm", "fhir.json")


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


def test_a_file_and_a_folder_are_brought_to_the_disk(tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    before = len(list(Path("/proc/self/fd").iterdir()))
    sync_path(tmp_path / "a")
    sync_path(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    with pytest.raises(FileNotFoundError):
        sync_path(tmp_path / "b")
