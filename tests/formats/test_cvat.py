"""CVAT exports: shapes, tags, tracks, faults."""

import json

import pytest
from PIL import Image

from lungspot.errors import DatasetError
from lungspot.findings import Box, Finding, Frame, Reading
from lungspot.formats import cvat
from lungspot.formats.case import Case

META = "<version>1.1</version><meta><task><labels><label><name>effusion</name></label></labels></task></meta>"


@pytest.fixture
def make(tmp_path):
    """A function that writes an export with one image of these elements, film 200 x 100 pixels."""

    def write(elements="", attributes='name="a.png" width="200" height="100"', text=None):
        (tmp_path / "images/sub").mkdir(parents=True, exist_ok=True)
        for name in ("a.png", "sub/a.png"):
            Image.new("L", (200, 100)).save(tmp_path / "images" / name)
        whole = f'<annotations>{META}<image id="0" {attributes}>{elements}</image></annotations>'
        (tmp_path / "annotations.xml").write_text(whole if text is None else text)
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("element", "box"),
    [
        (
            '<box label="Effusion" source="manual" xtl="10.5" ytl="20" xbr="60" ybr="80" z_order="0"/>',
            (10.5, 20, 60, 80),
        ),
        ('<box label="effusion" xtl="0" ytl="0" xbr="20" ybr="10" rotation="90"/>', (5, -5, 15, 15)),
        ('<polygon label="effusion" points="10.00,20.00;60.00,30.00;30.00,80.00"/>', (10, 20, 60, 80)),
        ('<polyline label="effusion" points="10,20;60,80"/>', (10, 20, 60, 80)),
        ('<ellipse label="effusion" cx="50" cy="50" rx="20" ry="10"/>', (30, 40, 70, 60)),
        ('<mask label="effusion" rle="1, 2" left="3" top="4" width="10" height="20"/>', (3, 4, 13, 24)),
    ],
)
def test_every_shape_gives_its_enclosing_box(make, element, box):
    (case,) = cvat.read(make(element))
    (finding,) = case.readings[0].findings
    assert finding.label == "effusion"
    assert finding.box.corners == pytest.approx(box)
    assert case.frame == Frame(200, 100)


def test_tags_are_states_and_films_are_found_in_their_folders(make):
    tags = '<tag label="absent:edema" source="manual"/><tag label="poor quality"/><tag label="done"/>'
    root = make(tags, 'name="sub/a.png" width="200" height="100"')
    (case,) = cvat.read(root)
    assert (case.id, case.image) == ("sub/a", root / "images/sub/a.png")
    assert case.readings == (Reading("annotator", (), {"edema": "absent"}, Frame(200, 100)),)
    (annotated,) = cvat.annotated_images(root)
    assert annotated.done


@pytest.mark.parametrize(
    ("elements", "values", "line"),
    [
        ('<box label="blob" xtl="1" ytl="1" xbr="2" ybr="2"/>', {}, r"image 0: element 1: UNKNOWN_LABEL"),
        ('<box label="mass" xtl="1" ytl="1" xbr="1" ybr="2"/>', {}, r"element 1: DATASET_ROW: a box from"),
        ('<box label="mass" xtl="1" ytl="1" xbr="nan" ybr="2"/>', {}, r"element 1: DATASET_ROW: a box from"),
        ('<box label="mass" xtl="1" ytl="1" xbr="x" ybr="2"/>', {}, r"element 1: DATASET_ROW: a box with numbers"),
        ('<box label="mass" ytl="1" xbr="2" ybr="2"/>', {}, r"element 1: DATASET_ROW: a box with numbers .*no xtl"),
        ('<polygon label="mass" points="1;2"/>', {}, r"element 1: DATASET_ROW: a polygon with numbers"),
        ('<points label="mass" points="1,2"/>', {}, r"element 1: DATASET_ROW: a points has no area"),
        ("<skeleton/>", {}, r"element 1: UNKNOWN_LABEL"),
        ("", {"attributes": 'name="gone.png"'}, r"image 0: DATASET_INCOMPLETE: no film 'gone.png'"),
        ("", {"attributes": ""}, r"image 0: DATASET_ROW: an image without a name"),
        ("", {"attributes": 'name="a.png" width="x" height="2"'}, "DATASET_ROW: a film of 'x' x '2' pixels"),
        (
            "",
            {"text": "<annotations><track label='mass'><box/></track></annotations>"},
            "track 0: element 1: DATASET_ROW: frame ''",
        ),
        ("", {"text": "<annotation/>"}, "DATASET_FORMAT: its outermost element is 'annotation', not 'annotations'"),
    ],
)
def test_a_fault_is_one_line_that_says_where(make, elements, values, line):
    with pytest.raises(DatasetError, match=line) as caught:
        cvat.read(make(elements, **values))
    assert "\n" not in str(caught.value)
    assert "annotations.xml" in str(caught.value)


def test_what_is_written_is_what_cvat_reads(make, tmp_path):
    film = make() / "images/a.png"
    frame = Frame(400, 200)
    findings = (Finding("mass", Box(20, 40, 120, 160.123), 0.5), Finding("effusion", Box(1, 2, 3, 4)))
    reading = Reading("R1", findings, {"mass": "present", "effusion": "boxed", "edema": "absent"}, frame)
    cvat.write(
        [Case("a", "nih", "p", (reading,), film, frame), Case("b", "nih", "p", (), film, frame)], tmp_path / "out"
    )
    lines = [line.strip() for line in (tmp_path / "out/annotations.xml").read_text().splitlines()]
    assert lines[3:] == [
        '<image id="0" name="a.png" width="200" height="100">',
        '<box label="mass" source="manual" occluded="0" xtl="10.00" ytl="20.00" xbr="60.00" ybr="80.06" z_order="0" />',
        '<box label="effusion" source="manual" occluded="0" xtl="0.50" ytl="1.00" xbr="1.50" ybr="2.00" z_order="0" />',
        '<tag label="present:mass" source="manual" />',
        '<tag label="absent:edema" source="manual" />',
        "</image>",
        '<image id="1" name="b.png" width="200" height="100" />',
        "</annotations>",
    ]
    kinds = {one["name"]: one["type"] for one in json.loads((tmp_path / "out/labels.json").read_text())}
    assert kinds == {
        "edema": "rectangle", "effusion": "rectangle", "mass": "rectangle",
        "done": "tag", "present:mass": "tag", "absent:edema": "tag",
    }  # fmt: skip


def test_half_a_folder_is_refused(make, tmp_path):
    film = make() / "images/a.png"
    cvat.write([Case("a", "nih", "p", (), film)], tmp_path / "out")
    (tmp_path / "out/annotations.xml").write_text("<annotations/>")
    with pytest.raises(DatasetError, match=r"DATASET_INCOMPLETE: no image 'a\.png'"):
        cvat.read(tmp_path / "out")
    with pytest.raises(DatasetError, match="DATASET_NOT_FOUND"):
        cvat.read(tmp_path / "nothing")
