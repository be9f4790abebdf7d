import numpy as np
import pytest

from lungspot.evaluate.froc import ThresholdSweep, coco_precision, sensitivities, voc_precision, wafroc
from lungspot.evaluate.resample import unit_weights
from lungspot.findings import State

A, B, C = (0, 0, 10, 10), (20, 0, 30, 10), (40, 40, 60, 60)


def at_rates(matched, *rates):
    return sensitivities(ThresholdSweep(matched, unit_weights(len(matched.state))), 0.5, rates)[0].tolist()


@pytest.mark.parametrize(
    ("films", "rates", "expected"),
    [
        # Two lesions on two films; one of them found at .9, then a false box at .8, then the other lesion at .7.
        ([([A], [(A, 0.9), (C, 0.8)]), ([B], [(B, 0.7)])], (0.125, 0.25, 0.5, 1), [0.5, 0.5, 1.0, 1.0]),
        # A film without the finding counts among the films: half a false box a film.
        ([([A], [(B, 0.9), (A, 0.8)]), ([], [])], (0.25, 0.5), [0.0, 1.0]),
        # Equal scores come together: the true box brings the false one with it.
        ([([A], [(A, 0.9), (B, 0.9)])], (0.5, 1), [0.0, 1.0]),
        # A second box on one lesion is false.
        ([([A, C], [(A, 0.9), (A, 0.8), (C, 0.7)])], (0.5, 1), [0.5, 1.0]),
        # Boxes that hit nothing on a film not boxed exhaustively do not count, nor does the film.
        ([([A], [(C, 0.95), (A, 0.9)], State.PRESENT), ([], [])], (0.0,), [1.0]),
    ],
)
def test_sensitivity_at_false_positives_a_film(one_label, films, rates, expected):
    assert at_rates(one_label(films), *rates) == pytest.approx(expected)


def test_no_true_box_has_no_sensitivity(one_label):
    assert np.isnan(at_rates(one_label([([], [(A, 0.9)])]), 1.0)).all()


@pytest.mark.parametrize(
    ("films", "expected"),
    [
        # One normal film, surest mark .5. Lesion rated .8 > .5: 1.
        ([([], [(A, 0.5)]), ([A], [(A, 0.8)])], 1.0),
        # Tie with the mark: half.
        ([([], [(A, 0.8)]), ([A], [(A, 0.8)])], 0.5),
        # Neither marked: minus infinity on both sides is a tie.
        ([([], []), ([A], [])], 0.5),
        # A missed lesion loses to any mark.
        ([([], [(C, 0.1)]), ([A], [(B, 0.9)])], 0.0),
        # False marks on diseased films are not part of wAFROC; only each normal film's surest mark is.
        ([([], [(A, 0.5), (C, 0.2)]), ([A], [(C, 0.99), (A, 0.8)])], 1.0),
        # Weights 1/2: of two lesions on one film one beats the normal film: 0.5. A film with one lesion found: 1.
        # Mean over the two diseased films: (0.5 + 1) / 2.
        ([([], [(C, 0.5)]), ([A, B], [(A, 0.8), (B, 0.3)]), ([C], [(C, 0.6)])], 0.75),
        # Two normal films (.4, unmarked), lesions .6 and missed, half weight each:
        # .6 beats both (1/2 of 2), the missed one ties with the unmarked (1/2 of 0.5): (1 + 0.25) / 2.
        ([([], [(C, 0.4)]), ([], []), ([A, B], [(A, 0.6)])], 0.625),
    ],
)
def test_wafroc_by_hand(one_label, films, expected):
    matched = one_label(films)
    assert wafroc(matched, unit_weights(len(films)), 0.5)[0] == pytest.approx(expected)


def test_wafroc_of_rjafrocs_book(one_label):
    """The eight cases of "AFROC vs. wAFROC" in Chakraborty's RJafroc book, whose UtilFigureOfMerit gives the values.

    Its z-samples are brought to 0 to 1 (z / 5 + 0.2), which keeps their order. It says 0.7875 where the third diseased
    case's lesions weigh .6 and .4, and 0.678125 at .1 and .9 (both lesions of the fourth beat every false mark, so its
    weights do not matter). The figure is linear in a weight, so at our equal weights it lies on the line through both.
    """
    films = [
        ([], []),
        ([], [(C, 0.3)]),
        ([], [(C, 0.34), (A, 0.32)]),
        ([], [(C, 0.14)]),
        ([A], [(C, 0.5), (A, 0.38)]),
        ([A], [(A, 0.16)]),
        ([A, B], [(A, 0.52)]),
        ([A, B], [(A, 0.8), (B, 0.6)]),
    ]
    at_half = 0.7875 + (0.5 - 0.6) / (0.1 - 0.6) * (0.678125 - 0.7875)
    assert wafroc(one_label(films), unit_weights(8), 0.5)[0] == pytest.approx(at_half, abs=1e-9)


def test_wafroc_leaves_out_what_is_not_sure(one_label):
    films = [([], [(A, 0.5)]), ([A], [(A, 0.8)]), ([B], [], State.PRESENT), ([], [(A, 1.0)], State.NOT_LOOKED_FOR)]
    assert wafroc(one_label(films), unit_weights(4), 0.5)[0] == 1.0


def test_wafroc_needs_both_kinds_of_films(one_label):
    assert np.isnan(wafroc(one_label([([A], [(A, 0.8)])]), unit_weights(1), 0.5)[0])


def test_voc_is_the_whole_area_and_coco_101_points_of_it(one_label):
    # Precision 1 to recall 1/3, then (one false box) 2/3 to recall 2/3; the third is missed.
    matched = one_label([([A, B, C], [(A, 0.9), ((70, 70, 80, 80), 0.8), (B, 0.7)])])
    counts = ThresholdSweep(matched, unit_weights(1)).counts(0.5)
    assert voc_precision(counts)[0] == pytest.approx(1 / 3 + 2 / 9)
    assert coco_precision(counts)[0] == pytest.approx((34 + 33 * 2 / 3) / 101)
