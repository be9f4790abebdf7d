"""What Label Studio's versions, templates and importers write: ids of predictions, pairs of results, missing sizes."""

import json

import pytest
from PIL import Image

from lungspot.errors import DatasetError
from lungspot.findings import Box, Frame
from lungspot.formats import ClassMap, labelstudio

SIZE = {"original_width": 400, "original_height": 300, "image_rotation": 0, "from_name": "label", "to_name": "image"}
PLACE = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0}
DRAWN = Box(40, 60, 160, 180)


def result(kind="rectanglelabels", identifier="aB3xY1", **value):
    return SIZE | {"id": identifier, "type": kind, "value": PLACE | value}


EFFUSION = result(rectanglelabels=["Effusion"])


@pytest.fixture
def export(tmp_path):
    """A function that writes an export of one task about one film of 400 x 300 pixels."""

    def make(results=(EFFUSION,), **task):
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.new("L", (400, 300)).save(tmp_path / "images/film1.png")
        annotation = {"id": 101, "completed_by": 1, "result": list(results), "was_cancelled": False, "prediction": {}}
        whole = {"id": 1, "annotations": [annotation], "data": {"image": "/data/upload/1/1a2b3c4d-film1.png"}}
        (tmp_path / "tasks.json").write_text(json.dumps([whole | task]))
        return tmp_path

    return make


def boxes(root):
    (case,) = labelstudio.read(root)
    return [(reading.reader, f.label, f.box) for reading in case.readings for f in reading.findings]


BODY = {"id": 7, "model_version": "yolo-v8", "score": 0.8, "result": [result(rectanglelabels=["Mass"], x=50)]}


@pytest.mark.parametrize("predictions", [[286], [], None, [286, BODY], [BODY], [{"id": 9, "result": None}]])
def test_predictions_are_ids_or_bodies_and_never_truth(export, predictions):
    root = export(predictions=predictions)
    assert boxes(root) == [("user 1", "effusion", DRAWN)]
    (annotated,) = labelstudio.annotated_images(root)
    assert [mark.label for mark in annotated.marks if mark.proposed] == ["mass"] * (BODY in (predictions or []))


def test_a_film_with_predictions_alone_is_not_read_by_anyone(export):
    (case,) = labelstudio.read(export(annotations=[], predictions=[BODY]))
    assert [dict(reading.states) for reading in case.readings] == [{}]


@pytest.mark.parametrize(
    "results",
    [
        [result("labels", labels=["Effusion"])],
        [result("rectangle"), result("labels", labels=["Effusion"])],
        [result("labels", labels=["Effusion"]), result("rectangle")],
        [result("rectangle"), result("choices", choices=["Effusion"])],
        [result("rectangle", labels=["Effusion"])],
        [result("rectanglelabels", rectanglelabels=["Pleural Effusion"])],
    ],
)
def test_a_region_is_one_result_or_a_pair(export, results):
    assert boxes(export(results)) == [("user 1", "effusion", DRAWN)]


def test_two_regions_that_an_importer_gave_one_id_stay_two(export):
    found = boxes(export([EFFUSION, EFFUSION, result(rectanglelabels=["Mass"], x=20)]))
    assert [label for _, label, _ in found] == ["effusion", "effusion", "mass"]


def test_a_region_with_two_labels_is_a_box_of_each(export):
    found = boxes(export([result(rectanglelabels=["Effusion", "Mass"])]))
    assert [(label, box) for _, label, box in found] == [("effusion", DRAWN), ("mass", DRAWN)]


@pytest.mark.parametrize(
    ("turn", "box"),
    [(0, (160, 90, 240, 210)), (90, (140, 110, 260, 190)), (45, (149.0098, 99.0098, 250.9902, 200.9902))],
)
def test_an_ellipse_that_is_turned_has_its_true_extent(export, turn, box):
    shape = {"x": 50, "y": 50, "radiusX": 10, "radiusY": 20, "rotation": turn, "ellipselabels": ["Effusion"]}
    ((_, _, found),) = boxes(export([SIZE | {"id": "e", "type": "ellipselabels", "value": shape}]))
    assert found.corners == pytest.approx(box, abs=1e-3)


def test_a_circle_stays_a_circle_however_it_is_turned(export):
    shape = {"x": 50, "y": 50, "radiusX": 12.5, "radiusY": 50 / 3, "rotation": 45, "ellipselabels": ["Effusion"]}
    ((_, _, found),) = boxes(export([SIZE | {"id": "e", "type": "ellipselabels", "value": shape}]))
    assert found.corners == pytest.approx((150, 100, 250, 200))


@pytest.mark.parametrize(
    "changed",
    [
        {"original_width": None, "original_height": None},
        {"image_rotation": 90},
        {"image_rotation": 90, "original_width": 300, "original_height": 400},
        {"image_rotation": 180},
    ],
)
def test_the_film_says_its_size_where_a_region_does_not_and_the_view_moves_nothing(export, changed):
    region = {key: value for key, value in (EFFUSION | changed).items() if value is not None}
    root = export([region])
    assert boxes(root) == [("user 1", "effusion", DRAWN)]
    assert labelstudio.read(root)[0].frame == Frame(400, 300)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("brushlabels", {"format": "rle", "rle": [1], "brushlabels": ["Effusion"]}),
        ("keypointlabels", {"x": 1, "y": 2, "width": 0.3, "keypointlabels": ["Effusion"]}),
        ("vectorlabels", {"vertices": [[1, 2]], "vectorlabels": ["Effusion"]}),
        ("newlabels", {"x": 1, "y": 2, "newlabels": ["Effusion"]}),
    ],
)
def test_geometry_that_is_not_read_is_said(export, kind, value):
    with pytest.raises(DatasetError, match=f"result 0: DATASET_ROW: a {kind} has no label or no box"):
        labelstudio.read(export([SIZE | {"id": "k", "type": kind, "value": value}]))


def test_what_draws_nothing_is_passed_over(export):
    others = [
        {"id": "t", "type": "textarea", "value": {"text": ["seen"]}},
        {"id": "n", "type": "rating", "value": {"rating": 3}},
        {"from_id": "a", "to_id": "b", "type": "relation", "direction": "right"},
    ]
    assert boxes(export([EFFUSION, *others])) == [("user 1", "effusion", DRAWN)]


def test_a_film_is_found_whatever_its_data_is_called(export):
    data = {"patient": "p1", "xray": "/data/upload/1/1a2b3c4d-film1.png"}
    assert boxes(export(data=data)) == [("user 1", "effusion", DRAWN)]


def test_exports_of_old_versions_call_annotations_completions(export):
    root = export()
    (task,) = json.loads((root / "tasks.json").read_text())
    task["completions"] = task.pop("annotations")
    (root / "tasks.json").write_text(json.dumps([task]))
    assert boxes(root) == [("user 1", "effusion", DRAWN)]


def test_no_finding_means_that_everything_is_absent(export):
    (case,) = labelstudio.read(export([{"id": "c", "type": "choices", "value": {"choices": ["No Finding"]}}]))
    assert {"effusion": "absent", "pneumonia": "absent"}.items() <= dict(case.readings[0].states).items()
    (case,) = labelstudio.read(export([EFFUSION, {"id": "c", "type": "choices", "value": {"choices": ["normal"]}}]))
    assert dict(case.readings[0].states) == {"effusion": "boxed"}


def test_what_nobody_handed_in_is_said_to_be_left_out(export):
    skipped = {"was_cancelled": True, "result": [EFFUSION, result(identifier="b", rectanglelabels=["Mass"])]}
    draft = {"user": "a", "result": [EFFUSION, {"id": "t", "type": "textarea", "value": {"text": ["?"]}}]}
    classes = ClassMap()
    (case,) = labelstudio.read(export(annotations=[skipped], predictions=[BODY], drafts=[draft, 5]), names=classes)
    assert [reading.boxes() for reading in case.readings] == [()]
    left = [f"boxes of {what}: left out ({n})" for what, n in (("skipped annotations", 2), ("predictions", 1))]
    assert classes.summary().split("; ") == ["Mass → mass (1)", *left, "boxes of drafts: left out (1)"]
