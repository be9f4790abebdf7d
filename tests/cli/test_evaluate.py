"""From a truth and predictions to a report: what is written, what is named, what is refused."""

import csv
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from lungspot.cli.app import run

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def truth(tmp_path):
    """A COCO truth of four films, one with a name that means harm on a page."""
    (tmp_path / "images").mkdir()
    rng = np.random.default_rng(0)
    names = ["a.png", "b.png", "c.png", f"{EVIL}.png"]
    for name in names:
        Image.fromarray(rng.integers(0, 255, (80, 100), dtype=np.uint8)).save(tmp_path / "images" / name)
    images = [
        {
            "id": i,
            "file_name": f"images/{name}",
            "width": 100,
            "height": 80,
            "patient_id": f"p{i}",
            "neg_category_ids": [1] if i > 2 else [],
            "not_exhaustive_category_ids": [],
        }
        for i, name in enumerate(names, 1)
    ]
    boxes = [{"id": i, "image_id": i, "category_id": 1, "bbox": [10, 10, 30, 30], "area": 900} for i in (1, 2)]
    value = {"images": images, "categories": [{"id": 1, "name": "effusion"}], "annotations": boxes}
    (tmp_path / "truth.json").write_text(json.dumps(value))
    return tmp_path / "truth.json"


def predictions(truth, name="found.json", **changes):
    rows = [
        {"image_id": 1, "category_id": 1, "bbox": [10, 10, 30, 30], "score": 0.9},
        {"image_id": 2, "category_id": 1, "bbox": [60, 10, 20, 20], "score": 0.8},
        {"image_id": 4, "category_id": 1, "bbox": [0, 0, 20, 20], "score": 0.95},
    ]
    rows[0] |= changes
    path = truth.parent / name
    path.write_text(json.dumps(rows))
    return path


def evaluate(*words):
    return run(["eval", *map(str, words), "--resamples", "20"])


class Attributes(HTMLParser):
    """Collects the tags of a page and every address that it names."""

    def __init__(self):
        super().__init__()
        self.tags, self.addresses = set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.addresses += [value for name, value in attrs if name in {"src", "href", "srcset", "action"}]
        assert not [name for name, _ in attrs if name.startswith("on")]


def test_a_report_is_written_twice_alike(truth, tmp_path, capsys):
    found = predictions(truth)
    assert evaluate(truth, found, "-o", tmp_path / "one") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["films"] == 4
    assert said["not_for_clinical_use"] is True
    assert evaluate(truth, found, "-o", tmp_path / "two") == 0
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == ["boxes.csv", "curves.csv", "metrics.csv", "parts.csv", "report.html", "report.json"]
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_the_page_names_nothing_outside_and_runs_nothing(truth, tmp_path):
    evaluate(truth, predictions(truth), "-o", tmp_path / "report")
    text = (tmp_path / "report" / "report.html").read_text("utf-8")
    page = Attributes()
    page.feed(text)
    assert not page.tags & {"script", "iframe", "object", "link", "form", "base"}
    assert page.addresses
    assert all(address.startswith("data:image/") for address in page.addresses)
    assert EVIL not in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in text
    assert "default-src 'none'" in text
    assert "not for clinical use" in text
    assert len(re.findall("data:image/jpeg", text)) >= 3  # a good one, bad ones


def test_the_numbers_are_in_json_and_csv(truth, tmp_path):
    evaluate(truth, predictions(truth), "-o", tmp_path / "report")
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    metrics = report["labels"]["effusion"]["metrics"]
    assert metrics["t_iou0.5"]["value"] == 0.5
    assert metrics["auroc"]["value"] == 0.5  # .9 and .8 against .95 and 0
    assert report["problems"] == []
    with (tmp_path / "report" / "metrics.csv").open() as file:
        rows = {(row["label"], row["metric"]): row["value"] for row in csv.DictReader(file)}
    assert float(rows["effusion", "t_iou0.5"]) == 0.5
    kinds = [row.split(",")[-1] for row in (tmp_path / "report" / "boxes.csv").read_text().splitlines()[1:]]
    assert sorted(kinds) == ["background", "background", "right"]


def test_a_truth_without_negatives_says_so_and_can_be_called_exhaustive(truth, tmp_path, capsys):
    """Plain COCO has no LVIS lists: what is not boxed was not looked for, unless the caller knows better."""
    plain = json.loads(truth.read_text())
    for image in plain["images"]:
        del image["neg_category_ids"], image["not_exhaustive_category_ids"]
    (tmp_path / "plain.json").write_text(json.dumps(plain))
    found = predictions(truth)
    assert evaluate(tmp_path / "plain.json", found, "-o", tmp_path / "report") == 0
    said = capsys.readouterr()
    assert "is without effusion" in said.err
    assert json.loads(said.out)["mean"]["auroc"] is None
    assert "is without effusion" in (tmp_path / "report" / "report.html").read_text("utf-8")
    assert evaluate(tmp_path / "plain.json", found, "--exhaustive", "-o", tmp_path / "report", "--overwrite") == 0
    said = capsys.readouterr()
    assert "is without" not in said.err
    # the false box at .95 counts now: precision 1/2 to recall 1/2, as pycocotools has it
    assert json.loads(said.out)["mean"]["ap0.4"] == pytest.approx(51 / 101 / 2, abs=1e-6)


def test_a_threshold_holds_for_predictions_that_name_none(truth, tmp_path, capsys):
    found = predictions(truth, score=0.4)
    for threshold, share in (("0.5", 0), ("0.3", 0.5)):
        assert evaluate(truth, found, "--threshold", threshold, "-o", tmp_path / threshold) == 0
        assert json.loads(capsys.readouterr().out)["mean"]["t_iou0.4"] == share


def test_films_need_not_be_here(truth, tmp_path, capsys):
    for path in (truth.parent / "images").iterdir():
        path.unlink()
    assert evaluate(truth, predictions(truth), "-o", tmp_path / "report") == 0
    assert json.loads(capsys.readouterr().out)["films"] == 4
    assert "data:image/jpeg" not in (tmp_path / "report" / "report.html").read_text("utf-8")


def test_two_models(truth, tmp_path, capsys):
    one, other = predictions(truth), predictions(truth, "other.json", bbox=[60, 40, 20, 20])
    assert evaluate(truth, one, "--compare", other, "-o", tmp_path / "report") == 0
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["compare"]["effusion"]["ap0.4"]["value"] > 0
    assert "Compared with the other" in (tmp_path / "report" / "report.html").read_text("utf-8")
    capsys.readouterr()


def test_what_is_missing_is_named_and_the_rest_judged(truth, tmp_path, capsys):
    rows = [
        {
            "schema": "lungspot/1",
            "status": "assessed",
            "reasons": [],
            "findings": [],
            "image": {"path": str(truth.parent / "images" / name), "width": 100, "height": 80},
            "image_scores": [{"label": "effusion", "probability": p, "threshold": 0.5}],
        }
        for name, p in (("a.png", 0.9), ("c.png", 0.1), ("z.png", 0.2))
    ]
    found = tmp_path / "found.jsonl"
    found.write_text("\n".join(map(json.dumps, rows)))
    assert evaluate(truth, found, "-o", tmp_path / "report") == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["films"] == 2
    assert "z.png is no film of the truth" in said.err
    assert said.err.count("no prediction of this film") == 2
    assert len(json.loads((tmp_path / "report" / "report.json").read_text())["problems"]) == 3


def test_a_reader_is_judged_by_the_same_call(tmp_path, capsys):
    rows = ["image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max"]
    rows += ["f1,Cardiomegaly,3,R1,10,10,50,50", "f1,Cardiomegaly,3,R2,10,10,50,50", "f1,No finding,14,R3,,,,"]
    rows += ["f2,No finding,14,R1,,,,", "f2,Cardiomegaly,3,R2,0,0,40,40", "f2,No finding,14,R3,,,,"]
    (tmp_path / "vindr").mkdir()
    (tmp_path / "vindr" / "train.csv").write_text("\n".join(rows) + "\n")
    source = f"vindr:{tmp_path / 'vindr'}"
    assert evaluate(source, "readers", "-o", tmp_path / "all", "--label", "cardiomegaly") == 0
    # six boxes in ordered pairs: R1 and R2 agree on f1 both ways, the other four meet nothing
    assert json.loads(capsys.readouterr().out)["mean"]["t_iou0.4"] == pytest.approx(2 / 6, abs=1e-6)
    assert evaluate(source, "reader:R1", "-o", tmp_path / "one", "--label", "cardiomegaly") == 0
    assert json.loads(capsys.readouterr().out)["mean"]["t_iou0.4"] == pytest.approx(1 / 2)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["{truth}", "nowhere.json"], 3, "DATASET_NOT_FOUND"),
        (["nowhere.json", "{found}"], 3, "nowhere.json"),
        (["{truth}", "{found}", "--by", "hospital"], 2, "hospital"),
        (["gout:x", "{found}"], 2, "gout"),
        (["{truth}", "{found}", "--split", "dev"], 2, "dev"),
        (["{truth}", "{found}", "--split", "test"], 3, "no film"),
        (["{truth}", "readers"], 3, "two people"),
        (["{truth}", "{found}", "--label", "pneumonia"], 3, "no label in common"),
    ],
)
def test_refusals(words, code, says, truth, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    places = {"truth": truth, "found": predictions(truth)}
    assert evaluate(*(word.format(**places) for word in words)) == code
    assert says in capsys.readouterr().err
    assert not (tmp_path / "report").exists()


def test_a_score_beyond_one_is_named(truth, tmp_path, capsys):
    assert evaluate(truth, predictions(truth, score=1.5), "-o", tmp_path / "report") == 1
    said = capsys.readouterr().err
    assert "score 1.5" in said
    assert "a.png" in said


def test_shortcuts_are_in_the_same_report(truth, model_file, tmp_path):
    found = predictions(truth)
    assert evaluate(truth, found, "--shortcuts", model_file, "-o", tmp_path / "report", "--films", "0") == 0
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["shortcuts"]["films"] == 4
    text = (tmp_path / "report" / "report.html").read_text("utf-8")
    assert "Shortcuts" in text
    assert "corners masked" in text
    assert "data:image/jpeg" not in text
