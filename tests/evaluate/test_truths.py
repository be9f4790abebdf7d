import json
from pathlib import Path

import pytest
from PIL import Image

from lungspot.datasets import nih, rsna
from lungspot.errors import DatasetError
from lungspot.evaluate.truths import coco_truth, judged_cases, load_truth, truth_source, truths
from lungspot.findings import Box, Finding, Frame, Reading, State
from lungspot.formats.case import Case, Split

FRAME = Frame(100, 100)
BOX = Box(10, 10, 40, 40)


def boxed(reader, label="cardiomegaly"):
    return Reading.of_boxes(reader, FRAME, [(label, BOX)], [label])


def absent(reader, label="cardiomegaly"):
    return Reading(reader, (), {label: State.ABSENT}, FRAME)


def only(readings, name, **options):
    case = Case("a", "set", "p", tuple(readings), None, FRAME)
    ((of, reading),) = truths([case], name, **options)
    assert of is case
    return reading


def test_one_reader_of_a_folder_is_the_truth():
    reading = boxed("somebody")
    assert only([reading], "coco") is reading


def test_of_several_readers_the_majority_is_the_truth():
    readings = [boxed("R1"), boxed("R2"), absent("R3")]
    for name in ("coco", "vindr"):
        assert only(readings, name).state("cardiomegaly") is State.BOXED
        assert only([*readings[1:], absent("R4")], name).state("cardiomegaly") is State.ABSENT


@pytest.mark.parametrize("name", ["rsna", "all", "coco"])
def test_a_public_sets_opacity_is_pneumonia_wherever_it_was_written_to(name):
    reading = only([boxed(rsna.READER, "opacity")], name)
    assert reading.state("pneumonia") is State.BOXED
    assert reading.boxes("pneumonia") == (BOX,)


def test_what_is_doubtful_on_a_film_is_left_out_on_request():
    mined = Reading(nih.REPORTS, (Finding("effusion"),), {"effusion": State.PRESENT, "edema": State.ABSENT}, FRAME)
    assert only([mined], "nih").state("edema") is State.ABSENT
    certain = only([mined], "nih", certain=True)
    assert certain.state("edema") is State.NOT_LOOKED_FOR  # absent by text mining alone
    assert certain.state("effusion") is State.PRESENT


def test_a_name_before_a_colon_is_a_dataset_or_format_and_a_bare_path_is_coco():
    assert truth_source("nih:data/nih") == ("nih", Path("data/nih"))
    assert truth_source("all:data") == ("all", Path("data"))
    for bare in ("truth.json", "nih:", "C:", "./a:b/truth.json"):
        assert truth_source(bare) == ("coco", Path(bare))


@pytest.fixture
def coco_file(tmp_path):
    """A COCO file of two films, one of which is there."""
    images = [{"id": number, "file_name": f"{number}.png", "width": 90, "height": 80} for number in (1, 2)]
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 30, 20], "area": 600, "iscrowd": 0}
    value = {"images": images, "categories": [{"id": 1, "name": "effusion"}], "annotations": [box]}
    (tmp_path / "truth.json").write_text(json.dumps(value))
    Image.new("L", (90, 80)).save(tmp_path / "1.png")
    return tmp_path / "truth.json"


def test_boxes_of_coco_are_judged_where_the_films_are_not(coco_file):
    assert [case.image for case in load_truth("coco", coco_file)] == [coco_file.parent / "1.png", None]
    assert coco_truth("coco", coco_file) == coco_file
    assert coco_truth("coco", coco_file.parent) is None
    assert coco_truth("yolo", coco_file) is None


def test_a_split_of_one_s_own_names_films_that_are_there(coco_file):
    Image.new("L", (90, 80)).save(coco_file.parent / "2.png")
    coco_file.rename(coco_file.with_name("annotations.json"))
    (coco_file.parent / "splits.csv").write_text("image,patient,split\n2.png,p,test\n")
    (case,) = load_truth("coco", coco_file.parent, coco_file.parent / "splits.csv")
    assert (case.patient, case.split) == ("p", "test")


def test_films_of_a_split_count_and_none_is_an_error():
    cases = [
        Case(name, "set", name, (boxed("R1"),) if name == "a" else (), None, FRAME, split=Split.TEST) for name in "ab"
    ]
    assert judged_cases(cases) == judged_cases(cases, split="test") == cases
    with pytest.raises(DatasetError, match="here: DATASET_INCOMPLETE: no film to judge on"):
        judged_cases(cases, split="val", where="here")
    looked = judged_cases(cases, looked_for_all=True)
    assert [case.readings[0].state("cardiomegaly") for case in looked] == [State.BOXED, State.ABSENT]
