"""From packed films to a batch: every film seen through another, blurrier, darker, shifted eye each time.

Stored resolution gives a film's source away, so each film passes through a random lower resolution. All chance comes
from the generator that is given; a batch depends on nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lungspot.findings import ABSENT, BOXED, PRESENT, UNKNOWN
from lungspot.train.config import TrainConfig
from lungspot.train.data import FilmTruth
from lungspot.train.lesions import paste_lesions
from lungspot.train.loss import Target
from lungspot.train.model import STRIDES
from lungspot.train.opacities import paste_opacities

__all__ = ["augment", "plain", "target"]

_COARSEST, _COARSEST_CROP = 64, 256  # pixels: the smallest film there is; the least that a part is worth showing of
_VISIBLE = 0.4  # of a box must stay in the picture, else it is no longer taught
_TOUCHING = 0.05  # a box of which less is in the picture is not there
# The share of a film's width and height that one look at a part of it shows, least and most.
_CROP_WIDTH, _CROP_HEIGHT = (0.42, 0.64), (0.62, 0.95)
_CROP_ON_BOX = 0.7
_CROP_CONTRAST = 0.6  # of that of whole films: what is small must still be seen


def plain(pixels: NDArray[np.uint8], size: int) -> Tensor:
    """Return packed films (N, S, S) as float32 (N, 1, size, size) in 0 to 1, as serving prepares them."""
    films = torch.from_numpy(np.array(pixels))[:, None].float() / 255
    if films.shape[-1] != size:
        films = functional.interpolate(films, (size, size), mode="bilinear", antialias=True, align_corners=False)
    return films


def target(  # noqa: PLR0913, PLR0917 - a batch, and how it is shown
    films: Sequence[FilmTruth],
    boxes: Sequence[NDArray[np.float32]],
    size: int,
    noisy_weight: float,
    matrices: Sequence[NDArray[np.float64]] | None = None,
    crops: int = 0,
) -> Target:
    """Return what is known about a batch; ``boxes`` per film (M, 4) as fractions, NaN where a box left the picture.

    ``matrices``: per film the 2 x 3 map from the picture's coordinates (-1 to 1) to the film's; as it is if None.
    ``crops``: that many films at the end of the batch are shown in part, too little to tell a mirror image.
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
    mirrored = [float(_mirrors(matrix)) for matrix in matrices[: count - crops]] + [math.nan] * crops
    cells = size // STRIDES[0]
    organs = [_organs(film.outlines, matrix, cells) for film, matrix in zip(films, matrices, strict=True)]
    hints = [_organs(film.hint, matrix, cells) for film, matrix in zip(films, matrices, strict=True)]
    return Target(
        boxes=torch.from_numpy(corners),
        labels=torch.from_numpy(labels),
        real=torch.from_numpy(real),
        states=torch.from_numpy(states),
        weight=torch.from_numpy(weight),
        organs=torch.cat(organs),
        hint=torch.cat(hints),
        hinted=torch.tensor([film.hint is not None for film in films]),
        outlined=torch.tensor([film.outlines is not None for film in films]),
        mirrored=torch.tensor(mirrored),
        soft=torch.from_numpy(np.stack([film.soft if film.soft is not None else unasked for film in films])),
    )


def _organs(outlines: NDArray[np.uint8] | None, matrix: NDArray[np.float64], cells: int) -> Tensor:
    """Return heart, lung at the picture's left and at its right, as the picture shows them, (1, 3, cells, cells)."""
    if outlines is None:
        return torch.zeros((1, 3, cells, cells))
    grid = functional.affine_grid(_float(matrix)[None], [1, 3, 2 * cells, 2 * cells], align_corners=False)
    film = torch.from_numpy(outlines.astype(np.float32))[None] / 255
    fine = functional.grid_sample(film, grid, mode="bilinear", align_corners=False)
    shown = functional.avg_pool2d(fine, 2)
    return shown[:, [0, 2, 1]] if _mirrors(matrix) else shown


def _mirrors(matrix: NDArray[np.float64]) -> bool:
    return bool(np.linalg.det(matrix[:, :2]) < 0)


def augment(  # noqa: PLR0913 - as above
    pixels: NDArray[np.uint8],
    films: Sequence[FilmTruth],
    size: int,
    config: TrainConfig,
    rng: np.random.Generator,
    *,
    crops: int = 0,
    progress: float = 0.0,
) -> tuple[Tensor, Target]:
    """Return a batch: images float32 (N, 1, size, size) in 0 to 1, and what is known about them.

    Of the last ``crops`` films a part is shown, of which less is known than of the whole (:func:`_part`). ``progress``:
    how much of the run is done, 0 to 1, for what becomes harder meanwhile (:mod:`lungspot.train.lesions`).
    """
    pictures, boxes, matrices, known = [], [], [], []
    for i, (film, picture) in enumerate(zip(films, pixels, strict=True)):
        crop = i >= len(films) - crops
        if config.paste_share and rng.random() < config.paste_share:
            picture, film = paste_lesions(picture, film, config.made_column, progress, rng)  # noqa: PLW2901
        if config.opacity_share and film.outlines is not None and rng.random() < config.opacity_share:
            picture = paste_opacities(picture, film.outlines, rng)  # noqa: PLW2901
        matrix = _matrix(config, rng)
        matrix = _cropping(matrix, _window(film, config, rng)) if crop else matrix
        matrices.append(matrix)
        pictures.append(_see(picture, matrix, size, config, rng, crop=crop))
        known.append(_part(film, matrix) if crop else film)
        boxes.append(_move(known[-1].boxes, matrix))
    images = torch.cat(pictures)
    count = len(films)
    contrast = np.full((count, 1, 1, 1), float(config.contrast))
    contrast[count - crops :] *= _CROP_CONTRAST
    gamma, gain = (np.exp(rng.uniform(-1, 1, (count, 1, 1, 1)) * contrast) for _ in range(2))
    lift = rng.uniform(-1, 1, (count, 1, 1, 1)) * contrast * 0.4
    grain = np.abs(rng.normal(0, config.noise, (count, 1, 1, 1)))
    noise = rng.standard_normal(images.shape, dtype=np.float32)
    images = images.clamp(1e-4, 1).pow(_float(gamma))
    images = (images - 0.5) * _float(gain) + 0.5 + _float(lift)
    images = (images + torch.from_numpy(noise) * _float(grain)).clamp(0, 1)
    for i in range(count):
        if rng.random() < config.cutout:
            _hide(images[i, 0], size, rng)
    return images, target(known, boxes, size, config.noisy_weight, matrices, crops)


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


def _window(film: FilmTruth, config: TrainConfig, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return centre and half size (2, 2) of the part of a film to be shown, in the film's coordinates (-1 to 1).

    Often a box of the labels for whose sake parts are shown lies in it, else it mostly lies at one side.
    """
    half = np.array([rng.uniform(*_CROP_WIDTH), rng.uniform(*_CROP_HEIGHT)])
    wanted = np.isin(film.labels, [config.labels.index(label) for label in config.cropped])
    if wanted.any() and rng.random() < _CROP_ON_BOX:
        box = film.boxes[rng.choice(np.flatnonzero(wanted))]
        centre = box[:2] + box[2:] - 1 + half * rng.uniform(-0.8, 0.8, 2)
    else:
        centre = np.array([rng.choice([-1.0, 1.0]) * rng.uniform(0.5, 1.0), rng.uniform(-1, 1)]) * (1 - half)
    return np.stack((np.clip(centre, half - 1, 1 - half), half))


def _cropping(matrix: NDArray[np.float64], window: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``matrix`` with a window's zoom and place instead of its own; it turns and mirrors as before."""
    turn = matrix[:, :2] / np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    return np.concatenate((np.diag(window[1]) @ turn, window[0][:, None]), 1)


def _part(film: FilmTruth, matrix: NDArray[np.float64]) -> FilmTruth:
    """Return what is known of the part of a film that ``matrix`` shows.

    What the film does not show, its part does not; a box that lies elsewhere is not in it; what the film shows
    somewhere, without a box, may or may not be; and a teacher was not asked about parts.
    """
    here = np.isfinite(_move(film.boxes, matrix, _TOUCHING)).all(1)
    states = np.where(film.states == PRESENT, UNKNOWN, film.states)
    for label in np.setdiff1d(film.labels, film.labels[here]):
        if states[label] == BOXED:
            states[label] = ABSENT
    return replace(film, boxes=film.boxes[here], labels=film.labels[here], states=states, soft=None)


def _see(  # noqa: PLR0913 - as above
    picture: NDArray[np.uint8],
    matrix: NDArray[np.float64],
    size: int,
    config: TrainConfig,
    rng: np.random.Generator,
    *,
    crop: bool = False,
) -> Tensor:
    stored = picture.shape[0]
    sharp, coarsest = (stored, _COARSEST_CROP) if crop else (min(size, stored), _COARSEST)
    if rng.random() < config.degrade:
        sharp = min(sharp, round(math.exp(rng.uniform(math.log(coarsest), math.log(max(sharp, coarsest + 1))))))
    film = torch.from_numpy(np.array(picture))[None, None]
    if sharp != stored:
        film = functional.interpolate(film, (sharp, sharp), mode="bilinear", antialias=True, align_corners=False)
    grid = functional.affine_grid(_float(matrix)[None], [1, 1, size, size], align_corners=False)
    return functional.grid_sample(film.float() / 255, grid, mode="bilinear", align_corners=False)


def _move(boxes: NDArray[np.float32], matrix: NDArray[np.float64], visible: float = _VISIBLE) -> NDArray[np.float32]:
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
    lost = left < visible * (found[:, 2:] - found[:, :2]).prod(1)
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
