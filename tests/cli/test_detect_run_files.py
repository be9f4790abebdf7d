"""`lungspot detect --format coco,csv`: one file for the whole run, in the folder or on stdout."""

import csv
import io
import json

import pytest
from PIL import Image
from pycocotools.coco import COCO

from lungspot.cli.app import run


@pytest.fixture
def films(upright_film, tmp_path):
    folder = tmp_path / "films"
    (folder / "b").mkdir(parents=True)
    for seed, name in enumerate(("a.png", "b/a.png", "predictions.coco.png")):
        upright_film(seed).save(folder / name)
    Image.new("L", (90, 90), 99).save(folder / "z.png")  # blank: not assessed
    return folder


@pytest.fixture
def detect(model_file, capsys):
    """A function that runs the verb with the generated model: exit code, stdout, stderr."""

    def call(*arguments):
        code = run(["detect", *map(str, arguments), "--model", str(model_file)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_a_folder_holds_one_file_of_the_run_beside_those_of_the_films(detect, films, tmp_path):
    out = tmp_path / "out"
    code, said, err = detect(films, "-o", out, "--format", "json,coco,csv")
    assert (code, said) == (1, "")
    assert "6 files" in err
    names = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    ours = {"predictions.coco.json", "predictions.csv"}
    assert names == ours | {"a.json", "b/a.json", "predictions.coco-2.json", "z.json"}
    documents = [json.loads((out / name).read_text()) for name in ("a.json", "b/a.json", "predictions.coco-2.json")]
    value = json.loads((out / "predictions.coco.json").read_text())
    assert [image["file_name"] for image in value["images"]] == [one["image"]["path"] for one in documents]
    wanted = [(one["label"], one["score"], one["standing"]) for each in documents for one in each["findings"]]
    categories = {one["id"]: one["name"] for one in value["categories"]}
    said = [(categories[one["category_id"]], one["score"], one["standing"]) for one in value["annotations"]]
    assert said == wanted != []
    assert value["not_assessed"] == [{"file_name": str(films / "z.png"), "reasons": ["BLANK"]}]
    table = rows((out / "predictions.csv").read_text())
    assert [(row["label"], float(row["score"]), row["standing"]) for row in table if row["x0"]] == wanted
    assert table[-1]["status"] == "not_assessed"
    assert len(COCO(str(out / "predictions.coco.json")).anns) == len(wanted)
    # eval and convert pass over what stands beside the documents
    assert run(["data", "convert", "predictions", str(out), "-o", str(tmp_path / "p.csv"), "--to", "csv", "-q"]) == 0
    assert (tmp_path / "p.csv").read_text() == (out / "predictions.csv").read_text()


def test_stdout_takes_one_of_them(detect, films):
    code, said, _ = detect(films, "--format", "csv")
    assert code == 1
    assert {row["film"] for row in rows(said)} >= {str(films / "a.png"), str(films / "z.png")}
    assert said.count("film,status") == 1
    value = json.loads(detect(films, "--format", "coco")[1])
    assert len(value["images"]) == 3
    code, said, err = detect(films, "--format", "coco,csv")
    assert (code, said) == (2, "")
    assert "cannot share" in " ".join(err.split())


@pytest.mark.parametrize(("name", "words"), [("p.csv", ()), ("p.json", ("--format", "coco")), ("new/p.csv", ())])
def test_a_file_may_be_named_and_is_never_replaced_unasked(detect, films, tmp_path, name, words):
    out = tmp_path / name
    assert detect(films, "-o", out, *words)[0] == 1
    assert out.is_file()
    before = out.read_bytes()
    code, _, err = detect(films / "a.png", "-o", out, *words)
    assert (code, "EXISTS" in err) == (2, True)
    assert out.read_bytes() == before
    assert detect(films / "a.png", "-o", out, "--overwrite", *words)[0] == 0
    assert out.read_bytes() != before


def test_an_input_is_never_replaced(detect, films, tmp_path):
    picture = (films / "a.png").read_bytes()
    (tmp_path / "film.csv").write_bytes(picture)
    code, _, err = detect(tmp_path / "film.csv", "-o", tmp_path / "film.csv", "--overwrite")
    assert (code, "IS_INPUT" in err) == (2, True)
    assert (tmp_path / "film.csv").read_bytes() == picture


MAP = ("--class-map", "Fluid=effusion")


def test_coco_in_the_ids_of_ones_own_file(detect, films, tmp_path):
    truth = tmp_path / "truth.json"
    images = [{"id": number, "file_name": name} for number, name in ((11, "films/a.png"), ("b", "b/a.png"))]
    value = {"images": images, "categories": [{"id": 7, "name": "Fluid"}], "annotations": []}
    truth.write_text(json.dumps(value))
    code, said, err = detect(films, "--format", "coco", "--coco-ids", truth, "--min-score", "0", *MAP)
    assert code == 1
    assert "predictions.coco.png: it is no image of" in err
    assert "are left out: the COCO file has no category for it" in err
    rows = json.loads(said)
    assert {row["image_id"] for row in rows} == {11, "b"}
    assert {row["category_id"] for row in rows} == {7}
    (tmp_path / "results.json").write_text(said)
    assert len(COCO(str(truth)).loadRes(str(tmp_path / "results.json")).anns) == len(rows) > 0
    code, _, err = detect(films / "a.png", "--format", "coco", *MAP)
    assert (code, "--class-map" in err) == (2, True)
    code, _, err = detect(films / "a.png", "--format", "json", "--coco-ids", truth)
    assert (code, "--coco-ids" in err) == (2, True)
    code, _, err = detect(films / "a.png", "--format", "coco", "--coco-ids", truth, "-o", truth, "--overwrite")
    assert (code, "IS_INPUT" in err) == (2, True)
    assert json.loads(truth.read_text()) == value
