"""Documents of `lungspot detect` as values: what is read, and that nothing is lost without a word."""

import copy
import json
from dataclasses import replace

import pytest

from lungspot.errors import DatasetError, InputError
from lungspot.findings import Box, Frame
from lungspot.formats.predictions import (
    PredictedFinding,
    Prediction,
    predicted_case,
    predicted_cases,
    prediction_of,
    read_predictions,
)

DOCUMENT = {
    "schema": "lungspot/1",
    "status": "assessed",
    "reasons": [],
    "image": {"path": "films/a.png", "sha256": None, "width": 200, "height": 100},
    "findings": [
        {"label": "effusion", "score": 0.87, "threshold": 0.3, "positive": True, "standing": "reported", "place": 1,
         "judged": True, "box": [10, 20, 60, 80], "side": "left", "zone": "lower"},
        {"label": "edema", "score": 0.2, "threshold": 0.3, "positive": False, "standing": "experimental", "place": 2,
         "judged": False, "box": [100.5, 20, 160, 80.25], "side": None, "zone": None},
    ],
    "image_scores": [
        {"label": "effusion", "probability": 0.9, "threshold": 0.4, "positive": True, "standing": "reported"},
        {"label": "edema", "probability": 0.8, "threshold": 0.5, "positive": True, "standing": "experimental"},
        {"label": "nodule", "probability": 0.1, "threshold": 0.5, "positive": False, "standing": "reported"},
    ],
    "model": {"name": "lungspot", "version": "2"},
    "not_for_clinical_use": True,
}  # fmt: skip
UNREAD = {
    "schema": "lungspot/1",
    "status": "not_assessed",
    "reasons": ["NOT_FOUND"],
    "image": {"path": "gone.png", "sha256": None, "width": None, "height": None},
    "findings": [],
    "image_scores": [],
    "model": None,
}


def test_boxes_and_what_the_film_says_without_a_box_are_findings():
    found = prediction_of(DOCUMENT, "here")
    box = PredictedFinding(
        "effusion",
        0.87,
        Box(10, 20, 60, 80),
        0.3,
        positive=True,
        standing="reported",
        place=1,
        side="left",
        zone="lower",
    )
    below = PredictedFinding(
        "edema", 0.2, Box(100.5, 20, 160, 80.25), 0.3, positive=False, standing="experimental", place=2, judged=False
    )
    whole = PredictedFinding(
        "edema", 0.8, threshold=0.5, positive=True, standing="experimental"
    )  # its box reaches no threshold
    assert found.film_scores == (
        PredictedFinding("effusion", 0.9, threshold=0.4, positive=True, standing="reported"),
        whole,
        PredictedFinding("nodule", 0.1, threshold=0.5, positive=False, standing="reported"),
    )
    assert (found.boxes, found.by) == ((box, below), {"name": "lungspot", "version": "2"})
    assert replace(found, film_scores=(), by=None) == Prediction(
        "films/a.png", Frame(200, 100), assessed=True, findings=(box, below, whole), model="lungspot 2", where="here"
    )  # fmt: skip
    assert (box.name, below.facts["judged"]) == ("Pleural effusion", False)


def test_a_film_that_was_not_assessed_has_no_findings_and_its_reasons():
    found = prediction_of(UNREAD, "here")
    assert found == Prediction("gone.png", None, assessed=False, reasons=("NOT_FOUND",), where="here")
    with pytest.raises(InputError, match="not assessed"):
        Prediction("a.png", None, assessed=False, findings=(PredictedFinding("mass", 0.5),))
    with pytest.raises(InputError, match="without a size"):
        Prediction("a.png", None, assessed=True, findings=(PredictedFinding("mass", 0.5, Box(0, 0, 1, 1)),))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), "lungspot/2"),
        (("status",), "fine"),
        (("status",), []),
        (("image",), None),
        (("image", "path"), ""),
        (("image", "path"), "a\0.png"),
        (("image", "width"), "wide"),
        (("image", "width"), None),
        (("findings",), {}),
        (("findings", 0), 3),
        (("findings", 0, "label"), "Pleural Effusion"),
        (("findings", 0, "label"), ["effusion"]),
        (("findings", 0, "score"), 1.5),
        (("findings", 0, "score"), True),
        (("findings", 0, "score"), float("nan")),
        (("findings", 0, "score"), 10**400),
        (("findings", 0, "box"), [10, 20, 10, 80]),
        (("findings", 0, "box"), None),
        (("findings", 0, "positive"), "yes"),
        (("findings", 0, "standing"), "sure"),
        (("findings", 0, "standing"), ["reported"]),
        (("findings", 0, "side"), 1),
        (("findings", 0, "threshold"), -1),
        (("image_scores", 0, "probability"), "high"),
        (("image_scores", 0, "label"), None),
        (("image_scores",), None),
        (("model",), "lungspot"),
        (("reasons",), 3),
    ],
)
def test_what_is_no_document_is_one_error_with_its_place(path, value):
    document = copy.deepcopy(DOCUMENT)
    spot = document
    for key in path[:-1]:
        spot = spot[key]
    spot[path[-1]] = value
    with pytest.raises(DatasetError) as caught:
        prediction_of(document, "p.jsonl:3")
    assert caught.value.code in {"DATASET_ROW", "BAD_VALUE", "UNKNOWN_LABEL"}
    assert str(caught.value).startswith("p.jsonl:3")


def test_lines_one_document_and_folders_are_read_and_bad_lines_are_refused(tmp_path):
    lines = tmp_path / "p.jsonl"
    lines.write_text(json.dumps(DOCUMENT) + "\n\n{broken\n" + json.dumps(UNREAD) + "\n")
    found, refused = read_predictions(lines)
    assert [one.where for one in found] == [f"{lines}:1", f"{lines}:4"]
    assert [error.where for error in refused] == [f"{lines}:3"]
    folder = tmp_path / "out"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.json").write_text(json.dumps(DOCUMENT, indent=1))
    (folder / "sub" / "b.json").write_text(json.dumps(UNREAD))
    (folder / "a.fhir.json").write_text('{"resourceType": "Bundle"}')
    (folder / "c.json").write_text("[")
    (folder / "d.json").write_text("\n")
    (folder / "._a.json").write_text("what another system keeps beside a file")
    found, refused = read_predictions(folder)
    assert [one.film for one in found] == ["films/a.png", "gone.png"]
    assert [error.where for error in refused] == [str(folder / "c.json")]


@pytest.mark.parametrize("content", [b"", b"[1", b"\xff\xfe", b"[" * 100_000, b"[]"])
def test_a_file_that_holds_none_is_refused_as_a_whole(tmp_path, content):
    (tmp_path / "p.json").write_bytes(content)
    with pytest.raises(DatasetError):
        read_predictions(tmp_path / "p.json")
    with pytest.raises(DatasetError, match="No such file"):
        read_predictions(tmp_path / "none.json")


def test_films_that_were_assessed_become_cases_and_what_is_refused_is_said(tmp_path):
    lines = [DOCUMENT, UNREAD, DOCUMENT | {"schema": "lungspot/9"}]
    (tmp_path / "found.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    cases, refused = predicted_cases(tmp_path / "found.jsonl")
    assert cases == [predicted_case(prediction_of(DOCUMENT, f"{tmp_path / 'found.jsonl'}:1"))]
    assert [(error.code, error.where) for error in refused] == [
        (error.code, error.where) for error in read_predictions(tmp_path / "found.jsonl")[1]
    ]
    assert len(refused) == 1
