from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from lungspot.detect import SecondLook
from lungspot.formats.case import Split
from lungspot.train.data import Films
from lungspot.train.model import Output
from lungspot.train.validate import (
    Found,
    Predictions,
    answering,
    ask,
    detect_all,
    film_auroc,
    precision,
    predict,
    second_look,
    thinned,
    thinned_label,
)


class Knows(nn.Module):
    """Boxes the bright square of a generated film twice, and says effusion where there is one."""

    def forward(self, image):
        boxes, scores, films = [], [], []
        for picture in image[:, 0]:
            ys, xs = torch.where(picture > 0.8)
            there = len(xs) > 100
            box = (
                [float(xs.min()), float(ys.min()), float(xs.max()) + 1, float(ys.max()) + 1] if there else [0, 0, 9, 9]
            )
            boxes.append([box, box, [40.0, 40.0, 40.0, 50.0]])  # the last has no area
            scores.append([[4.0, -9.0], [3.0, -9.0], [5.0, -9.0]] if there else [[-9.0, -9.0]] * 3)
            films.append([4.0 if there else -4.0, float(picture.mean() * 9 - 4)])
        count = len(image)
        return Output(
            *(torch.tensor(boxes), torch.tensor(scores), torch.tensor(films)),
            *(torch.zeros(count, 2, 4, 4), torch.ones(count, 3)),
        )


@pytest.fixture(scope="module")
def found(generated_films):
    return predict(Knows(), generated_films, generated_films.of(Split.VAL), 64)


def test_one_of_two_boxes_survives_and_none_without_area(found):
    for film, (effusion, edema) in zip(found.films, found.found, strict=True):
        assert len(effusion.scores) == len(film.boxes)
        assert len(edema.scores) == 0
        np.testing.assert_allclose(effusion.boxes, film.boxes, atol=1e-6)


def test_what_is_asked_is_thinned_out_by_each_labels_own_votes(generated_films):
    val = generated_films.of(Split.VAL)
    said = ask(answering(Knows()), generated_films, val, 64)
    assert {len(effusion.scores) for effusion, _ in said.found} <= {0, 3}  # all that count
    for one, two in zip(thinned(said).found, predict(Knows(), generated_films, val, 64).found, strict=True):
        np.testing.assert_array_equal(one[0].boxes, two[0].boxes)
    near = Found(np.array([[0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 0.5, 0.7]]), np.array([0.6, 0.4]))
    both = Predictions(said.films[:1], ((near, near),), said.image[:1], said.features[:1])
    moved, kept = thinned(both, (0.4, 1.0)).found[0]
    np.testing.assert_allclose(moved.boxes, [[0.0, 0.0, 0.5, 0.58]])
    np.testing.assert_allclose(kept.boxes, near.boxes[:1])
    alone = thinned_label(both, 1, 1.0).found[0]
    assert [len(each.scores) for each in alone] == [2, 1]


def test_numbers_of_a_network_that_knows(found):
    numbers = detect_all(found, ("effusion", "edema"))
    assert numbers["ap/effusion"] == numbers["map"] == 1.0
    assert np.isnan(numbers["ap/edema"])
    assert numbers["auroc/effusion"] == 1.0
    assert 0 <= numbers["auroc/edema"] <= 1


class LiesElsewhere(Knows):
    """A network on an accelerator, as far as can be seen without one: a device without numbers, and its answer here."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, device="meta"))
        self.shown = []

    def forward(self, image):
        self.shown.append(image.device)
        return super().forward(torch.zeros(image.shape))


def test_a_network_is_shown_films_on_the_device_where_it_lies():
    network = LiesElsewhere()
    boxes, *_ = answering(network)(torch.zeros(2, 1, 64, 64))
    assert network.shown == [torch.device("meta")]
    assert boxes.shape == (2, 3, 4)


def test_parts_of_the_films(found):
    assert precision(found, 0, 0.4, sources=["siim_covid"]) == 1.0
    assert np.isnan(precision(found, 0, 0.4, sources=["nowhere"]))
    assert film_auroc(found, 0, sources=["nih"], certain=True) == 1.0


def test_a_second_look_adds_the_boxes_of_parts_of_fine_films(generated_films):
    answer = answering(Knows())
    look = SecondLook(("effusion",), 64, 384, ((0.0, 0.0, 1.0, 0.5), (0.0, 0.5, 1.0, 1.0)))
    index = next(i for i, film in enumerate(generated_films.films) if len(film.boxes) and film.boxes[0, 3] < 0.5)
    film = replace(generated_films.films[index], stored=512)
    films = Films((film,), generated_films.pixels[index : index + 1])

    def of_parts(pictures):
        boxes, scores, _, _ = answer(pictures)
        return boxes, scores[..., :1]

    again = second_look(of_parts, films, 64, look, ("effusion", "edema"))
    boxes, scores = again(0, np.array([0.3, 0.9]))
    assert boxes.shape == (6, 4)
    np.testing.assert_allclose(boxes[0], film.boxes[0], atol=0.02)
    assert not scores[:, 1].any()
    found = thinned(ask(answer, films, [0], 64, again))
    assert len(found.found[0][0].scores) == 1  # what both looks see is one box
    coarse = Films((replace(film, stored=128),), films.pixels)
    assert len(second_look(of_parts, coarse, 64, look, ("effusion", "edema"))(0, np.ones(2))[0]) == 0
    sure = second_look(of_parts, films, 64, replace(look, least_score=0.3), ("effusion", "edema"))
    assert [len(sure(0, np.array([score, 0.9]))[0]) for score in (0.29, 0.31)] == [0, 6]
