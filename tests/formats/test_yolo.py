"""YOLO folders of Ultralytics, Roboflow and Label Studio, their faults, and what a trainer finds in ours."""

import pytest
from PIL import Image

from lungspot.errors import DatasetError
from lungspot.findings import Box, Finding, Frame, Reading
from lungspot.formats import yolo
from lungspot.formats.case import Case, Split
from lungspot.formats.class_list import class_names


@pytest.fixture
def make(tmp_path):
    """A function that writes texts by path, and a film of 200 x 100 pixels for each path that is an image's."""

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix in {".png", ".jpg"}:
                Image.new("L", (200, 100)).save(path)
            else:
                path.write_text(text)
        return tmp_path

    return write


ROBOFLOW = (
    "train: ../train/images\nval: ../valid/images\n\nnc: 2\n"
    "names: ['Pleural effusion', \"Nodule/Mass\"]\n\nroboflow:\n  license: CC\n"
)


def test_a_roboflow_export(make):
    root = make({
        "data.yaml": ROBOFLOW,
        "train/images/a.jpg": "", "train/labels/a.txt": "0 0.5 0.5 0.5 0.5\n1 0.25 0.25 0.25 0.5 0.75\n",
        "valid/images/a.jpg": "", "valid/labels/a.txt": "",
        "valid/images/b.jpg": "",
    })  # fmt: skip
    first, second, third = yolo.read(root)
    assert first.readings[0].findings == (
        Finding("effusion", Box(50, 25, 150, 75)),
        Finding("nodule_mass", Box(25, 0, 75, 50), 0.75),
    )
    assert [(case.id, case.split) for case in (first, second, third)] == [
        ("train/a", Split.TRAIN), ("valid/a", Split.VAL), ("valid/b", Split.VAL),
    ]  # fmt: skip
    assert [case.image for case in (second, third)] == [root / "valid/images/a.jpg", root / "valid/images/b.jpg"]
    assert {case.readings for case in (second, third)} == {(Reading("annotator", (), {}, Frame(200, 100)),)}


def test_an_ultralytics_and_a_flat_folder(make):
    root = make({
        "data.yaml": "path: x\nnames:\n  0: mass\n", "images/test/c.png": "",
        "labels/test/c.txt": "0 0.1 0.1 0.3 0.1 0.3 0.5\n",
    })  # fmt: skip
    (case,) = yolo.read(root, looked_for=["edema"])
    assert case.readings[0].boxes("mass") == (Box(20, 10, 60, 50),)
    assert (case.split, case.readings[0].state("edema")) == (Split.TEST, "absent")


def test_a_flat_folder_with_classes_txt(make):
    root = make({"classes.txt": "mass\nedema\n", "c.png": "", "c.txt": "1 0.5 0.5 1 1\n", "readme.txt": "hello"})
    assert yolo.read(root)[0].readings[0].boxes("edema") == (Box(0, 0, 200, 100),)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("0 0.5 0.5 0.5", r"a\.txt:1: DATASET_ROW: 4 numbers are neither a box nor a polygon"),
        ("\n0 50 50 20 20", r"a\.txt:2: DATASET_ROW: numbers outside 0 to 1: pixels"),
        ("0 nan 0.5 0.5 0.5", "DATASET_ROW: numbers outside 0 to 1"),
        (
            "0 0.5 0.5 0.9 0.9\n0 0.1 0.1 0.9 0.9",
            r"a\.txt:2: DATASET_ROW: 1 boxes leave their films",
        ),
        ("2 0.5 0.5 0.5 0.5", "UNKNOWN_LABEL: class 2 of 2 classes"),
        ("-1 0.5 0.5 0.5 0.5", "UNKNOWN_LABEL: class -1"),
        ("0.5 0.5 0.5 0.5 0.5", r"UNKNOWN_LABEL: class 0\.5"),
        ("mass 0.5 0.5 0.5 0.5", "DATASET_ROW: 'mass 0.5 0.5 0.5 0.5' are not numbers"),
        ("0 0.5 0.5 0 0.5", "DATASET_ROW: a box from"),
    ],
)
def test_a_fault_is_one_line_that_says_where(make, text, line):
    with pytest.raises(DatasetError, match=line) as caught:
        yolo.read(make({"data.yaml": ROBOFLOW, "images/a.png": "", "labels/a.txt": text}))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ({"images/a.png": ""}, "DATASET_NOT_FOUND: no class names"),
        ({"data.yaml": ROBOFLOW}, "DATASET_INCOMPLETE: no films"),
        ({"data.yaml": ROBOFLOW, "images/a.png": "", "labels/b.txt": ""}, r"b\.txt: DATASET_INCOMPLETE: no film has"),
        (
            {"data.yaml": "names: [blob]", "images/a.png": "", "labels/a.txt": "0 .5 .5 .2 .2"},
            r"a\.txt:1: UNKNOWN_LABEL: no label is called 'blob'; say what it means: --class-map 'blob=LABEL'",
        ),
    ],
)
def test_half_a_folder_is_refused(make, files, line):
    with pytest.raises(DatasetError, match=line):
        yolo.read(make(files))


def test_a_trainer_finds_numbers_within_0_and_1_and_lungspot_the_whole_box(make, tmp_path):
    film = make({"film.png": ""}) / "film.png"
    findings = (
        Finding("mass", Box(-40, 10, 40, 30)),
        Finding("effusion", Box(100, 50, 200, 100)),
        Finding("mass", Box(500, 500, 600, 600)),
    )
    reading = Reading("R1", findings, {"mass": "boxed", "effusion": "boxed", "edema": "absent"}, Frame(400, 200))
    cases = [
        Case("a", "nih", "p", (reading,), film, Frame(400, 200), Split.VAL),
        Case("b", "nih", "q", (), film, Frame(400, 200)),
    ]
    out = tmp_path / "out"
    yolo.write(cases, out)
    assert (out / "data.yaml").read_text().splitlines()[1:] == [
        "path: .", "all: images/all", "val: images/val", "nc: 2", "names:", "  0: effusion", "  1: mass",
    ]  # fmt: skip
    assert (out / "labels/val/a.txt").read_text() == "1 0.05 0.1 0.1 0.1\n0 0.375 0.375 0.25 0.25\n"
    assert (out / "labels/all/b.txt").read_text() == ""
    assert yolo.read(out) == cases
    (out / "labels/val/a.txt").write_text("1 0.05 0.1 0.1 0.1\n0 0.375 0.375 0.25 0.5\n")
    edited = yolo.read(out)[0].readings[0]
    assert set(edited.findings) == {findings[0], findings[2], Finding("effusion", Box(100, 25, 200, 125))}
    (out / "labels/val/a.txt").unlink()
    with pytest.raises(DatasetError, match=r"a\.txt: DATASET_INCOMPLETE: the label file"):
        yolo.read(out)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("names: [a, b]", ["a", "b"]),
        ("names: ['a b', \"c, d\", e]  # three", ["a b", "c, d", "e"]),
        ("names: [ 'it''s', \"x\\ty\" ]", ["it's", "x\ty"]),
        ("names:\n  [a,\n   b,\n  ]\nnc: 2", ["a", "b"]),
        ("names: [\n  'a', # first\n  'b'\n]", ["a", "b"]),
        ("nc: 2\nnames:\n- a\n- 'b'\ntrain: x", ["a", "b"]),
        ("names:\n  - a\n\n  # more\n  - b", ["a", "b"]),
        ("names:\n  1: b\n  0: a # first\nval: x", ["a", "b"]),
        ("names: {0: a, 1: 'b'}", ["a", "b"]),
        ("# names: [x]\nnames: [a]", ["a"]),
        ("names: [C# code]", ["C# code"]),
        ("names: []", []),
        ("names:\nnc: 0", []),
        ("names: [No, off, 1, null, ~]", ["No", "off", "1", "null", "~"]),
        ("names: &all\n  - a\nmore: *all", ["a"]),
        ("names:\n  0: >-\n    two\n    words", ["two words"]),
        ("%YAML 1.2\n---\nnames: [a]\n...", ["a"]),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\nnames: [é]", ["é"]),
    ],
)
def test_class_names_in_the_forms_that_exporters_write(tmp_path, text, names):
    (tmp_path / "data.yaml").write_text(text)
    assert class_names(tmp_path) == names


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("nc: 3", r"data\.yaml: DATASET_FORMAT: it has no names"),
        ("names: mass", "data.yaml:1: DATASET_FORMAT: names is 'mass', not a list"),
        ("a: 1\nnames: [a, b", "data.yaml:2: DATASET_FORMAT: not YAML .expected .,. or .]."),
        ("names: ['a, b]", "data.yaml:1: DATASET_FORMAT: not YAML .found unexpected end of stream"),
        ("names: [*anchor]", "data.yaml:1: DATASET_FORMAT: not YAML .found undefined alias"),
        ("names:\n  0: a\n  0: b", "data.yaml:3: DATASET_FORMAT: two classes have the number 0"),
        ("names:\n  0: a\n  2: b", r"numbers \[0, 2\] have holes"),
        ("names:\n  a", "data.yaml:2: DATASET_FORMAT: names is .a., not a list"),
        ("names:\n  a: 0", "data.yaml:2: DATASET_FORMAT: a class has the number .a."),
        ("names:\n- [a, b]", "data.yaml:2: DATASET_FORMAT: a list or a mapping where a name"),
        ("names: [a]\n" + "[" * 5000, "DATASET_FORMAT: not YAML"),
        ("- names", "it has no names"),
    ],
)
def test_other_yaml_is_refused_with_its_line(tmp_path, text, line):
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(DatasetError, match=line):
        class_names(tmp_path)
