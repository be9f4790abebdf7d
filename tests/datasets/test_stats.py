"""Counts, box sizes and warnings; the numbers are those of the study that this project starts from (detection, 5.3)."""

from dataclasses import replace
from pathlib import Path

import pytest

from lungspot.datasets.box_sizes import Sizes
from lungspot.datasets.stats import PUBLISHED, conflicts, count, diseases, number_of_films, sizes
from lungspot.findings import Box, Finding, Frame, Reading, State
from lungspot.formats.case import Case, Split

FRAME = Frame(200, 100)


def film(name, *readings, dataset="a", split=None):
    return Case(name, dataset, name, readings, frame=FRAME, split=split)


def boxed(reader, *boxes, label="effusion"):
    return Reading.of_boxes(reader, FRAME, [(label, Box(*box)) for box in boxes], (label, "edema"))


def test_count_takes_the_strongest_state_of_a_film():
    cases = [
        film("1", Reading("R1", states={"effusion": "absent"}), boxed("R2", (0, 0, 9, 9)), split=Split.TRAIN),
        film("2", Reading("R1", states={"effusion": "present"}), boxed("R2"), split=Split.TRAIN),
        film("3", boxed("R2"), split=Split.TEST),
        film("4", boxed("R2"), dataset="b"),
    ]
    rows = [(r.label, r.source, r.split, str(r.state), r.films) for r in count(cases)]
    assert rows == [
        ("edema", "a", "test", "absent", 1),
        ("edema", "a", "train", "absent", 2),
        ("edema", "b", None, "absent", 1),
        ("effusion", "a", "test", "absent", 1),
        ("effusion", "a", "train", "boxed", 1),
        ("effusion", "a", "train", "present", 1),
        ("effusion", "b", None, "absent", 1),
    ]


def test_sizes_are_fractions_of_the_film():
    cases = [
        film("1", boxed("R1", (0, 0, 20, 20), (100, 50, 200, 100)), boxed("R2", (0, 0, 40, 10))),
        film("2", boxed("R1")),
    ]
    (row,) = sizes(cases)
    assert row == Sizes("effusion", "a", 1, 3, 0.2, 0.2, pytest.approx(0.02), 1.0, pytest.approx(0.1))
    (bare,) = sizes(cases, unsized={"a"})
    assert bare == Sizes("effusion", "a", 1, 3)


@pytest.mark.parametrize(
    ("second", "codes"),
    [
        (Sizes("edema", "b", 30, 30, 0.4, 0.2, 0.08, 2.0, 0.5), []),
        (Sizes("edema", "b", 30, 30, 0.4, 0.07, 0.03, 2.0, 0.5), ["SIZE"]),
        (Sizes("edema", "b", 30, 30, 0.4, 0.2, 0.08, 2.0, 0.75), ["PLACE"]),
        (Sizes("edema", "b", 5, 5, 0.4, 0.05, 0.02, 2.0, 0.9), []),  # too few boxes to say
        (Sizes("effusion", "b", 30, 30, 0.4, 0.05, 0.02, 2.0, 0.9), []),  # another label
        (Sizes("edema", "b", 30, 30), []),  # sizes not known
        (Sizes("edema", "b", 30, 30, 0.4, 0.2, 0.08), []),  # places not known
    ],
)
def test_conflicts(second, codes):
    first = Sizes("edema", "a", 30, 30, 0.4, 0.2, 0.08, 2.0, 0.5)
    assert [conflict.code for conflict in conflicts([first, second])] == codes


def test_slip_a_label_from_its_own_source_alone():
    """TB, COVID-19 and pneumonia each came from a set of their own: a network need only tell the sets apart."""
    sick = [film(str(n), Reading("R1", states={"covid19": "present"}), dataset="covid") for n in range(3)]
    well = [film(str(n), Reading("R1", states={"covid19": "absent"}), dataset="normals") for n in range(3)]
    (found,) = conflicts([], count(diseases([*sick, *well])))
    assert (found.code, found.label, found.sources, found.value) == (
        "SOURCE_IS_LABEL",
        "covid19",
        ("covid", "normals"),
        3,
    )
    same = [film(str(n), Reading("R1", states={"covid19": "absent"}), dataset="covid") for n in range(3, 6)]
    assert conflicts([], count(diseases([*sick, *well, *same]))) == ()
    assert conflicts([], count(diseases(sick))) == ()


def test_diseases_unite_readers_and_rename():
    case = film("1", boxed("R1", (0, 0, 9, 9), label="nodule"), boxed("R2", label="nodule"))
    (one,) = diseases([case])
    assert [(f.label, f.source) for f in one.readings[0].findings] == [("nodule_mass", "R1")]


@pytest.fixture(scope="module")
def measured(real):
    cases = [case for name in ("nih", "chestxdet", "rsna", "vindr") for case in real(name)]
    return {(row.label, row.source): row for row in sizes(cases, unsized={"vindr"})}


# Label and source · boxes in the whole set · printed medians: width, height, area, width / height, y of the centre.
# Patients are withheld here, so that only NIH's pneumothorax has all its boxes: there the printed digits must come out.
# Of the others up to a tenth is missing, and the medians may move by the spread that this gives.
TABLE = [
    ("pneumothorax", "nih", 98, (0.20, 0.20, 0.036, None, 0.25)),
    ("cardiomegaly", "nih", 146, (0.466, 0.373, 0.171, 1.26, 0.57)),
    ("cardiomegaly", "chestxdet", 293, (0.408, 0.234, 0.096, 1.74, 0.61)),
    ("effusion", "nih", 153, (0.203, 0.271, 0.056, 0.62, 0.56)),
    ("effusion", "chestxdet", 2112, (0.237, 0.225, 0.055, 0.83, 0.64)),
    ("atelectasis", "nih", 180, (0.167, 0.115, 0.019, 1.53, 0.57)),
    ("atelectasis", "chestxdet", 340, (0.202, 0.133, 0.027, 1.60, 0.60)),
    ("pneumothorax", "chestxdet", 211, (0.17, 0.13, 0.023, None, 0.25)),
    ("pneumonia", "nih", 120, (0.223, 0.269, 0.057, 0.91, 0.56)),
    ("opacity", "rsna", 9555, (0.212, 0.291, 0.062, 0.69, 0.52)),
    ("nodule", "nih", 79, (0.069, 0.067, 0.005, None, None)),
    ("nodule", "chestxdet", 986, (0.042, 0.044, 0.002, None, None)),
    ("emphysema", "chestxdet", 298, (0.300, 0.625, 0.187, 0.48, 0.47)),
]


def medians(row, like):
    values = (row.width, row.height, row.area, row.aspect, row.y_center)
    return [None if wanted is None else value for value, wanted in zip(values, like, strict=True)]


@pytest.mark.parametrize(("label", "source", "boxes", "printed"), TABLE)
def test_convention_table(measured, label, source, boxes, printed):
    row = measured[label, source]
    assert 0.9 * boxes < row.boxes <= boxes
    for value, wanted in zip(medians(row, printed), printed, strict=True):
        if wanted is None:
            continue
        digits = len(str(wanted).partition(".")[2])
        if row.boxes == boxes:
            assert round(value, digits) == wanted
        else:
            assert value == pytest.approx(wanted, abs=0.5 * 10**-digits + 0.006, rel=0.02)


def test_convention_table_has_a_complete_row(measured):
    assert measured["pneumothorax", "nih"].boxes == 98


@pytest.mark.parametrize(
    ("label", "boxes"),
    [("cardiomegaly", 5427), ("effusion", 2476), ("atelectasis", 279), ("pneumothorax", 226), ("nodule_mass", 2580)],
)
def test_vindr_boxes_are_counted_and_its_medians_cited(measured, label, boxes):
    """VinDr's train.csv does not say how large the films are: no fraction of a film can be measured here."""
    row = measured[label, "vindr"]
    assert (row.boxes, row.published) == (boxes, True)
    assert next(one for one in PUBLISHED if one.label == label) == row  # films too


def test_what_nobody_published_of_vindr_has_no_median(measured):
    row = measured["consolidation", "vindr"]
    assert (row.boxes, row.width, row.published) == (556, None, False)


def test_slip_nih_and_vindr_hearts_are_not_mixed_in_silence(measured):
    """The two sets were concatenated, though a perfect VinDr box has IoU .34 with NIH's."""
    pair = [measured["cardiomegaly", "nih"], measured["cardiomegaly", "vindr"]]
    (found,) = conflicts(pair)
    assert (found.code, found.sources) == ("SIZE", ("nih", "vindr"))
    assert found.value == pytest.approx(0.34, abs=0.005)
    kinds = {(c.code, c.label, c.sources) for c in conflicts(list(measured.values()))}
    assert ("PLACE", "atelectasis", ("chestxdet", "vindr")) in kinds
    assert ("SIZE", "effusion", ("chestxdet", "vindr")) in kinds
    assert ("SIZE", "pneumothorax", ("chestxdet", "vindr")) in kinds
    assert ("SIZE", "pneumothorax", ("nih", "vindr")) not in kinds
    assert ("SIZE", "cardiomegaly", ("chestxdet", "nih")) not in kinds


def test_a_finding_without_a_box_has_no_size():
    case = film("1", Reading("R1", (Finding("edema"),), {"edema": State.PRESENT}))
    assert sizes([case]) == ()


def test_entries_of_one_file_are_one_film():
    one, other = (replace(film(name, dataset=name), image=Path("a.png")) for name in "ab")
    assert number_of_films([one, other, film("c"), film("c"), film("c", dataset="b")]) == 3
    assert number_of_films([]) == 0
