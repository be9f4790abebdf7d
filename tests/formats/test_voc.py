"""Pascal VOC files: either base, faults, hostile XML, and boxes that stay where they are."""

import pytest
from PIL import Image

from lungspot.errors import DatasetError
from lungspot.findings import Box, Finding, Frame, Reading
from lungspot.formats import voc
from lungspot.formats.case import Case, Split

OBJECT = (
    "<object><name>{}</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>"
    "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"
)
HEAD = "<annotation><folder>x</folder><filename>{}</filename><size><width>{}</width><height>100</height></size>"


@pytest.fixture
def make(tmp_path):
    """A function that writes one annotation into a VOC folder with one film of 200 x 100 pixels."""

    def write(*objects, filename="a.png", width=200, text=None):
        for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        Image.new("L", (200, 100)).save(tmp_path / "JPEGImages/a.png")
        (tmp_path / "ImageSets/Main/val.txt").write_text("a\n")
        whole = HEAD.format(filename, width) + "".join(OBJECT.format(*one) for one in objects) + "</annotation>"
        (tmp_path / "Annotations/a.xml").write_text(whole if text is None else text, encoding="utf-8")
        return tmp_path

    return write


@pytest.mark.parametrize("filename", ["a.png", "a", "a.jpg", "C:\\films\\a.png", ""])
def test_a_stranger_s_file(make, filename):
    root = make(("Pleural effusion", 10, 20, 60, 80.5), filename=filename)
    (case,) = voc.read(root)
    reading = Reading(
        "annotator", (Finding("effusion", Box(10, 20, 60, 80.5)),), {"effusion": "boxed"}, Frame(200, 100)
    )
    image = root / "JPEGImages/a.png"
    assert case == Case("a", root.name, f"{root.name}_a", (reading,), image, Frame(200, 100), Split.VAL)


def test_files_that_count_from_one_are_read_as_such_when_told(make):
    root = make(("mass", 1, 1, 200, 100), ("mass", 7, 7, 7, 7))
    assert voc.read(root, one_based=True)[0].readings[0].boxes() == (Box(0, 0, 200, 100), Box(6, 6, 7, 7))


def test_a_film_without_objects_stays(make):
    assert voc.read(make())[0].readings == (Reading("annotator", (), {}, Frame(200, 100)),)


@pytest.mark.parametrize(
    ("objects", "values", "line"),
    [
        ([("mass", 10, 20, 5, 80)], {}, r"object 1: DATASET_ROW: a box from \(10.0, 20.0\) to \(5.0, 80.0\)"),
        ([("mass", "nan", 20, 5, 80)], {}, "object 1: DATASET_ROW"),
        ([("mass", "", 20, 5, 80)], {}, "object 1: DATASET_ROW: bndbox .* are not four numbers"),
        ([("mass", 1, 2, 3, 4), ("blob", 1, 2, 3, 4)], {}, "object 2: UNKNOWN_LABEL: no label is called 'blob'"),
        ([], {"filename": "gone.png"}, "DATASET_INCOMPLETE: no film 'gone.png'"),
        ([], {"width": -3}, "DATASET_ROW: a film of '-3' x '100' pixels"),
        ([], {"text": "<annotation><object>"}, "DATASET_FORMAT: not XML"),
        ([], {"text": "<html/>"}, "DATASET_FORMAT: its outermost element is 'html', not 'annotation'"),
        ([], {"text": ""}, "DATASET_FORMAT: not XML"),
        (
            [],
            {
                "text": '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation><filename>&x;</filename></annotation>'
            },
            "DATASET_FORMAT: it declares a document type or entities",
        ),
        (
            [],
            {"text": '<!DOCTYPE a [<!ENTITY x "yy"><!ENTITY z "&x;&x;">]><annotation>&z;</annotation>'},
            "DATASET_FORMAT: it declares a document type or entities",
        ),
        ([], {"text": "<annotation>" + "<a>" * 9999 + "</a>" * 9999 + "</annotation>"}, "nested more than 32 deep"),
        ([], {"text": '<?xml version="1.0" encoding="no-such"?><annotation/>'}, "DATASET_FORMAT: not XML"),
    ],
)
def test_a_fault_is_one_line_that_says_where(make, objects, values, line):
    with pytest.raises(DatasetError, match=line) as caught:
        voc.read(make(*objects, **values))
    assert "\n" not in str(caught.value)
    assert "a.xml" in str(caught.value)


def test_boxes_do_not_move_however_often_they_are_read_and_written(make, tmp_path):
    film = make() / "JPEGImages/a.png"
    boxes = (Box(0, 0, 1, 1), Box(10.3, 20.7, 60.5, 80.49), Box(199.2, 99.2, 199.4, 99.4), Box(-5, 3, 300, 9))
    reading = Reading("R1", tuple(Finding("mass", box) for box in boxes), {"mass": "boxed"}, Frame(200, 100))
    cases = [Case("a", "nih", "p", (reading,), film, Frame(200, 100))]
    files = []
    for number in range(4):
        out = tmp_path / f"out{number}"
        voc.write(cases, out)
        cases = voc.read(out)
        files.append((out / "Annotations/a.xml").read_bytes())
        # A tool that keeps nothing but the XML reads whole pixels, the same each time.
        (out / "lungspot.jsonl").unlink()
        bare = voc.read(out)
        assert bare[0].readings[0].boxes() == (
            Box(0, 0, 1, 1),
            Box(10, 21, 60, 80),
            Box(199, 99, 200, 100),
            Box(-5, 3, 300, 9),
        )
    assert cases[0].readings == (reading,)
    assert len(set(files)) == 1


def test_each_film_of_one_name_is_the_one_of_its_own_folder(make, tmp_path):
    text = HEAD.format("view1.png", 200) + OBJECT.format("mass", 1, 2, 3, 4) + "</annotation>"
    make()
    for place in ("Annotations/p1/view1.xml", "Annotations/p2/view1.xml"):
        (tmp_path / place).parent.mkdir()
        (tmp_path / place).write_text(text)
    for place in ("JPEGImages/p1/view1.png", "JPEGImages/p2/view1.png"):
        (tmp_path / place).parent.mkdir()
        Image.new("L", (200, 100)).save(tmp_path / place)
    (tmp_path / "ImageSets/Main/test.txt").write_text("p2/view1\n")
    found = {case.id: case for case in voc.read(tmp_path)}
    assert found["p1/view1"].image == tmp_path / "JPEGImages/p1/view1.png"
    assert found["p2/view1"].image == tmp_path / "JPEGImages/p2/view1.png"
    assert [found[name].split for name in ("a", "p1/view1", "p2/view1")] == [Split.VAL, None, Split.TEST]


def test_an_edit_in_a_tool_that_drops_what_it_does_not_know_comes_back(make, tmp_path):
    film = make() / "JPEGImages/a.png"
    findings = (Finding("mass", Box(10.3, 20.7, 60.5, 80.49), 0.5), Finding("effusion", Box(1, 2, 3, 4)))
    reading = Reading("R1", findings, {"mass": "boxed", "effusion": "boxed", "edema": "absent"}, Frame(200, 100))
    voc.write([Case("a", "nih", "p", (reading,), film, Frame(200, 100))], tmp_path / "out")
    text = HEAD.format("a.png", 200) + OBJECT.format("effusion", 5, 6, 7, 8) + OBJECT.format("mass", 10, 21, 60, 80)
    (tmp_path / "out/Annotations/a.xml").write_text(text + "</annotation>")
    (read,) = voc.read(tmp_path / "out")
    assert read.readings[0].findings == (findings[0], Finding("effusion", Box(5, 6, 7, 8)))
    assert read.readings[0].states == reading.states


def test_half_a_folder_is_refused(make, tmp_path):
    film = make() / "JPEGImages/a.png"
    voc.write([Case("a", "nih", "p", (), film)], tmp_path / "out")
    (tmp_path / "out/Annotations/a.xml").unlink()
    with pytest.raises(DatasetError, match=r"DATASET_INCOMPLETE: no XML file of 'a\.png'"):
        voc.read(tmp_path / "out")
    with pytest.raises(DatasetError, match="DATASET_NOT_FOUND: no such file"):
        voc.read(tmp_path / "nothing")
