"""``--prior``: the earlier films that a run compares its films with."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Final

import typer

from lungspot.errors import FilmError, InputError

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import Dataset

    from lungspot.detect import Detector
    from lungspot.pipeline import Film
    from lungspot.report import Analysis, Before, EarlierFilm, Refusal, StructuredReport, Whose
    from lungspot.sources import FilmSource

__all__ = ["EarlierFilms", "PriorFilms"]

PriorFilms = Annotated[
    list[str] | None,
    typer.Option(
        "--prior",
        metavar="FILM",
        help="The patient's earlier film to compare with, or a folder of films (the newest earlier one of the same "
        "patient counts) and of results, whose tracking UIDs go on; may be repeated.",
    ),
]
_KEPT: Final = 4  # earlier films whose results are kept at a time


@dataclass(frozen=True, slots=True)
class _Candidate:
    film: Film
    header: Dataset | None


class EarlierFilms:
    """The films of ``--prior``; each is read, as this run's films are, when a film turns up that it belongs to.

    ``results``: files of lungspot's beside them, whose SRs say by which UIDs places are followed. ``alone``: one film
    is compared, and what is named is no folder: where that is one film, a person says that the two belong together.
    ``faults``: of what cannot be read, beside films that can. Raises FilmError where nothing that is named is a film.
    """

    def __init__(
        self,
        given: Sequence[FilmSource],
        results: Sequence[Path],
        detector: Detector,
        point: str,
        *,
        experimental: bool,
        min_score: float | None,
        alone: bool,
    ) -> None:
        from lungspot.report import Whose, read_sr, whose

        self._detector, self._point, self._experimental, self._min_score = detector, point, experimental, min_score
        self._reports: dict[str, StructuredReport] = {}
        self._films: list[tuple[Whose, _Candidate]] = []
        self.faults: list[FilmError] = []
        for source in given:
            try:
                header, report = _looked_at(source.film)
            except FilmError as error:
                self.faults.append(error.at(source.film.name))
                continue
            if report is not None:
                self._keep(report)
            else:
                self._films.append((Whose() if header is None else whose(header), _Candidate(source.film, header)))
        for path in results:
            with suppress(InputError, OSError):  # most are no SR
                self._keep(read_sr(path))
        if not self._films:
            raise self.faults[-1] if self.faults else FilmError("NOT_FOUND", "--prior", "no earlier film")
        self._given = alone and len(self._films) + len(self.faults) == 1
        self._read = lru_cache(maxsize=_KEPT)(self._analyzed)

    def _keep(self, report: StructuredReport) -> None:
        film = report.film or ""
        self._reports[film] = max(report, self._reports.get(film, report), key=_order)

    def before(self, result: Analysis | Refusal, film: Film) -> tuple[Before | None, str]:
        """Return the newest earlier film that one may be compared with, and in words why there is none."""
        from lungspot.report import Refusal, Whose, newest_before, tracking_uids, whose

        if isinstance(result, Refusal) or not result.assessed:
            return None, ""
        header = _header(film)
        mine = Whose() if header is None else whose(header)
        before, _, words = newest_before(
            result,
            mine,
            [(each, number) for number, (each, _) in enumerate(self._films)],
            self._prior,
            own=tracking_uids(result, _with_study(header), experimental=self._experimental),
            given=self._given,
            experimental=self._experimental,
        )
        return before, words

    def _prior(self, number: int) -> EarlierFilm | str:
        from lungspot.report import EarlierFilm, Refusal, tracked_by, tracking_uids

        then = self._read(number)
        if isinstance(then, Refusal):
            return f"it cannot be read: {then.error.reason}"
        source = _with_study(self._films[number][1].header)
        report = self._reports.get(then.radiograph.origin.sop_instance_uid or "")
        carried = {} if report is None else tracked_by(then, report)
        return EarlierFilm(then, tracking_uids(then, source, experimental=self._experimental) | carried)

    def _analyzed(self, number: int) -> Analysis | Refusal:
        from lungspot.pipeline import analyze_all

        film = self._films[number][1].film
        return next(iter(analyze_all([film], self._detector, point=self._point, min_score=self._min_score)))


def _order(report: StructuredReport) -> tuple[bool, bool, str, str]:
    """Return what sorts the reports of one film: last the newest whose UIDs go on from a film before it."""
    return bool(report.tracking), report.against is not None, report.made, repr(report.tracking)


def _looked_at(film: Film) -> tuple[Dataset | None, StructuredReport | None]:
    """Return a film's header (None for a picture), or the structured report that a file is."""
    from lungspot.images import film_bytes
    from lungspot.report import read_sr

    data = film_bytes(film.open())
    try:
        return None, read_sr(data)
    except (InputError, OSError):
        return _header_in(data), None


def _header(film: Film) -> Dataset | None:
    from lungspot.images import film_bytes

    try:
        return _header_in(film_bytes(film.open()))
    except FilmError:
        return None


def _header_in(data: bytes) -> Dataset | None:
    from lungspot.images import read_header

    try:
        return read_header(data)
    except FilmError:  # a picture; of a film that cannot be read this is said when its turn comes
        return None


def _with_study(header: Dataset | None) -> Dataset | None:
    """Return the header of a film that has results as DICOM; else none."""
    from lungspot.report import require_study

    try:
        if header is not None:
            require_study(header)
    except FilmError:
        return None
    return header
