"""From what a tool's files say of films to cases: each finds its own film, and boxes end in the frame of that film."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from lungspot.errors import DatasetError
from lungspot.findings import Box, Frame
from lungspot.formats.annotated_image import AnnotatedImage
from lungspot.formats.case import Case
from lungspot.formats.image_files import film_size, find_film, quarter_turns
from lungspot.formats.reconcile import Rounding, case_of

__all__ = ["cases_from", "in_the_film_s_frame"]


def cases_from(  # noqa: PLR0913 - what was read, where films are, and what was looked for
    found: Iterable[AnnotatedImage],
    folder: Path,
    places: Callable[[AnnotatedImage], Sequence[Path]],
    *,
    looked_for: Iterable[str] = (),
    rounding: Rounding = lambda box, _: box,
    need_films: bool = True,
) -> list[Case]:
    """Return one case a film, in order; raises :class:`DatasetError` naming the place in the tool's file.

    ``places``: the folders in which a film is looked for. ``need_films``: refuse where one is not there; else its case
    has no image. One file that answers to two names (``patient1/view1.png``, ``patient2/view1.png``) is refused: it
    would lend one patient's film to another.
    """
    looked = tuple(looked_for)
    owners: dict[Path, AnnotatedImage] = {}
    cases = []
    for annotated in found:
        film = None if annotated.case_json is not None else _film(annotated, places(annotated), need=need_films)
        if film is not None:
            other = owners.setdefault(film, annotated)
            if _name(other) != _name(annotated):
                reason = f"{film} would be the film of {other.film!r} and of {annotated.film!r}"
                advice = "keep the folders of the films' names, or give each film a name of its own"
                raise DatasetError("DATASET_ROW", annotated.where, reason, advice=advice)
        shown = annotated if film is None else in_the_film_s_frame(annotated, film)
        cases.append(case_of(shown, folder, film, looked_for=looked, rounding=rounding))
    return cases


def in_the_film_s_frame(annotated: AnnotatedImage, film: Path) -> AnnotatedImage:
    """Return an annotated image with the size of its film where none was stated, turned where its tool saw it unturned.

    A tool that does not heed EXIF's orientation states 400 x 300 for a film that is shown as 300 x 400: its boxes are
    turned as the film is. Raises ``DATASET_ROW`` where the size is turned and the film is not. Another size of the same
    shape is the frame that the boxes are in; of another shape, :func:`lungspot.datasets.check.check` speaks.
    """
    size = annotated.size
    if size is None:
        return replace(annotated, size=film_size(film))
    try:
        shown = film_size(film)
    except DatasetError:  # no film: whoever reads its pixels will say so
        return annotated
    if _alike(size, shown) or not _alike(Frame(size.height, size.width), shown):
        return annotated
    turns = quarter_turns(film)
    if turns not in {5, 6, 7, 8}:
        reason = f"{size.width} x {size.height} is stated, and the film is {shown.width} x {shown.height}"
        raise DatasetError("DATASET_ROW", annotated.where, reason, advice="was the film turned after it was annotated?")
    marks = tuple(replace(mark, box=_turned(mark.box, size, turns)) for mark in annotated.marks)
    rejected = tuple(replace(mark, box=_turned(mark.box, size, turns)) for mark in annotated.rejected)
    return replace(annotated, size=Frame(size.height, size.width), marks=marks, rejected=rejected)


def _film(annotated: AnnotatedImage, folders: Sequence[Path], *, need: bool) -> Path | None:
    try:
        return find_film(annotated.film, annotated.where, folders)
    except DatasetError:
        if need:
            raise
        return None


def _name(annotated: AnnotatedImage) -> str:
    return annotated.film.replace("\\", "/").removeprefix("./").casefold()


def _alike(size: Frame, other: Frame) -> bool:
    """Say whether two sizes have one shape, up to the rounding of a side."""
    most = max(size.width, size.height, other.width, other.height)
    return abs(size.width * other.height - size.height * other.width) <= most


def _turned(box: Box, size: Frame, orientation: int) -> Box:
    """Return a box of the stored film (``size``) in the film as EXIF's orientation 5 to 8 shows it."""
    x0, y0, x1, y1 = box.corners
    wide, high = size.width, size.height
    return {
        5: Box(y0, x0, y1, x1),
        6: Box(high - y1, x0, high - y0, x1),
        7: Box(high - y1, wide - x1, high - y0, wide - x0),
        8: Box(y0, wide - x1, y1, wide - x0),
    }[orientation]
