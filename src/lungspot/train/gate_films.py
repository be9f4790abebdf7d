"""The films that the gate learns from: chest films on their feet, and everything that is not one.

Size, sharpness and shape give the class away in any collection of other pictures (hands at 64 pixels, photographs at
384), so every picture is brought through one small square, and in training through a random lower resolution.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zipfile import BadZipFile

import numpy as np
import torch
import torch.nn.functional as nnf
from numpy.typing import NDArray
from torch import Tensor

from lungspot.datasets import DATASETS, SPLITS_FILE, read_splits
from lungspot.errors import DatasetError, LungspotError, OutputError
from lungspot.formats import read_rows
from lungspot.images import Pixels, squash
from lungspot.inputs import regular
from lungspot.outputs import Outputs
from lungspot.train.data import film_pixels
from lungspot.train.gate_ood import collimate, invent

__all__ = [
    "PACKED",
    "SIZE",
    "WHAT",
    "GateBatch",
    "GateFilms",
    "equalise",
    "pack_gate",
    "resize",
    "sample_batch",
    "sample_sides",
]

PACKED: Final = 128  # pixels each way of a packed film
SIZE: Final = 96  # pixels each way that the gate sees
WHAT: Final = ("frontal", "lateral", "partial", "other_xray", "not_xray")

# The classes of ood/index.csv as what they are to the gate, and how often a training batch draws each.
_KINDS: Final[dict[str, tuple[str, float]]] = {
    "pediatric": ("frontal", 1.5),
    "phone_or_annotated": ("frontal", 1.5),
    "rotated_frontal": ("frontal", 0.3),
    "lateral": ("lateral", 4.5),
    "bone": ("other_xray", 3.0),
    "breast": ("other_xray", 1.5),
    "other_xray": ("other_xray", 0.3),
    "abdomen": ("other_xray", 0.2),
    "ct_mr_us": ("not_xray", 4.0),
    "photo": ("not_xray", 4.0),
}
_FILM: Final = "film"
_UPRIGHT_UNKNOWN: Final = "rotated_frontal"
_FRONTAL_SHARE, _PARTIAL_SHARE, _INVENTED_SHARE = 0.5, 0.12, 0.12


@dataclass(frozen=True, slots=True)
class GateFilms:
    """Packed pictures: ``pixels`` uint8 (N, 128, 128); its kind (``film`` or a class of ood/index.csv) and split.

    ``datasets``: from which the films of train come.
    """

    pixels: NDArray[np.uint8]
    kinds: NDArray[np.str_]
    splits: NDArray[np.str_]
    datasets: frozenset[str] = frozenset()

    def of(self, split: str, kind: str = _FILM) -> NDArray[np.intp]:
        """Return the indices of one kind in one split."""
        return np.flatnonzero((self.kinds == kind) & (self.splits == split))

    @property
    def others(self) -> list[str]:
        """The classes of pictures that are not upright adult frontal films, in a fixed order."""
        return sorted(set(self.kinds.tolist()) - {_FILM})


@dataclass(frozen=True, slots=True)
class GateBatch:
    """``images`` (B, 1, 96, 96); indices of ``what``, quarter ``turn`` clockwise, ``inverted``; ``known``: (B,) bool.

    Turn and polarity count only where ``known``: nobody asks them of a hand, nor of a film stored sideways.
    """

    images: Tensor
    what: Tensor
    turn: Tensor
    inverted: Tensor
    known: Tensor


def pack_gate(
    root: Path, cache: Path, read_pixels: Callable[[Path], Pixels] = film_pixels
) -> tuple[GateFilms, tuple[LungspotError, ...]]:
    """Return the films of ``root/splits.csv`` and the pictures of ``root/ood/index.csv``, and what could not be read.

    The latter are split by their ``group``. The pixels are kept in ``cache`` (.npz) and taken from there the next time.
    ``read_pixels``: as :func:`~lungspot.train.data.film_pixels`; a picture on which it raises LungspotError is left
    out. Raises DatasetError where one of the tables is not there or cannot be used, OutputError ``EXISTS`` where
    another file is in the cache's place.
    """
    splits, pictures = root / SPLITS_FILE, root / "ood" / "index.csv"
    for table in (splits, pictures):
        if not table.exists():
            raise DatasetError("DATASET_NOT_FOUND", table, "no such file")
    rows = [(image, _FILM, str(split)) for image, (_, split) in read_splits(splits).items()]
    named = read_rows(pictures, ("image", "class", "split"), errors="surrogateescape")  # names of files
    rows += [(f"ood/{row['image']}", row["class"], row["split"]) for _, row in named]
    outputs = Outputs((root / name for name, _, _ in rows), overwrite=True)  # a cache of other films goes
    if os.path.lexists(cache):
        outputs.require(cache)
        if not _is_packed(cache):
            raise OutputError("EXISTS", cache, "no films are packed in it", advice="give another cache")
        cut = suppress(OSError, ValueError, LookupError, EOFError, BadZipFile)  # it is packed again
        with cut, cache.open("rb") as file, np.load(file, allow_pickle=False) as packed:
            if packed["names"].tolist() == [name for name, _, _ in rows]:
                kept = packed["kept"]
                return _films(packed["pixels"], rows, kept), ()
    pixels = np.zeros((len(rows), PACKED, PACKED), np.uint8)
    kept = np.ones(len(rows), bool)
    refused: list[LungspotError] = []
    for index, (name, _, _) in enumerate(rows):
        try:
            pixels[index] = (squash(read_pixels(root / name), PACKED) * 255).round()
        except LungspotError as error:
            kept[index] = False
            refused.append(error)
    buffer = io.BytesIO()
    names = np.array([name for name, _, _ in rows])
    np.savez(buffer, lungspot_films=np.array(1), pixels=pixels, kept=kept, names=names)
    outputs.write(cache, buffer.getvalue())
    return _films(pixels, rows, kept), tuple(refused)


def equalise(images: Tensor) -> Tensor:
    """Return images (B, 1, h, w) with their 0.5th and 99.5th percentile at 0 and 1, as ``images.prepare`` does."""
    levels = torch.quantile(images.flatten(1), torch.tensor([0.005, 0.995]), dim=1)[..., None, None, None]
    return ((images - levels[0]) / (levels[1] - levels[0]).clamp_min(1e-4)).clamp(0, 1)


def sample_batch(films: GateFilms, size: int, random: np.random.Generator) -> GateBatch:
    """Return one training batch: half frontal films, a seventh parts of films, the rest others, real and invented."""
    upright = films.of("train")
    partial, invented = round(size * _PARTIAL_SHARE), round(size * _INVENTED_SHARE)
    others = _others(films, size - round(size * _FRONTAL_SHARE) - partial - invented, random)
    chosen = [*random.choice(upright, size - len(others) - invented), *(at for _, at in others)]
    what = ["frontal"] * (size - len(others) - invented - partial) + ["partial"] * partial
    what += [_KINDS[kind][0] for kind, _ in others]
    pictures = [films.pixels[at].astype(np.float32) / 255 for at in chosen]
    known = [name == "frontal" and films.kinds[at] != _UPRIGHT_UNKNOWN for name, at in zip(what, chosen, strict=True)]
    for _ in range(invented):
        picture, name = invent(films.pixels, upright, random)
        pictures.append(picture)
        what.append(name)
        known.append(False)
    for at, name in enumerate(what):
        if random.random() < (0.15 if name == "frontal" else 0.3):
            pictures[at] = collimate(pictures[at], 0.12 if name in {"frontal", "partial"} else 0.35, random)
    order = random.permutation(size)  # each chunk that loses resolution together holds every kind
    codes = np.array([WHAT.index(name) for name in what])[order]
    mirrored = random.random(size) < 0.5
    moved = _move(torch.from_numpy(np.stack(pictures)[order])[:, None], codes, mirrored, random)
    images = _greys(_degrade(moved, random), random)
    inverted = random.random(size) < 0.35
    turn = np.where(random.random(size) < 0.4, 0, random.integers(0, 4, size))
    images = torch.where(torch.from_numpy(inverted)[:, None, None, None], 1 - images, images)
    images = torch.stack([torch.rot90(image, -int(count), (1, 2)) for image, count in zip(images, turn, strict=True)])
    targets = [torch.from_numpy(values).long() for values in (codes, turn, inverted)]
    return GateBatch(equalise(images), targets[0], targets[1], targets[2], torch.from_numpy(np.array(known)[order]))


def sample_sides(films: GateFilms, size: int, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return films of train (B, 1, 96, 96), upright, and which of them (B,) are mirror images: one half."""
    chosen = random.choice(films.of("train"), size)
    pictures = torch.from_numpy(films.pixels[chosen]).float()[:, None] / 255
    mirrored = random.random(size) < 0.5
    images = _degrade(_move(pictures, np.full(size, WHAT.index("frontal")), mirrored, random), random)
    for index in np.flatnonzero(random.random(size) < 0.6):
        for _ in range(random.integers(1, 4)):
            _cover(images[index, 0], random)
    return equalise(_greys(images, random)), torch.from_numpy(mirrored)


def _cover(image: Tensor, random: np.random.Generator) -> None:
    """Paint over a part of a picture (96, 96), in most cases one near a corner, where letters stand."""
    height, width = random.integers(SIZE // 16, SIZE // 4, 2)
    at = [random.integers(0, SIZE - length) for length in (height, width)]
    if random.random() < 0.7:
        near = SIZE // 5
        at = [
            random.integers(0, near) if random.random() < 0.5 else random.integers(SIZE - near - length, SIZE - length)
            for length in (height, width)
        ]
    y, x = at
    image[y : y + height, x : x + width] = float(random.choice([0, 0, 0.5, 1, float(image.mean())]))


def _others(films: GateFilms, count: int, random: np.random.Generator) -> list[tuple[str, int]]:
    """Return the kind and index of ``count`` training pictures that are no frontal film; none where there are none."""
    found = {kind: films.of("train", kind) for kind in films.others if kind in _KINDS}
    found = {kind: indices for kind, indices in found.items() if len(indices)}
    if not found:
        return []
    shares = np.array([_KINDS[kind][1] for kind in found])
    kinds = random.choice(list(found), count, p=shares / shares.sum()).tolist()
    return [(kind, int(random.choice(found[kind]))) for kind in kinds]


def _move(images: Tensor, codes: NDArray[np.int_], mirrored: NDArray[np.bool_], random: np.random.Generator) -> Tensor:
    """Shift, scale, stretch and tilt, others more than films; crop the partial ones; mirror those that are named."""
    count = len(images)
    partial = codes == WHAT.index("partial")
    other = ~partial & (codes != WHAT.index("frontal"))
    tilt = np.deg2rad(random.normal(0, np.where(other, 15, 6)))
    side = random.uniform(0.28, 0.5, count)
    scale = np.where(partial, side, np.exp(random.normal(0, np.where(other, 0.3, 0.1))))
    stretch = np.exp(random.normal(0, 0.08, count))
    shift = np.where(partial, random.uniform(-1, 1, (2, count)) * (1 - side), random.normal(0, 0.07, (2, count)))
    mirror = np.where(mirrored, -1, 1)
    theta = np.zeros((count, 2, 3), np.float32)
    theta[:, 0, 0], theta[:, 0, 1] = np.cos(tilt) * scale * stretch * mirror, -np.sin(tilt) * scale
    theta[:, 1, 0], theta[:, 1, 1] = np.sin(tilt) * scale * mirror, np.cos(tilt) * scale / stretch
    theta[:, :, 2] = shift.T
    grid = nnf.affine_grid(torch.from_numpy(theta), list(images.shape), align_corners=False)
    border = "zeros" if random.random() < 0.6 else "border"
    return nnf.grid_sample(images, grid, align_corners=False, padding_mode=border)


def _degrade(images: Tensor, random: np.random.Generator) -> Tensor:
    """Bring every eighth of the batch through another low resolution, then all to the gate's size."""
    parts: list[Tensor] = []
    for part in images.chunk(8):
        low = int(random.integers(28, SIZE + 1))
        parts.append(nnf.interpolate(resize(part, low), size=(SIZE, SIZE), mode="bilinear", align_corners=False))
    return torch.cat(parts)


def resize(images: Tensor, size: int) -> Tensor:
    """Return images (B, 1, h, w) brought to ``size`` pixels each way, anti-aliased."""
    return nnf.interpolate(images, size=(size, size), mode="bilinear", align_corners=False, antialias=True)


def _greys(images: Tensor, random: np.random.Generator) -> Tensor:
    """Change contrast, add grain, and put bright and dark marks on some."""
    count = len(images)
    gamma = np.exp(random.normal(0, 0.35, count))
    grain = (random.random(count) < 0.4) * random.uniform(0, 0.06, count)
    noise = random.standard_normal(tuple(images.shape), dtype=np.float32)
    per_film = (torch.from_numpy(values).float()[:, None, None, None] for values in (gamma, grain))
    images = images.clamp(0, 1) ** next(per_film) + torch.from_numpy(noise) * next(per_film)
    for index in np.flatnonzero(random.random(count) < 0.3):
        height, width = random.integers(2, 14, 2)
        y, x = random.integers(0, SIZE - 14, 2)
        images[index, 0, y : y + height, x : x + width] = float(random.random() < 0.8)
    return images


def _is_packed(path: Path) -> bool:
    """Say whether a file begins as films packed for a gate do; it may be cut."""
    with regular(path).open("rb") as file:
        head = file.read(100)
    return head.startswith(b"PK") and b"lungspot_films" in head


def _films(pixels: NDArray[np.uint8], rows: Sequence[tuple[str, str, str]], kept: NDArray[np.bool_]) -> GateFilms:
    kinds, splits = (np.array([row[column] for row in rows]) for column in (1, 2))
    datasets = frozenset(
        filter(None, (_dataset_of(name) for name, kind, split in rows if (kind, split) == (_FILM, "train")))
    )
    return GateFilms(pixels[kept], kinds[kept], splits[kept], datasets)


def _dataset_of(name: str) -> str:
    """Return whose film ``splits.csv`` names: of the dataset in the innermost folder; empty where it is in none."""
    of = {data.folder: data.name for data in DATASETS.values() if name.startswith(f"{data.folder}/")}
    return of[max(of, key=len)] if of else ""
