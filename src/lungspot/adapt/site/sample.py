"""One label at one level (films, or boxes) on local films, as arrays: matched once, so that a threshold is a count.

A *target* is what should be called (a film that shows the label, a true box), a *false call* what should not be: a film
without the label, or a found box that is none. People are what was drawn at random, so each person is one unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lungspot.errors import InputError
from lungspot.evaluate import Matched

__all__ = ["NEVER", "Level", "Sample", "index_people", "of_boxes", "of_films"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

# The score of a target that is called at no threshold: a true box that no found box hits.
NEVER: Final = -np.inf


class Level(StrEnum):
    """What is called or not: a whole film, or a box."""

    FILM = "film"
    BOX = "box"


@dataclass(frozen=True, slots=True)
class Sample:
    """What is known of one label at one level.

    ``target`` (P,): from which score on each target is called, :data:`NEVER` for none; ``target_person`` (P,): whose it
    is. ``false`` (Q,) and ``false_person``: scores of what should not be called. ``film_person`` (F,): whose the films
    are on which a false call counts; of films Q is F. ``floor``: the lowest score in the predictions.
    """

    level: Level
    target: Array
    target_person: Integers
    false: Array
    false_person: Integers
    film_person: Integers
    floor: float = 0.0

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit together."""
        sizes = len(self.target) == len(self.target_person) and len(self.false) == len(self.false_person)
        if not sizes or (self.level is Level.FILM and len(self.false) != len(self.film_person)):
            raise InputError("BAD_VALUE", None, "targets, false calls and people do not fit together")

    @property
    def people(self) -> tuple[int, int]:
        """How many people have a target, and how many a film on which a false call counts."""
        return len(np.unique(self.target_person)), len(np.unique(self.film_person))

    @property
    def scores(self) -> Array:
        """Every score at which a count changes, rising."""
        every = np.unique(np.concatenate((self.target, self.false)))
        return np.asarray(every[np.isfinite(every)], dtype=np.float64)

    def part(self, people: NDArray[np.bool_]) -> Sample:
        """Return the films of some people; ``people``: by index, (all people,)."""
        mine, false, films = people[self.target_person], people[self.false_person], people[self.film_person]
        return Sample(
            self.level,
            self.target[mine],
            self.target_person[mine],
            self.false[false],
            self.false_person[false],
            self.film_person[films],
            self.floor,
        )


def of_films(score: Array, positive: NDArray[np.bool_], person: Integers) -> Sample:
    """Return the sample of whole films: (F,) each, films of which nobody knows left out before."""
    floor = float(score.min()) if len(score) else 0.0
    no = ~positive
    return Sample(Level.FILM, score[positive], person[positive], score[no], person[no], person[no], floor)


def of_boxes(matched: Matched, person: Integers, iou: float) -> Sample:
    """Return the sample of boxes, a box being right where it overlaps a true one by ``iou`` (greedy, best score first).

    Films count where a wrong box is known to be wrong: the label is absent, or every instance has its box.
    """
    right, taken = matched.hits(iou)
    score = np.where(taken >= 0, matched.score[taken] if len(matched.score) else 0.0, NEVER)
    wrong = matched.judged(iou) & ~right
    floor = float(matched.score.min()) if len(matched.score) else 0.0
    films = np.flatnonzero(matched.sure)
    of_sure = matched.sure[matched.true_film]
    return Sample(
        Level.BOX,
        np.asarray(score, dtype=np.float64)[of_sure],
        person[matched.true_film[of_sure]],
        matched.score[wrong],
        person[matched.film[wrong]],
        person[films],
        floor,
    )


def index_people(patients: Sequence[str]) -> Integers:
    """Return for each film the number of its person, from 0."""
    return np.unique(np.asarray(patients, dtype=np.str_), return_inverse=True)[1].astype(np.int64)
