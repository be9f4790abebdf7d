"""What is held against what: predictions of one model and another, and people, without a verb."""

import json
from importlib import import_module

import pytest

from lungspot.errors import DatasetError, InputError
from lungspot.evaluate import (
    EvaluationSettings,
    evaluate_films,
    load_truth,
    names_people,
    pair_files,
    summarise,
    truth_source,
    truths,
)
from lungspot.findings import Box, Frame, Reading
from lungspot.formats import Case

MODULE = import_module("lungspot.evaluate.evaluation")
FRAME = Frame(100, 80)
FEW = EvaluationSettings(("source", "view"), resamples=20)


@pytest.fixture
def truth(tmp_path):
    """Four films as COCO: an effusion on the first two, none on the others, and edema that nobody looked for."""
    images = [
        {"id": i, "file_name": f"{i}.png", "width": 100, "height": 80, "patient_id": f"p{i}"}
        | {"neg_category_ids": [1] if i > 2 else [], "not_exhaustive_category_ids": []}
        for i in range(1, 5)
    ]
    boxes = [{"id": i, "image_id": i, "category_id": 1, "bbox": [10, 10, 30, 30], "area": 900} for i in (1, 2)]
    boxes.append({"id": 3, "image_id": 3, "category_id": 2, "bbox": [10, 10, 30, 30], "area": 900})
    names = [{"id": 1, "name": "effusion"}, {"id": 2, "name": "edema"}]
    (tmp_path / "truth.json").write_text(json.dumps({"images": images, "categories": names, "annotations": boxes}))
    return truth_source(str(tmp_path / "truth.json"))


@pytest.fixture
def cases(truth):
    return load_truth(*truth)


def found(folder, name="found.jsonl", films=(1, 2, 3, 4), box=(10, 10, 40, 40), labels=("effusion",)):
    """Predictions as lungspot writes them, of a box of each label on each film that is named."""
    rows = [
        {"schema": "lungspot/1", "status": "assessed", "reasons": []}
        | {"image": {"path": f"{film}.png", "width": 100, "height": 80}}
        | {"image_scores": [{"label": label, "probability": 0.9, "threshold": 0.5} for label in labels]}
        | {"findings": [{"label": label, "box": list(box), "score": 0.8, "threshold": 0.5} for label in labels]}
        for film in films
    ]
    (folder / name).write_text("\n".join(map(json.dumps, rows)))
    return str(folder / name)


def test_predictions_are_judged_as_their_parts_do_it(cases, truth, tmp_path):
    said = found(tmp_path)
    summary = evaluate_films(cases, said, FEW, truth=truth)
    paired, limits = pair_files(truths(cases, "coco"), tmp_path / "found.jsonl", by=FEW.by)
    by_hand = summarise(paired.pairs, limits, FEW).document
    assert summary.document == by_hand | {"truth": "truth.json", "predicted": "found.jsonl", "problems": []}
    assert summary.document["labels"]["effusion"]["limits"] == {"box": 0.5, "film": 0.5}
    assert summary.document["settings"]["by"] == ["source", "view"]
    assert {pair.groups["view"] for pair in summary.pairs} == {"unknown"}
    strict = evaluate_films(cases, said, FEW, truth=truth, threshold=0.85)
    assert strict.document["labels"]["effusion"]["limits"] == {"box": 0.85, "film": 0.85}


def test_what_is_wrong_with_films_is_told_first_and_written_down(cases, truth, tmp_path):
    told = []
    summary = evaluate_films(cases, found(tmp_path, films=(1, 3, 9)), FEW, truth=truth, refuse=told.extend)
    assert summary.document["films"] == 2
    assert summary.document["problems"] == [str(error) for error in told]
    assert ["9.png is no film" in str(told[0]), *("no prediction" in str(error) for error in told[1:])] == [True] * 3
    told.clear()
    with pytest.raises(DatasetError, match="no film can be judged") as error:
        evaluate_films(cases, found(tmp_path, films=(9,)), FEW, truth=truth, refuse=told.extend)
    assert (error.value.where, len(told)) == (str(tmp_path / "found.jsonl"), 5)


def test_two_models_are_compared_on_the_films_of_both(cases, truth, tmp_path):
    one, other = found(tmp_path, films=(1, 2, 3)), found(tmp_path, "other.jsonl", (1, 2, 4), (50, 40, 90, 70))
    summary = evaluate_films(cases, one, FEW, truth=truth, other=other)
    assert [pair.film.rpartition("/")[2] for pair in summary.pairs] == ["1", "2"]
    assert summary.document["compare"]["effusion"]["ap0.4"]["value"] > 0
    alone = [line for line in summary.document["problems"] if "one of the two models only" in line]
    assert [line.partition(":")[0] for line in alone] == [other, other]
    assert sum("no prediction of this film" in line for line in summary.document["problems"]) == 2


def test_only_the_labels_that_are_asked_for_are_judged_of_both_models(cases, truth, tmp_path):
    labels = ("effusion", "edema")
    one, other = found(tmp_path, labels=labels), found(tmp_path, "other.jsonl", box=(50, 40, 90, 70), labels=labels)
    both = evaluate_films(cases, one, FEW, truth=truth, other=other).document
    edema = evaluate_films(cases, one, FEW, truth=truth, other=other, labels=["edema"]).document
    assert both["labels"].keys() == {"effusion", "edema"}
    assert edema["labels"].keys() == {"edema"}
    assert edema["compare"].keys() - {"mean"} == {"edema"}
    assert edema["not_judged"] == {"only_true": [], "only_found": [], "not_compared": []}


def test_people_are_judged_by_each_other_and_by_no_model(tmp_path):
    readings = [Reading.of_boxes(name, FRAME, [("effusion", Box(10, 10, 40, 40))], ["effusion"]) for name in "ABC"]
    cases = [Case(f"f{i}", "set", f"p{i}", tuple(readings), None, FRAME) for i in range(2)]
    truth = ("coco", tmp_path)
    everyone = evaluate_films(cases, "readers", FEW, truth=truth)
    assert (len(everyone.pairs), everyone.document["predicted"]) == (12, "readers")
    one = evaluate_films(cases, "reader:B", FEW, truth=truth)
    assert {pair.found.reader for pair in one.pairs} == {"B"}
    assert len(one.pairs) == 4
    for more in ({"other": "found.jsonl"}, {"model": "default"}):
        with pytest.raises(InputError, match="BAD_VALUE"):
            evaluate_films(cases, "readers", FEW, truth=truth, **more)
    words = ("readers", "reader:B", "reader:", "reader", "readers.json")
    assert [names_people(word) for word in words] == [True, True, True, False, False]


def test_shortcuts_of_a_model_are_looked_for_on_the_films_that_are_judged(cases, truth, tmp_path, monkeypatch):
    monkeypatch.setattr(MODULE, "load_detector", lambda model: f"detector of {model}")
    monkeypatch.setattr(MODULE, "shortcuts", lambda pairs, detector, progress: [len(progress(pairs)), detector])
    said = found(tmp_path, films=(1, 3))
    summary = evaluate_films(cases, said, FEW, truth=truth, model="m.onnx", progress=list)
    assert summary.document["shortcuts"] == [2, "detector of m.onnx"]
    assert "shortcuts" not in evaluate_films(cases, said, FEW, truth=truth).document
