"""Boxes in are boxes out, or are said to be left out: `data convert` and `merge` by every format."""

import json

import pytest
from PIL import Image

from lungspot.cli.app import run
from lungspot.formats import ANNOTATION_FORMATS


def test_what_becomes_of_a_crowd_is_said(tmp_path, capsys):
    """COCO keeps it; no other tool can say it, and a plain box would be a claim that nobody made."""
    root = tmp_path / "set"
    (root / "images").mkdir(parents=True)
    Image.new("L", (200, 100)).save(root / "images" / "a.png")
    box = {"image_id": 1, "category_id": 1, "area": 1200}
    value = {
        "categories": [{"id": 1, "name": "effusion"}],
        "images": [{"id": 1, "file_name": "a.png", "width": 200, "height": 100}],
        "annotations": [
            box | {"id": 1, "bbox": [10, 20, 30, 40], "iscrowd": 0},
            box | {"id": 2, "bbox": [0, 0, 200, 100], "iscrowd": 1},
        ],
    }
    (root / "annotations.json").write_text(json.dumps(value))
    for to, boxes, state in (("coco", 2, "boxed"), ("voc", 1, "present")):
        assert run(["data", "convert", "coco", str(root), "-o", str(tmp_path / to), "--to", to]) == 0
        assert ("1 boxes around several instances are left out" in capsys.readouterr().err) is (to == "voc")
        (reading,) = ANNOTATION_FORMATS[to].read(tmp_path / to)[0].readings
        assert (len(reading.findings), reading.state("effusion")) == (boxes, state)
    assert run(["data", "check", "coco", str(root), "--films", "skip"]) == 1
    assert "BOX_CROWD" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("second", "out", "left_out"),
    [
        (([10, 20, 30, 40],), 1, "1 boxes are left out"),
        (([10, 20, 30, 40], [50, 20, 30, 40]), 3, ""),  # another reading, though one of its boxes is equal
        (([10, 20, 30, 41],), 2, ""),
        ((), 1, ""),
    ],
)
def test_two_entries_of_one_film_lose_no_box_in_silence(tmp_path, capsys, second, out, left_out):
    """Boxes in = boxes out + boxes that are said to be left out, whichever verb unites the entries."""
    root = tmp_path / "set"
    root.mkdir()
    Image.new("L", (200, 100)).save(root / "a.png")
    boxes = [(1, [10, 20, 30, 40]), *((2, box) for box in second)]
    value = {
        "categories": [{"id": 1, "name": "effusion"}],
        "images": [{"id": number, "file_name": "a.png", "width": 200, "height": 100} for number in (1, 2)],
        "annotations": [
            {"id": number, "image_id": image, "category_id": 1, "bbox": box}
            for number, (image, box) in enumerate(boxes)
        ],
    }
    (root / "annotations.json").write_text(json.dumps(value))
    for verb, folder in (("convert", "voc"), ("merge", "merged")):
        assert run(["data", verb, "coco", str(root), "--to", "voc", "-o", str(tmp_path / folder)]) == 0
        said = capsys.readouterr().err
        assert ("another entry of the same film has them" in said, left_out in said) == (bool(left_out), True), said
    for folder in ("voc", "merged"):
        read = ANNOTATION_FORMATS["voc"].read(tmp_path / folder)
        assert sum(len(one.findings) for case in read for one in case.readings) == out


@pytest.mark.parametrize(
    ("to", "left"), [("coco", 1), ("yolo", 2), ("voc", 1), ("cvat", 1), ("labelme", 1), ("labelstudio", 1)]
)
def test_boxes_that_a_tool_cannot_say_are_counted(tmp_path, capsys, to, left):
    """One lies off the film, which YOLO clips; one is thinner than any tool's numbers."""
    root = tmp_path / "set"
    root.mkdir()
    Image.new("L", (200, 100)).save(root / "a.png")
    boxes = ([10, 20, 30, 40], [190, 20, 30, 40], [210, 20, 30, 40], [10, 20, 0.0001, 40])
    value = {
        "categories": [{"id": 1, "name": "effusion"}],
        "images": [{"id": 1, "file_name": "a.png", "width": 200, "height": 100}],
        "annotations": [{"id": n, "image_id": 1, "category_id": 1, "bbox": box} for n, box in enumerate(boxes)],
    }
    (root / "annotations.json").write_text(json.dumps(value))
    assert run(["data", "convert", "coco", str(root), "-o", str(tmp_path / to), "--to", to]) == 0
    assert f"lungspot: {left} boxes lie off their films" in capsys.readouterr().err
    (annotated,) = ANNOTATION_FORMATS[to].annotated_images(tmp_path / to)
    assert len(annotated.marks) == len(boxes) - left
    (case,) = ANNOTATION_FORMATS[to].read(tmp_path / to)
    assert len(case.readings[0].findings) == len(boxes)
