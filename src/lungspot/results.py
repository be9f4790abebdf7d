"""Where the results of many films go: a name for each that no other has, below one folder, or one file for one film."""

from __future__ import annotations

import errno
import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final

from lungspot.errors import FilmError, LungspotError, OutputError, SetupError
from lungspot.formats import PREDICTION_FILES, CocoIds, Prediction, coco_text, csv_text, in_the_file, prediction_of
from lungspot.images import Identity, film_bytes, read_header, read_identity
from lungspot.outputs import Outputs, writing
from lungspot.pipeline import Film
from lungspot.report import (
    DICOM_KINDS,
    FORMATS,
    FORMATS_OF_READ_FILMS,
    FORMATS_WITH_HEADER,
    Analysis,
    Before,
    Refusal,
    RegisterRow,
    Review,
    data_of,
    document,
    ending_of,
    one_row_a_person,
    register_row,
    register_text,
    require_study,
)
from lungspot.sources import FilmSource

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["RUN_FILES", "Results", "RunFiles", "form_named", "identity_of"]

# What one file holds for a whole run, and how it is called in the folder of results.
RUN_FILES: Final = {**PREDICTION_FILES, "register": "register.csv"}

# What the system says of one name, and not of the folder or the disk.
_OF_ONE_NAME = frozenset({errno.EEXIST, errno.EILSEQ, errno.EINVAL, errno.EISDIR, errno.ENAMETOOLONG, errno.ENOTDIR})


class Results:
    """Writes each film's result in some forms. Two films never share a name, whatever the case of its letters.

    ``out``: the folder; with ``one``, for one film in one form, also the file. ``kinds``: forms of
    ``lungspot.report.FORMATS``. ``sources``: the films, all of them, in the order in which they will come.
    ``looks``: arguments of ``lungspot.report.data_of``, as ``heatmap`` and ``experimental``. ``reviews``: readers', by
    the SHA-256 of a film's file, that go into its results. ``inputs``: what else is read, and not to be written over.
    Before anything is read it is known whether every result may be written (:mod:`lungspot.outputs`): raises
    OutputError, and SetupError where the folder cannot be made.
    """

    def __init__(  # noqa: PLR0913 - what is written, where to, and how
        self,
        out: Path,
        kinds: Sequence[str],
        sources: Sequence[FilmSource],
        *,
        one: bool = False,
        overwrite: bool = False,
        looks: Mapping[str, Any] | None = None,
        reviews: Mapping[str, Review] | None = None,
        inputs: Iterable[Path] = (),
    ) -> None:
        self._kinds, self._looks, self._reviews = tuple(kinds), dict(looks or {}), reviews or {}
        films = [source.file for source in sources if source.file is not None]
        self._outputs = Outputs([*films, *inputs], overwrite=overwrite)
        self.written = 0
        if one and len(sources) == len(self._kinds) == 1 and _is_file_of(out, self._kinds[0]):
            self._targets = [{self._kinds[0]: out}]
        else:
            self._targets = list(_targets(out, self._kinds, [source.place for source in sources]))
        for row in self._targets:
            for target in row.values():
                self._outputs.require(target)
        folder = out.parent if self._targets and out in self._targets[0].values() else out
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._outputs.require_folder(folder)

    def write(
        self, number: int, result: Analysis | Refusal, film: Film, before: Before | None = None
    ) -> list[LungspotError]:
        """Write the files of the film with this number; return why any that was asked for could not be made.

        ``before``: an earlier film to compare with. Raises SetupError where no film's could.
        """
        source, faults = self._header(result, film)
        review = None if isinstance(result, Refusal) else self._reviews.get(result.radiograph.origin.sha256)
        for kind, target in self._targets[number].items():
            unread = isinstance(result, Refusal) and kind in FORMATS_OF_READ_FILMS
            if unread or (kind in DICOM_KINDS and source is None):
                continue
            data = data_of(result, kind, source=source, review=review, before=before, **self._looks)
            if data is None:
                continue
            try:
                self._outputs.write(target, data)
            except OutputError as error:
                faults.append(error)
            except SetupError as error:
                if not isinstance(error.__cause__, OSError) or error.__cause__.errno not in _OF_ONE_NAME:
                    raise
                faults.append(OutputError(error.code, error.where, error.reason))
            else:
                self.written += 1
        return faults

    def _header(self, result: Analysis | Refusal, film: Film) -> tuple[Dataset | None, list[LungspotError]]:
        """Return the film's DICOM header where a result needs one, or why there is none."""
        wanted = FORMATS_WITH_HEADER.intersection(self._kinds)
        if not wanted:
            return None, []
        try:
            header = read_header(film.open())
            require_study(header)
        except FilmError as error:
            refused = isinstance(result, Refusal) or wanted.isdisjoint(DICOM_KINDS)  # said already, or not needed
            return None, [] if refused else [error.at(film.name)]
        return header, []


class RunFiles:
    """One file a form for all films of a run: COCO, CSV (:mod:`lungspot.formats.predictions_files`), a register.

    ``out``: the folder; where ``kinds`` is one form and nothing else is written (``alone``), also the file; None: no
    file. ``ids``: of somebody's own COCO file, whose ids COCO's results take. ``screen``, to be set before films come:
    the label of the register, which is never replaced, for people write in it what they decide. ``inputs``: what else
    is read, and not to be written over. Before anything is read it is known whether they may be written: raises
    OutputError, and SetupError.
    """

    def __init__(  # noqa: PLR0913 - what is written, where to, and how
        self,
        out: Path | None,
        kinds: Sequence[str],
        sources: Iterable[FilmSource],
        *,
        alone: bool,
        overwrite: bool = False,
        ids: CocoIds | None = None,
        inputs: Iterable[Path] = (),
    ) -> None:
        films = [source.file for source in sources if source.file is not None]
        read = [*films, *inputs, *([] if ids is None else [ids.path])]
        self._outputs = Outputs(read, overwrite=overwrite)
        self._ids = ids
        self._targets: dict[str, Path] = {}
        if out is not None:
            named = alone and len(kinds) == 1 and _is_file_of(out, kinds[0])
            self._targets = {kind: out if named else out / RUN_FILES[kind] for kind in kinds}
        self._found: list[Prediction] = []
        self._people: list[RegisterRow] = []
        self.screen: str | None = None
        for target in self._targets.values():
            self._outputs.require(target)

    def add(self, result: Analysis | Refusal, film: Film) -> str:
        """Keep a film's findings for the end; return their rows of CSV, below the header where they are the first."""
        if self.screen is not None:
            whose = identity_of(film)
            self._people.append(register_row(result, self.screen, whose.patient_id, whose.study_date, film=film.name))
        self._found.append(prediction_of(document(result), "the result"))
        return csv_text(self._found[-1:], header=len(self._found) == 1)

    def text(self, kind: str) -> str:
        """Return what all films so far are in one of :data:`RUN_FILES`; of a register, one row a person."""
        texts: dict[str, Callable[[], str]] = {
            "coco": lambda: coco_text(self._found, self._ids),
            "csv": lambda: csv_text(self._found),
            "register": lambda: register_text(one_row_a_person(self._people)),
        }
        return texts[kind]()

    def missed(self) -> tuple[list[LungspotError], Mapping[str, int]]:
        """Return the films that the COCO file has not, and how many boxes, by label, are of no category of it."""
        if self._ids is None:
            return [], {}
        _, strangers, left_out = in_the_file(self._found, self._ids)
        return strangers, left_out

    def write(self) -> int:
        """Write the files, and return how many; raises OutputError and SetupError."""
        for kind, target in self._targets.items():
            self._outputs.write(target, self.text(kind).encode(errors="backslashreplace"))
        return len(self._targets)


def identity_of(film: Film) -> Identity:
    """Return whose film it is; all empty where it cannot be read, which its row says."""
    try:
        return read_identity(film_bytes(film.open()), film.name)
    except FilmError:
        return Identity()


def form_named(out: Path) -> str | None:
    """Return the form that a file's name asks for by its ending: the first whose files end so; None where none does."""
    return next((kind for kind in (*FORMATS, *RUN_FILES) if _ends_like(out, kind)), None)


def _ends_like(out: Path, kind: str) -> bool:
    name = RUN_FILES.get(kind) or f".{ending_of(kind)}"
    return out.suffix.lower() == "." + name.rpartition(".")[2]


def _is_file_of(out: Path, kind: str) -> bool:
    return _ends_like(out, kind) and not os.path.isdir(out)  # noqa: PTH112 - a name too long is no folder, and no error


def _targets(out: Path, kinds: Sequence[str], places: Sequence[str]) -> Iterable[dict[str, Path]]:
    """Yield the files of each place by kind, in order; a name that is taken gets a number.

    A name is taken by a file of another film, and by a folder that files lie in.
    """
    taken = {_folded(str(parent)) for place in places for parent in PurePath(place).parents}
    taken |= {_folded(name) for name in RUN_FILES.values()}
    for place in places:
        stem, count = place, 1
        while not taken.isdisjoint(names := {_folded(f"{stem}.{ending_of(kind)}") for kind in kinds}):
            count += 1
            stem = f"{place}-{count}"
        taken |= names
        yield {kind: out / f"{stem}.{ending_of(kind)}" for kind in kinds}


def _folded(name: str) -> str:
    """Return what a file system that knows no case, or composes letters, takes for the same name."""
    return unicodedata.normalize("NFC", name).casefold()
