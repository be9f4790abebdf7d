"""From packed films to a batch: every film seen through another, blurrier, darker, shifted eye each time.

Stored resolution gives a film's source away, so each film passes through a random lower resolution. All chance comes
from the generator that is given; a batch depends on nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lungspot.train.config import TrainConfig
from lungspot.train.data import Film
from lungspot.train.loss import BOXED, PRESENT, Target
from lungspot.train.model import STRIDES

__all__ = ["augment", "plain", "target"]

_COARSEST = 64  # pixels: the smallest film there is
_VISIBLE = 0.4  # of a box must stay in the picture, else it is no longer taught


def plain(pixels: NDArray[np.uint8], size: int) -> Tensor:
    """Return packed films (N, S, S) as float32 (N, 1, size, size) in 0 to 1, as serving prepares them."""
    films = torch.from_numpy(np.array(pixels))[:, None].float() / 255
    if films.shape[-1] != size:
        films = functional.interpolate(films, (size, size), mode="bilinear", antialias=True, align_corners=False)
    return films


def target(
    films: Sequence[Film],
    boxes: Sequence[NDArray[np.float32]],
    size: int,
    noisy_weight: float,
    matrices: Sequence[NDArray[np.float64]] | None = None,
) -> Target:
    """Return what is known about a batch; ``boxes`` per film (M, 4) as fractions, NaN where a box left the picture.

    ``matrices``: per film the 2 x 3 map from the picture's coordinates (-1 to 1) to the film's; as it is if None.
    """
    most = max((len(film.labels) for film in films), default=0)
    count = len(films)
    corners = np.zeros((count, most, 4), dtype=np.float32)
    labels = np.zeros((count, most), dtype=np.int64)
    real = np.zeros((count, most), dtype=np.bool_)
    states = np.stack([film.states for film in films])
    weight = np.stack([np.where(film.noisy, noisy_weight, 1.0) for film in films]).astype(np.float32)
    for i, (film, found) in enumerate(zip(films, boxes, strict=True)):
        kept = np.isfinite(found).all(1)
        lost = film.labels[~kept]
        states[i, lost] = np.minimum(states[i, lost], PRESENT)
        corners[i, : len(found)] = np.nan_to_num(found) * size
        labels[i, : len(found)] = film.labels
        real[i, : len(found)] = kept & (states[i, film.labels] >= PRESENT) & (states[i, film.labels] <= BOXED)
    unasked = np.full(states.shape[1], np.nan, dtype=np.float32)
    matrices = matrices if matrices is not None else [np.eye(2, 3)] * count
    organs = [_organs(film, matrix, size // STRIDES[0]) for film, matrix in zip(films, matrices, strict=True)]
    return Target(
        boxes=torch.from_numpy(corners),
        labels=torch.from_numpy(labels),
        real=torch.from_numpy(real),
        states=torch.from_numpy(states),
        weight=torch.from_numpy(weight),
        organs=torch.cat(organs),
        outlined=torch.tensor([film.outlines is not None for film in films]),
        mirrored=torch.tensor([float(_mirrors(matrix)) for matrix in matrices]),
        soft=torch.from_numpy(np.stack([film.soft if film.soft is not None else unasked for film in films])),
    )


def _organs(film: Film, matrix: NDArray[np.float64], cells: int) -> Tensor:
    """Return heart, lung at the picture's left and at its right, as the picture shows them, (1, 3, cells, cells)."""
    if film.outlines is None:
        return torch.zeros((1, 3, cells, cells))
    grid = functional.affine_grid(_float(matrix)[None], [1, 3, 2 * cells, 2 * cells], align_corners=False)
    outlines = torch.from_numpy(film.outlines.astype(np.float32))[None] / 255
    fine = functional.grid_sample(outlines, grid, mode="bilinear", align_corners=False)
    shown = functional.avg_pool2d(fine, 2)
    return shown[:, [0, 2, 1]] if _mirrors(matrix) else shown


def _mirrors(matrix: NDArray[np.float64]) -> bool:
    return bool(np.linalg.det(matrix[:, :2]) < 0)


def augment(
    pixels: NDArray[np.uint8], films: Sequence[Film], size: int, config: TrainConfig, rng: np.random.Generator
) -> tuple[Tensor, Target]:
    """Return a batch: images float32 (N, 1, size, size) in 0 to 1, and what is known about them."""
    pictures, boxes, matrices = [], [], []
    for film, picture in zip(films, pixels, strict=True):
        matrix = _matrix(config, rng)
        matrices.append(matrix)
        pictures.append(_see(picture, matrix, size, config, rng))
        boxes.append(_move(film.boxes, matrix))
    images = torch.cat(pictures)
    count = len(films)
    gamma = np.exp(rng.uniform(-config.contrast, config.contrast, (count, 1, 1, 1)))
    gain = np.exp(rng.uniform(-config.contrast, config.contrast, (count, 1, 1, 1)))
    lift = rng.uniform(-config.contrast, config.contrast, (count, 1, 1, 1)) * 0.4
    grain = np.abs(rng.normal(0, config.noise, (count, 1, 1, 1)))
    noise = rng.standard_normal(images.shape, dtype=np.float32)
    images = images.clamp(1e-4, 1).pow(_float(gamma))
    images = (images - 0.5) * _float(gain) + 0.5 + _float(lift)
    images = (images + torch.from_numpy(noise) * _float(grain)).clamp(0, 1)
    for i in range(count):
        if rng.random() < config.cutout:
            _hide(images[i, 0], size, rng)
    return images, target(films, boxes, size, config.noisy_weight, matrices)


def _float(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))


def _matrix(config: TrainConfig, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the 2 x 3 map from the new picture's coordinates (-1 to 1) to the film's."""
    angle = math.radians(rng.uniform(-config.rotate, config.rotate))
    zoom = math.exp(rng.uniform(-config.scale, config.scale))
    aspect = math.exp(rng.uniform(-config.scale, config.scale) * 0.3)
    mirror = -1.0 if rng.random() < config.flip else 1.0
    cos, sin = math.cos(angle), math.sin(angle)
    shift = rng.uniform(-config.shift, config.shift, 2) * 2
    turn = np.array([[cos, -sin], [sin, cos]]) @ np.diag([zoom * aspect * mirror, zoom / aspect])
    return np.concatenate((turn, shift[:, None]), 1)


def _see(
    picture: NDArray[np.uint8],
    matrix: NDArray[np.float64],
    size: int,
    config: TrainConfig,
    rng: np.random.Generator,
) -> Tensor:
    stored = picture.shape[0]
    sharp = min(size, stored)
    if rng.random() < config.degrade:
        sharp = min(sharp, round(math.exp(rng.uniform(math.log(_COARSEST), math.log(max(sharp, _COARSEST + 1))))))
    film = torch.from_numpy(np.array(picture))[None, None]
    if sharp != stored:
        film = functional.interpolate(film, (sharp, sharp), mode="bilinear", antialias=True, align_corners=False)
    grid = functional.affine_grid(_float(matrix)[None], [1, 1, size, size], align_corners=False)
    return functional.grid_sample(film.float() / 255, grid, mode="bilinear", align_corners=False)


def _move(boxes: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return boxes (fractions) where the new picture shows them, clipped; NaN where too little is left.

    Under rotation the hull of a box is too large and the turned axes are too small: their mean is taken.
    """
    if not len(boxes):
        return boxes
    inverse = np.linalg.inv(matrix[:, :2])
    centre = boxes[:, :2] + boxes[:, 2:] - 1
    half = boxes[:, 2:] - boxes[:, :2]
    moved = (centre - matrix[:, 2]) @ inverse.T
    hull = half @ np.abs(inverse).T
    axes = half * np.abs(np.diag(inverse))
    reach = (hull + axes) / 2
    found = (np.concatenate((moved - reach, moved + reach), 1) + 1) / 2
    clipped = np.clip(found, 0, 1)
    left = (clipped[:, 2:] - clipped[:, :2]).clip(0).prod(1)
    lost = left < _VISIBLE * (found[:, 2:] - found[:, :2]).prod(1)
    clipped[lost] = np.nan
    return clipped.astype(np.float32)


def _hide(picture: Tensor, size: int, rng: np.random.Generator) -> None:
    """Blank up to three rectangles, most at the border, where markers stand."""
    for _ in range(int(rng.integers(1, 4))):
        height, width = (rng.uniform(0.05, 0.2, 2) * size).astype(int) + 1
        top, left = (rng.random(2) * (size - np.array([height, width]))).astype(int)
        if rng.random() < 0.6:
            top = 0 if rng.random() < 0.7 else size - height
        picture[top : top + height, left : left + width] = float(rng.random())
