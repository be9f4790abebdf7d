import collections
import json

import pytest
from PIL import Image

from lungspot.datasets import nlm_tb as adapter
from lungspot.errors import DatasetError
from lungspot.findings import Box, Frame, State
from lungspot.images.radiograph import Sex, View

VIA = {
    "CHNCXR_0327_1.png5553963": {
        "filename": "CHNCXR_0327_1.png",
        "size": 5553963,
        "regions": [
            {
                "shape_attributes": {"name": "polygon", "all_points_x": [200, 100, 150], "all_points_y": [50, 60, 90]},
                "region_attributes": {"Calcified_Nodule": "good"},
            },
            {
                "shape_attributes": {"name": "polyline", "all_points_x": [10, 20], "all_points_y": [30, 40]},
                "region_attributes": {"Linear_Density": "good"},
            },
            {"shape_attributes": {"name": "point", "cx": 5, "cy": 6}, "region_attributes": {}},
            {
                "shape_attributes": {"name": "polyline", "all_points_x": [7, 7], "all_points_y": [1, 9]},
                "region_attributes": {},
            },
        ],
        "file_attributes": {},
    }
}


def is_flat(shape):
    """Say whether a region encloses nothing: points, and outlines of one row or column."""
    return shape["name"] == "point" or 1 in {len(set(shape["all_points_x"])), len(set(shape["all_points_y"]))}


@pytest.fixture
def nlm(download):
    return download({
        "shenzhen_via_polygons.json": VIA,
        "shenzhen/CHNCXR_0327_1.jpg": "",
        "shenzhen/CHNCXR_0328_1.jpg": "",
        "shenzhen/CHNCXR_0001_0.jpg": "",
        "shenzhen/mask/CHNCXR_0001_0_mask.png": "",
        "shenzhen/ClinicalReadings/CHNCXR_0327_1.txt": "male 45yrs\r\nPTB in the left upper field",
        "montgomery/CXR_png/MCUCXR_0001_0.png": "",
        "montgomery/CXR_png/MCUCXR_0104_1.png": "",
        "montgomery/ClinicalReadings/MCUCXR_0104_1.txt": "Patient's Sex: F\nPatient's Age: 027Y\ncavitary nodule",
        "montgomery/ManualMask/leftMask/MCUCXR_0001_0.png": "",
    })  # fmt: skip


def test_hidden_polygons_are_none_of_the_films(nlm):
    cases = list(adapter.cases(nlm))
    (nlm / "._shenzhen_via_polygons.json").write_bytes(b"\0\5\x16\7")
    assert list(adapter.cases(nlm)) == cases


def test_regions_classes_and_clinical_readings(nlm):
    normal, ill, unread, healthy, cavity = adapter.cases(nlm)
    assert (ill.id, ill.patient, ill.frame, ill.view) == ("CHNCXR_0327_1", "tbe_CHNCXR_0327_1", adapter.FRAME, View.PA)
    assert (ill.age_years, ill.sex) == (45.0, Sex.MALE)
    assert ill.readings[0].boxes("tuberculosis") == (Box(100, 50, 200, 90), Box(10, 30, 20, 40))
    assert dict(ill.readings[0].states) == {"tuberculosis": State.PRESENT}  # a point and a line have no box
    assert dict(unread.readings[0].states) == {"tuberculosis": State.PRESENT}
    assert set(normal.readings[0].states.values()) == {State.ABSENT}
    assert (healthy.readings[0].reader, healthy.frame) == (adapter.MONTGOMERY, None)
    assert healthy.image == nlm / "montgomery" / "CXR_png" / "MCUCXR_0001_0.png"
    assert (cavity.age_years, cavity.sex) == (27.0, Sex.FEMALE)
    assert dict(cavity.readings[0].states) == {"tuberculosis": State.PRESENT}


def test_the_published_film_says_its_size(nlm):
    Image.new("L", (2000, 1600)).save(nlm / "shenzhen" / "CHNCXR_0327_1.png")
    (nlm / "shenzhen" / "CHNCXR_0327_1.jpg").unlink()
    assert [case.frame for case in adapter.cases(nlm)][1] == Frame(2000, 1600)


def test_bad_downloads_are_one_line(nlm, download):
    with pytest.raises(DatasetError, match="DATASET_INCOMPLETE: no film called CHNCXR_0001_0 or MCUCXR_0001_0"):
        list(adapter.cases(download({"a.png": ""}, "wrong")))
    (nlm / "shenzhen_via_polygons.json").write_text('{"a": {"filename": "a.png"}}')
    with pytest.raises(DatasetError, match=r"shenzhen_via_polygons\.json:a: DATASET_ROW: no VIA film with regions"):
        list(adapter.cases(nlm))


def test_counts_equal_the_raw_files(shared_data):
    root = shared_data / "tb-extra"
    names = [path.stem for folder in ("shenzhen", "montgomery") for path in (root / folder).iterdir()]
    regions = {
        entry["filename"][:-4]: [region["shape_attributes"] for region in entry["regions"]]
        for entry in json.loads((root / "shenzhen_via_polygons.json").read_text()).values()
    }
    cases = {case.id: case for case in adapter.cases(root)}
    assert sorted(cases) == sorted(names)
    states = collections.Counter((n[:6], case.readings[0].state("tuberculosis")) for n, case in cases.items())
    ending = collections.Counter((name[:6], name[-1]) for name in names)
    ill = [regions[name] for name in names if name.startswith("CHNCXR") and name.endswith("_1")]
    unboxed = sum(not shapes or any(map(is_flat, shapes)) for shapes in ill)
    assert states == {
        ("CHNCXR", State.BOXED): ending["CHNCXR", "1"] - unboxed,
        ("CHNCXR", State.PRESENT): unboxed,
        ("CHNCXR", State.ABSENT): ending["CHNCXR", "0"],
        ("MCUCXR", State.PRESENT): ending["MCUCXR", "1"],
        ("MCUCXR", State.ABSENT): ending["MCUCXR", "0"],
    }
    boxes = [box for case in cases.values() for box in case.readings[0].boxes()]
    assert len(boxes) == sum(not is_flat(shape) for shapes in ill for shape in shapes)
    assert all(box.is_inside(adapter.FRAME) for box in boxes)
