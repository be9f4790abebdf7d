from dataclasses import replace

import numpy as np
import pytest

from lungspot.datasets import DATASETS
from lungspot.train.anatomy import AnatomyPredictions, boxes_in_lungs, judge_anatomy, mirror_threshold, predict_anatomy
from lungspot.train.data import Films

SIZE = 64


def cells(outlines):
    """The outlines at stride 8, as a network that makes no mistake would say them."""
    return outlines.reshape(3, 8, 16, 8, 16).mean((2, 4)).astype(np.float32) / 255


def test_a_perfect_network_has_no_errors(generated_films):
    outlines = {film.id: film.outlines for film in generated_films.films}
    told = iter(range(10**6))

    def run(picture):
        assert picture.shape == (1, 1, SIZE, SIZE)
        number = next(told)
        film = generated_films.films[number // 2]
        organs = np.zeros((3, 8, 8), np.float32) if film.outlines is None else cells(outlines[film.id])
        return {"organs": organs[None], "mirrored": np.array([[0.99 if number % 2 else 0.01]], np.float32)}

    seen = predict_anatomy(run, generated_films, range(len(generated_films)), SIZE)
    found = judge_anatomy(seen, 0.9)
    assert found["outlined_films"] == found["ratio_films"] == 10
    assert min(found["median_iou"].values()) > 0.99
    assert found["ratio_mean_absolute_error"] < 0.01
    assert (found["mirrored_found"], found["mirrored_false_alarms"], found["mirrored_unsure"]) == (1, 0, 0)


def test_boxes_outside_the_lungs_are_counted(generated_films):
    inside = np.array([[0.15, 0.2, 0.4, 0.5], [0.7, 0.2, 0.85, 0.5]], np.float32)
    outside = np.array([[0.15, 0.92, 0.4, 0.99]], np.float32)
    film = replace(generated_films.films[0], boxes=np.concatenate((inside, outside)), labels=np.zeros(3, np.int64))
    seen = AnatomyPredictions((film,), np.zeros(1), np.ones(1), {0: cells(film.outlines)})
    assert boxes_in_lungs(seen, ("effusion",)) == pytest.approx(2 / 3)
    assert boxes_in_lungs(seen, ("cardiomegaly",)) == 1.0  # a heart is no finding of the lungs
    unseen = replace(seen, organs={0: cells(film.outlines) * 0})
    assert boxes_in_lungs(unseen, ("effusion",)) == 1.0  # where no chest is seen its lungs say nothing


def test_what_is_missed_counts(generated_films):
    film = generated_films.films[0]
    none = np.zeros((3, 8, 8), np.float32)
    shifted = np.roll(cells(film.outlines), 1, axis=2)
    seen = AnatomyPredictions((film, film), np.array([0.95, 0.5]), np.array([0.2, 0.95]), {0: none, 1: shifted})
    found = judge_anatomy(seen, 0.9)
    assert found["ratio_films"] == 1  # without organs there is no ratio
    assert found["median_iou"]["heart"] == pytest.approx(0.25)  # between 0 and a half
    assert (found["mirrored_found"], found["mirrored_false_alarms"], found["mirrored_unsure"]) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("said", "sure"),
    [
        (np.full(1000, 0.1), 0.5),
        (np.r_[np.full(995, 0.1), 0.8, 0.9, 0.95, 0.96, 0.97], 0.5),  # five of a thousand are allowed
        (np.r_[np.full(994, 0.1), 0.7, 0.8, 0.9, 0.95, 0.96, 0.97], 0.701),
        (np.full(10, 0.7), 0.701),
    ],
)
def test_sure_from(said, sure, generated_films):
    assert mirror_threshold(
        AnatomyPredictions(generated_films.films[:1] * len(said), said, 1 - said, {})
    ) == pytest.approx(sure, abs=1e-3)


def test_a_film_that_is_stored_as_a_mirror_image_is_neither_a_false_alarm_nor_missed(generated_films):
    films = generated_films.films[:4]
    known = replace(films[0], id=f"siim_covid/{DATASETS['siim_covid'].mirrored_films[0]}")
    chosen = Films((known, *films[1:]), generated_films.pixels[:4])
    told = iter([0.99, 0.01, *[0.01, 0.99] * 3])

    def run(_):
        return {"organs": np.zeros((1, 3, 8, 8), np.float32), "mirrored": np.array([[next(told)]], np.float32)}

    seen = predict_anatomy(run, chosen, range(4), SIZE)
    assert mirror_threshold(seen) == 0.5
    found = judge_anatomy(seen, 0.9)
    assert (found["mirrored_found"], found["mirrored_false_alarms"], found["mirrored_unsure"]) == (1, 0, 0)


def test_films_without_outlines_are_judged_by_their_mirrors_alone(generated_films):
    bare = Films(tuple(replace(film, outlines=None) for film in generated_films.films), generated_films.pixels)

    def run(_):
        return {"organs": np.zeros((1, 3, 8, 8), np.float32), "mirrored": np.array([[0.5]], np.float32)}

    found = judge_anatomy(predict_anatomy(run, bare, range(4), SIZE), 0.9)
    assert (found["films"], found["outlined_films"], found["ratio_mean_absolute_error"]) == (4, 0, None)
    assert found["median_iou"] == {}
