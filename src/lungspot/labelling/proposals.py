"""What a model says of a film, as the start of a task: boxes for people to correct."""

from __future__ import annotations

from collections.abc import Callable

from lungspot.detect import Detector
from lungspot.errors import FilmError
from lungspot.findings import Reading
from lungspot.formats import Case
from lungspot.pipeline import analyze

__all__ = ["proposer"]


def proposer(detector: Detector) -> Callable[[Case], Reading | None]:
    """Return what gives a model's reading of a case's film, in the film's frame: the ``propose`` of :func:`make`.

    It gives None where the case has no film, where that cannot be read, and where the model does not judge it.
    """

    def propose(case: Case) -> Reading | None:
        try:
            return None if case.image is None else analyze(case.image, detector).reading
        except FilmError:
            return None

    return propose
