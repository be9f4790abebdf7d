"""LabelMe files as the program and its users leave them."""

import json

import pytest
from PIL import Image

from lungspot.errors import DatasetError
from lungspot.findings import Box, Finding, Frame, Reading
from lungspot.formats import labelme
from lungspot.formats.case import Case
from lungspot.outputs import WRITTEN


@pytest.fixture
def make(tmp_path):
    """A function that writes one file beside its film, 200 x 100 pixels."""

    def write(shapes=(), name="a", **values):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (200, 100)).save(tmp_path / f"{name}.png")
        value = {
            "version": "5.4.1",
            "flags": {},
            "shapes": [dict(shape) for shape in shapes],
            "imagePath": f"{name}.png".rsplit("/", 1)[-1],
            "imageData": None,
            "imageHeight": 100,
            "imageWidth": 200,
        }
        (tmp_path / f"{name}.json").write_text(json.dumps(value | values), encoding="utf-8")
        return tmp_path

    return write


def shape(points, kind="rectangle", label="effusion"):
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}}


BOX = Box(10, 20, 60, 80)


@pytest.mark.parametrize(
    ("kind", "points"),
    [
        ("rectangle", [[10, 20], [60, 80]]),
        ("rectangle", [[60, 80], [10, 20]]),
        ("rectangle", [[60, 20], [10, 80]]),
        ("mask", [[10, 20], [60, 80]]),
        ("polygon", [[10, 50], [60, 20], [40, 80]]),
        (None, [[10, 50], [60, 20], [40, 80]]),
        ("linestrip", [[10, 20], [30, 40], [60, 80]]),
        ("oriented_rectangle", [[35, 20], [60, 50], [35, 80], [10, 50]]),
    ],
)
def test_every_shape_gives_its_enclosing_box(make, kind, points):
    (case,) = labelme.read(make([shape(points, kind)]))
    assert case.readings == (Reading("annotator", (Finding("effusion", BOX),), {"effusion": "boxed"}, Frame(200, 100)),)


def test_a_circle_is_a_centre_and_a_point_on_it(make):
    (case,) = labelme.read(make([shape([[50, 50], [53, 54]], "circle")]))
    assert case.readings[0].boxes() == (Box(45, 45, 55, 55),)


@pytest.mark.parametrize("name", ["..\\films\\a.png", "C:\\Users\\me\\a.png", "/home/me/a.png", "a.jpg", "./a.png"])
def test_the_film_beside_the_file_is_found_whatever_its_path_was(make, name):
    root = make(imagePath=name)
    assert labelme.read(root)[0].image == root / "a.png"


def test_films_of_one_stem_in_different_folders_are_different_films(make):
    make(name="one/a")
    root = make([shape([[1, 1], [9, 9]])], name="two/a")
    first, second = labelme.read(root)
    assert (first.id, second.id) == ("one/a", "two/a")
    assert (first.image, second.image) == (root / "one/a.png", root / "two/a.png")
    assert (first.patient, second.patient) == (f"{root.name}_one/a", f"{root.name}_two/a")


def test_flags_are_states_and_other_flags_are_the_user_s_own(make):
    flags = {"absent:edema": True, "present:Pleural effusion": True, "absent:mass": False, "rotated": True}
    (case,) = labelme.read(make([shape([[1, 1], [9, 9]])], flags=flags))
    assert case.readings[0].states == {"effusion": "present", "edema": "absent"}


def test_json_of_other_programs_is_passed_over(make, tmp_path):
    (tmp_path / "pool.json").write_text('{"films": []}')
    assert len(labelme.read(make())) == 1
    with pytest.raises(DatasetError, match="DATASET_FORMAT: no list of shapes"):
        labelme.read(tmp_path / "pool.json")


@pytest.mark.parametrize(
    ("shapes", "values", "line"),
    [
        ([], {"imagePath": "gone.png"}, r"a\.json: DATASET_INCOMPLETE: no film 'gone.png' in "),
        ([], {"imagePath": None}, "DATASET_FORMAT: no imagePath"),
        ([], {"imageWidth": 0.5}, "DATASET_ROW: a film of 0.5 x 100 pixels"),
        ([], {"imageWidth": [200]}, r"DATASET_ROW: a film of \[200\] x 100 pixels"),
        ([], {"flags": {"absent:blob": True}}, "flags: UNKNOWN_LABEL: no label is called 'blob'"),
        ([], {"flags": {"absent:mass": True, "present:mass": True}}, "mass is flagged as present and as absent"),
        (
            [shape([[1, 1], [9, 9]])],
            {"flags": {"absent:effusion": True}},
            "effusion is said to be absent but has a box",
        ),
        ([shape([[1, 1], [9, 9]], label="blob")], {}, r"shapes\[0\]: UNKNOWN_LABEL"),
        ([shape([[1, 1], [9, 9]], label=None)], {}, r"shapes\[0\]: UNKNOWN_LABEL"),
        ([shape([[1, 1]], "point")], {}, r"shapes\[0\]: DATASET_ROW: a 'point' has no area; draw a rectangle"),
        ([], {"lungspot": {"order": {}}}, "DATASET_ROW: not lungspot.s case JSON"),
        ([shape([[1, 1], [9, 9]], [1])], {}, r"shapes\[0\]: DATASET_ROW: a \[1\] has no area"),
        ([shape([[1, 1]])], {}, r"shapes\[0\]: DATASET_ROW: points .* of a rectangle are not enough x, y pairs"),
        ([shape([[1, 1], [float("nan"), 9]])], {}, r"shapes\[0\]: DATASET_ROW: a box from"),
        ([shape([[1, 1], [1, 9]])], {}, r"shapes\[0\]: DATASET_ROW: a box from"),
        ([shape([[1, 5], [9, 5]], "line")], {}, r"shapes\[0\]: DATASET_ROW: a box from"),
        ([shape("abc")], {}, r"shapes\[0\]: DATASET_ROW"),
        ([shape([["1", 1], [9, 9]])], {}, r"shapes\[0\]: DATASET_ROW"),
    ],
)
def test_a_fault_is_one_line_that_says_where(make, shapes, values, line):
    with pytest.raises(DatasetError, match=line) as caught:
        labelme.read(make(shapes, **values))
    assert "\n" not in str(caught.value)
    assert "a.json" in str(caught.value)


def test_a_folder_without_files_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="DATASET_NOT_FOUND: none of 0"):
        labelme.read(tmp_path)
    with pytest.raises(DatasetError, match="DATASET_NOT_FOUND: no such file"):
        labelme.read(tmp_path / "no")


def test_a_written_file_is_what_labelme_opens(make, tmp_path):
    film = make() / "a.png"
    reading = Reading(
        "R1",
        (Finding("effusion", Box(20, 40, 120, 160), 0.5),),
        {"effusion": "boxed", "mass": "absent"},
        Frame(400, 200),
    )
    cases = [
        Case("a/1", "nih", "p", (reading,), film, Frame(400, 200)),
        Case("A_1", "nih", "p", (), film, Frame(400, 200)),
    ]
    labelme.write(cases, tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out").iterdir() if path.name != WRITTEN)
    assert len(names) == len({name.lower() for name in names}) == 4
    value = json.loads(next((tmp_path / "out").glob("a_1-*.json")).read_text())
    case_json = value.pop("lungspot")
    assert case_json["id"] == "a/1"
    assert value == {
        "version": "5.5.0",
        "flags": {"absent:mass": True},
        "shapes": [
            {
                "label": "effusion", "points": [[10, 20], [60, 80]], "group_id": None, "description": "",
                "shape_type": "rectangle", "flags": {}, "mask": None, "reader": "R1", "score": 0.5,
            }
        ],
        "imagePath": f"{next((tmp_path / 'out').glob('a_1-*.png')).name}",
        "imageData": None,
        "imageHeight": 100,
        "imageWidth": 200,
    }  # fmt: skip
