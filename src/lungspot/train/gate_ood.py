"""Pictures that nobody took: limbs, bodies, shuffled films and patterns, for what out-of-distribution films leave out.

Those that can be had hold few body parts (no leg, no spine, no skull), and a network that has never seen one takes a
shin between two white collimator edges for a pair of lungs. These sketches need not look real: they teach that two
dark fields beside something bright are not yet a chest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["collimate", "invent"]

Picture = NDArray[np.float32]

_KINDS = ("limb", "limb", "body", "shuffled", "shuffled", "pattern")


def invent(films: NDArray[np.uint8], frontal: NDArray[np.intp], random: np.random.Generator) -> tuple[Picture, str]:
    """Return one invented picture, float32 (S, S) in 0 to 1, and what it is to the gate.

    ``films``: (N, S, S) packed films; ``frontal``: the indices of those that inventions may be cut from.
    """
    size = films.shape[-1]
    kind = str(random.choice(_KINDS))
    if kind == "limb":
        return _limb(size, random), "other_xray"
    if kind == "body":
        return _body(size, random), "other_xray"
    if kind == "shuffled":
        return _shuffled(films[int(random.choice(frontal))], random), "other_xray"
    return _pattern(size, random), "not_xray"


def collimate(picture: Picture, most: float, random: np.random.Generator) -> Picture:
    """Return the picture with each side, by chance, covered in black or white up to ``most`` of its width."""
    size = picture.shape[-1]
    covered = picture.copy()
    level = float(random.random() < 0.5)
    for turn in range(4):
        if random.random() < 0.5:
            np.rot90(covered, turn)[: int(size * random.uniform(0, most))] = level
    return covered


def _grid(size: int, random: np.random.Generator, *, tilt: float) -> tuple[Picture, Picture]:
    """Return coordinates from -1 to 1 across and along a random direction."""
    angle = random.choice([0, np.pi / 2]) + random.normal(0, tilt)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / (size / 2) - 1
    return (x * np.cos(angle) - y * np.sin(angle)), (x * np.sin(angle) + y * np.cos(angle))


def _limb(size: int, random: np.random.Generator) -> Picture:
    """Draw one or two tubes of soft tissue with one or two bones each, perhaps a joint."""
    across, along = _grid(size, random, tilt=0.25)
    picture = np.zeros((size, size), np.float32)
    count = int(random.integers(1, 3))
    for index in range(count):
        place = random.uniform(-0.25, 0.25) + (index - (count - 1) / 2) * random.uniform(0.6, 1.0)
        middle = place + random.uniform(-0.2, 0.2) * along + random.uniform(0, 0.08) * np.sin(3 * along)
        width = random.uniform(0.18, 0.5) * (1 + random.uniform(-0.4, 0.4) * along)
        offset = (across - middle) / np.maximum(width, 0.05)
        tissue = np.sqrt(np.clip(1 - offset**2, 0, 1)) * random.uniform(0.25, 0.6)
        for bone in np.linspace(-0.4, 0.4, int(random.integers(1, 3))) * random.uniform(0.5, 1.2):
            distance = np.abs(offset - bone) / random.uniform(0.15, 0.4)
            cortex = np.exp(-(((distance - 0.8) / 0.2) ** 2)) + 0.6 * (distance < 0.8)
            tissue = tissue + cortex * random.uniform(0.15, 0.45)
        if random.random() < 0.6:
            joint = np.hypot(offset, (along - random.uniform(-0.9, 0.9)) / random.uniform(0.15, 0.4))
            tissue = tissue + random.uniform(0.2, 0.5) * np.exp(-(joint**2) * 1.5)
        picture = np.maximum(picture, tissue)
    return _finish(picture, random)


def _body(size: int, random: np.random.Generator) -> Picture:
    """Draw soft ellipses, rings and bars: heads, joints, pelves, animals, implants, phantoms."""
    picture = np.zeros((size, size), np.float32)
    for _ in range(int(random.integers(2, 9))):
        across, along = _grid(size, random, tilt=0.8)
        x, y = random.uniform(-0.7, 0.7, 2)
        wide, high = random.uniform(0.08, 0.9, 2)
        radius = np.hypot((across - x) / wide, (along - y) / high)
        soft = 1 / (1 + np.exp((radius - 1) * random.uniform(6, 30)))
        if random.random() < 0.35:
            soft = np.exp(-(((radius - 1) / random.uniform(0.05, 0.3)) ** 2))
        picture = picture + soft * random.uniform(-0.4, 0.8)
    return _finish(picture, random)


def _shuffled(film: NDArray[np.uint8], random: np.random.Generator) -> Picture:
    """Cut a film into tiles and put them together wrongly."""
    parts = int(random.integers(2, 4))
    size = film.shape[-1]
    side = -(-size // parts)
    padded = np.pad(film.astype(np.float32) / 255, (0, side * parts - size), mode="edge")
    tiles = padded.reshape(parts, side, parts, side).swapaxes(1, 2).reshape(parts * parts, side, side)
    order = random.permutation(parts * parts)
    while np.mean(order == np.arange(parts * parts)) > 0.4:
        order = random.permutation(parts * parts)
    whole = tiles[order].reshape(parts, parts, side, side).swapaxes(1, 2).reshape(side * parts, side * parts)
    return np.ascontiguousarray(whole[:size, :size], dtype=np.float32)


def _pattern(size: int, random: np.random.Generator) -> Picture:
    """Draw gradients, stripes, blobs of any scale, grain."""
    across, along = _grid(size, random, tilt=0.8)
    waves = np.sin(across * random.uniform(1, 25) + random.uniform(0, 6)) * random.random()
    waves = waves + np.sin(along * random.uniform(1, 25)) * random.random() + across * random.normal()
    coarse = random.random((int(random.integers(2, 24)),) * 2).astype(np.float32)
    repeat = -(-size // len(coarse))
    blocks = np.kron(coarse, np.ones((repeat, repeat), np.float32))[:size, :size]
    return _finish(waves + random.uniform(0, 3) * blocks + random.normal(0, random.uniform(0, 1), (size, size)), random)


def _finish(picture: NDArray[np.floating], random: np.random.Generator) -> Picture:
    low, high = picture.min(), picture.max()
    stretched = (picture - low) / max(high - low, 1e-6)
    return collimate(stretched.astype(np.float32), 0.4 if random.random() < 0.5 else 0.0, random)
