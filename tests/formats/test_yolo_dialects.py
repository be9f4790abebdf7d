"""What YOLO's trainers, trackers and exporters put into a line."""

import pytest
from PIL import Image

from lungspot.errors import DatasetError
from lungspot.findings import Box, Finding, State
from lungspot.formats import yolo
from lungspot.formats.classes import ClassMap

BOX = Box(160, 120, 240, 180)


@pytest.fixture
def folder(tmp_path):
    """A function that writes a folder of one film of 400 x 300 pixels."""

    def make(line, names="names: [Effusion, Pneumonia]"):
        (tmp_path / "images/train").mkdir(parents=True)
        (tmp_path / "labels/train").mkdir(parents=True)
        Image.new("L", (400, 300)).save(tmp_path / "images/train/a.png")
        (tmp_path / "data.yaml").write_text(names)
        (tmp_path / "labels/train/a.txt").write_text(line)
        return tmp_path

    return make


def only(root, **options):
    (case,) = yolo.read(root, **options)
    return case.readings[0].findings


@pytest.mark.parametrize(
    ("line", "finding"),
    [
        ("0 0.5 0.5 0.2 0.2", Finding("effusion", BOX)),
        ("0.0 0.5 0.5 0.2 0.2", Finding("effusion", BOX)),
        ("0 0.5 0.5 0.2 0.2 0.93", Finding("effusion", BOX, 0.93)),
        ("0 0.5 0.5 0.2 0.2 0.93 1", Finding("effusion", BOX, 0.93)),
        ("0 0.5 0.5 0.2 0.2 0.93 17", Finding("effusion", BOX, 0.93)),
        ("0 0.5 0.5 0.2 0.2 17", Finding("effusion", BOX)),
        ("0 0.4 0.4 0.6 0.4 0.6 0.6", Finding("effusion", BOX)),  # a triangle
        ("0 0.1 0.2 0.5 0.2 0.3 1", Finding("effusion", Box(40, 60, 200, 300))),  # one that touches the lower edge
        ("0 0.4 0.4 0.6 0.4 0.6 0.6 0.4 0.6", Finding("effusion", BOX)),  # an oriented box
        ("0 0.4 0.4 0.6 0.4 0.6 0.6 0.4 0.6 0.75", Finding("effusion", BOX, 0.75)),
        ("0\t0.5  0.5 0.2 0.2\r\n\n", Finding("effusion", BOX)),
    ],
)
def test_columns(folder, line, finding):
    (found,) = only(folder(line))
    assert (found.label, found.score) == (finding.label, finding.score)
    assert found.box.corners == pytest.approx(finding.box.corners)


POSE = "names: [Effusion]\nkpt_shape: [2, 3]\n"
POINTS = "0.41 0.42 2 0.5 0.5 0"


@pytest.mark.parametrize(
    ("line", "score"),
    [(f"0 0.5 0.5 0.2 0.2 {POINTS}", None), (f"0 0.5 0.5 0.2 0.2 {POINTS} 0.5", 0.5), ("0 0.5 0.5 0.2 0.2", None)],
)
def test_of_a_pose_the_box_is_read(folder, line, score):
    (found,) = only(folder(line, POSE))
    assert found.box.corners == pytest.approx(BOX.corners)
    assert found.score == score


@pytest.mark.parametrize(
    ("line", "names", "words"),
    [
        ("0 0.5 0.5 0.2 0.2 0.1 0.1", POSE, "7 numbers are not a box and 2 key points of kpt_shape"),
        (
            "0 0.5 0.5 0.2 0.2",
            "names: [Effusion]\nkpt_shape: many",
            "data.yaml:2: DATASET_FORMAT: kpt_shape is not two",
        ),
        (f"0 0.5 0.5 0.2 0.2 {POINTS}", "names: [Effusion]", "numbers outside 0 to 1"),
        ("0 0.5 0.5 0.2 0.2 0.9 -3", "names: [Effusion]", "numbers outside 0 to 1"),
        ("0 0.5 0.5 0.2", "names: [Effusion]", "4 numbers are neither a box nor a polygon"),
        ("0 200 150 80 60", "names: [Effusion]", "numbers outside 0 to 1"),
        ("2 0.5 0.5 0.2 0.2", "names: [Effusion]", "class 2 of 1 classes has no name; name it in data.yaml"),
        ("-1 0.5 0.5 0.2 0.2", "names: [Effusion]", "UNKNOWN_LABEL: class -1 of 1 classes"),
        ("0.5 0.5 0.5 0.2 0.2", "names: [Effusion]", "UNKNOWN_LABEL: class 0.5 of 1 classes"),
    ],
)
def test_what_is_not_understood_is_refused(folder, line, names, words):
    with pytest.raises(DatasetError) as caught:
        yolo.read(folder(line, names))
    assert words in str(caught.value)


NAMES = "names: ['Pleural Effusion', 'aortic knob', No Finding, object, Pneumonia Bacterial]"


def test_classes_are_mapped_left_out_or_all_absent(folder):
    lines = "".join(f"{number} 0.5 0.5 0.2 0.2\n" for number in (0, 1, 3, 4, 9))
    classes = ClassMap({"aortic knob": "-", "object": "-", "9": "nodule_mass"})
    found = only(folder(lines, NAMES), names=classes)
    assert [finding.label for finding in found] == ["effusion", "pneumonia", "nodule_mass"]
    assert classes.summary() == (
        "Pleural Effusion → effusion (1); aortic knob: left out (1); object: left out (1); Pneumonia Bacterial → "
        "pneumonia (1); 9 → nodule_mass (1); No Finding: not used"
    )


def test_no_finding_means_all_absent(folder):
    (case,) = yolo.read(folder("2 0.5 0.5 1 1\n", NAMES))
    assert set(case.readings[0].states.values()) == {State.ABSENT}
    assert {"pneumonia", "tuberculosis", "covid19"} <= case.readings[0].states.keys()
    assert case.readings[0].findings == ()


def test_an_empty_file_says_nothing(folder):
    (case,) = yolo.read(folder("", NAMES))
    assert dict(case.readings[0].states) == {}
