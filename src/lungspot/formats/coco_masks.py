"""The box around a COCO segmentation: polygons, or a mask in run lengths, plain or compressed, as pycocotools has them.

Run lengths go down the columns of the film, one column after the other, and begin with pixels that are not of the mask;
compressed, each is five bits a character, as its difference to the last but one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["box_around"]

_FIRST: Final = 48  # the character that stands for zero
_BITS: Final = 5
_MORE, _SIGN, _DIGIT = 0x20, 0x10, 0x1F
_MOST: Final = 1 << 40  # pixels of a film, and then some


def box_around(segmentation: object) -> list[float] | None:
    """Return x, y, width, height around a segmentation; None where it is none, or empty."""
    if isinstance(segmentation, Mapping):
        return _around_runs(segmentation)
    if not isinstance(segmentation, list) or not all(isinstance(one, list) for one in segmentation):
        return None
    sides = [side for one in segmentation for side in one]
    if len(sides) < 6 or not all(isinstance(side, int | float) and abs(side) < math.inf for side in sides):
        return None
    xs, ys = [x for one in segmentation for x in one[::2]], [y for one in segmentation for y in one[1::2]]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def _around_runs(mask: Mapping[str, object]) -> list[float] | None:
    size, counts = mask.get("size"), mask.get("counts")
    if not isinstance(size, list) or len(size) != 2 or not all(map(_is_whole, size)):
        return None
    height, width = size
    runs = _decoded(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(map(_is_whole, runs)) or sum(runs) > height * width:
        return None
    rows: list[int] = []
    columns: list[int] = []
    at = 0
    for number, length in enumerate(runs):
        if number % 2 and length:
            first, last = at, at + length - 1
            columns += [first // height, last // height]
            rows += [first % height, last % height] if first // height == last // height else [0, height - 1]
        at += length
    if not rows:
        return None
    left, top = min(columns), min(rows)
    return [float(left), float(top), float(max(columns) - left + 1), float(max(rows) - top + 1)]


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST


def _decoded(text: str) -> Sequence[int] | None:
    """Return the run lengths of a compressed mask, None where its text ends within one."""
    runs: list[int] = []
    value, shift = 0, 0
    for character in text:
        digit = ord(character) - _FIRST
        if not 0 <= digit < _MORE << 1 or shift > 60:
            return None
        value |= (digit & _DIGIT) << shift
        shift += _BITS
        if digit & _MORE:
            continue
        if digit & _SIGN:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value, shift = 0, 0
    return runs if not shift else None
