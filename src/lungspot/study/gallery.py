"""The study's films, for the run folder only: per label the best and the worst, as film, heat map, boxes and truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from lungspot.images import UNKNOWN_ORIENTATION, draw_sides, normalise, read
from lungspot.report import color_of, glow
from lungspot.study.choose import heat_of
from lungspot.study.compare import Ways
from lungspot.study.films import StudyFilm

__all__ = ["panels"]

_SIDE: Final = 320  # pixels of one picture
_GAP: Final = 6


def panels(seen: Sequence[StudyFilm], ways: Ways, out: Path, count: int = 3) -> int:
    """Write ``LABEL-best-1.png`` … and ``LABEL-worst-1.png`` … into ``out`` and return how many.

    Each shows, side by side: the film, the heat map with the boxes cut from it, the detector's boxes, the truth; L and
    R at the edges of each, or that the side is unknown.
    Best and worst are by the IoU of the detector's best box of the label with a true one. ``ways``: of
    :func:`lungspot.study.compare.locate`, on the films of ``seen``.
    """
    out.mkdir(parents=True, exist_ok=True)
    written = 0
    for label, boxes in ways["boxes"].items():
        heat = ways["heat"][label]
        choice = heat.choice
        if choice is None:
            continue
        rated = []
        for number, pair in enumerate(boxes.pairs):
            true, found = pair.true.boxes(label), pair.found.boxes(label)
            if true:
                rated.append((max(found[0].iou(box) for box in true) if found else 0.0, number))
        ranked = [number for _, number in sorted(rated, key=lambda row: (-row[0], row[1]))]
        for kind, numbers in (("best", ranked[:count]), ("worst", ranked[::-1][:count])):
            for place, number in enumerate(numbers, 1):
                mine, theirs = boxes.pairs[number], heat.pairs[number]
                shown = [
                    [box.corners for box in reading.boxes(label)] for reading in (theirs.found, mine.found, mine.true)
                ]
                film_map = heat_of(seen[number], choice.method, choice.stride, heat.column)
                frame = mine.true.frame
                size = (1, 1) if frame is None else (frame.width, frame.height)
                picture = _panel(
                    seen[number].case.image, film_map, [shown[0][:4], shown[1][:3], shown[2]], size, color_of(label)
                )
                picture.save(out / f"{label}-{kind}-{place}.png")
                written += 1
    return written


def _panel(
    path: Path | None,
    heat: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    boxes: Sequence[Sequence[tuple[float, float, float, float]]],
    size: tuple[int, int],
    color: str,
) -> Image.Image:
    pixels, orientation = np.zeros((8, 8), np.float32), UNKNOWN_ORIENTATION
    if path is not None:
        radiograph = read(path)
        pixels, orientation = normalise(radiograph.pixels), radiograph.orientation
    film = Image.fromarray((pixels * 255).round().astype(np.uint8)).resize((_SIDE, _SIDE)).convert("RGBA")
    whole = Image.new("RGB", (4 * _SIDE + 3 * _GAP, _SIDE))
    for place in range(4):
        one = film.copy()
        if place == 1:
            one.alpha_composite(glow(heat, (_SIDE, _SIDE)))
        draw = ImageDraw.Draw(one)
        for corners in boxes[place - 1] if place else ():
            sides = [side * _SIDE / whole_side for side, whole_side in zip(corners, size * 2, strict=True)]
            draw.rectangle(sides, outline="#5dff9a" if place == 3 else color, width=3)
        shown = one.convert("RGB")
        draw_sides(ImageDraw.Draw(shown, "RGBA"), orientation.letters, shown.size)
        whole.paste(shown, (place * (_SIDE + _GAP), 0))
    return whole
