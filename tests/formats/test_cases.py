"""From tools' files to cases: each film its own file, and boxes in the frame of that file."""

import json

import pytest
from PIL import Image

from lungspot.errors import DatasetError
from lungspot.findings import Box, Frame
from lungspot.formats import coco, labelme, voc, yolo
from lungspot.images import read as read_film

DRAWN = Box(40, 60, 160, 180)


def save(path, size=(400, 300), *, orientation=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    Image.new("L", size, 99).save(path, exif=exif)


def shapes(root, name="a.jpg", **values):
    shape = {"label": "Effusion", "points": [[40, 60], [160, 180]], "shape_type": "rectangle"}
    value = {"shapes": [shape], "imagePath": name, "imageHeight": 300, "imageWidth": 400} | values
    (root / "a.json").write_text(json.dumps({key: item for key, item in value.items() if item != "gone"}))


def only(cases):
    (case,) = cases
    return case.frame, case.readings[0].boxes()


@pytest.mark.parametrize(
    "stated", [{}, {"imageHeight": None, "imageWidth": None}, {"imageHeight": "gone", "imageWidth": "gone"}]
)
def test_a_size_that_is_not_stated_is_the_film_s(tmp_path, stated):
    save(tmp_path / "a.jpg")
    shapes(tmp_path, **stated)
    assert only(labelme.read(tmp_path)) == (Frame(400, 300), (DRAWN,))


VOC = (
    "<annotation><filename>a.png</filename>{size}<object><name>Effusion</name><bndbox><xmin>40</xmin><ymin>60</ymin>"
    "<xmax>160</xmax><ymax>180</ymax></bndbox></object></annotation>"
)


@pytest.mark.parametrize("size", ["", "<size/>", "<size><width>0</width><height>0</height></size>"])
def test_voc_without_a_size(tmp_path, size):
    save(tmp_path / "JPEGImages/a.png")
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations/a.xml").write_text(VOC.format(size=size))
    assert only(voc.read(tmp_path)) == (Frame(400, 300), (DRAWN,))


@pytest.mark.parametrize("size", [{}, {"width": 0, "height": 0}, {"width": None, "height": None}])
def test_coco_without_a_size(tmp_path, size):
    save(tmp_path / "images/a.png")
    value = {
        "images": [{"id": 1, "file_name": "a.png"} | size],
        "categories": [{"id": 1, "name": "Effusion"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [40, 60, 120, 120]}],
    }
    (tmp_path / "annotations.json").write_text(json.dumps(value))
    assert only(coco.read(tmp_path)) == (Frame(400, 300), (DRAWN,))


def test_without_size_and_readable_film_the_place_is_said(tmp_path):
    (tmp_path / "a.jpg").write_text("no film")
    shapes(tmp_path, imageHeight=None, imageWidth=None)
    with pytest.raises(DatasetError, match=r"a\.jpg: NOT_AN_IMAGE"):
        labelme.read(tmp_path)


# orientation → where the corner pixels x 40 to 160, y 60 to 180 of the stored 400 x 300 film are shown
TURNED = {5: (60, 40, 180, 160), 6: (120, 40, 240, 160), 7: (120, 240, 240, 360), 8: (60, 240, 180, 360)}


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize(("orientation", "corners"), TURNED.items())
def test_boxes_drawn_on_the_stored_film_are_turned_as_the_film_is_shown(tmp_path, suffix, orientation, corners):
    save(tmp_path / f"a.{suffix}", orientation=orientation)
    shapes(tmp_path, f"a.{suffix}")
    assert only(labelme.read(tmp_path)) == (Frame(300, 400), (Box(*corners),))


@pytest.mark.parametrize(("orientation", "corners"), TURNED.items())
def test_the_turn_is_pillow_s_own(tmp_path, orientation, corners):
    """A white rectangle where the box is: it must be white inside the turned box, and nowhere else."""
    stored = Image.new("L", (400, 300))
    stored.paste(255, tuple(map(int, DRAWN.corners)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    shown = Image.fromarray((read_film(tmp_path / "a.png").pixels * 255).astype("uint8"))
    assert shown.getbbox() == corners


@pytest.mark.parametrize("orientation", [None, 1, 3])
def test_a_turned_size_of_a_film_that_is_not_turned_is_refused(tmp_path, orientation):
    save(tmp_path / "a.jpg", (300, 400), orientation=orientation)
    shapes(tmp_path)
    with pytest.raises(DatasetError, match="DATASET_ROW: 400 x 300 is stated, and the film is 300 x 400"):
        labelme.read(tmp_path)


def test_a_smaller_copy_keeps_the_frame_that_the_boxes_are_in(tmp_path):
    save(tmp_path / "a.jpg", (200, 150))
    shapes(tmp_path)
    assert only(labelme.read(tmp_path)) == (Frame(400, 300), (DRAWN,))


def two_names(root, *names):
    images = [{"id": row, "file_name": name, "width": 400, "height": 300} for row, name in enumerate(names)]
    value = {"images": images, "categories": [{"id": 1, "name": "Effusion"}], "annotations": []}
    (root / "annotations.json").write_text(json.dumps(value))
    return coco.read(root)


def test_one_file_does_not_answer_to_two_names(tmp_path):
    save(tmp_path / "images/view1_frontal.png")
    names = ("patient00001/study1/view1_frontal.jpg", "patient00002/study1/view1_frontal.jpg")
    with pytest.raises(DatasetError, match=r"images\[1\]: DATASET_ROW: .*view1_frontal\.png would be the film of 'pat"):
        two_names(tmp_path, *names)
    assert [case.image.name for case in two_names(tmp_path, names[0])] == ["view1_frontal.png"]


def test_films_of_one_name_in_two_folders_are_two(tmp_path):
    for patient in ("p1", "p2"):
        save(tmp_path / f"images/{patient}/view1.png")
    assert [case.id for case in two_names(tmp_path, "p1/view1.png", "p2/view1.png")] == ["p1/view1", "p2/view1"]


def test_two_suffixes_of_one_name_are_not_one_film(tmp_path):
    save(tmp_path / "images/a.png")
    with pytest.raises(DatasetError, match=r"would be the film of 'a\.png' and of 'a\.jpg'"):
        two_names(tmp_path, "a.png", "a.jpg")


def test_one_label_file_does_not_answer_to_two_films(tmp_path):
    for name in ("a.png", "a.jpg"):
        save(tmp_path / "images" / name)
    (tmp_path / "data.yaml").write_text("names: [Effusion]")
    assert len(yolo.read(tmp_path)) == 2  # without a label file nobody's boxes are another's
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    with pytest.raises(DatasetError, match=r"a\.txt: DATASET_ROW: it would be the label file of images/a\.jpg and of"):
        yolo.read(tmp_path)
