import ast
import csv
from collections import Counter

import pytest

from lungspot.datasets import siim_covid as adapter
from lungspot.errors import DatasetError
from lungspot.findings import Box, Frame, State
from lungspot.images.radiograph import Sex, View


def test_classes_boxes_sizes_and_patients(siim_covid):
    typical, undecided, atypical, negative, unboxed = adapter.cases(siim_covid)
    assert (typical.patient, typical.frame, typical.image) == (
        "siim_p1",
        Frame(2836, 2336),
        siim_covid / "train" / "a1.jpg",
    )
    assert typical.readings[0].boxes("covid19") == (Box(10.5, 20, 40.5, 60),)
    assert dict(typical.readings[0].states) == {"covid19": State.BOXED}
    assert undecided.patient == "siim_p1"
    assert undecided.readings[0].boxes("opacity") == (Box(1, 2, 3, 4), Box(5, 6, 7, 8))
    assert undecided.readings[0].state("covid19") is State.NOT_LOOKED_FOR
    assert dict(atypical.readings[0].states) == {"opacity": State.BOXED}
    assert negative.patient == "siim_s4"  # the study, where nobody says whose it is
    assert dict(negative.readings[0].states) == {"covid19": State.ABSENT, "pneumonia": State.ABSENT}
    assert dict(unboxed.readings[0].states) == {"covid19": State.PRESENT}  # positive without a box: no negative
    assert unboxed.frame is None


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("train_image_level.csv", "opacity 1 10.5 20 40.5 60", "opacity 1 10.5 20 40.5", ":2: DATASET_ROW: label is"),
        ("train_image_level.csv", "opacity 1 10.5 20 40.5 60", "spot 1 1 2 3 4", ":2: DATASET_ROW: label is"),
        ("train_image_level.csv", "opacity 1 10.5", "opacity 1 x", ":2: DATASET_ROW: x0 is 'x'"),
        ("train_image_level.csv", "opacity 1 10.5", "opacity 1 99", ":2: DATASET_ROW: a box from"),
        ("train_image_level.csv", ",s5", ",s9", ":6: DATASET_ROW: study s9 is not in train_study_level.csv"),
        ("train_image_level.csv", "none 1 0 0 1 1,s4", "opacity 1 0 0 1 1,s4", ":5: DATASET_ROW: a box in study s4"),
        ("train_study_level.csv", "s1_study,0,1", "s1_study,1,1", ":2: DATASET_ROW: 2 classes"),
        ("train_study_level.csv", "Typical", "typical", "DATASET_COLUMNS: no column Typical Appearance"),
        ("meta.csv", "a1,2336", "a1,tall", ":2: DATASET_ROW: dim0 is 'tall'"),
        ("meta.csv", "dim0", "height", "DATASET_COLUMNS: no column dim0"),
    ],
)
def test_a_corrupted_file_is_one_line(siim_covid, file, old, new, words):
    path = siim_covid / file
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DatasetError) as caught:
        list(adapter.cases(siim_covid))
    assert words in str(caught.value)
    assert file in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_film_whose_size_nobody_knows_is_refused(siim_covid):
    (siim_covid / "meta.csv").unlink()
    with pytest.raises(DatasetError, match=r"DATASET_INCOMPLETE: no size of a1 in meta\.csv, nor a DICOM film"):
        list(adapter.cases(siim_covid))


def test_the_official_download_says_sizes_and_patients_in_its_dicom_files(siim_covid, rg1):
    for name in ("meta.csv", "train_meta.csv", "train/a1.jpg"):
        (siim_covid / name).unlink()
    film = siim_covid / "train" / "s1" / "series" / "a1.dcm"
    film.parent.mkdir(parents=True)
    film.write_bytes(rg1["J2KR"].read_bytes())
    first = next(iter(adapter.cases(siim_covid)))
    assert (first.image, first.frame) == (film, Frame(1841, 1955))
    assert (first.patient, first.view, first.sex) == ("siim_9RG1", View.PA, Sex.FEMALE)


def test_counts_equal_the_raw_files(shared_data):
    root = shared_data / "siim-covid"
    with (root / "train_image_level.csv").open(newline="") as file:
        rows = {row["id"][:12]: row for row in csv.DictReader(file)}
    with (root / "train_study_level.csv").open(newline="") as file:
        classes = {
            row["id"][:12]: next(key for key, value in row.items() if value == "1") for row in csv.DictReader(file)
        }
    films = {path.stem for path in (root / "train").iterdir()}
    cases = [case for case in adapter.cases(root) if case.image is not None]
    assert {case.id for case in cases} == films
    assert len(cases) == 5389
    # The column of dicts says the same boxes as the column that the adapter reads.
    raw = {name: len(ast.literal_eval(row["boxes"])) if row["boxes"] else 0 for name, row in rows.items()}
    by_class = Counter()
    boxes = Counter()
    for name in films:
        by_class[classes[rows[name]["StudyInstanceUID"]]] += 1
        boxes[classes[rows[name]["StudyInstanceUID"]]] += raw[name]
    found = Counter(f.label for case in cases for f in case.readings[0].findings)
    assert found["covid19"] == boxes["Typical Appearance"]
    assert found["opacity"] == boxes["Indeterminate Appearance"] + boxes["Atypical Appearance"]
    states = Counter((label, state) for case in cases for label, state in case.readings[0].states.items())
    assert states == {
        ("covid19", State.BOXED): by_class["Typical Appearance"],
        ("opacity", State.BOXED): by_class["Indeterminate Appearance"] + by_class["Atypical Appearance"],
        ("covid19", State.ABSENT): by_class["Negative for Pneumonia"],
        ("pneumonia", State.ABSENT): by_class["Negative for Pneumonia"],
    }
    outside = [case.id for case in cases for box in case.readings[0].boxes() if not box.is_inside(case.frame)]
    assert outside == ["6ea732c63929"]  # by 3.6 pixels, as published; frame and box would disagree on many if swapped
