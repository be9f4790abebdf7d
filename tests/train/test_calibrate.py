import dataclasses

import numpy as np

from lungspot.detect import OPERATING_POINTS, ModelCard, calibrate, in_order
from lungspot.findings import ABSENT, BOXED, PRESENT
from lungspot.formats.case import Split
from lungspot.train.calibrate import _film_thresholds, _often_right, best_vote, fit, votes_of
from lungspot.train.data import FilmTruth
from lungspot.train.validate import Found, Predictions


def predictions(fused):
    """Ten films with one effusion each, found at 0.6, and ten without, on which 0.7 is found.

    Where ``fused``, the film's probability tells them apart.
    """
    films, found, image = [], [], []
    box = np.array([[0.1, 0.1, 0.5, 0.5]])
    for i in range(20):
        there = i < 10
        boxes = box.astype(np.float32) if there else np.zeros((0, 4), np.float32)
        states = np.array([BOXED if there else ABSENT, PRESENT if there else ABSENT])
        films.append(
            FilmTruth(
                *(str(i), "nih", str(i), Split.VAL),
                *(boxes, np.zeros(len(boxes), np.int64), states, np.zeros(2, bool)),
            )
        )
        scores = Found(box, np.array([0.6 if there else 0.7]))
        found.append((scores, Found(np.zeros((0, 4)), np.zeros(0))))
        image.append([0.9 if there and fused else 0.3, 0.8 if there else 0.1])
    return Predictions(tuple(films), tuple(found), np.array(image), np.zeros((20, 3), np.float32))


def test_fitted_points_are_in_order_whatever_the_scores():
    rng = np.random.default_rng(0)
    turned = 0
    for _ in range(300):
        positive = rng.random(40) < 0.2
        positive[:2] = True, False
        said = rng.random(40).round(2)
        raw = _film_thresholds(said, positive, said, positive)
        found = in_order(raw)
        turned += found != raw
        assert found["sensitive"] <= found["balanced"] == raw["balanced"] <= found["specific"]
    assert turned > 20


def test_a_card_of_fitted_thresholds_is_in_order():
    mixed = predictions(fused=True)
    image = mixed.image.copy()
    image[:, 1] = [0.9] * 6 + [0.01] * 4 + [0.3] * 10  # edema: nine of ten only below the films without it
    fitted = fit(dataclasses.replace(mixed, image=image), ("effusion", "edema"))
    ModelCard("m", "1", ("effusion", "edema"), 64, thresholds=fitted.thresholds)
    points = [fitted.thresholds[point]["edema"].image for point in OPERATING_POINTS]
    assert points == sorted(points)


def test_fit_multiplies_by_the_film_where_that_helps():
    fitted = fit(predictions(fused=True), ("effusion", "edema"))
    assert fitted.box_fusion["effusion"] > 0
    assert set(fitted.box_from_map) == {"edema"}
    assert set(fitted.image_calibration) == {"effusion", "edema"}
    points = {point: of["effusion"].image for point, of in fitted.thresholds.items()}
    assert points["sensitive"] <= points["balanced"] <= points["specific"]


def test_fit_leaves_edema_to_the_film():
    fitted = fit(predictions(fused=False), ("effusion", "edema"))
    assert all(of["edema"].box == of["edema"].image for of in fitted.thresholds.values())
    assert "box" not in fitted.reliability["edema"]


def test_votes_are_left_out_where_they_move_a_box_away_from_what_people_drew():
    seen = predictions(fused=True)
    best, wider, other = [0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.5, 0.95], [0.1, 0.1, 0.5, 0.99]
    moving = Found(np.array([best, wider, other]), np.array([0.6, 0.55, 0.5]))
    steady = tuple((moving if i < 10 else effusion, edema) for i, (effusion, edema) in enumerate(seen.found))
    moved = dataclasses.replace(seen, found=steady)
    films = [dataclasses.replace(f, boxes=f.boxes * np.float32([1, 1, 1, 0.6])) for f in seen.films]
    moved = dataclasses.replace(moved, films=tuple(films))
    vote, precision = best_vote(moved, 0)
    assert vote > 0.4
    assert precision == 1.0
    assert votes_of(moved, ("effusion", "edema")) == {"effusion": vote}
    assert votes_of(seen, ("effusion", "edema")) == {}  # no vote is better than another


def test_no_more_boxes_are_shown_than_are_often_right_on_doubtful_films_too():
    score = np.array([0.9, 0.8, 0.7, 0.7, 0.6, 0.5, 0.4])
    right = np.array([True, False, False, False, True, False, False])
    assert _often_right(score, right, 0.2) == 0.4  # two of seven
    assert _often_right(score, right, 0.4) == 0.6  # two of five; of three with 0.7 and above one of four
    assert _often_right(score, right, 0.5) == 0.8
    assert _often_right(score, ~right & (score < 0.5), 0.9) == 0.0  # never: nothing is asked
    assert _often_right(np.zeros(0), np.zeros(0, bool), 0.2) == 0.0


def test_boxes_of_doubtful_films_count_where_few_are_right():
    """Ten films are found at 0.9, ten at 0.5; where a label is doubtful a hundred more boxes have 0.5, none right."""
    (there, *_), (effusion, nothing) = (sure := predictions(fused=False)).films, sure.found[0]
    at = [dataclasses.replace(effusion, scores=np.array([score])) for score in (0.9, 0.5)]
    absent = dataclasses.replace(sure.films[-1], noisy=np.array([True, False]))

    def balanced(doubtful):
        films = (*[there] * 20, *sure.films[10:], *[absent] * doubtful)
        found = [at[0]] * 10 + [at[1]] * 10 + [dataclasses.replace(effusion, scores=np.array([0.1]))] * 10
        said = Predictions(
            films,
            tuple((one, nothing) for one in (*found, *[at[1]] * doubtful)),
            np.full((len(films), 2), 0.5),
            np.zeros((len(films), 3), np.float32),
        )
        fitted = fit(said, ("effusion", "edema"))
        scores = calibrate(np.array([0.5, 0.9]), fitted.box_calibration["effusion"])
        return fitted.thresholds["balanced"]["effusion"].box, scores

    shown, (low, high) = balanced(doubtful=0)
    assert shown <= low
    shown, (low, high) = balanced(doubtful=100)
    assert low < shown <= high


def test_a_box_that_is_hardly_ever_right_is_not_shown():
    films = predictions(fused=False)
    wrong = Found(np.array([[0.6, 0.6, 0.9, 0.9]]), np.array([0.6]))  # beside the true box on every film but one
    found = tuple((pair if i == 0 else (wrong, pair[1])) for i, pair in enumerate(films.found))
    fitted = fit(Predictions(films.films, found, films.image, films.features), ("effusion", "edema"))
    shown = {point: of["effusion"].box for point, of in fitted.thresholds.items()}
    assert shown["sensitive"] >= 0.03
    assert shown["balanced"] >= 0.2
    assert shown["specific"] >= 0.2


def test_a_rare_finding_is_called_where_calls_are_right_as_often_as_films_are_found():
    """Of 100 films 4 show it: at .8 four of six calls are right, at .5 four of ten."""
    every = np.r_[np.full(4, 0.8), np.full(2, 0.8), np.full(4, 0.5), np.full(90, 0.1)]
    shown = np.arange(100) < 4
    sure = np.r_[np.arange(4), np.arange(10, 20)]  # the doubtful films are among the calls that are wrong
    assert _film_thresholds(every[sure], shown[sure], every, shown)["balanced"] == 0.8
    every[3] = 0.5  # now one is found only with four more wrong calls
    assert _film_thresholds(every[sure], shown[sure], every, shown)["balanced"] == 0.8


def test_a_film_is_called_only_where_one_call_in_four_is_right():
    """Of 10 films that show it 2 stand at .9 among one wrong, 8 more at .5 among 45: the best F-score is at .5."""
    every = np.r_[np.full(2, 0.9), np.full(8, 0.5), 0.9, np.full(45, 0.5), np.full(200, 0.1)]
    shown = np.arange(len(every)) < 10
    assert _film_thresholds(every, shown, every, shown)["balanced"] == 0.9
    fewer = np.delete(every, np.arange(30, 50))  # 25 wrong at .5: 10 of 36 calls are right
    assert _film_thresholds(fewer, np.arange(len(fewer)) < 10, fewer, np.arange(len(fewer)) < 10)["balanced"] == 0.5
    worst = np.r_[np.full(2, 0.5), np.full(30, 0.5), 0.1]  # nowhere is one in four right: the best F-score stays
    assert _film_thresholds(worst, np.arange(33) < 2, worst, np.arange(33) < 2)["balanced"] == 0.5


def test_boxes_on_films_that_show_nothing_are_seldom_at_the_balanced_point():
    """Of 150 films that show nothing 60 have a box of .7, 10 of .8; of 200 ill films all are right, half at .65."""
    box, none = np.array([[0.1, 0.1, 0.5, 0.5]]), Found(np.zeros((0, 4)), np.zeros(0))

    def film(i, ill):
        boxes = box.astype(np.float32) if ill else np.zeros((0, 4), np.float32)
        where = np.zeros(len(boxes), np.int64)
        return FilmTruth(
            str(i), "nih", str(i), Split.VAL, boxes, where, np.array([BOXED if ill else ABSENT]), np.zeros(1, bool)
        )

    def judged(clear, label, ill=200):
        films = [film(i, ill=False) for i in range(clear)] + [film(i, ill=True) for i in range(ill)]
        said = [Found(box, np.array([0.8 if i < 10 else 0.7])) if i < 70 else none for i in range(clear)]
        said += [Found(box, np.array([0.65 if i < ill // 2 else 0.95])) for i in range(ill)]
        found = Predictions(
            tuple(films),
            tuple((one,) for one in said),
            np.full((len(films), 1), 0.5),
            np.zeros((len(films), 2), np.float32),
        )
        fitted = fit(found, (label,))
        exponent, platt = fitted.box_fusion[label], fitted.box_calibration[label]
        sure = [calibrate(one.scores * 0.5**exponent, platt) for one in said[:70]]
        return int(np.count_nonzero(np.array(sure) >= fitted.thresholds["balanced"][label].box))

    assert judged(150, "pneumonia") == 10  # every box of .7 is gone: 70 boxes on 150 films are too many
    assert judged(150, "effusion") == 0  # and 10 for this label
    assert judged(90, "pneumonia") == 70  # too few films to tell
