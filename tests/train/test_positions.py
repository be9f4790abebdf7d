import numpy as np

from lungspot.findings import DISEASES
from lungspot.formats.case import Split
from lungspot.train.data import FilmTruth
from lungspot.train.positions import GRID, least_inside, positions

LABELS = ("cardiomegaly", "edema", "effusion", "nodule_mass")


def films(boxes, label, count):
    column = LABELS.index(label)
    states, noisy = np.zeros(len(LABELS), np.int64), np.zeros(len(LABELS), bool)
    corners = np.array(boxes, np.float32).reshape(-1, 4)
    owners = np.full(len(corners), column)
    return [FilmTruth(str(i), "nih", str(i), Split.TRAIN, corners, owners, states, noisy) for i in range(count)]


LOW, HIGH = [0.125, 0.5, 0.375, 0.75], [0.625, 0.125, 0.875, 0.5]


def test_a_label_may_lie_where_its_boxes_and_those_of_other_lung_labels_lie():
    given = films([LOW], "effusion", 190) + films([HIGH], "nodule_mass", 10) + films([[0, 0, 1, 1]], "cardiomegaly", 50)
    found = positions(given, LABELS)
    assert found.keys() == {"edema", "effusion", "nodule_mass"}  # a heart is no lung finding
    both = np.zeros((GRID, GRID), bool)
    both[GRID // 2 : 3 * GRID // 4, GRID // 8 : 3 * GRID // 8] = True
    both[GRID // 8 : GRID // 2, 5 * GRID // 8 : 7 * GRID // 8] = True
    for each in found.values():
        assert np.array_equal(each.array, both)  # labels count alike, however many boxes each has


def test_what_people_hardly_ever_boxed_is_left_out():
    rare = [[0.0, 0.9, 0.1, 1.0]]
    found = positions(films([LOW], "effusion", 400) + films(rare, "effusion", 4), LABELS)
    assert not found["effusion"].array[-1, 0]
    assert found["effusion"].array[5 * GRID // 8, GRID // 4]


def test_a_few_boxes_say_nothing_about_lungs():
    assert positions(films([LOW], "effusion", 199), LABELS) == {}
    assert positions([], DISEASES) == {}


def test_as_much_of_a_box_must_lie_there_as_keeps_99_of_100_boxes_of_val():
    cells = positions(films([LOW], "effusion", 400), LABELS)
    within, lower = LOW, [0.125, 0.5, 0.375, 0.85]  # of the other, 25 of 35 parts lie in the cells
    assert least_inside(films([within], "effusion", 100), LABELS, cells)[0] == 0.9
    rare = films([within], "effusion", 99) + films([lower], "effusion", 1)
    assert least_inside(rare, LABELS, cells) == (0.9, {f"{0.5 + 0.05 * n:g}": 1.0 if n < 5 else 0.99 for n in range(9)})
    often = films([within], "effusion", 98) + films([lower], "effusion", 2)
    assert least_inside(often, LABELS, cells)[0] == 0.7
    outside = films([[0, 0, 0.1, 0.1]], "effusion", 5)
    assert least_inside(outside, LABELS, cells)[0] == 0.5
    hearts = films([[0, 0, 1, 1]], "cardiomegaly", 5)  # which are no lung findings
    assert least_inside(hearts, LABELS, cells) == (0.5, {}) == least_inside([], LABELS, {})
