from dataclasses import replace

import numpy as np
import pytest
import torch

from lungspot.findings import ABSENT, BOXED, PRESENT, UNKNOWN
from lungspot.images import squash
from lungspot.train.augment import _move, _part, augment, plain, target
from lungspot.train.config import TrainConfig

STILL = TrainConfig(flip=0, shift=0, scale=0, rotate=0, degrade=0, contrast=0, noise=0, cutout=0)


def test_nothing_changes_where_nothing_is_asked_for(generated_films):
    images, known = augment(generated_films.pixels[:8], generated_films.films[:8], 64, STILL, np.random.default_rng(0))
    torch.testing.assert_close(images, plain(generated_films.pixels[:8], 64), atol=2e-4, rtol=0)
    for i, film in enumerate(generated_films.films[:8]):
        np.testing.assert_allclose(known.boxes[i, : len(film.boxes)], film.boxes * 64, atol=1e-3)


@pytest.mark.parametrize("change", ["flip", "shift", "scale", "rotate"])
def test_a_box_goes_where_its_square_goes(generated_films, change):
    """The mean grey inside the moved box stays that of the bright square."""
    config = replace(STILL, **{change: {"flip": 1.0, "shift": 0.1, "scale": 0.3, "rotate": 8.0}[change]})
    boxed = [i for i, film in enumerate(generated_films.films) if len(film.boxes)]
    films = [generated_films.films[i] for i in boxed]
    images, known = augment(generated_films.pixels[boxed], films, 64, config, np.random.default_rng(1))
    for image, box, real in zip(images[:, 0], known.boxes[:, 0], known.real[:, 0], strict=True):
        if real:
            x0, y0, x1, y1 = (round(float(v)) for v in box + torch.tensor([2, 2, -2, -2]))
            assert image[y0:y1, x0:x1].mean() > 0.8


@pytest.mark.parametrize(
    ("matrix", "box", "moved"),
    [
        ([[1, 0, 0], [0, 1, 0]], [0.2, 0.2, 0.4, 0.6], [0.2, 0.2, 0.4, 0.6]),
        ([[-1, 0, 0], [0, 1, 0]], [0.2, 0.2, 0.4, 0.6], [0.6, 0.2, 0.8, 0.6]),
        ([[1, 0, 0.2], [0, 1, 0]], [0.2, 0.2, 0.4, 0.6], [0.1, 0.2, 0.3, 0.6]),
        ([[0.5, 0, 0], [0, 0.5, 0]], [0.4, 0.4, 0.6, 0.6], [0.3, 0.3, 0.7, 0.7]),
        ([[1, 0, 0.5], [0, 1, 0]], [0.2, 0.2, 0.4, 0.6], [0.0, 0.2, 0.15, 0.6]),  # clipped
        ([[1, 0, 1.0], [0, 1, 0]], [0.2, 0.2, 0.4, 0.6], [np.nan] * 4),  # gone
    ],
)
def test_move(matrix, box, moved):
    found = _move(np.array([box], np.float32), np.array(matrix, float))
    np.testing.assert_allclose(found, [moved], atol=1e-6)


@pytest.mark.parametrize(
    ("box", "state", "known", "boxes"),
    [
        ([0.1, 0.1, 0.3, 0.3], BOXED, BOXED, 1),  # in the part
        ([0.8, 0.1, 0.9, 0.3], BOXED, ABSENT, 0),  # elsewhere: everything was boxed, so it is not here
        ([0.8, 0.1, 0.9, 0.3], PRESENT, UNKNOWN, 0),  # not everything was boxed: there may be more here
        ([0.4, 0.1, 0.9, 0.3], BOXED, BOXED, 1),  # partly in it
        (None, ABSENT, ABSENT, 0),
        (None, PRESENT, UNKNOWN, 0),
        (None, UNKNOWN, UNKNOWN, 0),
    ],
)
def test_less_is_known_of_a_part(generated_films, box, state, known, boxes):
    corners = np.array([] if box is None else [box], np.float32).reshape(-1, 4)
    film = replace(
        generated_films.films[0],
        boxes=corners,
        labels=np.zeros(len(corners), np.int64),
        states=np.array([state, ABSENT]),
        soft=np.full(2, 0.7, np.float32),
    )
    left_half = np.array([[0.5, 0, -0.5], [0, 1, 0]])
    part = _part(film, left_half)
    assert part.states.tolist() == [known, ABSENT]
    assert len(part.boxes) == len(part.labels) == boxes
    assert part.soft is None


def test_parts_show_the_boxes_for_whose_sake_they_are_shown(generated_films):
    config = replace(STILL, labels=("effusion", "edema"), crop_labels=("effusion",))
    boxed = [i for i, film in enumerate(generated_films.films) if len(film.boxes)]
    films = [generated_films.films[i] for i in boxed]
    images, known = augment(
        generated_films.pixels[boxed], films, 128, config, np.random.default_rng(1), crops=len(boxed)
    )
    assert known.mirrored.isnan().all()
    shown = 0
    for image, box, real in zip(images[:, 0], known.boxes[:, 0], known.real[:, 0], strict=True):
        if real:
            shown += 1
            x0, y0, x1, y1 = (round(float(v)) for v in box + torch.tensor([3, 3, -3, -3]))
            assert image[y0:y1, x0:x1].mean() > 0.8
            assert box[2] - box[0] > 128 * 20 / 64 / 0.64 - 1 or box[2] == 128 or box[0] == 0
    assert shown > 0.6 * len(boxed)


def test_a_lost_box_is_no_longer_exhaustive(generated_films):
    film = generated_films.films[0]
    assert film.states[0] == BOXED
    known = target([film], [np.full((1, 4), np.nan, np.float32)], 64, 0.3)
    assert known.states[0, 0] == PRESENT
    assert not known.real.any()
    assert film.states[0] == BOXED


def test_doubt_weighs_less(generated_films):
    film = generated_films.films[0]
    assert target([film], [film.boxes], 64, 0.3).weight.tolist() == [[1.0, pytest.approx(0.3)]]


def test_chance_is_owned(generated_films):
    config = TrainConfig()

    def batch(seed):
        return augment(generated_films.pixels[:4], generated_films.films[:4], 64, config, np.random.default_rng(seed))[
            0
        ]

    assert torch.equal(batch(3), batch(3))
    assert not torch.equal(batch(3), batch(4))


def test_images_stay_in_range(generated_films):
    images, _ = augment(
        generated_films.pixels[:16], generated_films.films[:16], 96, TrainConfig(), np.random.default_rng(0)
    )
    assert images.shape == (16, 1, 96, 96)
    assert 0 <= images.min() <= images.max() <= 1


def test_training_and_serving_resize_alike():
    rng = np.random.default_rng(0)
    film = rng.integers(0, 256, (96, 96)).astype(np.uint8)
    np.testing.assert_allclose(plain(film[None], 64)[0, 0], squash(film.astype(np.float32) / 255, 64), atol=2e-3)


@pytest.mark.parametrize(
    ("flip", "heart", "left"),
    [(0.0, (48, 96), (16, 64)), (1.0, (32, 80), (16, 48))],  # columns of 128; a mirror swaps the lungs' sides
)
def test_organs_go_where_the_film_goes(generated_films, flip, heart, left):
    config = replace(STILL, flip=flip)
    _, known = augment(generated_films.pixels[:6], generated_films.films[:6], 64, config, np.random.default_rng(0))
    assert known.outlined.tolist() == [True, False, False, False, True, False]
    assert known.mirrored.tolist() == [flip] * 6
    assert known.organs.shape == (6, 3, 8, 8)
    assert not known.organs[1].any()
    for organ, (low, high) in ((0, heart), (1, left)):
        columns = known.organs[0, organ].amax(0)
        assert torch.nonzero(columns > 0.4)[[0, -1], 0].tolist() == [low // 16, (high - 1) // 16]
