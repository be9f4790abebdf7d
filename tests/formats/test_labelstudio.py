"""Label Studio exports: people, predictions, shapes, links, faults."""

import json
import math

import pytest
from PIL import Image

from lungspot.errors import DatasetError
from lungspot.findings import Box, Finding, Frame, Reading
from lungspot.formats import labelstudio
from lungspot.formats.case import Case
from lungspot.formats.classes import ClassMap

SIZE = {"original_width": 200, "original_height": 100, "image_rotation": 0, "from_name": "label", "to_name": "image"}


def region(label="Pleural effusion", kind="rectanglelabels", **value):
    shape = {"x": 10, "y": 20, "width": 50, "height": 40, "rotation": 0} if kind == "rectanglelabels" else {}
    return SIZE | {"id": "Xy1", "type": kind, "value": shape | {kind: [label]} | value}


def bare(kind, **value):
    """Return a region without a label."""
    return SIZE | {"id": "Xy1", "type": kind, "value": {"x": 10, "y": 20, "width": 50, "height": 40} | value}


@pytest.fixture
def make(tmp_path):
    """A function that writes an export of one task, film 200 x 100 pixels."""

    def write(results=(), image="/data/local-files/?d=images/a%20b.png", **values):
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.new("L", (200, 100)).save(tmp_path / "images/a b.png")
        annotation = {"id": 5, "completed_by": 3, "was_cancelled": False, "result": list(results)}
        task = {"id": 1, "data": {"image": image}, "annotations": [annotation], "predictions": []}
        (tmp_path / "tasks.json").write_text(json.dumps([task | values]))
        return tmp_path

    return write


@pytest.mark.parametrize(
    "image",
    [
        "/data/local-files/?d=images/a%20b.png",
        "/data/local-files/?d=a b.png",
        "/data/upload/12/0a1b2c3d-a%20b.png",
        "https://example.org/films/a%20b.png?x=1",
        "s3://bucket/deep/a%20b.png",
        "images/a b.png",
    ],
)
def test_the_film_is_found_whatever_the_link(make, image):
    root = make([region()], image)
    (case,) = labelstudio.read(root)
    assert case.image == root / "images/a b.png"
    assert case.frame == Frame(200, 100)
    assert case.readings == (
        Reading("user 3", (Finding("effusion", Box(20, 20, 120, 60)),), {"effusion": "boxed"}, Frame(200, 100)),
    )


@pytest.mark.parametrize(
    ("result", "box"),
    [
        (region(rotation=90), (20 - 40, 20, 20, 20 + 100)),
        (region(rotation=45), (20 - 40 * math.sqrt(0.5), 20, 20 + 100 * math.sqrt(0.5), 20 + 140 * math.sqrt(0.5))),
        (region(kind="polygonlabels", points=[[10, 20], [50, 30], [30, 90]]), (20, 20, 100, 90)),
        (region(kind="ellipselabels", x=50, y=50, radiusX=10, radiusY=20), (80, 30, 120, 70)),
    ],
)
def test_every_shape_gives_its_enclosing_box(make, result, box):
    (case,) = labelstudio.read(make([result]))
    assert case.readings[0].boxes()[0].corners == pytest.approx(box)


def test_every_annotator_and_every_model_is_a_reader(make):
    says = SIZE | {"id": "c", "type": "choices", "value": {"choices": ["absent:edema", "blurred"]}}
    annotations = [
        {"completed_by": {"id": 4, "email": "a@example.org"}, "result": [region(), says]},
        {"completed_by": 5, "result": []},
        {"completed_by": 6, "was_cancelled": True, "result": [region()]},
    ]
    predictions = [{"model_version": "v1", "result": [region("mass") | {"score": 0.25}]}]
    root = make(annotations=annotations, predictions=predictions)
    (annotated,) = labelstudio.annotated_images(root)
    assert annotated.readers == ("a@example.org", "user 5")
    assert [(mark.reader, mark.proposed, mark.score) for mark in annotated.marks] == [
        ("a@example.org", False, None), ("v1", True, 0.25),
    ]  # fmt: skip
    assert annotated.states_by == {"a@example.org": {"edema": "absent"}, "user 5": {}}
    assert [reading.reader for reading in labelstudio.read(root)[0].readings] == ["a@example.org", "user 5"]


def put(results, **values):
    return {"results": results, **values}


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (put([region("blob")]), r"task 0: annotation 0: result 0: UNKNOWN_LABEL"),
        (put([region(width=0)]), r"result 0: DATASET_ROW: a box from"),
        (put([region(x=float("nan"))]), r"result 0: DATASET_ROW: a box from"),
        (put([region(x=None)]), r"result 0: DATASET_ROW: not a rectangle"),
        (put([region() | {"original_width": None}]), r"result 0: DATASET_ROW: a film of None x 100 pixels"),
        (
            put([region() | {"original_width": None, "original_height": None}], image="gone.png"),
            "DATASET_ROW: no size of the film",
        ),
        (put([region(rectanglelabels=[])]), r"result 0: DATASET_ROW: a rectanglelabels has no label"),
        (put([region(), region() | {"original_width": 300}]), "task 0: DATASET_ROW: regions disagree"),
        (put([bare("rectangle")]), "DATASET_ROW: a rectangle has no label"),
        (put([region() | {"type": "brushlabels"}]), "DATASET_ROW: a brushlabels has no label or no box"),
        (put([7]), "task 0: annotation 0: DATASET_ROW: result is not a list"),
        (put([], image="gone.png"), r"task 0: DATASET_INCOMPLETE: no film 'gone\.png'"),
        (put([], image="/"), r"task 0: DATASET_INCOMPLETE: no film '/'"),
        (put([], image=None), "task 0: DATASET_ROW: data.image names no film"),
        (put([], data=None), "task 0: DATASET_FORMAT: a task without data"),
        (put([], annotations="x"), "task 0: DATASET_ROW: annotations is not a list"),
    ],
)
def test_a_fault_is_one_line_that_says_where(make, given, line):
    with pytest.raises(DatasetError, match=line) as caught:
        labelstudio.read(make(**given))
    assert "\n" not in str(caught.value)
    assert "tasks.json" in str(caught.value)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "tasks.json").write_text('{"image": "a.png"}')
    with pytest.raises(DatasetError, match="DATASET_FORMAT: not a list of tasks"):
        labelstudio.read(tmp_path)
    (tmp_path / "tasks.json").write_text('[{"image": "a.png", "label": []}]')
    with pytest.raises(DatasetError, match="DATASET_FORMAT: a task without data; export as"):
        labelstudio.read(tmp_path)


def test_readers_survive_a_server_that_keeps_regions_and_data_only(make, tmp_path):
    film = make() / "images/a b.png"
    frame = Frame(200, 100)
    readings = (
        Reading("R1", (Finding("mass", Box(1.1, 2.2, 30.3, 40.4)),), {"mass": "boxed", "edema": "absent"}, frame),
        Reading("R2", (Finding("mass", Box(1.1, 2.2, 35.3, 40.4)),), {"mass": "boxed"}, frame),
    )
    cases = [Case("a", "nih", "p", readings, film, frame)]
    labelstudio.write(cases, tmp_path / "out")
    path = tmp_path / "out/tasks.json"
    tasks = json.loads(path.read_text())
    for annotation in tasks[0]["annotations"]:
        del annotation["lungspot_reader"]
        annotation["completed_by"] = 1
    path.write_text(json.dumps(tasks))
    assert labelstudio.read(tmp_path / "out") == cases
    tasks[0]["annotations"][1]["result"][0]["value"]["x"] += 1
    path.write_text(json.dumps(tasks))
    first, second = labelstudio.read(tmp_path / "out")[0].readings
    assert first == readings[0]
    assert second.reader == "R2"
    assert second.boxes()[0].corners == pytest.approx((3.1, 2.2, 37.3, 40.4))


def test_a_reading_says_when_its_annotation_was_handed_in(tmp_path):
    region = {"type": "rectanglelabels", "original_width": 100, "original_height": 80, "from_name": "a", "to_name": "b"}
    value = {"x": 1, "y": 2, "width": 30, "height": 40, "rectanglelabels": ["edema"]}
    said = {"result": [region | {"value": value}]}
    times = {"created_at": "2026-01-02T03:04:05.6Z", "updated_at": "2026-01-03T03:04:05.6Z"}
    annotations = [said | {"completed_by": 1} | times, said | {"completed_by": 2}]
    Image.new("L", (100, 80)).save(tmp_path / "a.png")
    (tmp_path / "export.json").write_text(
        json.dumps([{"id": 1, "data": {"image": "a.png"}, "annotations": annotations}])
    )
    (case,) = labelstudio.read(tmp_path)
    assert [reading.created for reading in case.readings] == ["2026-01-03T03:04:05.6Z", None]


@pytest.mark.parametrize(("whose", "patient"), [("lungspot_p1", "lungspot_p1"), ("", None), (7, None), (None, None)])
def test_a_task_of_the_server_s_says_whose_film_it_is(make, whose, patient):
    root = make(data={"image": "a b.png", "lungspot_patient": whose})
    assert labelstudio.read(root)[0].patient == (patient or f"{root.name}_a b")


def said(choice):
    return SIZE | {"id": "c", "type": "choices", "value": {"choices": [choice]}}


def when(hour, zone="Z"):
    return f"2026-11-03T{hour:02}:00:00.123456{zone}"


@pytest.mark.parametrize(
    ("first", "second", "wins"),
    [
        ({"updated_at": when(9)}, {"updated_at": when(10)}, 1),
        ({"updated_at": when(10)}, {"updated_at": when(9)}, 0),
        ({"updated_at": when(10, "+02:00")}, {"updated_at": when(9)}, 1),  # half past eight, by Greenwich
        ({"created_at": when(8), "updated_at": when(11)}, {"created_at": when(10)}, 0),
        ({"updated_at": when(9)}, {}, 0),
        ({"updated_at": "yesterday"}, {"updated_at": 7}, 1),  # no time: the order counts
        ({}, {}, 1),
        ({}, {"updated_at": when(9), "was_cancelled": True}, 0),
    ],
)
def test_of_one_person_s_annotations_the_last_counts(make, first, second, wins):
    """An empty second one wipes nothing that the last one says, and no box is counted twice."""
    who = {"completed_by": 3}
    for results in (([region()], [region(x=11)]), ([said("present:edema")], []), ([], [said("present:edema")])):
        annotations = [who | {"result": results[0]} | first, who | {"result": results[1]} | second]
        alone = [annotations[wins] | {"was_cancelled": False}]
        assert labelstudio.read(make(annotations=annotations)) == labelstudio.read(make(annotations=alone))


def test_annotations_that_name_nobody_take_no_place_of_each_other(make):
    annotations = [{"result": [region(), said("present:edema")]}, {"result": [region(x=61)]}]
    (case,) = labelstudio.read(make(annotations=annotations))
    (reading,) = case.readings
    assert len(reading.boxes()) == 2
    assert reading.state("edema") == "present"


def test_the_boxes_of_an_earlier_annotation_are_said_to_be_left_out(make):
    annotations = [{"completed_by": 3, "result": [region()]}, {"completed_by": 3, "result": [region(x=11)]}]
    annotations.append({"completed_by": 4, "result": [region()]})
    classes = ClassMap()
    (case,) = labelstudio.read(make(annotations=annotations), names=classes)
    assert [(one.reader, len(one.boxes())) for one in case.readings] == [("user 3", 1), ("user 4", 1)]
    assert "boxes of earlier annotations: left out (1)" in classes.summary()


def test_the_interface_can_be_pasted_into_label_studio(tmp_path):
    """It takes no text that declares an encoding; without a declaration XML is UTF-8."""
    labelstudio.draft([], tmp_path, ["edema"])
    assert (tmp_path / "config.xml").read_text("utf-8").startswith("<View>")
