"""`lungspot data convert predictions` through the command line, after a real `lungspot detect`."""

import csv
import json

import faster_coco_eval
import pytest
from PIL import Image
from pycocotools.coco import COCO

from lungspot.cli.app import run


@pytest.fixture
def call(capsys):
    """A function that runs `lungspot …`: exit code, stdout, stderr."""

    def run_it(*arguments):
        code = run([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run_it


@pytest.fixture
def documents(call, model_file, upright_film, tmp_path):
    """JSON Lines of two films that are assessed, one blank and one that is none."""
    films = tmp_path / "films"
    films.mkdir()
    for seed, name in enumerate(("a.png", "b.png")):
        upright_film(seed).save(films / name)
    Image.new("L", (90, 90), 99).save(films / "blank.png")
    (films / "cut.png").write_bytes((films / "a.png").read_bytes()[:99])
    code, out, _ = call("detect", films, "--format", "json", "--model", model_file)
    assert code == 1
    (tmp_path / "p.jsonl").write_text(out)
    return tmp_path / "p.jsonl"


def boxes(path):
    return [len(json.loads(line)["findings"]) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("to", ["coco", "yolo", "cvat", "labelstudio", "csv"])
def test_every_box_travels_and_unassessed_films_are_said(call, documents, tmp_path, to):
    code, out, err = call("data", "convert", "predictions", documents, "-o", tmp_path / "out", "--to", to, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "out": str(tmp_path / "out"), "format": to, "films": 2, "not_assessed": 2, "refused": 0
    }  # fmt: skip
    with (tmp_path / "out/predictions.csv").open() as file:
        found = list(csv.DictReader(file))
    assert sum(row["x0"] != "" for row in found) == sum(boxes(documents)) > 0
    assert {row["standing"] for row in found if row["label"]} <= {"reported", "experimental"}
    assert sum(row["status"] == "not_assessed" for row in found) == 2


def test_several_files_and_one_file_for_the_answer(call, documents, tmp_path):
    lines = documents.read_text().splitlines(keepends=True)
    for number, line in enumerate(lines):
        (tmp_path / f"{number}.json").write_text(line)
    files = [tmp_path / f"{number}.json" for number in range(len(lines))]
    out = tmp_path / "p.coco.json"
    assert call("data", "convert", "predictions", *files, "-o", out, "--to", "coco", "-q") == (0, "", "")
    assert len(COCO(str(out)).anns) == len(faster_coco_eval.COCO(str(out)).anns) == sum(boxes(documents))
    assert call("data", "convert", "predictions", *files, "-o", out, "--to", "coco")[0] == 2
    assert call("data", "convert", "predictions", *files, "-o", out, "--to", "coco", "--overwrite")[0] == 0
    code, _, err = call("data", "convert", "predictions", *files, "-o", files[0], "--to", "coco", "--overwrite")
    assert (code, "IS_INPUT" in err) == (2, True)


def test_a_film_that_is_gone_ends_with_one_and_the_others_are_written(call, documents, tmp_path):
    (tmp_path / "films" / "b.png").unlink()
    code, _, err = call("data", "convert", "predictions", documents, "-o", tmp_path / "out", "--to", "yolo", "-q")
    assert code == 1
    assert "DATASET_INCOMPLETE" in err
    assert "--films none" in err
    assert [path.name for path in (tmp_path / "out/labels/all").iterdir()] == ["a.txt"]
    words = ("--films", "none", "-q")
    assert call("data", "convert", "predictions", documents, "-o", tmp_path / "all", "--to", "coco", *words)[0] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("predictions", "p.jsonl", "--to", "voc"), "how sure"),
        (("predictions", "p.jsonl", "--to", "labelme"), "how sure"),
        (("coco", "a", "b", "--to", "yolo"), "only predictions"),
        (("coco", "a", "--to", "csv"), "only predictions"),
    ],
)
def test_what_cannot_be_is_a_usage_error(call, tmp_path, words, said):
    code, _, err = call("data", "convert", *words, "-o", tmp_path / "out")
    assert code == 2
    assert said in " ".join(err.replace("│", " ").split())


def test_what_is_no_prediction_is_one_line(call, tmp_path):
    (tmp_path / "p.json").write_text('{"images": [], "categories": []}')
    code, _, err = call("data", "convert", "predictions", tmp_path / "p.json", "-o", tmp_path / "out", "--to", "coco")
    assert (code, err.count("\n")) == (3, 1)
    assert "DATASET_ROW" in err


def test_coco_results_in_the_ids_of_ones_own_file(call, documents, tmp_path):
    truth = tmp_path / "truth.json"
    value = {"images": [{"id": 9, "file_name": "films/a.png"}], "categories": [{"id": 3, "name": "fluid"}]}
    truth.write_text(json.dumps(value))
    options = ("--to", "coco", "--coco-ids", truth, "--class-map", "fluid=effusion")
    code, _, err = call("data", "convert", "predictions", documents, "-o", tmp_path / "out", *options)
    assert code == 1
    assert "b.png: it is no image of" in err
    rows = json.loads((tmp_path / "out/results.json").read_text())
    assert {row["image_id"] for row in rows} <= {9}
    assert {row["category_id"] for row in rows} <= {3}
    code, _, err = call(
        "data", "convert", "predictions", documents, "-o", tmp_path / "x", "--to", "yolo", *options[2:4]
    )
    assert (code, "--coco-ids" in err) == (2, True)
    code, _, err = call("data", "convert", "coco", truth, "-o", tmp_path / "x", "--to", "coco", *options[2:4])
    assert (code, "--coco-ids" in err) == (2, True)
