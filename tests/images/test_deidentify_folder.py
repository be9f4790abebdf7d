"""Many films without their patients: which are read, where each goes, and that none replaces another."""

import shutil
import stat

import pydicom
import pytest
from PIL import Image

from lungspot.errors import FilmError, InputError, LungspotError
from lungspot.images import (
    Pseudonyms,
    deidentify_files,
    dicom_bytes,
    films_to_deidentify,
    is_one_film,
    secret_key,
    why_not_into,
)
from lungspot.outputs import DRAWN, Outputs, png_info

KEY = Pseudonyms(b"k" * 32)


@pytest.fixture
def films(rg1, tmp_path):
    """A film, the same in another file, another picture of its UID, and what is no film."""
    folder = tmp_path / "films"
    (folder / "below").mkdir(parents=True)
    shutil.copy(rg1["J2KR"], folder / "a.dcm")
    shutil.copy(rg1["J2KR"], folder / "below" / "same.dcm")
    other = pydicom.dcmread(rg1["UNCR"])
    other.SOPInstanceUID = other.file_meta.MediaStorageSOPInstanceUID = pydicom.dcmread(rg1["J2KR"]).SOPInstanceUID
    other.StudyDate = "20010203"
    other.save_as(folder / "c.dcm")
    (folder / "notes.txt").write_text("Smith")
    return folder


def test_each_film_is_answered_and_none_replaces_another(films, tmp_path):
    out = tmp_path / "out"
    given = films_to_deidentify(films)
    assert [path.name for path in given] == ["a.dcm", "same.dcm", "c.dcm", "notes.txt"]
    first, same, clash, text = deidentify_files(given, out, KEY, Outputs(given))
    made = pydicom.dcmread(first)
    assert first == same == out / made.PatientID / f"{made.SOPInstanceUID}.dcm"
    assert list(out.rglob("*.dcm")) == [first]
    assert [error.code for error in (clash, text)] == ["SAME_UID", "NOT_AN_IMAGE"]
    assert [error.where for error in (clash, text)] == [str(films / "c.dcm"), str(films / "notes.txt")]


def test_one_film_goes_to_its_file_and_what_is_there_stays(films, tmp_path):
    source, out = films / "a.dcm", tmp_path / "shared.dcm"
    assert is_one_film(source, out)
    assert list(deidentify_files([source], out, KEY, Outputs([source]), one=True)) == [out]
    before = out.read_bytes()
    (again,) = deidentify_files([source], out, KEY, Outputs([source]), one=True)
    assert (again.code, out.read_bytes()) == ("EXISTS", before)
    (input_,) = deidentify_files([source], source, KEY, Outputs([source], overwrite=True), one=True)
    assert input_.code == "IS_INPUT"


def test_what_may_be_burned_in_is_refused_alone(films, tmp_path):
    film = pydicom.dcmread(films / "a.dcm")
    film.BurnedInAnnotation = "YES"
    film.save_as(films / "below" / "same.dcm")
    given = [films / "below" / "same.dcm", films / "a.dcm"]
    refused, made = deidentify_files(given, tmp_path / "out", KEY, Outputs(given))
    assert isinstance(refused, LungspotError)
    assert (refused.code, made.is_file()) == ("BURNED_IN", True)
    (checked,) = deidentify_files(given[:1], tmp_path / "two", KEY, Outputs(given), pixels_checked=True)
    assert pydicom.dcmread(checked).BurnedInAnnotation == "NO"


def test_films_that_lungspot_wrote_are_read_and_its_results_are_not(films, tmp_path):
    white = Image.new("L", (20, 20), 255)
    white.save(films / "drawn.png", pnginfo=png_info(DRAWN))
    white.save(films / "film.png", pnginfo=png_info())
    assert [path.name for path in films_to_deidentify(films)][-3:] == ["c.dcm", "film.png", "notes.txt"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(FilmError, match="NOT_FOUND"):
        films_to_deidentify(tmp_path / "empty")
    assert films_to_deidentify(tmp_path / "nothing") == [tmp_path / "nothing"]  # refused when its turn comes


@pytest.mark.parametrize(
    ("source", "out", "key", "reason"),
    [
        ("films", "out", None, ""),
        ("films", "out", "secret", ""),
        ("films/a.dcm", "out.dcm", None, ""),
        ("films/a.dcm", "films/new.dcm", None, ""),
        ("films", "films", None, "in the folder of the films"),
        ("films", "films/below/out", None, "in the folder of the films"),
        ("films", "link/out", None, "in the folder of the films"),
        ("films", "films/notes.txt", None, "a file; give a folder"),
        ("films/a.dcm", "films/notes.txt", None, "a file; give a folder"),
        ("films/a.dcm", "secret.dcm", "secret.dcm", "the key"),
        ("films/a.dcm", "out", "films/a.dcm", "the key"),
        ("films", "out", "hard", "the key"),
    ],
)
def test_where_films_may_not_go(films, tmp_path, source, out, key, reason):
    (tmp_path / "link").symlink_to("films")
    (tmp_path / "hard").hardlink_to(films / "a.dcm")
    given = films_to_deidentify(tmp_path / source)
    found = why_not_into(tmp_path / source, given, tmp_path / out, None if key is None else tmp_path / key)
    assert (reason in found) if reason else found == ""


def test_a_file_of_films_is_named_by_its_ending_where_there_is_one_film(films, tmp_path):
    (tmp_path / "folder.dcm").mkdir()
    assert is_one_film(films / "a.dcm", tmp_path / "OUT.DCM")
    assert not is_one_film(films / "a.dcm", tmp_path / "out")
    assert not is_one_film(films, tmp_path / "out.dcm")
    assert not is_one_film(films / "a.dcm", tmp_path / "folder.dcm")


def test_a_secret_is_made_once_for_its_owner_alone(tmp_path):
    path = tmp_path / "secret"
    made = secret_key(path)
    assert (len(made), stat.S_IMODE(path.stat().st_mode)) == (32, 0o600)
    assert secret_key(path) == made
    assert len({secret_key(), secret_key(), made}) == 3
    with pytest.raises(InputError, match="NOT_READABLE"):
        secret_key(tmp_path)


def test_a_data_set_becomes_a_file_with_a_preamble_of_zeros(rg1):
    film = pydicom.dcmread(rg1["UNCR"])
    film.preamble = b"x" * 128
    assert dicom_bytes(film)[:132] == bytes(128) + b"DICM"
