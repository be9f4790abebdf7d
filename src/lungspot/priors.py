"""The patient's earlier films (priors) that a run's films are compared with: which of those at hand, and its report.

A film is compared with the newest earlier one of its patient, as their headers say (:mod:`lungspot.report.earlier`),
which is read as the film itself is. The structured reports beside them say by which UIDs places are followed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lungspot.detect import DEFAULT_POINT, Detector
from lungspot.errors import FilmError, InputError
from lungspot.images import film_bytes, read_header
from lungspot.pipeline import Film, analyze_all
from lungspot.report import (
    Analysis,
    Before,
    EarlierFilm,
    Refusal,
    StructuredReport,
    Whose,
    newest_before,
    read_sr,
    require_study,
    tracked_by,
    tracking_uids,
    whose,
)
from lungspot.sources import FilmSource, is_archive_file, is_folder

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["EarlierFilms", "belong_together"]

_KEPT: Final = 4  # earlier films whose results are kept at a time


def belong_together(films: Sequence[FilmSource], priors: Iterable[str]) -> bool:
    """Say whether who named these ``films`` and ``priors`` says that they are of one patient, in that order.

    So does who names one film, and as its prior no folder or archive, which may hold many people's.
    """
    return len(films) == 1 and not any(is_folder(Path(name)) or is_archive_file(Path(name)) for name in priors)


@dataclass(frozen=True, slots=True)
class _Candidate:
    film: Film
    header: Dataset | None


class EarlierFilms:
    """Earlier films; each is read, as this run's films are, when a film turns up that it belongs to.

    ``given``: the films (:func:`lungspot.sources.films_in`), among them structured reports. ``results``: files of
    lungspot's beside them, whose structured reports say by which UIDs places are followed. ``detector``, ``point`` and
    ``min_score``: what reads them, as for :func:`lungspot.pipeline.analyze`. ``experimental``: experimental labels
    count too. ``together``: a person says that film and prior belong together (:func:`belong_together`), which counts
    where ``given`` is one film. ``faults``: of what cannot be read, beside films that can. Raises FilmError where
    nothing that is given is a film.
    """

    def __init__(  # noqa: PLR0913 - what they are, how they are read, and who vouches for them
        self,
        given: Iterable[FilmSource],
        detector: Detector,
        *,
        results: Iterable[Path] = (),
        point: str = DEFAULT_POINT,
        min_score: float | None = None,
        experimental: bool = False,
        together: bool = False,
    ) -> None:
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
            raise self.faults[-1] if self.faults else FilmError("NOT_FOUND", None, "no earlier film")
        self._given = together and len(self._films) + len(self.faults) == 1
        self._read = lru_cache(maxsize=_KEPT)(self._analyzed)

    def _keep(self, report: StructuredReport) -> None:
        film = report.film or ""
        self._reports[film] = max(report, self._reports.get(film, report), key=_order)

    def before(self, result: Analysis | Refusal, film: Film) -> tuple[Before | None, str]:
        """Return the newest earlier film that one may be compared with, and in words why there is none."""
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
        then = self._read(number)
        if isinstance(then, Refusal):
            return f"it cannot be read: {then.error.reason}"
        source = _with_study(self._films[number][1].header)
        report = self._reports.get(then.radiograph.origin.sop_instance_uid or "")
        carried = {} if report is None else tracked_by(then, report)
        return EarlierFilm(then, tracking_uids(then, source, experimental=self._experimental) | carried)

    def _analyzed(self, number: int) -> Analysis | Refusal:
        film = self._films[number][1].film
        return next(iter(analyze_all([film], self._detector, point=self._point, min_score=self._min_score)))


def _order(report: StructuredReport) -> tuple[bool, bool, str, str]:
    """Return what sorts the reports of one film: last the newest whose UIDs go on from a film before it."""
    return bool(report.tracking), report.against is not None, report.made, repr(report.tracking)


def _looked_at(film: Film) -> tuple[Dataset | None, StructuredReport | None]:
    """Return a film's header (None for a picture), or the structured report that a file is."""
    data = film_bytes(film.open())
    try:
        return None, read_sr(data)
    except (InputError, OSError):
        return _header_in(data), None


def _header(film: Film) -> Dataset | None:
    try:
        return _header_in(film_bytes(film.open()))
    except FilmError:
        return None


def _header_in(data: bytes) -> Dataset | None:
    try:
        return read_header(data)
    except FilmError:  # a picture; of a film that cannot be read this is said when its turn comes
        return None


def _with_study(header: Dataset | None) -> Dataset | None:
    """Return the header of a film that has results as DICOM; else none."""
    try:
        if header is not None:
            require_study(header)
    except FilmError:
        return None
    return header
