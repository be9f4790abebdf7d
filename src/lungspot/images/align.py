"""Two films of one person laid over each other: which point of the earlier one shows what a point of this one shows.

Both films are made small and their greys locally comparable, so that exposure and windows do not count. An affine map
is then fitted that makes them correlate best, coarse to fine, by Gauss-Newton steps (Lucas & Kanade 1981; Evangelidis &
Psarakis 2008, whose normalised correlation is what is maximised), from several starts: the films' frames on each other,
their best shift (phase correlation, Kuglin & Hines 1975), and whatever the caller knows, as where the lungs lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lungspot.findings import Box, Frame
from lungspot.images.radiograph import Pixels

__all__ = ["Alignment", "Thumbnail", "align", "blurred", "thumbnail", "warped"]

Matrix = NDArray[np.float64]

_SIDE: Final = 128  # of a thumbnail: ribs can still be told apart
_LEVELS: Final = (4, 2, 1)
_STEPS: Final = (20, 12, 10)
_LEAST_SHARED: Final = 0.4  # of the film's area that both must show
_SCALES: Final = (0.6, 1.7)
_SKEW: Final = 0.2  # how far the two axes may leave the right angle (cosine), and how different their scales may be


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A film made small: ``greys`` float32, shape (h, w), long side 128, 0 to 1; ``frame``: of the film itself."""

    greys: Pixels
    frame: Frame

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of the film per pixel of the thumbnail, across and down."""
        height, width = self.greys.shape
        return self.frame.width / width, self.frame.height / height


@dataclass(frozen=True, slots=True)
class Alignment:
    """How an earlier film lies on this one: ``matrix`` (2, 3) takes its pixels (x, y, 1) to pixels of this film.

    ``correlation``: of the two films' locally comparable greys where both have some, -1 to 1: how far to believe it.
    """

    matrix: tuple[tuple[float, float, float], tuple[float, float, float]]
    correlation: float

    def box(self, box: Box) -> Box:
        """Return a box of the earlier film on this one: its centre moved, its sides stretched, and not turned."""
        (a, b, tx), (c, d, ty) = self.matrix
        x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
        wide, high = box.width * np.hypot(a, c) / 2, box.height * np.hypot(b, d) / 2
        x, y = a * x + b * y + tx, c * x + d * y + ty
        return Box(float(x - wide), float(y - high), float(x + wide), float(y + high))


def thumbnail(pixels: Pixels, proportions: tuple[float, float] | None = None) -> Thumbnail:
    """Return a film's thumbnail. ``proportions``: width and height where its pixels are not square."""
    height, width = pixels.shape
    wide, high = proportions or (width, height)
    long = max(wide, high)
    size = (max(round(_SIDE * wide / long), 8), max(round(_SIDE * high / long), 8))
    picture = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32))
    greys = np.asarray(picture.resize(size, Image.Resampling.BOX), dtype=np.float32)
    return Thumbnail(greys, Frame(width, height))


def align(
    now: Thumbnail,
    before: Thumbnail,
    starts: Sequence[tuple[Box, Box]] = (),
    mirror: Literal["across", "down"] | None = None,
) -> Alignment | None:
    """Return how the earlier film lies on this one; None where no map makes the two alike.

    ``starts``: pairs of boxes, of one thing on this film and on the earlier one, to begin with. ``mirror``: the earlier
    film is stored as in a mirror, left for right (``across``) or top for bottom (``down``); the matrix undoes it.
    """
    if mirror is not None:
        return _mirrored(now, before, starts, across=mirror == "across")
    fixed, moving = _comparable(now.greys), _comparable(before.greys)
    begins = [_of_frames(now, before)]
    begins += [_of_boxes(now, before, *pair) for pair in starts]
    begins.append(_shifted(fixed, moving, begins[0]))
    best: tuple[float, Matrix] | None = None
    for begin in begins:
        fitted = _fitted(fixed, moving, begin)
        if fitted is not None and (best is None or fitted[0] > best[0]):
            best = fitted
    if best is None:
        return None
    correlation, found = best
    (wide, high), (w, h) = now.scale, before.scale
    whole: Matrix = np.diag([w, h, 1.0]) @ _square(found) @ np.diag([1 / wide, 1 / high, 1.0])
    first, second = ((float(a), float(b), float(c)) for a, b, c in np.linalg.inv(whole)[:2])
    return Alignment((first, second), correlation)


def _mirrored(
    now: Thumbnail, before: Thumbnail, starts: Sequence[tuple[Box, Box]], *, across: bool
) -> Alignment | None:
    """Return how the earlier film lies on this one, of which it is a mirror image."""
    width, height = before.frame.width, before.frame.height
    flip = np.diag([-1.0, 1.0, 1.0] if across else [1.0, -1.0, 1.0])
    flip[0 if across else 1, 2] = width if across else height
    turned = [(mine, _flipped(theirs, before.frame, across=across)) for mine, theirs in starts]
    greys = np.ascontiguousarray(before.greys[:, ::-1] if across else before.greys[::-1])
    found = align(now, Thumbnail(greys, before.frame), turned)
    if found is None:
        return None
    first, second = ((float(a), float(b), float(c)) for a, b, c in np.array(found.matrix) @ flip)
    return Alignment((first, second), found.correlation)


def _flipped(box: Box, frame: Frame, *, across: bool) -> Box:
    if across:
        return Box(frame.width - box.x1, box.y0, frame.width - box.x0, box.y1)
    return Box(box.x0, frame.height - box.y1, box.x1, frame.height - box.y0)


def _square(matrix: Matrix) -> Matrix:
    return np.concatenate([matrix, np.array([[0.0, 0.0, 1.0]])])


def _of_frames(now: Thumbnail, before: Thumbnail) -> Matrix:
    (height, width), (high, wide) = now.greys.shape, before.greys.shape
    scale = max(high / height, wide / width)
    return np.array([[scale, 0, (wide - scale * width) / 2], [0, scale, (high - scale * height) / 2]])


def _of_boxes(now: Thumbnail, before: Thumbnail, mine: Box, theirs: Box) -> Matrix:
    (wide, high), (w, h) = now.scale, before.scale
    x0, y0, x1, y1 = mine.x0 / wide, mine.y0 / high, mine.x1 / wide, mine.y1 / high
    u0, v0, u1, v1 = theirs.x0 / w, theirs.y0 / h, theirs.x1 / w, theirs.y1 / h
    sx, sy = (u1 - u0) / (x1 - x0), (v1 - v0) / (y1 - y0)
    return np.array([[sx, 0, u0 - sx * x0], [0, sy, v0 - sy * y0]])


def blurred(greys: Pixels, radius: int) -> Pixels:
    """Return the mean over squares of 2 radius + 1, three times: nearly a Gaussian."""
    for _ in range(3):
        for axis in (0, 1):
            pads = [(radius + 1, radius) if each == axis else (0, 0) for each in (0, 1)]
            sums = np.cumsum(np.pad(greys, pads, mode="edge"), axis=axis, dtype=np.float64)
            size = greys.shape[axis]
            ahead, behind = (np.take(sums, np.arange(start, start + size), axis=axis) for start in (2 * radius + 1, 0))
            greys = ((ahead - behind) / (2 * radius + 1)).astype(np.float32)
    return greys


def _comparable(greys: Pixels) -> Pixels:
    """Return greys less their surroundings' mean, in units of their surroundings' deviation."""
    around = blurred(greys, 6)
    rest = greys - around
    deviation = np.sqrt(np.maximum(blurred(rest * rest, 10), 0))
    typical = float(np.median(deviation)) or 1e-6
    return (rest / (deviation + 0.5 * typical)).astype(np.float32)


def _shifted(fixed: Pixels, moving: Pixels, begin: Matrix) -> Matrix:
    there, inside = warped(moving, begin, fixed.shape)
    first, second = np.fft.rfft2(fixed), np.fft.rfft2(np.where(inside, there, 0))
    cross = first * np.conj(second)
    raw = np.fft.irfft2(cross / (np.abs(cross) + 1e-6 * np.abs(cross).max() + 1e-12), fixed.shape)
    peak = blurred(raw.astype(np.float32), 1)
    at = np.unravel_index(int(np.argmax(peak)), peak.shape)
    dy, dx = (int(each) - (size if each > size // 2 else 0) for each, size in zip(at, peak.shape, strict=True))
    made = begin.copy()
    made[:, 2] -= begin[:, :2] @ (dx, dy)
    return made


def warped(picture: Pixels, matrix: Matrix, shape: tuple[int, ...]) -> tuple[Pixels, NDArray[np.bool_]]:
    """Return a picture sampled where the matrix sends the centres of a grid, and which of them lie inside."""
    height, width = picture.shape
    ys, xs = np.mgrid[: shape[0], : shape[1]] + 0.5
    u = matrix[0, 0] * xs + matrix[0, 1] * ys + matrix[0, 2] - 0.5
    v = matrix[1, 0] * xs + matrix[1, 1] * ys + matrix[1, 2] - 0.5
    inside = (u >= 0) & (u <= width - 1) & (v >= 0) & (v <= height - 1)
    u, v = np.clip(u, 0, width - 1.001), np.clip(v, 0, height - 1.001)
    i, j = u.astype(np.intp), v.astype(np.intp)
    du, dv = (u - i).astype(np.float32), (v - j).astype(np.float32)
    top = picture[j, i] * (1 - du) + picture[j, i + 1] * du
    low = picture[j + 1, i] * (1 - du) + picture[j + 1, i + 1] * du
    return top * (1 - dv) + low * dv, inside


def _fitted(fixed: Pixels, moving: Pixels, matrix: Matrix) -> tuple[float, Matrix] | None:
    for level, steps in zip(_LEVELS, _STEPS, strict=True):
        here, there = _smaller(fixed, level), _smaller(moving, level)
        found = _descended(here, there, _scaled(matrix, 1 / level), steps)
        if found is None:
            return None
        matrix = _scaled(found, level)
    value = _correlation(fixed, *warped(moving, matrix, fixed.shape))
    return None if value is None or not _possible(matrix) else (value, matrix)


def _smaller(picture: Pixels, level: int) -> Pixels:
    if level == 1:
        return blurred(picture, 1)
    height, width = (size // level * level for size in picture.shape)
    blocks = picture[:height, :width].reshape(height // level, level, width // level, level)
    return np.asarray(blocks.mean((1, 3)), dtype=np.float32)


def _scaled(matrix: Matrix, factor: float) -> Matrix:
    made = matrix.copy()
    made[:, 2] *= factor
    return made


def _descended(fixed: Pixels, moving: Pixels, matrix: Matrix, steps: int) -> Matrix | None:
    """Return the matrix after some Gauss-Newton steps on the difference of the normalised pictures."""
    height, width = fixed.shape
    ys, xs = np.mgrid[:height, :width] + 0.5
    half = max(height, width) / 2  # so that turning and stretching weigh as much as shifting
    across, down = (xs - width / 2) / half, (ys - height / 2) / half
    best, most, damping = matrix, -1.0, 1e-3
    for _ in range(steps):
        there, inside = warped(moving, matrix, fixed.shape)
        value = _correlation(fixed, there, inside)
        if value is None:
            return None if most < 0 else best
        if value > most:
            best, most = matrix, value
        gy, gx = np.gradient(there)
        rows = np.stack([gx * across, gx * down, gx, gy * across, gy * down, gy], -1)[inside].astype(np.float64)
        one, other = fixed[inside].astype(np.float64), there[inside].astype(np.float64)
        one, other = one - one.mean(), other - other.mean()
        gain = float(one @ other / max(other @ other, 1e-9))
        if gain <= 0:
            gain = float(np.sqrt(one @ one / max(other @ other, 1e-9)))
        rest = one - gain * other
        rows = gain * (rows - rows.mean(0))
        normal = rows.T @ rows
        step = np.linalg.solve(normal + damping * np.trace(normal) / 6 * np.eye(6), rows.T @ rest)
        a, b, tx, c, d, ty = step
        # the step lives in the grid of this film: it moves before the matrix does
        inner = np.array([[a / half, b / half, tx], [c / half, d / half, ty]])
        inner[:, 2] -= inner[:, :2] @ (width / 2, height / 2)
        square = np.vstack([matrix, (0, 0, 1)]) @ np.vstack([np.eye(3)[:2] + inner, (0, 0, 1)])
        matrix = square[:2]
        if np.abs(step).max() < 0.005:
            break
    value = _correlation(fixed, *warped(moving, matrix, fixed.shape))
    return matrix if value is not None and value > most else best


def _correlation(fixed: Pixels, warped: Pixels, inside: NDArray[np.bool_]) -> float | None:
    if inside.mean() < _LEAST_SHARED:
        return None
    one, other = fixed[inside], warped[inside]
    one, other = one - one.mean(), other - other.mean()
    norm = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / norm if norm > 0 else None


def _possible(matrix: Matrix) -> bool:
    first, second = matrix[:, 0], matrix[:, 1]
    one, other = float(np.hypot(*first)), float(np.hypot(*second))
    if not all(_SCALES[0] <= each <= _SCALES[1] for each in (one, other)) or np.linalg.det(matrix[:, :2]) <= 0:
        return False
    return abs(float(first @ second)) / (one * other) <= _SKEW and max(one, other) / min(one, other) <= 1 + 2 * _SKEW
