"""Which films to answer next: how unsure a model is of them, how unlike each other they are, and lots."""

import math

import numpy as np
import pytest

from lungspot.errors import InputError
from lungspot.findings import Box, Frame
from lungspot.formats import PredictedFinding, Prediction
from lungspot.labelling import PoolFilm, Uncertainty, choose, lots, random_sample, uncertainty_of, unsure_scores

WIDTH, HEIGHT = 100, 80
LABELS = ("effusion", "pneumonia")


def seen(film, probabilities, boxes=(), features=(), *, assessed=True):
    """What a model said: probability by label; boxes as (label, score, box, energy in the box)."""
    scores = tuple(PredictedFinding(label, score) for label, score in probabilities.items())
    found = tuple(
        PredictedFinding(label, score, Box(*box), agreement={"energy_in_box": energy})
        for label, score, box, energy in boxes
    )
    return Prediction(film, Frame(WIDTH, HEIGHT), assessed, found, film_scores=scores, features=tuple(features))


def entropy(p):
    return -p * math.log2(p) - (1 - p) * math.log2(1 - p)


def test_the_signs_are_entropy_maps_and_the_mirror_image():
    boxes = [("effusion", 0.9, (10, 10, 30, 40), 0.75), ("pneumonia", 0.5, (60, 10, 90, 40), 0.25)]
    film = seen("a", {"effusion": 0.9, "pneumonia": 0.5, "edema": 0.5}, boxes)
    turned = [("effusion", 0.8, (WIDTH - 30, 10, WIDTH - 10, 40), 0.7), ("pneumonia", 0.6, (60, 10, 90, 40), 0.7)]
    found = uncertainty_of(film, seen("a", {"effusion": 0.7, "pneumonia": 0.5}, turned), LABELS)
    assert found.film_entropy == pytest.approx((entropy(0.9) + 1) / 2)
    assert found.box_entropy == pytest.approx((entropy(0.9) + 1) / 2)
    assert found.heat_map == pytest.approx(0.5)
    # probabilities differ by .2 and 0; of four boxes the two effusions are one, the pneumonias lie on two sides
    assert found.mirrored == pytest.approx((0.1 + 0.5) / 2)


@pytest.mark.parametrize(
    ("film", "labels", "expected"),
    [
        (seen("a", {"effusion": 1.0, "pneumonia": 0.0}), LABELS, Uncertainty(0.0)),
        (seen("a", {"edema": 0.5}), LABELS, Uncertainty()),
        (seen("a", {"effusion": 0.5}, [("pneumonia", 0.5, (1, 1, 9, 9), 1.0)]), ["effusion"], Uncertainty(1.0)),
        (seen("a", {}, assessed=False), LABELS, Uncertainty()),
    ],
)
def test_a_sign_that_is_not_known_is_none(film, labels, expected):
    assert uncertainty_of(film, None, labels) == expected


def test_a_score_is_the_mean_of_ranks_and_an_unknown_sign_counts_nothing():
    found = [Uncertainty(0.1, 0.9), Uncertainty(0.5), Uncertainty(0.9, 0.1), Uncertainty()]
    first, middle, last = 1 / 6, 3 / 6, 5 / 6
    assert unsure_scores(found) == pytest.approx([(first + 0.75) / 2, middle, (last + 0.25) / 2, 0])
    assert unsure_scores([Uncertainty(0.3)] * 4) == pytest.approx([0.5] * 4)
    assert unsure_scores([]).shape == (0,)


def pool(count=40):
    """Films from sure to unsure, in two clusters of features by turns."""
    return [
        PoolFilm(f"{n:03}.png", seen(f"{n}", {"effusion": 0.5 * n / count}, features=(n % 2 * 9.0, n / 1000)))
        for n in range(count)
    ]


def films(choices, why=None):
    return [choice.film for choice in choices if why in {None, choice.why}]


def test_the_least_sure_film_comes_first():
    chosen = choose(pool(), 5, LABELS, by="uncertainty", random_share=0)
    assert films(chosen) == ["039.png", "038.png", "037.png", "036.png", "035.png"]
    assert [choice.score for choice in chosen] == sorted((choice.score for choice in chosen), reverse=True)


def test_films_that_differ_are_chosen_and_not_what_is_like_those_answered():
    ones = [PoolFilm(f"{n}", seen(f"{n}", {"effusion": 0.5}, features=(n % 4 * 10.0, 0.0))) for n in range(40)]
    assert {int(film) % 4 for film in films(choose(ones, 4, LABELS, by="diversity", random_share=0))} == {0, 1, 2, 3}
    answered = [PoolFilm("done", ones[3].seen, answered=True), *ones]
    first = choose(answered, 1, LABELS, by="diversity", random_share=0)[0]
    assert int(first.film) % 4 == 0  # the farthest from the one that is answered


def test_mixed_films_are_unsure_and_unlike_each_other():
    chosen = choose(pool(), 4, LABELS, random_share=0)
    assert min(films(chosen)) >= "024.png"  # of the sixteen that are the least sure
    assert {int(film[:3]) % 2 for film in films(chosen)[:4]} == {0, 1}
    assert films(chosen) == sorted(films(chosen), reverse=True)


def test_a_share_is_drawn_by_lot_and_spread_evenly():
    chosen = choose(pool(), 20, LABELS, random_share=0.25)
    assert len(set(films(chosen))) == 20
    assert [place for place, choice in enumerate(chosen) if choice.why == "random"] == [2, 6, 10, 14, 18]
    assert films(chosen, "random") == lots([one.film for one in pool()], 0)[:5]
    again = choose(pool()[::-1], 20, LABELS, random_share=0.25)
    assert films(again) == films(chosen)
    assert films(choose(pool(), 20, LABELS, random_share=0.25, seed=1), "random") != films(chosen, "random")
    assert films(choose(pool(), 20, LABELS, by="random"), "random") == films(choose(pool(), 20, LABELS, by="random"))


def test_every_film_that_waits_is_as_likely_to_be_drawn():
    drawn = np.zeros(40)
    for seed in range(400):
        for film in films(choose(pool(), 10, LABELS, seed=seed, random_share=0.4), "random"):
            drawn[int(film[:3])] += 1
    assert drawn.min() > 15  # 40 each are expected, give or take 6
    assert drawn.max() < 65


def test_the_first_lots_that_are_answered_are_a_random_sample_also_after_many_choices():
    ones, answered = pool(), set()
    for _ in range(4):
        answered |= set(films(choose(ones, 5, LABELS, random_share=0.4)))
        ones = [PoolFilm(one.film, one.seen, answered=one.film in answered) for one in ones]
    sample = random_sample([one.film for one in ones], answered, 0)
    assert len(sample) >= 8  # two of each choice, and those that were chosen for being unsure and lie among them
    assert sample == lots([one.film for one in ones], 0)[: len(sample)]


def test_answered_films_and_those_not_assessed_are_not_chosen_but_by_lot():
    ones = [PoolFilm(one.film, one.seen, answered=n >= 20) for n, one in enumerate(pool())]
    ones[3] = PoolFilm("003.png", seen("3", {}, assessed=False))
    ones[4] = PoolFilm("004.png")
    chosen = choose(ones, 40, LABELS, random_share=0)
    assert set(films(chosen)) == {f"{n:03}.png" for n in range(20)} - {"003.png", "004.png"}
    assert set(films(choose(ones, 40, LABELS, by="random"))) == {f"{n:03}.png" for n in range(20)}


@pytest.mark.parametrize("words", [{"by": "entropy"}, {"random_share": 1.5}, {"count": 0}])
def test_a_choice_that_is_none_is_refused(words):
    with pytest.raises(InputError, match="BAD_VALUE"):
        choose(pool(), **{"count": 5, "labels": LABELS} | words)
    assert choose([], 5, LABELS) == []
