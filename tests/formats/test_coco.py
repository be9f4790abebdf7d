"""COCO files of strangers, their faults, and the tools that read ours."""

import contextlib
import io
import json

import faster_coco_eval
import pytest
from PIL import Image
from pycocotools.coco import COCO

from lungspot.errors import DatasetError
from lungspot.findings import Box, Finding, Frame, Reading, State
from lungspot.formats import coco
from lungspot.formats.case import Case, Split
from lungspot.images.radiograph import Sex, View


@pytest.fixture
def foreign(tmp_path):
    """A folder as CVAT or Roboflow exports it; a function that changes it and returns the folder."""
    for name in ("a.png", "sub/a.png", "b.jpg"):
        path = tmp_path / "images" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        Image.new("L", (200, 100)).save(path)
    value = {
        "categories": [{"id": 3, "name": "Pleural effusion"}, {"id": 7, "name": "Nodule/Mass"}],
        "images": [
            {"id": 10, "file_name": "a.png", "width": 200, "height": 100},
            {"id": 11, "file_name": "sub\\a.png", "width": 200, "height": 100},
            {"id": 12, "file_name": "b.jpg", "width": 400, "height": 200, "patient_id": "p9", "split": "test"},
        ],
        "annotations": [
            {"id": 1, "image_id": 10, "category_id": 3, "bbox": [10, 20, 30.5, 40], "area": 1220, "iscrowd": 0},
            {"id": 2, "image_id": 10, "category_id": 3, "bbox": [100, 20, 150, 40], "area": 6000, "iscrowd": 0},
            {"id": 3, "image_id": 12, "category_id": 7, "bbox": [300, 150, 50, 40], "area": 2000, "score": 0.5},
        ],
    }

    def make(change=None):
        if change is not None:
            change(value)
        (tmp_path / "instances.json").write_text(json.dumps(value))
        return tmp_path

    return make


def test_a_stranger_s_file_says_no_more_than_it_says(foreign):
    root = foreign()
    first, second, third = coco.read(root)
    frame = Frame(200, 100)
    boxes = (Finding("effusion", Box(10, 20, 40.5, 60)), Finding("effusion", Box(100, 20, 250, 60)))
    assert first == Case(
        "a", root.name, f"{root.name}_a", (Reading("annotator", boxes, {"effusion": "boxed"}, frame),),
        root / "images/a.png", frame,
    )  # fmt: skip
    assert second.id != first.id
    assert (second.image, second.readings) == (root / "images/sub/a.png", (Reading("annotator", (), {}, frame),))
    assert (third.patient, third.split, third.frame) == ("p9", Split.TEST, Frame(400, 200))
    assert third.readings[0].findings == (Finding("nodule_mass", Box(300, 150, 350, 190), 0.5),)


def test_a_crowd_stays_a_crowd(foreign, tmp_path):
    def change(value):
        value["annotations"][1] |= {"iscrowd": 1, "segmentation": {"counts": [0, 20000], "size": [100, 200]}}

    case = coco.read(foreign(change))[0]
    (reading,) = case.readings
    assert [finding.crowd for finding in reading.findings] == [False, True]
    assert reading.boxes("effusion") == (Box(10, 20, 40.5, 60),)
    assert reading.crowds("effusion") == (Box(100, 20, 250, 60),)
    coco.write([case], tmp_path / "again")
    written = json.loads((tmp_path / "again" / "annotations.json").read_text())
    assert [annotation["iscrowd"] for annotation in written["annotations"]] == [0, 1]
    assert coco.read(tmp_path / "again")[0].readings == case.readings


def test_the_caller_may_say_what_was_looked_for(foreign):
    _, second, third = coco.read(foreign(), looked_for=["effusion"])
    assert second.readings[0].states == {"effusion": "absent"}
    assert third.readings[0].states == {"effusion": "absent", "nodule_mass": "boxed"}


def test_the_caller_may_name_the_file_s_own_classes(foreign):
    root = foreign(lambda value: value["categories"][1].update(name="blob"))
    with pytest.raises(DatasetError, match=r"categories\[1\]: UNKNOWN_LABEL: no label is called 'blob'"):
        coco.read(root)
    assert coco.read(root, names={"blob": "mass"})[2].readings[0].findings[0].label == "mass"


def test_lvis_lists_become_states(foreign):
    def change(value):
        value["images"][0] |= {"neg_category_ids": [7], "not_exhaustive_category_ids": [3]}

    assert coco.read(foreign(change))[0].readings[0].states == {"effusion": "present", "nodule_mass": "absent"}


def put(part, row, **values):
    return lambda value: value[part][row].update(values)


FAULTS = [
    (put("images", 0, file_name="gone.png"), r"images\[0\]: DATASET_INCOMPLETE: no film 'gone.png' in "),
    (put("images", 0, width="wide"), r"images\[0\]: DATASET_ROW: a film of 'wide' x 100 pixels"),
    (put("images", 0, id=None), r"images\[0\]: DATASET_ROW: an image needs an id and a file_name"),
    (put("images", 0, neg_category_ids=[3]), r"images\[0\]: DATASET_ROW: effusion is said to be absent but has a box"),
    (put("images", 0, neg_category_ids=[4]), r"images\[0\]: DATASET_ROW: neg_category_ids \[4\] are not ids"),
    (put("images", 0, split="dev"), r"images\[0\]: DATASET_ROW: 'dev' is not a valid Split"),
    (put("annotations", 1, bbox=[1, 2, float("nan"), 4]), r"annotations\[1\]: DATASET_ROW: a box from \(1.0, 2.0\)"),
    (put("annotations", 1, bbox=[1, 2, 10**400, 4]), r"annotations\[1\]: DATASET_ROW: .* are not four numbers"),
    (put("annotations", 1, bbox=[1, 2, 0, 4]), r"annotations\[1\]: DATASET_ROW: a box from"),
    (put("annotations", 1, bbox=[1, 2, 3]), r"annotations\[1\]: DATASET_ROW: bbox \[1, 2, 3\] is not x, y, width"),
    (put("annotations", 1, bbox="1 2 3 4"), r"annotations\[1\]: DATASET_ROW: bbox '1 2 3 4' is not"),
    (put("annotations", 1, category_id=4), r"annotations\[1\]: UNKNOWN_LABEL: no category has the id 4"),
    (put("annotations", 1, image_id=99), r"DATASET_ROW: 1 annotations of no image \(id 99\)"),
    (put("annotations", 1, score=2), r"images\[0\]: DATASET_ROW: score 2 of effusion"),
    (put("annotations", 1, reader=[]), r"annotations\[1\]: DATASET_ROW: reader \[\] or score None is not one"),
    (put("categories", 1, id=3), r"categories\[1\]: DATASET_ROW: another category has the id"),
    (lambda value: value.pop("images"), r"DATASET_FORMAT: no lists of images and categories"),
    (lambda value: value.update(annotations={}), r"DATASET_FORMAT: annotations is not a list"),
    (lambda value: value["images"].append(7), r"images\[3\]: DATASET_ROW"),
    (lambda value: value["annotations"].append(None), r"annotations\[3\]: DATASET_ROW"),
]


@pytest.mark.parametrize(("change", "line"), FAULTS)
def test_a_fault_is_one_line_that_says_where(foreign, change, line):
    with pytest.raises(DatasetError, match=line) as caught:
        coco.read(foreign(change))
    assert "\n" not in str(caught.value)
    assert "instances.json" in str(caught.value)


def test_corners_instead_of_sizes_are_noticed(foreign):
    def change(value):
        for annotation, box in zip(
            value["annotations"], ([10, 20, 90, 90], [150, 20, 190, 60], [1, 1, 350, 190]), strict=True
        ):
            annotation["bbox"] = box
            annotation.pop("area")

    with pytest.raises(DatasetError, match="2 boxes leave their films as x, y, width, height, and all fit as x0, y0"):
        coco.read(foreign(change))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"images": [', "DATASET_FORMAT: not JSON"),
        ("[" * 100_000, "DATASET_FORMAT: not JSON"),
        ("[]", "DATASET_FORMAT: no lists"),
        ("\xff\xfe", "DATASET_FORMAT: not JSON"),
    ],
)
def test_a_file_that_is_not_coco_is_refused(tmp_path, text, line):
    (tmp_path / "x.json").write_text(text, encoding="latin-1")
    with pytest.raises(DatasetError, match=line):
        coco.read(tmp_path)


def test_a_folder_without_one_file_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="DATASET_NOT_FOUND"):
        coco.read(tmp_path / "nothing")
    with pytest.raises(DatasetError, match=r"0 \*.json files"):
        coco.read(tmp_path)


FRAME = Frame(400, 200)
READ = Reading(
    "R1",
    (Finding("effusion", Box(20, 20, 60, 60)), Finding("fracture", Box(350, 150, 480, 190), 0.25)),
    {"effusion": State.BOXED, "fracture": State.PRESENT, "edema": State.ABSENT},
    FRAME,
)


@pytest.fixture
def written(foreign, tmp_path):
    """Three cases as written: two readers, a film at half its native size, a film without boxes."""
    film = foreign() / "images/a.png"
    second = Reading("R2", (), {"effusion": "absent", "mass": "absent"}, FRAME)
    cases = [
        Case("a", "nih", "p1", (READ, second), film, FRAME, Split.VAL, View.PA, 58.5, Sex.FEMALE),
        Case("b", "nih", "p2", (Reading("R1", (), {"effusion": "absent"}),), film),
        Case("c", "nih", "p3", (), None),
    ]
    coco.write(cases, tmp_path / "out")
    return cases, tmp_path / "out"


def test_boxes_are_in_pixels_of_the_file_beside_and_states_in_lvis_lists(written):
    _, out = written
    value = json.loads((out / "annotations.json").read_text())
    names = {category["id"]: category["name"] for category in value["categories"]}
    image = value["images"][0]
    assert (image["width"], image["height"], image["native"]) == (200, 100, [400, 200])
    assert {key: image[key] for key in ("dataset", "case_id", "patient_id", "split", "view", "age", "sex")} == {
        "dataset": "nih", "case_id": "a", "patient_id": "p1", "split": "val", "view": "PA", "age": 58.5, "sex": "F",
    }  # fmt: skip
    assert sorted(names[number] for number in image["neg_category_ids"]) == ["edema", "mass"]
    assert [names[number] for number in image["not_exhaustive_category_ids"]] == ["fracture"]
    assert [(one["bbox"], one["area"], one["reader"]) for one in value["annotations"]] == [
        ([10, 10, 20, 20], 400, "R1"), ([175, 75, 65, 20], 1300, "R1"),
    ]  # fmt: skip
    assert (out / "images/a.png").is_symlink()


def test_edits_made_in_a_tool_come_back_and_nothing_else_changes(written):
    cases, out = written
    path = out / "annotations.json"
    value = json.loads(path.read_text())
    ids = {category["name"]: category["id"] for category in value["categories"]}
    value["annotations"][0] |= {"bbox": [10, 10, 25, 20]}
    value["annotations"].append({"id": 9, "image_id": 2, "category_id": ids["mass"], "bbox": [1, 2, 3, 4]})
    value["images"][2]["neg_category_ids"] = [ids["edema"]]
    path.write_text(json.dumps(value))
    first, second, third = coco.read(out)
    assert first.readings[1] == cases[0].readings[1]
    assert set(first.readings[0].findings) == {READ.findings[1], Finding("effusion", Box(20, 20, 70, 60))}
    assert first.readings[0].states == READ.states
    assert second.readings == (
        Reading("R1", (Finding("mass", Box(1, 2, 4, 6)),), {"effusion": "absent", "mass": "boxed"}, Frame(200, 100)),
    )
    assert third.readings == (Reading("annotator", (), {"edema": "absent"}),)


def test_a_box_that_is_deleted_leaves_no_claim(written):
    cases, out = written
    path = out / "annotations.json"
    value = json.loads(path.read_text())
    del value["annotations"][0]
    path.write_text(json.dumps(value))
    first = coco.read(out)[0]
    assert first.readings[0] == Reading("R1", READ.findings[1:], {"fracture": "present", "edema": "absent"}, FRAME)
    assert first.readings[1] == cases[0].readings[1]


def test_a_box_drawn_twice_in_the_same_place_is_two_boxes(written):
    cases, out = written
    path = out / "annotations.json"
    value = json.loads(path.read_text())
    value["annotations"].append(value["annotations"][0] | {"id": 9})
    path.write_text(json.dumps(value))
    findings = (*READ.findings, Finding("effusion", Box(20, 20, 60, 60)))
    assert coco.read(out)[0].readings == (Reading("R1", findings, READ.states, FRAME), cases[0].readings[1])


def test_a_film_that_is_gone_is_named(written):
    _, out = written
    value = json.loads((out / "annotations.json").read_text())
    value["images"][0]["film"] = "gone.png"
    (out / "annotations.json").write_text(json.dumps(value))
    with pytest.raises(DatasetError, match=r"gone\.png: DATASET_INCOMPLETE: the film of nih/a is not there"):
        coco.read(out)


def test_pycocotools_and_faster_coco_eval_read_it(written):
    _, out = written
    path = str(out / "annotations.json")
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = COCO(path)
        assert len(theirs.imgs), len(theirs.anns) == (3, 2)
        assert len(theirs.loadRes([{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1}]).anns) == 1
    faster = faster_coco_eval.COCO(path)
    ids = {category["name"]: category["id"] for category in faster.dataset["categories"]}
    found = [
        {"image_id": 1, "category_id": ids["effusion"], "bbox": [10, 10, 20, 20], "score": 0.9},
        # Beyond an exhaustive label these are no errors: not looked for on film 3, not exhaustive on film 1.
        {"image_id": 3, "category_id": ids["effusion"], "bbox": [1, 1, 9, 9], "score": 0.99},
        {"image_id": 1, "category_id": ids["fracture"], "bbox": [175, 75, 65, 20], "score": 0.9},
        {"image_id": 1, "category_id": ids["fracture"], "bbox": [5, 5, 9, 9], "score": 0.95},
    ]

    def precision(results):
        evaluation = faster_coco_eval.COCOeval_faster(
            faster, faster.loadRes(results), "bbox", lvis_style=True, print_function=lambda *_: None
        )
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        return evaluation.stats_as_dict["AP_50"]

    assert precision(found) == pytest.approx(1)
    # Film 2 is known not to show an effusion: a box there is an error.
    assert precision([*found, {"image_id": 2, "category_id": ids["effusion"], "bbox": [1, 1, 9, 9], "score": 1}]) < 0.9
