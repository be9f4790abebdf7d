"""COCO files as Roboflow, datumaro, pandas and others write them."""

import json

import pytest
from PIL import Image

from lungspot.errors import DatasetError
from lungspot.findings import Box, Finding, Reading, State
from lungspot.formats import coco
from lungspot.formats.case import Case
from lungspot.formats.classes import ClassMap

DRAWN = Box(40, 60, 160, 180)


@pytest.fixture
def folder(tmp_path):
    """A function that writes a COCO file about one film of 400 x 300 pixels, after changing it."""

    def make(change=lambda _: None):
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.new("L", (400, 300)).save(tmp_path / "images/a.png")
        value = {
            "images": [{"id": 1, "file_name": "a.png", "width": 400, "height": 300}],
            "annotations": [
                {"id": 1, "image_id": 1, "category_id": 1, "bbox": [40, 60, 120, 120], "area": 14400, "iscrowd": 0}
            ],
            "categories": [{"id": 0, "name": "cxr", "supercategory": "none"}, {"id": 1, "name": "Effusion"}],
        }
        change(value)
        (tmp_path / "annotations.json").write_text(json.dumps(value))
        return tmp_path

    return make


def only(root, **options):
    (case,) = coco.read(root, **options)
    return case.readings[0]


def test_a_category_that_nothing_uses_need_not_be_known(folder):
    classes = ClassMap()
    assert only(folder(), names=classes).findings == (Finding("effusion", DRAWN),)
    assert classes.summary() == "Effusion → effusion (1); cxr: not used"


def test_a_category_that_is_used_must_be_known_or_mapped(folder):
    root = folder(lambda value: value["annotations"][0].update(category_id=0))
    with pytest.raises(DatasetError, match=r"categories\[0\]: UNKNOWN_LABEL: .*--class-map 'cxr=LABEL'"):
        coco.read(root)
    assert only(root, names={"cxr": "mass"}).findings == (Finding("mass", DRAWN),)
    assert only(root, names=ClassMap({"cxr": "-"})).findings == ()


@pytest.mark.parametrize(
    "name", ["/data/upload/1/a.png", "C:\\films\\a.png", "https://host/films/a.png", "s3://b/a.png"]
)
def test_a_path_of_another_machine_is_no_name_of_a_film(folder, name):
    (case,) = coco.read(folder(lambda value: value["images"][0].update(file_name=name)))
    assert (case.id, case.image.name) == ("images/a", "a.png")


@pytest.mark.parametrize("number", [1.0, 1])
def test_ids_with_a_point_are_ids(folder, number):
    def change(value):
        value["images"][0]["id"] = value["annotations"][0]["image_id"] = number
        value["categories"][1]["id"] = value["annotations"][0]["category_id"] = number

    assert only(folder(change)).findings == (Finding("effusion", DRAWN),)


@pytest.mark.parametrize("number", [None, True, [1], float("nan")])
def test_what_is_no_id_is_refused(folder, number):
    with pytest.raises(DatasetError, match="DATASET_ROW: an image needs an id and"):
        coco.read(folder(lambda value: value["images"][0].update(id=number)))


def test_two_images_of_one_id_are_refused(folder):
    with pytest.raises(DatasetError, match=r"images\[1\]: DATASET_ROW: another image has the id 1, too"):
        coco.read(folder(lambda value: value["images"].append(value["images"][0])))


@pytest.mark.parametrize("box", [None, []])
def test_a_polygon_stands_in_for_a_box(folder, box):
    polygons = [[40, 60, 160, 60, 160, 100], [50, 180, 60, 180, 60, 90]]
    root = folder(lambda value: value["annotations"][0].update(bbox=box, segmentation=polygons))
    assert only(root).findings == (Finding("effusion", DRAWN),)


@pytest.mark.parametrize("mask", [{"counts": "x", "size": [300, 400]}, [], [[1, 2]], [["a"] * 6]])
def test_a_mask_alone_is_refused(folder, mask):
    root = folder(lambda value: value["annotations"][0].update(bbox=None, segmentation=mask))
    with pytest.raises(DatasetError, match=r"annotations\[0\]: DATASET_ROW: bbox None is not x, y, width, height"):
        coco.read(root)


def test_no_finding_means_all_absent(folder):
    def change(value):
        value["categories"][1]["name"] = "No Finding"

    states = only(folder(change)).states
    assert set(states.values()) == {State.ABSENT}
    assert {"effusion", "pneumonia", "nodule_mass"} <= states.keys()


def test_a_crowd_is_kept_as_one(folder, tmp_path):
    root = folder(lambda value: value["annotations"][0].update(iscrowd=1))
    (case,) = coco.read(root)
    assert [finding.crowd for finding in case.readings[0].findings] == [True]
    coco.write([case], tmp_path / "again")
    assert json.loads((tmp_path / "again/annotations.json").read_text())["annotations"][0]["iscrowd"] == 1


def test_labels_of_our_own_files_need_not_be_in_the_taxonomy(folder, tmp_path):
    film = folder() / "images/a.png"
    frame = coco.read(tmp_path)[0].frame
    reading = Reading("me", (Finding("house_label", DRAWN),), {"house_label": "boxed"}, frame)
    coco.write([Case("a", "mine", "p", (reading,), film, frame)], tmp_path / "own")
    assert only(tmp_path / "own").findings == (Finding("house_label", DRAWN),)


def test_two_parts_do_not_share_a_film(folder):
    root = folder()
    text = (root / "annotations.json").read_text()
    (root / "annotations.json").unlink()
    (root / "annotations").mkdir()
    for part in ("train", "test"):
        (root / "annotations" / f"instances_{part}.json").write_text(text)
    with pytest.raises(DatasetError, match=r"a\.png would be the film of 'test/a\.png' and of 'train/a\.png'"):
        coco.read(root)
    for part in ("train", "test"):
        (root / "images" / part).mkdir()
        Image.new("L", (400, 300)).save(root / "images" / part / "a.png")
    found = coco.read(root)
    assert [(case.id, case.split) for case in found] == [("test/a", "test"), ("train/a", "train")]
    assert len({case.patient for case in found}) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda value: value["images"].append({"id": 1.0, "file_name": "b.png"}), r"has the id 1\.0 \(there 1\), too"),
        (lambda value: value["categories"].append({"id": 1.0, "name": "Mass"}), r"has the id 1\.0 \(there 1\), too"),
        (lambda value: value["annotations"][0].update(image_id="1"), "id '1'; 1 is there: a number and a text are two"),
        (lambda value: value["annotations"][0].update(category_id="1"), "id '1'; 1 is there: a number and a text are"),
        (lambda value: value["annotations"][0].update(iscrowd="0"), "iscrowd '0' is neither 0 nor 1"),
    ],
)
def test_which_ids_collide_or_miss_each_other_is_said(folder, change, said):
    with pytest.raises(DatasetError, match=said):
        coco.read(folder(change))
