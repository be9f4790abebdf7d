"""`lungspot detect --format register`: a screening programme's register of a folder of films."""

import csv
import io

import pydicom
import pytest

from lungspot.cli.app import run


@pytest.fixture
def detect(model_file, capsys):
    """A function that runs the verb with the generated model: exit code, stdout, stderr."""

    def call(*arguments):
        code = run(["detect", *map(str, arguments), "--format", "register", "--model", str(model_file)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def day(tmp_path, rg1):
    """A folder of two films of one person, a film of another, and a file that is none."""
    folder = tmp_path / "day"
    folder.mkdir()
    film = pydicom.dcmread(rg1["UNCR"])
    film.StudyDate = "20260302"
    for name, person in (("a", "P7"), ("b", "P7"), ("c", "P8")):
        film.PatientID, film.SeriesDescription = person, name
        film.save_as(folder / f"{name}.dcm")
    (folder / "P9.png").write_bytes(b"no film")
    return folder


def rows(text):
    return {row["id"]: row for row in csv.DictReader(io.StringIO(text))}


def test_a_folder_is_one_row_a_person_with_a_score_and_what_it_advises(detect, day, tmp_path):
    out = tmp_path / "register.csv"
    code, _, err = detect(day, "--screen", "pleural effusion", "-o", out)
    assert (code, "1 files" in err) == (1, True), err
    found = rows(out.read_text())
    assert set(found) == {"P7", "P8", "P9"}
    for person in ("P7", "P8"):
        row = found[person]
        assert row["date"] == "2026-03-02"
        above = float(row["score"]) >= float(row["threshold"])
        assert row["advice"] == ("refer" if above else "do not refer")
        assert (row["thresholds_of"], row["decision"], row["decided_by"]) == ("model", "", "")
    assert (found["P9"]["advice"], found["P9"]["score"]) == ("repeat film", "")
    assert found["P9"]["why_repeat"].startswith("the file could not be read (NOT_AN_IMAGE): ")
    before = out.read_bytes()
    code, _, err = detect(day, "--screen", "effusion", "-o", out, "--overwrite")
    assert (code, out.read_bytes()) == (2, before), "people write in it"
    code, said, _ = detect(day, "--screen", "effusion")
    assert rows(said) == found


def test_films_of_one_name_in_two_folders_are_two_people(detect, tmp_path):
    for person in ("p1", "p2"):
        (tmp_path / person).mkdir()
        (tmp_path / person / "view1.png").write_bytes(person.encode())
    for given in ([tmp_path], [tmp_path / "p1", tmp_path / "p2"], sorted(tmp_path.glob("*/view1.png"))):
        _, said, _ = detect(*given, "--screen", "effusion")
        assert set(rows(said)) == {"p1/view1", "p2/view1"}


def test_a_label_that_the_model_does_not_know_is_refused_before_films_are_read(detect, day, tmp_path):
    code, _, err = detect(day, "--screen", "fracture", "-o", tmp_path / "register.csv")
    assert code == 3
    assert "UNKNOWN_LABEL" in err
    assert not (tmp_path / "register.csv").exists()
