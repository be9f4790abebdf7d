from dataclasses import replace

import numpy as np
import pytest

from lungspot.errors import InputError
from lungspot.findings import ABSENT, BOXED, PRESENT, UNKNOWN
from lungspot.train.augment import augment
from lungspot.train.config import TrainConfig
from lungspot.train.data import OUTLINE
from lungspot.train.lesions import paste_lesions


@pytest.fixture
def clear(generated_films):
    """A film on which nothing of the second label is; and its even picture."""
    film = replace(generated_films.films[0], states=np.array([UNKNOWN, ABSENT]), outlines=None)
    return np.full((256, 256), 120, np.uint8), replace(film, boxes=film.boxes[:0], labels=film.labels[:0])


@pytest.mark.parametrize("seed", range(12))
def test_each_box_holds_what_was_made_and_nothing_else_changed(clear, seed):
    picture, film = clear
    made, known = paste_lesions(picture, film, 1, 0.0, np.random.default_rng(seed))
    assert known.states.tolist() == [UNKNOWN, BOXED]
    assert 1 <= len(known.boxes) == len(known.labels) <= 3
    assert set(known.labels.tolist()) == {1}
    assert (picture == 120).all(), "the picture that was given is another's, too"
    outside = made.astype(int) - 120
    for x0, y0, x1, y1 in known.boxes:
        assert 0 <= x0 < x1 <= 1
        assert 0 <= y0 < y1 <= 1
        left, top, right, bottom = (round(float(value) * 256) for value in (x0, y0, x1, y1))
        inside = outside[top:bottom, left:right]
        assert inside.max() >= 0.1 * 255 - 2, "at the beginning anybody sees it"
        width, height = (x1 - x0) * 256, (y1 - y0) * 256
        assert inside[:, [0, -1]].max() >= 1, "the box ends where the nodule ends"
        assert inside[[0, -1]].max() >= 1
        assert 2 < width < 60
        assert 2 < height < 60
    assert outside.min() == 0
    for x0, y0, x1, y1 in known.boxes:
        left, top, right, bottom = (round(float(value) * 256) for value in (x0, y0, x1, y1))
        outside[top:bottom, left:right] = 0
    assert outside.max() <= 0.18 * 0.15 * 255 + 1, "what is not boxed is hardly to be seen"


def test_nodules_become_harder_to_see(clear):
    def brightest(progress):
        return [int(paste_lesions(*clear, 1, progress, np.random.default_rng(seed))[0].max()) for seed in range(20)]

    early, late = np.median(brightest(0.0)), np.median(brightest(1.0))
    assert early - 120 > 2 * (late - 120) > 0


@pytest.mark.parametrize("state", [UNKNOWN, PRESENT, BOXED])
def test_nothing_is_made_where_one_may_be(clear, state):
    picture, film = clear
    film = replace(film, states=np.array([ABSENT, state]))
    made, known = paste_lesions(picture, film, 1, 0.0, np.random.default_rng(0))
    assert made is picture
    assert known is film


def test_nodules_lie_in_the_lungs_where_they_are_outlined(clear):
    picture, film = clear
    outlines = np.zeros((3, OUTLINE, OUTLINE), np.uint8)
    outlines[0] = 255  # a heart is no place
    outlines[2, 10:40, 90:120] = 255
    for seed in range(30):
        known = paste_lesions(picture, replace(film, outlines=outlines), 1, 0.5, np.random.default_rng(seed))[1]
        middles = (known.boxes[:, :2] + known.boxes[:, 2:]) / 2 * OUTLINE
        assert (middles >= [88, 8]).all()
        assert (middles <= [122, 42]).all()


def test_a_batch_of_a_run_that_asks_for_it_has_them(generated_films):
    labels = ("effusion", "nodule_mass")
    films = [replace(film, states=np.array([film.states[0], ABSENT])) for film in generated_films.films[:8]]
    films = [replace(f, boxes=f.boxes[f.labels == 0], labels=f.labels[f.labels == 0]) for f in films]
    for share, least in ((0.0, 0), (1.0, 8)):
        config = TrainConfig(labels=labels, paste_share=share)
        batch = augment(generated_films.pixels[:8], films, 64, config, np.random.default_rng(0), progress=0.5)[1]
        assert int(((batch.labels == 1) & batch.real).any(1).sum()) >= least * 0.7
        assert int((batch.states[:, 1] == BOXED).sum()) >= least * 0.7
        assert share or not (batch.states[:, 1] == BOXED).any()


def test_a_run_that_learns_no_nodules_has_none_made():
    with pytest.raises(InputError, match="paste_share"):
        TrainConfig(labels=("effusion",), paste_share=0.5)
