"""Nothing is overwritten, whatever the verb: an input stays, and so does what lungspot did not write."""

import hashlib
import json
import os
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from lungspot.cli.app import run

COCO = {
    "images": [{"id": 1, "file_name": "a.png", "width": 100, "height": 120, "not_exhaustive_category_ids": [2]}],
    "categories": [{"id": 1, "name": "effusion"}, {"id": 2, "name": "edema"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 30, 20], "area": 600}],
}
ODD = (b"\xff\xfe.png", b"n" * 251 + b".png", b"two\nlines.png", b"-o.png", "\u202e.png".encode(), b"--format")


def picture(seed=0):
    """What the generated gate calls an upright film."""
    pixels = np.random.default_rng(seed).random((120, 100)) * 0.3 + 0.65
    pixels[:60, :50] -= 0.45
    return Image.fromarray((pixels * 255).astype(np.uint8))


def write_dicom(path):
    """Write a small CR film as DICOM."""
    data = Dataset()
    data.SOPClassUID, data.Modality = ComputedRadiographyImageStorage, "CR"
    data.SOPInstanceUID, data.StudyInstanceUID, data.SeriesInstanceUID = generate_uid(), generate_uid(), generate_uid()
    data.PatientName, data.PatientID, data.StudyDate, data.BodyPartExamined = "Doe^Jane", "1", "20260110", "CHEST"
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 8, 8, 7
    pixels = np.asarray(picture(2))
    data.Rows, data.Columns, data.PixelData = *pixels.shape, pixels.tobytes()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.save_as(path, enforce_file_format=True)


@pytest.fixture
def here(tmp_path, monkeypatch, model_file):
    """A folder of everything that verbs read, as the folder that they run in."""
    monkeypatch.chdir(tmp_path)
    Path("films").mkdir()
    picture().save("films/film.png")
    Path("films/film.json").write_text('{"version": "5.0.1", "shapes": []}')  # LabelMe's
    picture(1).save("f.png")
    write_dicom("a.dcm")
    Path("hard.dcm").hardlink_to("a.dcm")
    Path("soft.dcm").symlink_to("a.dcm")
    Path("d").mkdir()
    picture().save("d/a.png")
    Path("d/annotations.json").write_text(json.dumps(COCO))
    Path("d/labels.csv").write_text("Image Index,Finding Labels,Patient ID\na.png,Effusion,1\n")
    Path("d/splits.csv").write_text("image,patient,split\na.png,p,train\n")
    shutil.copy(model_file, "model.onnx")
    Path("x").mkdir()
    Path("x/film.png").write_bytes(b"mine")
    Path("x/report.html").write_text("mine")
    Path("x/run.json").write_text("{}")
    return tmp_path


def everything():
    """Every file below the current folder and what is in it."""
    found = sorted(path for path in Path().rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


@pytest.mark.parametrize("overwrite", ["", "--overwrite"])
@pytest.mark.parametrize(
    "line",
    [
        "detect films -o films",
        "detect films -o ./films/../films",
        "detect f.png -o .",
        "detect f.png -o f.png",
        "detect f.png films -o x/../films",
        "detect f.png -o d/annotations.json",
        "detect films -o films --format json",
        "detect films/film.png -o films/film.json",
        "detect a.dcm -o a.dcm",
        "detect a.dcm -o hard.dcm --format sr",
        "convert f.png -o f.png",
        "convert a.dcm -o x/film.png",
        "deidentify a.dcm a.dcm",
        "deidentify a.dcm soft.dcm",
        "deidentify a.dcm hard.dcm",
        "data split coco d -o d/labels.csv",
        "data split coco d -o d/splits.csv --given d/splits.csv",
        "data draw coco d -o d/a.png",
        "data convert coco d -o x --to yolo",
        "data convert coco d -o d --to yolo",
        "data merge coco d -o d",
        "data fuse coco d -o d",
        "data pool coco d -o x --label edema",
        "data pool coco d -o d --label edema",
        "data convert coco d -o . --to voc",
        "data convert coco d/annotations.json -o d --to voc",
        "eval d/annotations.json d/annotations.json -o x",
        "demo -o x",
        "train -o x",
        "train-gate -o f.png",
        "export model.onnx -o model.onnx",
        "export model.onnx -o f.png",
    ],
)
@pytest.mark.usefixtures("here")
def test_no_input_and_nothing_of_anybodys_is_replaced(line, overwrite, capsys):
    words = shlex.split(f"{line} {overwrite}")
    if words[0] in {"detect", "demo"}:
        words += ["--model", "model.onnx"]
    before = everything()
    assert run(words) == 2
    said = capsys.readouterr().err
    assert everything() == before
    assert "IS_INPUT" in said or "EXISTS" in said
    assert [line.startswith("lungspot: error: ") for line in said.splitlines()].count(True) == 1


@pytest.mark.parametrize(
    "line",
    [
        "detect f.png d/a.png -o out --model model.onnx",
        "detect f.png -o f.html --model model.onnx",
        "detect a.dcm -o out --format sr,gsps,sc,seg,fhir,json,html --model model.onnx",
        "convert a.dcm -o new.png",
        "deidentify a.dcm new.dcm --key key",
        "deidentify a.dcm new --key key",
        "data split coco d -o new.csv",
        "data split coco d -o d/new.csv",
        "data draw coco d -o new.png",
        "data draw coco d -o d/new.png",
        "data convert coco d -o new --to yolo",
        "data convert coco d -o new --to coco --films link",
        "data merge coco d -o new/deep --to labelme",
        "data fuse coco d -o d/new --to voc",
        "data pool coco d -o new --label edema",
        "eval d/annotations.json d/annotations.json -o report --resamples 9",
        "demo -o demo --model model.onnx",
    ],
)
@pytest.mark.usefixtures("here")
def test_results_of_an_earlier_run_are_replaced_when_asked(line, capsys):
    words = shlex.split(line)
    first = run(words)
    assert first in {0, 3}, capsys.readouterr().err
    once = everything()
    assert run(words) in {2, 3}
    assert "a result of an earlier run is there" in capsys.readouterr().err
    assert everything() == once
    assert run([*words, "--overwrite"]) == first
    assert everything().keys() == once.keys()


@pytest.mark.usefixtures("here")
def test_results_inside_a_folder_of_films_are_no_films_the_next_time(capsys):
    words = ["--model", "model.onnx"]
    assert run(["detect", "films", "-o", "films/out", "--format", "png,html", *words]) == 1  # LabelMe's file is no film
    capsys.readouterr()
    assert run(["detect", "films", *words]) == 1
    said = capsys.readouterr()
    films = [json.loads(line)["image"]["path"] for line in said.out.splitlines()]
    assert films == ["films/film.json", "films/film.png"]
    assert "2 files that lungspot wrote are left out" in said.err
    assert run(["detect", "films/out/film.png", *words]) == 3
    assert "NOT_A_RADIOGRAPH: a drawing of lungspot over a film" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_one_odd_name_never_ends_a_batch(capsys):
    Path("odd").mkdir()
    for name in ODD:
        picture().save(Path("odd", os.fsdecode(name)), format="PNG")
    before = everything()
    kinds = "json,png,html,fhir"
    assert run(["detect", "odd", "-o", "out", "--format", kinds, "--model", "model.onnx"]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == f"lungspot: {4 * len(ODD)} files in out"
    names = sorted(path.name for path in Path("out").iterdir())
    assert len(names) == 4 * len(ODD)
    assert all(name.isprintable() and not name.startswith("-") for name in names)
    assert {json.loads(path.read_text())["status"] for path in Path("out").glob("*[0-9a-f].json")} == {"assessed"}
    assert run(["detect", "odd", "--model", "model.onnx"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(ODD)
    assert {name: digest for name, digest in everything().items() if not name.startswith("out/")} == before


@pytest.mark.parametrize(
    "line",
    [
        "detect f.png --model model.onnx -o",
        "detect f.png --model model.onnx --format json -o",
        "convert f.png -o",
        "deidentify a.dcm",
        "demo --model model.onnx -o",
        "data split coco d -o",
        "data draw coco d -o",
        "data convert coco d --to voc -o",
        "eval d/annotations.json d/annotations.json --resamples 9 -o",
        "export model.onnx -o",
        "train -o",
        "train-gate -o",
    ],
)
@pytest.mark.usefixtures("here")
def test_a_place_that_cannot_be_written_is_a_line(line, capsys):
    before = everything()
    for out in ("/dev/full", "model.onnx", "model.onnx/out.png", "/proc/self/out", "n" * 300):
        code = run([*shlex.split(line), out])
        said = capsys.readouterr().err
        assert code in {2, 3, 4}, (out, said)
        assert "lungspot: bug" not in said
        assert everything() == before


@pytest.mark.usefixtures("here")
def test_what_people_did_in_a_folder_of_ours_stays(capsys):
    words = ["data", "convert", "coco", "d", "--to", "labelme", "-o", "new"]
    assert run(words) == 0
    changes = {
        "new/a.json": lambda path: path.write_text(path.read_text() + " "),  # drawn on
        "new/notes.txt": lambda path: path.write_text("mine"),
        "new/deep/notes.txt": lambda path: (path.parent.mkdir(), path.write_text("mine")),
        "new/.notes": lambda path: path.write_text("mine"),
        "new/link": lambda path: path.symlink_to("../f.png"),
        "new/pipe": os.mkfifo,
        "new/.lungspot-written": lambda path: path.write_text("{}"),
    }
    for name, change in changes.items():
        change(Path(name))
        before = everything()
        capsys.readouterr()
        assert run([*words, "--overwrite"]) == 2
        assert "EXISTS" in capsys.readouterr().err
        assert everything() == before
        shutil.rmtree("new")
        assert run(words) == 0
    assert run(["data", "convert", "labelme", "new", "-o", "new", "--to", "voc", "--overwrite"]) == 2
    assert "IS_INPUT" in capsys.readouterr().err
    Path("new/a.json").unlink()  # what is gone cannot be lost
    assert run([*words, "--overwrite"]) == 0
    assert Path("new/a.json").exists()


@pytest.mark.parametrize("name", ["run.json", "config.json", "log.csv", "last.pt", "curves.png"])
@pytest.mark.usefixtures("here")
def test_a_run_of_training_follows_no_link_out_of_its_folder(name, capsys):
    Path("run").mkdir()
    Path("run/run.json").write_text('{"data": "' + "0" * 64 + '", "films": 3}')
    Path("run", name).unlink(missing_ok=True)
    Path("run", name).symlink_to("../f.png")
    before = everything()
    assert run(["train", "-o", "run", "--data", "d", "--overwrite"]) == 2
    assert "EXISTS" in capsys.readouterr().err
    assert everything() == before


@pytest.fixture
def ours(here, capsys):
    """As ``here``, and inputs that lungspot wrote, so that their content alone does not guard them."""
    assert run(shlex.split("deidentify a.dcm de/x.dcm --pixels-checked")) == 0
    film = COCO["images"][0] | {"file_name": "x.dcm"}
    Path("de/annotations.json").write_text(json.dumps(COCO | {"images": [film]}))
    Path("de/splits.csv").write_text("image,patient,split\nx.dcm,p,train\n")
    Path("apart").mkdir()  # its film lies elsewhere
    Path("apart/annotations.json").write_text(json.dumps(COCO | {"images": [film | {"file_name": "../de/x.dcm"}]}))
    Path("linked").mkdir()
    assert run(shlex.split("convert f.png -o o.png")) == 0
    assert run(shlex.split("detect f.png -o p/a0.json --model model.onnx")) in {0, 3}
    Path("linked/a0.json").symlink_to("../p/a0.json")
    for copy in ("p/report.json", "p/next.json"):
        shutil.copy("p/a0.json", copy)
    Path("site.json").write_text('{"schema": "lungspot-site/1"}')
    Path("t.csv").write_text("image,patient,Effusion\nf.png,1,1\n")
    Path("run").mkdir()
    Path("run/run.json").write_text('{"data": "' + "0" * 64 + '", "films": 3}')
    Path("run/last.pt").write_bytes(b"weights")
    Path("dm").mkdir()
    shutil.copy("model.onnx", "dm/film.json")
    assert run(shlex.split("data pool coco d -o pool --label edema --tool labelstudio --quiet")) in {0, 1}
    capsys.readouterr()
    return here


@pytest.mark.parametrize(
    "line",
    [
        "detect de/x.dcm -o de/x.dcm --format sr --model model.onnx",
        "detect f.png -o site.json --site site.json --format json --model model.onnx",
        "detect f.png -o site.json --site site.json --format coco --model model.onnx",
        "detect f.png -o dm/film.json --format json --model dm/film.json",
        "detect f.png -o o.png --prior o.png --format png --model model.onnx",
        "detect a.dcm -o dm --site dm/a.json --format json --model model.onnx",
        "demo -o dm --model dm/film.json",
        "convert o.png -o o.png",
        "deidentify de/x.dcm de/x.dcm --pixels-checked",
        "data split coco de -o de/x.dcm",
        "data split coco apart -o de/x.dcm",
        "data split coco de -o de/splits.csv --given de/splits.csv",
        "data draw coco de -o de/x.dcm",
        "data draw coco apart -o de/x.dcm",
        "data draw coco de -o de/splits.csv --splits de/splits.csv",
        "data readers coco de -o de/x.dcm",
        "data convert coco de -o de --to yolo",
        "data convert predictions p -o p/a0.json --to coco",
        "data convert predictions linked -o p/a0.json --to coco",
        "data pool coco de -o de --label edema",
        "calibrate t.csv p -o p/a0.json --goal film:balanced:sensitivity=0.9",
        "calibrate t.csv linked -o p/a0.json --goal film:balanced:sensitivity=0.9",
        "calibrate coco:de p -o de/x.dcm --goal film:balanced:sensitivity=0.9",
        "calibrate coco:apart p -o de/x.dcm --goal film:balanced:sensitivity=0.9",
        "eval coco:de p -o p",
        "labelling next pool -o p --predictions p --model model.onnx",
        "train -o run --data d --teacher run",
        "train -o run --data d --teacher run/last.pt",
        "train-gate -o de/x.dcm --data de",
        "export dm/film.json -o model.onnx --taught-from model.onnx --data d",
        "export model.onnx -o de/x.dcm --data de",
        "export model.onnx -o p/a0.json --old-test p --data d",
    ],
)
@pytest.mark.usefixtures("ours")
def test_an_input_that_lungspot_wrote_is_not_replaced_either(line, capsys):
    Path("dm/a.json").write_text('{"schema": "lungspot-site/1"}')
    before = everything()
    assert run([*shlex.split(line), "--overwrite"]) == 2
    said = capsys.readouterr().err
    assert everything() == before
    assert "IS_INPUT" in said


@pytest.mark.parametrize(
    "line", ["data split coco de -o de/splits.csv", "data convert predictions p -o p/all.csv --to csv"]
)
@pytest.mark.usefixtures("ours")
def test_what_an_earlier_run_left_in_a_folder_that_is_read_is_no_input(line, capsys):
    for _ in range(2):
        assert run([*shlex.split(line), "--overwrite"]) == 0, capsys.readouterr().err
