"""The annotation files of ../shared/cases, each beside the right value that its README works out."""

import shutil

import pytest

from lungspot.cli.app import run
from lungspot.datasets import check
from lungspot.errors import DatasetError
from lungspot.formats import ANNOTATION_FORMATS, ClassMap, image_labels
from lungspot.images import View

TURNED, FIRST = (300, 400), [("effusion", (40, 60, 120, 120))]
GIVEN = {
    "05-labelstudio-prediction-ids/ls01-pred-ids": ("labelstudio", {"film1": FIRST}),
    "06-cvat-project/cv02-project-subset": ("cvat", {"train/a": FIRST, "validation/a": []}),
    "06-cvat-project/cv03-project-subset-different": ("cvat", {"train/a": FIRST, "validation/b": []}),
    "10-ellipse/cv01-ellipse45": ("cvat", {"a": [("effusion", (150, 100, 100, 100))]}),
    "14-labelstudio-predictions/ls03-pred-dict": ("labelstudio", {"film1": FIRST}),
    "15-labelstudio-labels/ls06-labels-only": ("labelstudio", {"film1": FIRST}),
    "20-exif/yo20-exif6-jpg": ("yolo", {"train/a": [("effusion", (45, 60, 60, 80))]}),
    "20-exif/yo20-exif6-png": ("yolo", {"train/a": [("effusion", (45, 60, 60, 80))]}),
    "21-size-turned/lm17-exif-unturned": ("labelme", {"a": [("effusion", (120, 40, 120, 120))]}),
    "22-coco-category/co12-roboflow-supercat": ("coco", {"a": FIRST}),
    "23-yolo-columns/yo03-track-id": ("yolo", {"train/a": [("effusion", (160, 120, 80, 60))]}),
    "25-size-not-stated/lm09-imagesize-null": ("labelme", {"a": FIRST}),
    "25-size-not-stated/vo02-nosize": ("voc", {"a": FIRST}),
}


@pytest.mark.parametrize("folder", GIVEN)
def test_a_file_is_read_as_it_is_meant(shared_cases, folder):
    tool, expected = GIVEN[folder]
    found = {}
    for case in ANNOTATION_FORMATS[tool].read(shared_cases / folder):
        boxes = [each for one in case.readings for each in one.findings]
        found[case.id] = [(each.label, pytest.approx(each.box.xywh, abs=1e-6)) for each in boxes]
        assert (case.frame.width, case.frame.height) == (TURNED if folder[:2] in {"20", "21"} else (400, 300))
        assert [str(case.split)] == ([case.id[:5].replace("valid", "val")] if "/" in case.id else ["None"])
    assert found == expected


def test_a_film_does_not_answer_to_two_names(shared_cases):
    with pytest.raises(DatasetError, match=r"would be the film of 'patient00001.*' and of 'patient00002"):
        ANNOTATION_FORMATS["coco"].read(shared_cases / "30-film-by-last-part" / "ff")


def test_chexpert_s_patients_are_thirty(shared_cases):
    cases = list(image_labels.cases(shared_cases / "13-csv-patients" / "chex2"))
    assert len(cases) == 60
    assert len({case.patient for case in cases}) == 30
    assert sum(case.view is View.LATERAL for case in cases) == 30
    assert all(case.image is not None and case.patient.split("_")[-1] in case.image.parts for case in cases)


def test_a_crowd_is_nothing_to_find(shared_cases, tmp_path, capsys):
    folder = shared_cases / "11-coco-iscrowd"
    words = ("-o", str(tmp_path / "report"), "--films", "0", "--resamples", "2", "-q")
    assert run(["eval", str(folder / "t" / "annotations.json"), str(folder / "pred.json"), *words]) == 0
    assert '"ap0.4": 0.80198' in capsys.readouterr().out
    problems = check("coco", folder / "t", films="skip")
    assert [problem.code for problem in problems] == ["BOX_CROWD"]


@pytest.mark.parametrize(("line", "label"), [("0 .5 .5 .2 .2", "effusion"), ("1 .5 .5 .2 .2", None)])
def test_a_class_that_nobody_knows_is_left_out_when_told(shared_cases, tmp_path, line, label):
    for part in ("images", "labels"):
        (tmp_path / "train" / part).mkdir(parents=True)
    shutil.copy(shared_cases / "o2-unknown-class" / "data.yaml", tmp_path)
    shutil.copy(next(shared_cases.glob("22-coco-category/*/images/a.png")), tmp_path / "train" / "images")
    (tmp_path / "train" / "labels" / "a.txt").write_text(line)
    read = ANNOTATION_FORMATS["yolo"].read
    if label is None:
        with pytest.raises(DatasetError, match="--class-map 'aortic knob=LABEL'"):
            read(tmp_path)
    (case,) = read(tmp_path, names=ClassMap({"aortic knob": "-"}))
    assert [each.label for each in case.readings[0].findings] == ([] if label is None else [label])
