import collections
import re

import pytest

from lungspot.datasets import tbx11k as adapter
from lungspot.errors import DatasetError
from lungspot.findings import Box, Frame, State
from lungspot.formats.case import Split


def test_xml_boxes_are_in_the_size_that_the_file_says(tbx11k):
    healthy, sick, both, active, unread = adapter.cases(tbx11k)
    assert (both.id, both.patient, both.frame, both.split) == ("tb0003", "tbx_tb0003", Frame(2840, 2827), Split.TRAIN)
    assert both.readings[0].boxes("tuberculosis_active") == (Box(1446, 250, 2007, 1017),)
    assert both.readings[0].boxes("tuberculosis_old") == (Box(618, 391, 1177, 1013),)
    assert dict(active.readings[0].states) == {
        "tuberculosis_active": State.BOXED,
        "tuberculosis_old": State.ABSENT,
    }
    assert active.image is None
    assert dict(unread.readings[0].states) == {"tuberculosis": State.PRESENT}
    assert (healthy.id, healthy.readings[0].state("edema")) == ("h0001", State.ABSENT)
    assert (sick.id, sick.split) == ("s0001", Split.VAL)
    assert sick.readings[0].state("tuberculosis") is State.ABSENT
    assert sick.readings[0].state("edema") is State.NOT_LOOKED_FOR


def test_a_hidden_xml_is_none_of_the_films(tbx11k):
    cases = list(adapter.cases(tbx11k))
    (tbx11k / "annotations" / "xml" / "._tb0003.xml").write_bytes(b"\0\5\x16\7")
    assert list(adapter.cases(tbx11k)) == cases


def test_the_coco_files_give_the_same_readings_at_512(download):
    content = {
        "images": [
            {"id": 7, "file_name": "tb/tb0003.png", "width": 512, "height": 512},
            {"id": 8, "file_name": "health/h0001.png", "width": 512, "height": 512},
        ],
        "categories": [
            {"id": 1, "name": "ActiveTuberculosis", "supercategory": "Tuberculosis"},
            {"id": 2, "name": "ObsoletePulmonaryTuberculosis", "supercategory": "Tuberculosis"},
            {"id": 3, "name": "PulmonaryTuberculosis", "supercategory": "Tuberculosis"},
        ],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 2, "bbox": [10.5, 20, 30, 40], "iscrowd": 0}],
    }
    root = download({"annotations/json/TBX11K_trainval.json": content, "imgs/tb/tb0003.png": ""})
    healthy, ill = adapter.cases(root)
    assert (ill.frame, ill.image) == (Frame(512, 512), root / "imgs" / "tb" / "tb0003.png")
    assert ill.readings[0].boxes("tuberculosis_old") == (Box(10.5, 20, 40.5, 60),)
    assert set(healthy.readings[0].states.values()) == {State.ABSENT}
    path = root / "annotations" / "json" / "TBX11K_trainval.json"
    for old, new, words in [
        ('"category_id": 2', '"category_id": 9', "DATASET_COLUMNS: no COCO annotations"),
        ("[10.5, 20, 30, 40]", "[10.5, 20, -30, 40]", "DATASET_ROW: a box from"),
        ('"ObsoletePulmonaryTuberculosis"', '"Spot"', "DATASET_ROW: unknown label 'Spot'"),
    ]:
        path.write_text(path.read_text().replace(old, new, 1))
        with pytest.raises(DatasetError, match=re.escape(words)):
            list(adapter.cases(root))
        path.write_text(path.read_text().replace(new, old, 1))


def test_the_split_is_the_json_files_where_no_list_is_there(download):
    def content(name):
        return {
            "categories": [{"id": 1, "name": "ActiveTuberculosis"}],
            "images": [{"id": 7, "file_name": f"tb/{name}.png", "width": 512, "height": 512}],
            "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4]}],
        }

    parts = {"train": "tb0001", "val": "tb0002"}
    root = download({f"annotations/json/TBX11K_{part}.json": content(name) for part, name in parts.items()})
    assert [(case.id, case.split) for case in adapter.cases(root)] == [("tb0001", Split.TRAIN), ("tb0002", Split.VAL)]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("ActiveTuberculosis", "Spot", "DATASET_ROW: unknown label 'Spot'"),
        ("<width>2840</width>", "", "DATASET_ROW: no size or bndbox of numbers"),
        ("<width>2840</width>", "<width>0</width>", "DATASET_ROW: no size or bndbox of numbers (a frame of 0 x 2827"),
        ("<xmin>1446</xmin>", "<xmin>2446</xmin>", "DATASET_ROW: a box from"),
        ("</annotation>", "", "DATASET_FORMAT"),
    ],
)
def test_a_corrupted_file_is_one_line(tbx11k, old, new, words):
    path = tbx11k / "annotations" / "xml" / "tb0003.xml"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DatasetError) as caught:
        list(adapter.cases(tbx11k))
    assert words in str(caught.value)
    assert "tb0003.xml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_half_a_download(download):
    with pytest.raises(DatasetError, match=r"DATASET_INCOMPLETE: no annotations/xml/\*\.xml or annotations/json"):
        list(adapter.cases(download({"imgs/tb/tb0001.png": ""})))


def test_counts_equal_the_raw_files(shared_data):
    root = shared_data / "tbx11k"
    texts = {path.stem: path.read_text() for path in (root / "annotations" / "xml").iterdir()}
    raw = collections.Counter(name for text in texts.values() for name in re.findall("<name>(.+)</name>", text))
    cases = list(adapter.cases(root))
    assert {case.id for case in cases} == texts.keys()
    assert all(case.image is not None for case in cases)
    found = collections.Counter(f.label for case in cases for f in case.readings[0].findings if f.box)
    assert found == {adapter.LABELS[name]: count for name, count in raw.items()}
    assert [case.id for case in cases if not case.readings[0].boxes()] == ["tb1199"]
    for case in cases:
        width, height = (int(re.search(f"<{side}>(\\d+)<", texts[case.id])[1]) for side in ("width", "height"))
        assert case.frame == Frame(width, height)
        assert all(box.is_inside(case.frame) for box in case.readings[0].boxes())
