"""`detect --prior`: one real film twice, the second time moved, as the films of one patient on two days."""

import json

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

from lungspot.cli.app import run
from lungspot.report import read_sr, schema


@pytest.fixture
def films(rg1, tmp_path):
    """A function that writes the film, moved down and to the right by so many pixels, with other facts; its path."""

    def write(name, uid, day, move=0, *, mirror=False, **facts):
        film = dcmread(rg1["UNCR"])
        pixels = film.pixel_array
        if mirror:
            pixels, film.PatientOrientation = pixels[:, ::-1], ["R", "F"]
        film.PixelData = np.pad(pixels, ((move, 0), (move, 0)), mode="edge")[: film.Rows, : film.Columns].tobytes()
        film.SOPInstanceUID = film.file_meta.MediaStorageSOPInstanceUID = uid
        film.StudyDate = film.AcquisitionDate = film.ContentDate = day
        for keyword, value in facts.items():
            setattr(film, keyword, value)
        film.save_as(tmp_path / name)
        return tmp_path / name

    (tmp_path / "archive").mkdir()
    return write


def changes_in(path):
    jsonschema = pytest.importorskip("jsonschema")
    value = json.loads(path.read_text())
    jsonschema.validate(value, schema())
    return value["report"]["changes"]


def test_a_film_is_compared_with_the_newest_earlier_one_and_places_keep_their_uids(films, tmp_path, capsys, dciodvfy):
    films("archive/first.dcm", "2.25.1", "20250101")
    first, out = films("archive/second.dcm", "2.25.2", "20250201"), tmp_path / "out"
    films("archive/stranger.dcm", "2.25.3", "20250301", PatientID="somebody else")
    films("archive/later.dcm", "2.25.4", "20250501")
    assert run(["detect", str(first), "--format", "json,sr", "-o", str(tmp_path / "archive" / "results")]) == 0
    now = films("now.dcm", "2.25.5", "20250315", move=70)
    wanted = ("--format", "json,sr,text,html,fhir", "-o", str(out))
    assert run(["detect", str(now), "--prior", str(tmp_path / "archive"), *wanted]) == 0
    assert "not compared" not in capsys.readouterr().err
    found = changes_in(out / "now.json")
    assert (found["days_earlier"], found["film"]["sop_instance_uid"]) == (42, "2.25.2")
    assert np.array(found["alignment"]["matrix"])[:, 2] == pytest.approx([70, 70], abs=12)
    places = [each for each in found["every"] if each["box"]]
    assert places
    assert {(each["word"], each["marked"]) for each in places} == {("same", "both")}
    then, report = (read_sr(path) for path in (tmp_path / "archive/results/second.sr.dcm", out / "now.sr.dcm"))
    assert {uid for uid, _ in report.tracking} & {uid for uid, _ in then.tracking}
    assert {each["tracking_uid"] for each in places} <= {uid for uid, _ in report.tracking}
    assert not dciodvfy(out / "now.sr.dcm")
    told = (out / "now.txt").read_text()
    assert found["sentence"] in told
    for name in ("now.html", "now.fhir.json"):
        assert found["sentence"] in (out / name).read_text(), name
    assert found["sentence"].encode() in (out / "now.sr.dcm").read_bytes()


def test_a_film_stored_in_a_mirror_is_compared_side_by_side(films, tmp_path):
    """Its places were followed as those of the patient's other side."""
    then = films("archive/then.dcm", "2.25.2", "20250201", mirror=True)
    now, out = films("now.dcm", "2.25.5", "20250315", PatientOrientation=["L", "F"]), tmp_path / "out"
    assert run(["detect", str(now), "--prior", str(then), "--format", "json", "-o", str(out)]) == 0
    found = changes_in(out / "now.json")
    assert found["alignment"]["matrix"][0][0] == pytest.approx(-1, abs=0.05)
    assert {each["word"] for each in found["every"] if each["box"]} == {"same"}
    both = [each for each in found["every"] if each["box"] and each["marked"] == "both"]
    assert both
    for each in both:
        assert sum(each["earlier_box"][::2]) / 2 == pytest.approx(sum(each["box"][::2]) / 2, abs=150)  # of 1,760


def test_of_several_reports_of_the_earlier_film_the_one_whose_uids_go_on_counts(films, tmp_path):
    """The last in the folder won: one made without the film before it, and places lost their UIDs."""
    first, second = films("first.dcm", "2.25.1", "20250101"), films("archive/b.dcm", "2.25.2", "20250201")
    archive, out = tmp_path / "archive", tmp_path / "out"
    assert run(["detect", str(second), "--prior", str(first), "--format", "sr", "-o", str(archive / "a")]) == 0
    assert run(["detect", str(second), "--format", "sr", "-o", str(archive / "z")]) == 0
    now = films("now.dcm", "2.25.5", "20250315", move=70)
    assert run(["detect", str(now), "--prior", str(archive), "--format", "sr", "-o", str(out)]) == 0
    followed, chained, alone = (
        {uid for uid, _ in read_sr(path).tracking}
        for path in (out / "now.sr.dcm", archive / "a" / "b.sr.dcm", archive / "z" / "b.sr.dcm")
    )
    assert chained - alone
    assert followed & (chained - alone)
    assert not followed & (alone - chained)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"PatientID": "somebody else"}, "another patient"),
        ({"StudyDate": "20250401", "AcquisitionDate": "20250401"}, "a later film"),
        ({"ViewPosition": "AP"}, "another view (AP, not PA)"),
        ({"SOPInstanceUID": "2.25.5"}, "the same film"),
    ],
)
def test_what_may_not_be_compared_is_refused_in_words(films, capsys, facts, words):
    now = films("now.dcm", "2.25.5", "20250315", move=70, ViewPosition="PA")
    other = films("archive/other.dcm", "2.25.2", "20250201", **({"ViewPosition": "PA"} | facts))
    assert run(["detect", str(now), "--prior", str(other), "--format", "json"]) == 0
    said = capsys.readouterr()
    assert f"now.dcm: not compared with an earlier film: {words}" in said.err
    assert json.loads(said.out)["report"]["changes"] is None


def test_pictures_are_compared_where_one_is_given_and_that_is_said(shared_data, tmp_path, capsys):
    first, second = (shared_data / "nih" / "images" / f"00003405_00{number}.jpg" for number in (3, 4))
    assert run(["detect", str(second), "--prior", str(first), "--format", "text"]) == 0
    said = capsys.readouterr()
    assert "compared with an earlier film: the films do not say whose they are" in said.err
    assert "COMPARISON: Another film of the patient, its date unknown." in said.out
    assert run(["detect", str(second), "--prior", str(first), "--prior", str(first), "--format", "text"]) == 0
    assert "nothing says whose it is (2)" in capsys.readouterr().err
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "old.jpg").write_bytes(first.read_bytes())
    for films in ([str(second), "--prior", str(tmp_path / "one")], [str(second), str(first), "--prior", str(first)]):
        assert run(["detect", *films, "--format", "text"]) == 0
        assert f"{second}: not compared with an earlier film: nothing says whose it is" in capsys.readouterr().err
    assert run(["detect", str(second), "--prior", str(tmp_path / "nothing.dcm"), "--format", "text"]) != 0


def test_pictures_that_cannot_be_laid_on_each_other_are_doubted_twice(shared_data, tmp_path, capsys):
    film = shared_data / "nih" / "images" / "00003405_004.jpg"
    with Image.open(film) as whole:
        whole.transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(tmp_path / "old.png")
    assert run(["detect", str(film), "--prior", str(tmp_path / "old.png"), "--format", "text"]) == 0
    words = "the films do not say whose they are; the two cannot be laid on each other; sizes are not compared"
    assert f"compared with an earlier film: {words}" in capsys.readouterr().err


def test_the_lowest_score_counts_for_both_films_and_an_unreadable_one_is_named(films, tmp_path, capsys):
    """The earlier film had the model's thresholds: what only they showed was new or gone."""
    then, now = films("then.dcm", "2.25.2", "20250201"), films("now.dcm", "2.25.5", "20250315", move=70)
    wanted = ["--prior", str(then), "--prior", str(tmp_path / "typo.dcm"), "--format", "json", "--min-score", "0.6"]
    assert run(["detect", str(now), *wanted]) == 0
    said = capsys.readouterr()
    assert {each["marked"] for each in json.loads(said.out)["report"]["changes"]["every"]} == {"both"}
    assert "typo.dcm: NOT_FOUND" in said.err
