"""Cases written in a tool's format: those whose films can be, as far as the tool can say them, and what it cannot.

A bad film never stops the rest. What a tool has no words for stays in lungspot's extension (:mod:`case_json
<lungspot.formats.case_json>`), but for boxes around several instances, which a tool would take for one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from lungspot.errors import DatasetError
from lungspot.formats.annotated_image import AnnotatedImage
from lungspot.formats.case import Case, without_crowds
from lungspot.formats.catalog import ANNOTATION_FORMATS
from lungspot.formats.image_files import FilmTransfer, Progress, film_size
from lungspot.outputs import Outputs, writing

__all__ = ["boxes_unsaid", "sayable_cases", "whole_films", "write_cases"]

_SAYS_CROWDS: Final = "coco"


def write_cases(  # noqa: PLR0913 - what is written, where to, and how it is told
    cases: Sequence[Case],
    out: Path,
    to: str,
    *,
    films: FilmTransfer = FilmTransfer.COPY,
    progress: Progress = iter,
    outputs: Outputs | None = None,
    refuse: Callable[[DatasetError], object] = lambda _: None,
    left_out: Callable[[int], object] = lambda _: None,
) -> list[Case]:
    """Write the cases that can be into the new folder ``out``, and return them as they were written.

    ``to``: one of :data:`~lungspot.formats.ANNOTATION_FORMATS`. ``films``: what becomes of their files. ``progress``
    draws a bar; ``outputs``: what may be replaced. ``refuse`` is told of each case that :func:`whole_films` leaves out,
    ``left_out`` of how many boxes :func:`sayable_cases` does, where there are any; both before anything is written.
    Raises what those do, OutputError, and SetupError where nothing can be written.
    """
    kept, crowds = sayable_cases(whole_films(cases, refuse), to)
    if crowds:
        left_out(crowds)
    with writing():
        ANNOTATION_FORMATS[to].write(kept, out, films=FilmTransfer(films), progress=progress, outputs=outputs)
    return kept


def whole_films(cases: Iterable[Case], refuse: Callable[[DatasetError], object] = lambda _: None) -> list[Case]:
    """Return the cases whose film, if they have one, says its size; ``refuse`` is told why the others are left out.

    Raises the DatasetError of the first where none is left, so that one bad film never stops the rest.
    """
    kept: list[Case] = []
    refused: list[DatasetError] = []
    for case in cases:
        try:
            if case.image is not None:
                film_size(case.image)
            kept.append(case)
        except DatasetError as error:
            refused.append(error)
    if refused and not kept:
        raise refused[0]
    for fault in refused:
        refuse(fault)
    return kept


def sayable_cases(cases: Sequence[Case], to: str) -> tuple[list[Case], int]:
    """Return the cases without the boxes around several instances, where a format cannot say them, and how many went.

    COCO alone can (``iscrowd``); :func:`~lungspot.formats.without_crowds` says what becomes of their labels.
    """
    return (list(cases), 0) if to == _SAYS_CROWDS else without_crowds(cases)


def boxes_unsaid(cases: Iterable[Case], out: Path, to: str) -> int:
    """Return how many boxes of the cases that were written to ``out`` only lungspot's extension says.

    Those that lie off their films or have no width are none in the tool's own words; the folder is read back for it.
    """
    return _unsaid_in(cases, ANNOTATION_FORMATS[to].annotated_images(out))


def _unsaid_in(cases: Iterable[Case], written: Iterable[AnnotatedImage]) -> int:
    """Return how many boxes of the cases are no marks of the annotated images that were written of them."""
    kept: Counter[tuple[str, str]] = Counter()
    for one in written:
        if one.case_json is not None:
            kept[one.case_json["dataset"], one.case_json["id"]] += len(one.marks)
    given: Counter[tuple[str, str]] = Counter()
    for case in cases:
        findings = (finding for reading in case.readings for finding in reading.findings)
        given[case.dataset, case.id] += sum(finding.box is not None for finding in findings)
    return (given - kept).total()
