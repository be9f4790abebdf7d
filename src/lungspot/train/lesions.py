"""Made nodules, pasted into films on which people looked for nodules and found none.

Of nodules there are a hundred on films that are fine enough to show them, of films without one nearly a thousand. A
made nodule is as bright as the projection of something round, (1 - r^2)^p of the distance r from its middle to its wavy
border; p = 0.5 is a sphere of even density, p = 2 fades towards its edge as most nodules of JSRT do. It is added to the
film's grey, which is nearly linear in what the rays lost. Its contrast, of the grey from black to white, falls while a
run goes on: first what anybody sees, at the end what radiologists miss (on JSRT's films of train, the middle of a
nodule is .008 above its surroundings at the median of subtlety 1, .026 of 3, .050 of 5).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lungspot.findings import ABSENT, BOXED
from lungspot.train.data import FilmTruth

__all__ = ["paste_lesions"]

# Both lungs on a film that is brought to a square: centre and half lengths, x and y, as fractions.
_LUNGS = (((0.29, 0.46), (0.17, 0.33)), ((0.71, 0.46), (0.17, 0.33)))
_WIDTH = (0.022, 0.1)  # of the film; JSRT's lie from .022 to .081 (5th and 95th percentile)
_INSIDE = 127  # of 255: a cell that lies in the lung by more than half
_MOST = 3
_FADING = (0.5, 2.0)  # p
_EASY, _HARD = (0.10, 0.18), (0.02, 0.10)  # contrasts, least and most, at the beginning and at the end
_VISIBLE = 0.15  # of its contrast: what is fainter is not boxed


def paste_lesions(
    picture: NDArray[np.uint8], film: FilmTruth, label: int, progress: float, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], FilmTruth]:
    """Return a film with up to three made nodules, and what is known of it then; as it was where one may be there.

    ``picture``: uint8 (S, S), a prepared film. ``label``: the column of nodules. ``progress``: of the run, 0 to 1.
    """
    if film.states[label] != ABSENT:
        return picture, film
    made: NDArray[np.float32] = picture.astype(np.float32) / np.float32(255)
    boxes = [_paste(made, film, progress, rng) for _ in range(int(rng.integers(1, _MOST + 1)))]
    states = film.states.copy()
    states[label] = BOXED
    known = replace(
        film,
        boxes=np.concatenate((film.boxes, np.array(boxes, dtype=np.float32))),
        labels=np.concatenate((film.labels, np.full(len(boxes), label, dtype=np.int64))),
        states=states,
    )
    return np.rint(made.clip(0, 1) * 255).astype(np.uint8), known


def _paste(made: NDArray[np.float32], film: FilmTruth, progress: float, rng: np.random.Generator) -> tuple[float, ...]:
    """Add one nodule to a film (S, S), in place; return its box as fractions."""
    size = made.shape[0]
    middle = _somewhere(film, rng) * size
    width, aspect = _between(_WIDTH, rng) * size, math.exp(rng.normal(0, 0.15))
    half = np.array([width * aspect, width / aspect]) / 2
    low, high = (np.clip(middle + sign * half * 1.4, 0, size).astype(int) for sign in (-1, 1))
    y, x = np.mgrid[low[1] : high[1] + 1, low[0] : high[0] + 1].astype(np.float64)
    y, x = (y - middle[1]) / half[1], (x - middle[0]) / half[0]
    angle = np.arctan2(y, x)
    border = 1 + sum(
        rng.normal(0, 0.12 / wave) * np.cos(wave * angle + rng.uniform(0, 2 * np.pi)) for wave in range(2, 7)
    )
    shape = (1 - (np.hypot(x, y) / border) ** 2).clip(0) ** rng.uniform(*_FADING)
    contrast = _between([easy + (hard - easy) * progress for easy, hard in zip(_EASY, _HARD, strict=True)], rng)
    part = made[low[1] : high[1] + 1, low[0] : high[0] + 1]
    part += (contrast * shape)[: part.shape[0], : part.shape[1]].astype(np.float32)
    rows, columns = (np.flatnonzero((shape > _VISIBLE).any(axis)) for axis in (1, 0))
    box = (low[0] + columns[0], low[1] + rows[0], low[0] + columns[-1] + 1, low[1] + rows[-1] + 1)
    return tuple(float(value) / size for value in box)


def _somewhere(film: FilmTruth, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a place in one of the lungs, x and y as fractions, evenly drawn; as lungs mostly lie, if not outlined."""
    if film.outlines is not None and len(inside := np.argwhere(film.outlines[1:].max(0) > _INSIDE)):
        row, column = (inside[rng.integers(len(inside))] + rng.random(2)) / film.outlines.shape[1]
        return np.array([column, row])
    centre, half = _LUNGS[int(rng.integers(2))]
    angle, distance = rng.uniform(0, 2 * np.pi), math.sqrt(rng.random())
    return np.array(centre) + distance * np.array([math.cos(angle), math.sin(angle)]) * half


def _between(bounds: tuple[float, ...] | list[float], rng: np.random.Generator) -> float:
    """Return a value between two bounds, of which a double is as likely as a half."""
    return math.exp(rng.uniform(math.log(bounds[0]), math.log(bounds[1])))
