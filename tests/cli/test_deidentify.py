import shutil
import stat

import pydicom
import pytest
from PIL import Image

from lungspot.cli.app import run


@pytest.fixture
def films(rg1, pydicom_data, tmp_path):
    """Two films of one patient, one of another, a picture, and a file that is nothing; names that tell too much."""
    folder = tmp_path / "films"
    (folder / "Smith^John").mkdir(parents=True)
    shutil.copy(rg1["J2KR"], folder / "Smith^John" / "first.dcm")
    again = pydicom.dcmread(rg1["J2KR"])
    again.SOPInstanceUID = again.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    again.save_as(folder / "Smith^John" / "second.dcm")
    shutil.copy(pydicom_data / "RG3_J2KI.dcm", folder / "leg.dcm")
    Image.new("L", (80, 80)).save(folder / "photo.png")
    (folder / "notes.txt").write_text("Smith")
    return folder


def test_a_folder_comes_out_by_patient_under_new_names(films, tmp_path, capsys):
    out, key = tmp_path / "out", tmp_path / "secret"
    assert run(["deidentify", str(films), str(out), "--key", str(key)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "photo.png: NO_STUDY" in said.err
    assert "notes.txt: NOT_AN_IMAGE" in said.err
    assert "3 films in" in said.err
    assert "no --key" not in said.err
    made = sorted(path.relative_to(out) for path in out.rglob("*.dcm"))
    assert len(made) == 3
    assert len({path.parent for path in made}) == 2
    for path in made:
        dataset = pydicom.dcmread(out / path)
        assert (path.parent.name, path.stem) == (dataset.PatientID, dataset.SOPInstanceUID)
        assert dataset.PatientIdentityRemoved == "YES"
        assert b"CompressedSamples" not in (out / path).read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    again = tmp_path / "again"
    assert run(["deidentify", str(films), str(again), "--key", str(key), "-q"]) == 1
    assert sorted(path.relative_to(again) for path in again.rglob("*.dcm")) == made


def test_one_film_goes_to_one_file_and_without_a_key_the_run_is_its_own(rg1, tmp_path, capsys):
    ids = []
    for name in ("a.dcm", "b.dcm"):
        assert run(["deidentify", str(rg1["J2KR"]), str(tmp_path / name), "--mask", "0,0,100,50.5"]) == 0
        ids.append(pydicom.dcmread(tmp_path / name).PatientID)
    assert ids[0] != ids[1]
    assert "no --key" in capsys.readouterr().err


@pytest.mark.parametrize("mask", ["1,2,3", "a,b,c,d", "5,5,1,1"])
def test_a_mask_that_is_no_box_is_usage(rg1, tmp_path, mask):
    assert run(["deidentify", str(rg1["J2KR"]), str(tmp_path), "--mask", mask]) == 2


def test_what_cannot_be_made_safe_is_not_written(rg1, tmp_path, capsys):
    dataset = pydicom.dcmread(rg1["J2KR"])
    dataset.BurnedInAnnotation = "YES"
    dataset.save_as(tmp_path / "x.dcm")
    assert run(["deidentify", str(tmp_path / "x.dcm"), str(tmp_path / "out")]) == 3
    assert "BURNED_IN" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert run(["deidentify", str(tmp_path / "x.dcm"), str(tmp_path / "out"), "--pixels-checked"]) == 0


def test_a_film_never_replaces_another_of_the_run(films, tmp_path, capsys):
    shutil.copy(films / "leg.dcm", films / "leg again.dcm")
    other = pydicom.dcmread(films / "leg.dcm")
    other.StudyDate = "20010203"
    other.save_as(films / "other leg.dcm")
    assert run(["deidentify", str(films), str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert "other leg.dcm: SAME_UID" in said
    assert "leg again.dcm" not in said  # the same film is there once
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 3


def test_short_keys_and_empty_folders_are_refused(rg1, tmp_path, capsys):
    (tmp_path / "key").write_bytes(b"short")
    assert run(["deidentify", str(rg1["J2KR"]), str(tmp_path / "out"), "--key", str(tmp_path / "key")]) == 3
    (tmp_path / "empty").mkdir()
    assert run(["deidentify", str(tmp_path / "empty"), str(tmp_path / "out")]) == 3
    assert "NOT_FOUND" in capsys.readouterr().err


IS_INPUT = "IS_INPUT: this would replace an input"
NO_FOLDER, WITHIN, NO_KEY = "a file; give a folder", "it lies in the folder", "the key must be a file of its own"


@pytest.mark.parametrize(
    ("source", "out", "extra", "why"),
    [
        ("films/a.dcm", "films/a.dcm", [], IS_INPUT),
        ("films/a.dcm", "films/../films/a.dcm", [], IS_INPUT),
        ("films/a.dcm", "link.dcm", [], IS_INPUT),
        ("films/a.dcm", "hard.dcm", [], IS_INPUT),
        ("link.dcm", "films/a.dcm", [], IS_INPUT),
        ("films/a", "films/a", [], NO_FOLDER),
        ("films", "films", [], WITHIN),
        ("films", "films/out", [], WITHIN),
        ("films", "folder link/out", [], WITHIN),
        ("films", "films/a.dcm", [], NO_FOLDER),
        ("films", "notes.txt", [], NO_FOLDER),
        ("films/a.dcm", "key.dcm", ["--key", "key.dcm"], NO_KEY),
        ("films/a.dcm", "out", ["--key", "films/a.dcm"], NO_KEY),
    ],
)
def test_no_input_is_ever_replaced(rg1, tmp_path, monkeypatch, capsys, source, out, extra, why):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "films").mkdir()
    for name in ("films/a.dcm", "films/a"):
        shutil.copy(rg1["J2KR"], name)
    (tmp_path / "link.dcm").symlink_to("films/a.dcm")
    (tmp_path / "folder link").symlink_to("films")
    (tmp_path / "hard.dcm").hardlink_to("films/a.dcm")
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "key.dcm").write_bytes(b"k" * 32)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert run(["deidentify", source, out, *extra, "--pixels-checked"]) == 2
    said = capsys.readouterr().err
    words = " ".join(said.replace("│", " ").split())  # as typer's frame breaks them
    assert f"{out}: {why}" in words
    assert ("OUT" in words) == (why != IS_INPUT)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
