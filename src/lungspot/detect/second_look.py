"""A second look at parts of a film, for what is small: the same network, shown a part as large as the whole before.

A file may hold a pyramid and a box head that were taught with nothing but parts (``part_boxes``); else those for whole
films are asked.

A nodule of 10 mm is 8 pixels on a whole film of 320 x 320; in a part of half the width and most of the height it is
twice that. What the parts show of the labels that the card names (:class:`~lungspot.detect.card.SecondLook`) joins what
the whole film shows. A film that is stored too coarsely is not looked at again: there is nothing more to see. Nor is
one whose own scores say that none of these labels is there.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lungspot.detect.card import SecondLook
from lungspot.detect.detector import Detector, Raw
from lungspot.images import Pixels, Radiograph, prepare

__all__ = ["look_again", "parts", "placed"]


def look_again(raw: Raw, film: Radiograph, detector: Detector) -> Raw:
    """Return ``raw``, what the detector said of the upright ``film``, with what the parts show that its card names.

    Each place of a part becomes one more place of the film, in its frame, with scores for the labels of the second
    look alone. The film's own probabilities stay. Raises what :meth:`~lungspot.detect.Detector.run` raises.
    """
    card = detector.card
    look, size = card.second_look, card.input_size
    if look is None:
        return raw
    columns = [card.labels.index(label) for label in look.labels]
    if not look.wants(min(film.pixels.shape), float(raw.image_scores[columns].max())):
        return raw
    boxes, scores = [raw.boxes], [raw.scores]
    shown = parts(prepare(film, look.size).tensor[0, 0], look, size)
    for window, part in zip(look.windows, shown, strict=True):
        found, sure = detector.run_part(part)
        boxes.append(placed(found, window, size))
        scores.append(np.zeros((len(sure), len(card.labels)), np.float32))
        scores[-1][:, columns] = sure
    joined = (np.concatenate(boxes), np.concatenate(scores))
    for values in joined:
        values.flags.writeable = False
    return replace(raw, boxes=joined[0], scores=joined[1])


def parts(film: NDArray[np.float32], look: SecondLook, size: int) -> tuple[Pixels, ...]:
    """Return the parts of a prepared film (height, width), 0 to 1, each float32 (1, 1, size, size)."""
    height, width = film.shape
    picture = Image.fromarray(np.ascontiguousarray(film, dtype=np.float32))
    found = []
    for x0, y0, x1, y1 in look.windows:
        box = (x0 * width, y0 * height, x1 * width, y1 * height)
        part = np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR, box=box), dtype=np.float32)
        found.append(np.clip(part, 0, 1)[None, None])
    return tuple(found)


def placed(boxes: NDArray[np.float32], window: tuple[float, float, float, float], size: int) -> NDArray[np.float32]:
    """Return boxes (..., 4) of a part, in its pixels, where they lie on the whole film of ``size`` pixels."""
    x0, y0, x1, y1 = window
    scale = np.array([x1 - x0, y1 - y0] * 2, dtype=np.float32)
    return np.asarray(boxes * scale + np.array([x0, y0] * 2, dtype=np.float32) * np.float32(size), dtype=np.float32)
