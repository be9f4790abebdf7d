"""Moving the slider, from specific to sensitive or the score from high to low, only ever lets findings appear."""

import csv
from itertools import pairwise

import numpy as np
import pytest

from lungspot.detect import OPERATING_POINTS, at_point, decode, find_places, load_detector, reaches, run_gated
from lungspot.findings import State
from lungspot.images import read

FILMS = 30
SCORES = (0.9, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05, 0.02, 0.0)
RANK = (State.ABSENT, State.PRESENT, State.BOXED)


@pytest.fixture(scope="module")
def detector():
    return load_detector(threads=1)


@pytest.fixture(scope="module")
def gated(shared_data, detector):
    """What the shipped network says of films of test, evenly spaced over all sources."""
    with (shared_data / "splits.csv").open(newline="") as file:
        names = [row["image"] for row in csv.DictReader(file) if row["split"] == "test"]
    chosen = [names[i] for i in np.linspace(0, len(names) - 1, FILMS).astype(int)]
    found = [run_gated(read(shared_data / name), detector) for name in chosen]
    assert sum(each.raw is not None for each in found) > FILMS - 5
    return [each for each in found if each.raw is not None]


def boxed(reading):
    return [finding for finding in reading.findings if finding.box is not None]


def positive(card, reading, point):
    """The labels that a film is said to show at a point, by a box or as a whole."""
    return {finding.label for finding in reading.findings if reaches(card, finding, point)}


def test_from_specific_to_sensitive(detector, gated):
    card, appeared = detector.card, 0
    for film in gated:
        readings = [decode(film.raw, film.placement, card, point=point) for point in reversed(OPERATING_POINTS)]
        for (fewer, before), (more, after) in pairwise(zip(readings, reversed(OPERATING_POINTS), strict=True)):
            assert set(boxed(fewer)) <= set(boxed(more))
            assert positive(card, fewer, before) <= positive(card, more, after)
            for label in card.labels:
                assert RANK.index(fewer.state(label)) <= RANK.index(more.state(label))
            appeared += len(boxed(more)) - len(boxed(fewer))
    assert appeared > FILMS


def test_from_a_high_score_to_a_low_one(detector, gated):
    card, appeared = detector.card, 0
    for film in gated:
        readings = [decode(film.raw, film.placement, card, min_score=score) for score in SCORES]
        for fewer, more in pairwise(readings):
            assert boxed(fewer) == boxed(more)[: len(boxed(fewer))]  # what appears comes last
            places = [find_places(boxed(each), card) for each in (fewer, more)]
            reported = [[place for place in each if card.is_reported(place.label)] for each in places]
            stayed = reported[1][: len(reported[0])]
            assert [(place.number, place.box) for place in stayed] == [(p.number, p.box) for p in reported[0]]
            assert all(set(p.findings) <= set(q.findings) for p, q in zip(reported[0], stayed, strict=True))
            appeared += len(boxed(more)) - len(boxed(fewer))
    assert appeared > 10 * FILMS


def test_a_film_that_was_decoded_once_gives_each_point_what_reading_it_there_gives(detector, gated):
    card = detector.card
    for film in gated:
        whole = decode(film.raw, film.placement, card, min_score=0.0)
        for point in OPERATING_POINTS:
            assert at_point(card, whole, point)[0] == decode(film.raw, film.placement, card, point=point)
