"""Predictions in other tools' forms, loaded by those tools, and that a prediction is nobody's answer."""

import contextlib
import csv
import hashlib
import io
import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import faster_coco_eval
import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from tests.formats.test_predictions import DOCUMENT

from lungspot.errors import DatasetError, OutputError
from lungspot.findings import Box, Frame
from lungspot.formats import ANNOTATION_FORMATS
from lungspot.formats.image_files import FilmTransfer
from lungspot.formats.predictions import PredictedFinding, Prediction, prediction_of
from lungspot.formats.predictions_files import PREDICTION_FORMATS, csv_text, to_coco, with_films, write_predictions
from lungspot.outputs import is_ours

SURE = PredictedFinding(
    "effusion", 0.87, Box(10, 20, 60, 80), 0.3, positive=True, standing="reported", place=1, side="left", zone="lower"
)
DOUBTED = PredictedFinding(
    "nodule", 0.2, Box(100.5, 20, 160, 80.25), 0.3, positive=False, standing="experimental", place=2
)
WHOLE = PredictedFinding("edema", 0.9, threshold=0.5, positive=True, standing="experimental")


@pytest.fixture
def predictions(tmp_path):
    """Three films that were assessed, of which one shows nothing and two share a stem, and one that was not."""
    found = []
    contents = (("a.png", (SURE, DOUBTED, WHOLE)), ("clear.png", ()), ("other/a.png", (DOUBTED,)))
    for seed, (name, findings) in enumerate(contents):
        path = tmp_path / "films" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((np.random.default_rng(seed).random((100, 200)) * 255).astype(np.uint8)).save(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        found.append(
            Prediction(
                str(path),
                Frame(200, 100),
                assessed=True,
                findings=findings,
                model="lungspot 2",
                sha256=digest,
                where=f"p.jsonl:{seed}",
            )
        )
    return [*found, Prediction("gone.png", None, assessed=False, reasons=("NOT_FOUND",), where="p.jsonl:9")]


def rows(path):
    return list(csv.DictReader(io.StringIO(path.read_text())))


def silent(call):
    with contextlib.redirect_stdout(io.StringIO()):
        return call()


def test_pycocotools_and_faster_coco_eval_load_the_file_and_the_results(predictions, tmp_path):
    out = tmp_path / "out"
    assert write_predictions(predictions, out, "coco") == []
    for library in (COCO, faster_coco_eval.COCO):
        loaded = silent(lambda library=library: library(str(out / "annotations.json")))
        results = silent(lambda loaded=loaded: loaded.loadRes(str(out / "results.json")))
        assert sorted(category["name"] for category in loaded.loadCats(loaded.getCatIds())) == [
            "edema",
            "effusion",
            "nodule",
        ]
        assert [round(one["score"], 2) for one in results.anns.values()] == [0.87, 0.2, 0.2]
        assert next(one["bbox"] for one in results.anns.values()) == [10, 20, 50, 60]
        judged = silent(lambda pair=(loaded, results): judge(*pair))
        assert judged == pytest.approx(1)  # each prediction finds itself
    kept = json.loads((out / "annotations.json").read_text())
    assert [one["standing"] for one in kept["annotations"]] == ["reported", "experimental", "experimental"]
    assert kept["images"][0]["film_findings"] == [
        {"label": "edema", "score": 0.9, "standing": "experimental", "positive": True, "threshold": 0.5}
    ]
    assert kept["not_assessed"] == [{"file_name": "gone.png", "reasons": ["NOT_FOUND"]}]
    assert len(kept["images"]) == 3  # a film that was not assessed would be one without findings
    assert kept["info"]["not_for_clinical_use"] is True


def judge(truth, results):
    evaluation = COCOeval(truth, results, "bbox") if isinstance(truth, COCO) else None
    if evaluation is None:
        evaluation = faster_coco_eval.COCOeval_faster(truth, results, "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats[0]


@pytest.mark.parametrize("to", sorted(set(PREDICTION_FORMATS) - {"csv"}))
def test_films_are_copies_that_lie_in_the_folder_and_unassessed_ones_are_none(predictions, tmp_path, to):
    out = tmp_path / "out"
    write_predictions(predictions, out, to)
    films = list(out.rglob("*.png"))
    assert len(films) == 3
    assert not any(path.is_symlink() for path in films)  # supervision refuses links that lead out of the folder
    assert [row["status"] for row in rows(out / "predictions.csv")] == ["assessed"] * 5 + ["not_assessed"]


@pytest.mark.parametrize("to", sorted(set(PREDICTION_FORMATS) - {"csv", "yolo", "cvat"}))
def test_a_prediction_is_read_back_as_no_one_s_answer(predictions, tmp_path, to):
    write_predictions(predictions, tmp_path / "out", to)
    cases = ANNOTATION_FORMATS[to].read(tmp_path / "out")
    assert len(cases) == 3
    assert [finding for case in cases for reading in case.readings for finding in reading.findings] == []
    marks = [mark for one in ANNOTATION_FORMATS[to].annotated_images(tmp_path / "out") for mark in one.marks]
    assert [(mark.label, mark.proposed, round(mark.score, 2)) for mark in marks] == [
        ("effusion", True, 0.87),
        ("nodule", True, 0.2),
        ("nodule", True, 0.2),
    ]
    assert [mark.box.corners for mark in marks][1] == pytest.approx((100.5, 20, 160, 80.25))


def test_yolo_lines_end_with_the_confidence(predictions, tmp_path):
    write_predictions(predictions, tmp_path / "out", "yolo")
    assert (tmp_path / "out/labels/all/clear.txt").read_text() == ""
    assert sorted(path.read_text() for path in (tmp_path / "out/labels/all").glob("*_a-*.txt")) == [
        "0 0.175 0.5 0.25 0.6 0.87\n1 0.65125 0.50125 0.2975 0.6025 0.2\n",
        "1 0.65125 0.50125 0.2975 0.6025 0.2\n",
    ]
    cases = ANNOTATION_FORMATS["yolo"].read(tmp_path / "out")
    assert sorted(finding.score for case in cases for one in case.readings for finding in one.findings) == [
        0.2,
        0.2,
        0.87,
    ]


def test_cvat_declares_the_attributes_that_its_boxes_hold(predictions, tmp_path):
    write_predictions(predictions, tmp_path / "out", "cvat")
    declared = json.loads((tmp_path / "out/labels.json").read_text())
    assert {one["name"]: [each["name"] for each in one["attributes"]] for one in declared} == {
        "done": [],
        "effusion": ["score", "standing"],
        "nodule": ["score", "standing"],
    }
    box = ET.parse(tmp_path / "out/annotations.xml").find("image/box")  # noqa: S314 - our own file
    assert box.get("source") == "auto"
    assert {one.get("name"): one.text for one in box} == {"score": "0.87", "standing": "reported"}


def test_label_studio_has_them_as_predictions_with_what_else_is_known(predictions, tmp_path):
    write_predictions(predictions, tmp_path / "out", "labelstudio")
    first, second, _ = json.loads((tmp_path / "out/tasks.json").read_text())
    assert first["annotations"] == second["predictions"] == []
    (made,) = first["predictions"]
    assert (made["model_version"], made["score"]) == ("lungspot 2", 0.87)
    assert "standing: experimental" in made["result"][1]["meta"]["text"]


def test_csv_is_one_row_a_finding_and_one_of_a_film_without(predictions, tmp_path):
    write_predictions(predictions, tmp_path / "p.csv", "csv")
    found = rows(tmp_path / "p.csv")
    assert [(row["label"], row["score"], row["x0"], row["standing"]) for row in found] == [
        ("effusion", "0.87", "10.0", "reported"),
        ("nodule", "0.2", "100.5", "experimental"),
        ("edema", "0.9", "", "experimental"),
        ("", "", "", ""),
        ("nodule", "0.2", "100.5", "experimental"),
        ("", "", "", ""),
    ]
    assert [row["status"] for row in found] == ["assessed"] * 5 + ["not_assessed"]
    assert found[-1]["reasons"] == "NOT_FOUND"
    assert csv_text(predictions[:1], header=False).count("\n") == 3


def test_whose_threshold_it_is_stands_beside_it_in_csv_and_coco(tmp_path):
    site = {"name": "=St. E", "thresholds": {"effusion": ["box"], "edema": ["film"]}}
    found = prediction_of(DOCUMENT | {"site": site}, "here")
    write_predictions([found], tmp_path / "p.csv", "csv")
    assert [(row["label"], row["thresholds_of"]) for row in rows(tmp_path / "p.csv")] == [
        ("effusion", "'=St. E"),
        ("edema", "model"),
        ("edema", "'=St. E"),
    ]
    coco = to_coco([found])
    assert [each.get("thresholds_of") for each in coco["annotations"]] == ["=St. E", None]
    assert [each["thresholds_of"] for each in coco["images"][0]["film_findings"]] == ["=St. E"]
    write_predictions([prediction_of(DOCUMENT, "here")], tmp_path / "own.csv", "csv")
    assert {row["thresholds_of"] for row in rows(tmp_path / "own.csv")} == {"model"}


@pytest.mark.parametrize(("film", "shown"), [("=1+1.png", "./=1+1.png"), ("-", "-"), (" -a.png", "./ -a.png")])
def test_no_name_of_a_film_is_a_formula(film, shown):
    row = next(csv.DictReader(io.StringIO(csv_text([Prediction(film, None, assessed=False)]))))
    assert row["film"] == shown


def test_no_cell_of_a_foreign_document_is_a_formula():
    """The model's name came out as it stood; so did whatever else a document says."""
    (finding, *_) = prediction_of(DOCUMENT, "here").findings
    formula = "=HYPERLINK(1)"
    found = replace(finding, place="+1", side="@x", zone="\tx")
    film = Prediction(
        "a.png", Frame(99, 99), assessed=True, findings=(found,), model=formula, reasons=("=1",), sha256="=2"
    )
    row = next(csv.DictReader(io.StringIO(csv_text([film]))))
    shown = {key: row[key] for key in ("model", "place", "side", "zone", "reasons", "sha256")}
    assert list(shown.values()) == [f"'{cell}" for cell in (formula, "+1", "@x", "\tx", "=1", "=2")]
    assert (row["film"], row["score"], row["thresholds_of"]) == ("a.png", str(finding.score), "model")


def test_a_file_is_ours_and_only_replaced_when_told_so(predictions, tmp_path):
    for to, name in (("csv", "p.csv"), ("coco", "p.json")):
        write_predictions(predictions, tmp_path / name, to)
        assert is_ours(tmp_path / name)
        with pytest.raises(OutputError):
            write_predictions(predictions, tmp_path / name, to)
        write_predictions(predictions[:1], tmp_path / name, to, overwrite=True)
    assert json.loads((tmp_path / "p.json").read_text()) == to_coco(predictions[:1])
    (tmp_path / "in.csv").write_text("mine")
    with pytest.raises(OutputError):
        write_predictions(predictions, tmp_path / "in.csv", "csv", overwrite=True)


def test_a_film_that_is_gone_changed_or_named_twice_is_refused_by_name(predictions, tmp_path):
    first, clear, other, unread = predictions
    changed = replace(clear, sha256="0" * 64)
    wide = replace(other, size=Frame(400, 100))
    gone = replace(first, film="nowhere.png", where="p.jsonl:7")
    again = replace(first, where="p.jsonl:8")
    found, refused = with_films([first, changed, wide, gone, again, unread], FilmTransfer.COPY)
    assert [prediction for prediction, _ in found] == [first]
    reasons = ["SHA-256 differs", "not the size", "not here", "predicted twice"]
    assert all(reason in error.reason for reason, error in zip(reasons, refused, strict=True))
    assert len(write_predictions([first, gone], tmp_path / "out", "coco")) == 1
    with pytest.raises(DatasetError, match="not here"):
        write_predictions([gone], tmp_path / "none", "yolo")
    assert write_predictions([gone], tmp_path / "none", "coco", films=FilmTransfer.NONE) == []
    assert json.loads((tmp_path / "none/annotations.json").read_text())["images"][0]["file_name"] == "nowhere.png"


def test_a_film_is_found_from_the_folder_of_its_document(predictions, tmp_path):
    one = replace(predictions[0], film="films/a.png", where=f"{tmp_path}/p.jsonl:1")
    assert with_films([one], FilmTransfer.COPY)[0][0][1] == tmp_path / "films/a.png"
