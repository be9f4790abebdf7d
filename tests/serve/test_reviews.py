import csv
import io
import itertools
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from lungspot.findings import reading_from_json
from lungspot.formats.catalog import ANNOTATION_FORMATS


@pytest.fixture(scope="module")
def server(start):
    return start()  # one of its own: exports hold every review of a server


@pytest.fixture(scope="module")
def numbers():
    """Numbers of pictures, none of them twice: a film that a server has is not read again."""
    return itertools.count(5000)


@pytest.fixture
def film(server, picture, numbers):
    """A film of each test's own."""
    return server.read(("a.png", picture(next(numbers), (128, 96))))[0]


def review(server, film, **body):
    return server.ask("POST", f"/v1/readings/{film['id']}/review", {"reader": "R1", **body})


def test_a_review_becomes_a_careful_reading(server, film):
    offered = film["candidates"]
    first, other = offered[0], next(each for each in offered if each["label"] != offered[0]["label"])
    number = offered.index(other)
    verdicts = [
        {"action": "accept", "candidate": 0},
        {"action": "reject", "candidate": number},
        {"action": "add", "label": "nodule", "box": [10, 20, 30.5, 41]},
        {"action": "add", "label": "fracture"},
    ]
    answer = review(server, film, verdicts=verdicts, absent=["pneumothorax"], note="a note")
    assert answer.status == 201
    said = answer.json["reading"]
    model = f"{answer.json['model']['name']} {answer.json['model']['version']}"
    assert said["frame"] == [96, 128]
    assert said["findings"] == [
        {"label": first["label"], "box": first["box"], "source": f"R1+{model}"},
        {"label": "nodule", "box": [10, 20, 30.5, 41]},
        {"label": "fracture"},
    ]
    # a rejected box says nothing about its label, and nothing is exhaustive that was not said to be
    expected = {"pneumothorax": "absent", first["label"]: "present", "nodule": "present", "fracture": "present"}
    assert said["states"] == expected
    whole = review(server, film, verdicts=verdicts[:3], complete=True).json["reading"]["states"]
    assert whole == {first["label"]: "boxed", other["label"]: "absent", "nodule": "boxed"} | {
        label: "absent" for label in film["heatmaps"] if label not in {first["label"], other["label"]}
    }
    assert [each["id"] for each in server.whole(film["id"])["reviews"]] == [answer.json["id"], answer.json["id"] + 1]
    assert reading_from_json(said).reader == "R1"


def test_an_edit_keeps_what_was_offered(server, film):
    box = [1.25, 2.5, 90, 100]
    answer = review(server, film, verdicts=[{"action": "edit", "candidate": 0, "box": box}]).json
    offered = film["candidates"][0]
    assert answer["verdicts"][0]["offered"] == {key: offered[key] for key in ("label", "box", "score")}
    assert answer["reading"]["findings"] == [{"label": offered["label"], "box": box}]
    relabelled = review(server, film, verdicts=[{"action": "edit", "candidate": 0, "label": "mass"}]).json
    assert relabelled["reading"]["findings"] == [{"label": "mass", "box": offered["box"]}]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"reader": ""}, "BAD_VALUE"),
        ({"reader": " \t"}, "BAD_VALUE"),
        ({"reader": "x" * 65}, "BAD_VALUE"),
        ({"note": "x" * 4001}, "BAD_VALUE"),
        ({"surprise": 1}, "BAD_VALUE"),
        ({"verdicts": [{"action": "shrug"}]}, "BAD_VALUE"),
        ({"verdicts": [{"action": "accept"}]}, "BAD_VALUE"),
        ({"verdicts": [{"action": "accept", "candidate": 9999}]}, "BAD_VALUE"),
        ({"verdicts": [{"action": "accept", "candidate": 0}, {"action": "reject", "candidate": 0}]}, "BAD_VALUE"),
        ({"verdicts": [{"action": "accept", "candidate": 0, "label": "edema"}]}, "BAD_VALUE"),
        ({"verdicts": [{"action": "edit", "candidate": 0}]}, "BAD_VALUE"),
        ({"verdicts": [{"action": "add", "box": [0, 0, 9, 9]}]}, "BAD_VALUE"),
        ({"verdicts": [{"action": "add", "label": "edema", "candidate": 0}]}, "BAD_VALUE"),
        ({"verdicts": [{"action": "add", "label": "sadness"}]}, "UNKNOWN_LABEL"),
        ({"verdicts": [{"action": "add", "label": "edema", "box": [9, 9, 9, 10]}]}, "BAD_BOX"),
        ({"verdicts": [{"action": "add", "label": "edema", "box": [500, 0, 600, 10]}]}, "BAD_BOX"),
        ({"verdicts": [{"action": "add", "label": "edema", "box": [0, 0, 9]}]}, "BAD_VALUE"),
        ({"verdicts": [{"action": "add", "label": "edema"}], "absent": ["edema"]}, "BAD_VALUE"),
        ({"absent": ["sadness"]}, "UNKNOWN_LABEL"),
    ],
)
def test_a_review_that_cannot_be_meant_is_refused(server, film, body, code):
    answer = review(server, film, **body)
    assert (answer.status, answer.code) == (422, code)
    assert server.whole(film["id"])["reviews"] == []


def test_a_review_can_be_taken_back(server, film):
    number = review(server, film).json["id"]
    path = f"/v1/readings/{film['id']}/reviews"
    assert [each["id"] for each in server.get(path).json["reviews"]] == [number]
    assert server.ask("DELETE", f"{path}/{number}").status == 204
    assert server.ask("DELETE", f"{path}/{number}").code == "NO_READING"
    assert server.get(path).json["reviews"] == []


def test_truth_is_what_a_dataset_says(server, film):
    path = f"/v1/readings/{film['id']}/truth"
    assert film["truth"] is None
    body = {"reader": "nih", "findings": [{"label": "effusion", "box": [1, 2, 3, 4]}], "states": {"edema": "absent"}}
    assert server.ask("POST", path, body).status == 204
    truth = reading_from_json(server.whole(film["id"])["truth"])
    assert {label: str(state) for label, state in truth.states.items()} == {"effusion": "boxed", "edema": "absent"}
    assert server.ask("POST", path, body | {"states": {"effusion": "absent"}}).code == "BAD_VALUE"


@pytest.mark.parametrize("kind", ["coco", "labelme"])
@pytest.mark.parametrize("films", ["false", "true"])
def test_exported_and_read_again_reviews_are_equal(server, film, tmp_path, kind, films):
    box = [1.125, 2.2, 60.7, 90]
    review(server, film, verdicts=[{"action": "reject", "candidate": 0}])
    verdicts = [{"action": "edit", "candidate": 0, "box": box}, {"action": "add", "label": "nodule"}]
    last = review(server, film, verdicts=verdicts, absent=["pneumothorax"]).json
    other = review(server, film, reader="R2", verdicts=[{"action": "accept", "candidate": 1}], complete=True).json
    answer = server.get(f"/v1/reviews.{kind}?films={films}")
    if answer.headers["Content-Type"] == "application/zip":
        zipfile.ZipFile(io.BytesIO(answer.body)).extractall(tmp_path)
    else:
        (tmp_path / "annotations.json").write_bytes(answer.body)
    case = next(case for case in ANNOTATION_FORMATS[kind].read(tmp_path) if case.id == film["id"])
    assert list(case.readings) == [reading_from_json(last["reading"]), reading_from_json(other["reading"])]
    assert (case.image is not None) == (films == "true")
    if case.image is not None:
        served = server.get(f"/v1/readings/{film['id']}/image?bits=16").body
        assert (np.asarray(Image.open(case.image)) == np.asarray(Image.open(io.BytesIO(served)))).all()


def test_a_table_has_one_row_a_verdict_and_no_formula(server, film):
    note = '=cmd|" /C calc"!A0'
    verdicts = [{"action": "edit", "candidate": 0, "box": [1, 2, 3, 4]}, {"action": "reject", "candidate": 1}]
    review(server, film, reader="@R1", note=note, verdicts=verdicts, absent=["pneumothorax"])
    text = server.get("/v1/reviews.csv").body.decode()
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["reading_id"] == film["id"]]
    assert [row["action"] for row in rows] == ["edit", "reject", "absent"]
    assert {row["note"] for row in rows} == {f"'{note}"}
    assert {row["reader"] for row in rows} == {"'@R1"}
    assert [float(rows[0][corner]) for corner in ("x0", "y0", "x1", "y1")] == [1, 2, 3, 4]
    assert float(rows[0]["offered_score"]) == film["candidates"][0]["score"]
    assert rows[0]["film_sha256"] == film["result"]["image"]["sha256"]
    assert len(rows[0]["model_sha256"]) == 64


@pytest.mark.parametrize("note", ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "  =1"])
def test_no_note_begins_a_formula(server, film, note):
    review(server, film, note=note)
    text = server.get("/v1/reviews.csv").body.decode()
    (row,) = (row for row in csv.DictReader(io.StringIO(text, newline="")) if row["reading_id"] == film["id"])
    assert row["note"] == f"'{note}"


def test_a_name_with_blanks_around_it_is_the_same_reader(server, film):
    assert review(server, film, reader=" R1 ").json["reader"] == "R1"
    assert review(server, film).json["reading"]["reader"] == "R1"


def test_a_film_that_was_not_assessed_can_be_reviewed(server):
    value = server.read(("notes.txt", b"not a film either"))[0]
    body = {"verdicts": [{"action": "add", "label": "edema"}]}
    assert review(server, value, **body).json["reading"]["states"] == {"edema": "present"}
    boxed = {"verdicts": [{"action": "add", "label": "edema", "box": [0, 0, 9, 9]}]}
    assert review(server, value, **boxed).code == "BAD_BOX"
    assert json.loads(server.get("/v1/reviews.coco").body)["images"]
