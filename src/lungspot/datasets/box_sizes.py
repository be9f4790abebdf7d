"""The medians of the boxes of one label in one source, as measured (:mod:`.stats`) or as a dataset declares them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Sizes"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Medians over all boxes of a label in a source; None where the films' sizes are not known.

    ``width``, ``height``, ``area`` and ``y_center`` (0 top, 1 bottom) are fractions of the film; ``aspect`` is the
    median of width over height, both as such fractions. ``films``: how many have such a box. ``published``: the medians
    are not measured here but those that the dataset declares.
    """

    label: str
    source: str
    films: int
    boxes: int
    width: float | None = None
    height: float | None = None
    area: float | None = None
    aspect: float | None = None
    y_center: float | None = None
    published: bool = False
