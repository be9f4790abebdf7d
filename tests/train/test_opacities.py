from dataclasses import replace

import numpy as np
import pytest
import torch

from lungspot.train.augment import augment
from lungspot.train.config import TrainConfig
from lungspot.train.data import OUTLINE
from lungspot.train.opacities import paste_opacities

SIZE = 128
LEFT, RIGHT = slice(10, 50), slice(78, 118)
ROWS = slice(20, 100)


@pytest.fixture
def film():
    """A film, and its outlines: dark lungs beside a heart that is half as bright as can be."""
    outlines = np.zeros((3, OUTLINE, OUTLINE), np.uint8)
    outlines[0, 60:100, 50:78] = outlines[1, ROWS, LEFT] = outlines[2, ROWS, RIGHT] = 255
    picture = np.full((SIZE, SIZE), 90, np.uint8)
    picture[outlines[0] > 0], picture[outlines[1:].max(0) > 0] = 130, 20
    return picture, outlines


def test_lungs_grow_white_and_nothing_darker(film):
    picture, outlines = film
    lungs = outlines[1:].max(0) > 0
    share = []
    for seed in range(60):
        made = paste_opacities(picture, outlines, np.random.default_rng(seed))
        assert made.dtype == np.uint8
        changed = made.astype(int) - picture
        assert changed.min() >= -13, "what is white stays about as white"
        share.append((changed[lungs] > 20).mean())
    assert (picture[lungs] == 20).all(), "the picture that was given is another's, too"
    assert min(share) == 0, "on some films neither lung has one"
    assert max(share) > 0.6
    assert 0.1 < np.mean(share) < 0.6


def test_an_opacity_is_about_as_bright_as_the_heart(film):
    picture, outlines = film
    white = [paste_opacities(picture, outlines, np.random.default_rng(seed))[ROWS, LEFT].max() for seed in range(60)]
    assert 90 < np.median([value for value in white if value > 20]) < 170


def test_no_lung_is_no_reason_to_stop(film):
    picture, outlines = film
    bare = paste_opacities(picture, outlines * 0, np.random.default_rng(0))
    assert np.abs(bare.astype(int) - picture).max() == 0


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_they_are_pasted_where_lungs_are_outlined(generated_films, share):
    config = TrainConfig(labels=("effusion", "edema"), opacity_share=share, degrade=0.0, noise=0.0, cutout=0.0)
    plain = replace(config, opacity_share=0.0)
    outlined = generated_films.films[0]
    for film, changes in ((outlined, bool(share)), (replace(outlined, outlines=None), False)):
        differ = []
        for seed in range(8):
            one, two = (
                augment(generated_films.pixels[:1], [film], 64, each, np.random.default_rng(seed))[0]
                for each in (config, plain)
            )
            differ.append(not torch.equal(one, two))
        assert any(differ) is changes
