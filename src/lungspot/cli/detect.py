"""``lungspot detect``: films in, findings out; as a table, JSON, pictures, pages, DICOM objects or FHIR."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lungspot import BANNER
from lungspot.cli.console import Tally, emit, people, progress, require_one_of, say, writing
from lungspot.errors import FilmError, printable

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from lungspot.pipeline import Film
    from lungspot.report import Analysis, Refusal

__all__ = ["detect", "films_in", "report_refusal"]

_DICOM: Final = ("sr", "gsps", "sc", "seg")
_FORMATS: Final = ("table", "json", "png", "html", *_DICOM, "fhir")
_FILES: Final = frozenset({"png", "html", *_DICOM, "fhir"})
_ENDS_WITH: Final = {"json": "json", "png": "png", "html": "html", "dcm": "sr"}  # what a file's name asks for
_SR_CLASSES: Final = ("comprehensive3d", "comprehensive")
_POINTS: Final = ("sensitive", "balanced", "specific")
_ENDINGS: Final = frozenset({".bmp", ".dcm", ".dic", ".dicom", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
_STDIN: Final = "-"
_MOST_STDIN: Final = 512 << 20
_MANY: Final = 20  # films from which on a process of its own for their decoding pays for its start


def detect(
    films: Annotated[list[str], typer.Argument(help="Films, folders of films, zip archives, or - for standard input.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="A folder for the results; for one film, a file.")
    ] = None,
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            help="table, json, png, html; DICOM: sr, gsps, sc, seg; fhir. Several with commas.",
            metavar="LIST",
        ),
    ] = "",
    min_score: Annotated[
        float | None, typer.Option(help="Report boxes from this score, not the operating point's.", min=0, max=1)
    ] = None,
    operating_point: Annotated[str, typer.Option(help="sensitive, balanced or specific.")] = "balanced",
    heatmap: Annotated[bool, typer.Option("--heatmap", help="Show activation maps in the PNG.")] = False,
    experimental: Annotated[
        bool, typer.Option("--experimental", help="Say the model's experimental labels too, marked as such.")
    ] = False,
    sr_class: Annotated[
        str, typer.Option(help="comprehensive3d, or comprehensive for archives that take no 3D SR.")
    ] = "comprehensive3d",
    model: Annotated[str, typer.Option(help="A model file made by `lungspot export`.")] = "default",
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No banner, no progress.")] = False,
) -> None:
    """Find and box disease in chest X-rays.

    A table on a terminal, one JSON document a line in a pipe. Results come in the order of the films; a film that
    cannot be read or judged is named on stderr and does not stop the rest.
    """
    kinds = _formats(formats, out)
    require_one_of(operating_point, _POINTS, "--operating-point")
    require_one_of(sr_class, _SR_CLASSES, "--sr-class")
    from lungspot.detect import load_detector
    from lungspot.images import use_fork_server
    from lungspot.pipeline import analyze_all

    if set(kinds) & set(_DICOM):
        from lungspot.report import require_dicom

        require_dicom()
    names = list(films_in(films))
    # Of many films one is judged while the next are decoded; the number of threads changes no result.
    detector = load_detector(model, threads=2 if len(names) == 1 else 1)
    looks = {"heatmap": heatmap, "sr_class": sr_class, "experimental": experimental}
    targets = _Targets(out, kinds, films, names, looks) if out is not None else None
    if not quiet and sys.stderr.isatty():
        say(f"lungspot: {BANNER}")
    tally = Tally()
    results = analyze_all((film for film, _ in names), detector, point=operating_point, min_score=min_score)
    still = quiet or "table" in kinds
    with writing(), use_fork_server() if len(names) > _MANY else nullcontext():
        for (film, place), result in zip(progress(names, "Reading", quiet=still), results, strict=True):
            missed = None
            if targets is not None:
                missed = targets.write(result, film, place)
            elif "json" in kinds:
                from lungspot.report import document

                emit(document(result))
            if "table" in kinds:
                _print_table(result, film.name, experimental=experimental)
            _account(result, film.name, tally, missed)
    if not quiet and targets is not None and tally.done:
        say(f"lungspot: {targets.written} files in {printable(str(out))}")
    raise typer.Exit(tally.exit_code)


def films_in(given: list[str]) -> Iterator[tuple[Film, str]]:
    """Yield each film with the path, without its ending, that its results should have below an output folder.

    Folders are walked in sorted order, hidden files left out. A member of an archive gets a number: names from inside
    an archive never become paths.
    """
    from lungspot.images import is_archive, members
    from lungspot.pipeline import Film

    for name in given:
        path = Path(name)
        if name == _STDIN:
            yield Film(_STDIN, cache(_standard_input)), "stdin"  # DICOM results read the film's header again
        elif path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.is_file() and not _hidden(file, path))
            if not files:
                yield _refused(name, FilmError("NOT_FOUND", name, "a folder without files"))
            for file in files:
                yield Film(str(file), partial(Path, file)), _place(file.relative_to(path))
        elif is_archive(path):
            try:
                for number, member in enumerate(members(path), 1):
                    yield Film(member.name, member.read), f"{path.stem}-{number:05d}"
            except FilmError as error:
                yield _refused(name, error)
        else:
            yield Film(name, partial(Path, path)), _place(Path(path.name))


def report_refusal(result: Analysis, name: str) -> None:
    """Say on stderr, in one line, that a film was not assessed and why."""
    from lungspot.report import statement

    codes = ", ".join(result.reasons)
    say(printable(f"lungspot: not assessed: {name}: {codes}: {statement(result).headline.partition(': ')[2]}"))


def _print_table(result: Analysis | Refusal, name: str, *, experimental: bool) -> None:
    from lungspot.report import Refusal, table

    if not isinstance(result, Refusal):
        people().print(table(result, name, experimental=experimental))


def _account(result: Analysis | Refusal, name: str, tally: Tally, missed: FilmError | None) -> None:
    from lungspot.report import Refusal

    if isinstance(result, Refusal):
        tally.refuse(result.error)
        return
    if missed is not None:
        tally.refuse(missed)
    elif result.assessed:
        tally.done += 1
    else:
        tally.refused += 1
        report_refusal(result, name)


def _formats(text: str, out: Path | None) -> tuple[str, ...]:
    ending = "" if out is None else out.suffix.removeprefix(".").lower()
    default = (
        _ENDS_WITH[ending]
        if ending in _ENDS_WITH
        else "json,png"
        if out
        else "table"
        if sys.stdout.isatty()
        else "json"
    )
    kinds = tuple(part.strip() for part in (text or default).split(",") if part.strip())
    unknown = [kind for kind in kinds if kind not in _FORMATS]
    if unknown or not kinds:
        raise typer.BadParameter(f"{text!r}: give some of {', '.join(_FORMATS)}", param_hint="--format")
    if out is None and _FILES & set(kinds):
        raise typer.BadParameter("pictures, pages, DICOM and FHIR need a place: give --out", param_hint="--format")
    if out is None and {"table", "json"} <= set(kinds):
        raise typer.BadParameter("table and json cannot share standard output: give --out", param_hint="--format")
    return kinds


class _Targets:
    """Where each film's files go; no two films share a name, in the order of the films."""

    def __init__(
        self,
        out: Path,
        kinds: tuple[str, ...],
        given: list[str],
        names: list[tuple[Film, str]],
        looks: dict[str, Any],
    ) -> None:
        self._kinds = [kind for kind in kinds if kind != "table"]
        self._looks = looks
        one = len(names) == len(given) == len(self._kinds) == 1 and not out.is_dir()
        self._file = out if one and out.suffix.lower() == f".{_ending(self._kinds[0])}" else None
        self._folder = out.parent if self._file else out
        self._taken: set[str] = set()
        self.written = 0
        with writing():
            self._folder.mkdir(parents=True, exist_ok=True)

    def write(self, result: Analysis | Refusal, film: Film, place: str) -> FilmError | None:
        """Write one film's files; return why a DICOM object that was asked for could not be made, if so."""
        from lungspot.report import Refusal, ending_of, write

        stem, count = place, 1
        while stem in self._taken:
            count += 1
            stem = f"{place}-{count}"
        self._taken.add(stem)
        source, missed = self._source(result, film)
        for kind in self._kinds:
            if (isinstance(result, Refusal) and kind in {"png", "html"}) or (kind in _DICOM and source is None):
                continue
            target = self._file or self._folder / f"{stem}.{ending_of(kind)}"
            target.parent.mkdir(parents=True, exist_ok=True)
            written = write(result, target, kind, source=source, **self._looks)
            self.written += written is not None
        return missed

    def _source(self, result: Analysis | Refusal, film: Film) -> tuple[Dataset | None, FilmError | None]:
        """Return the film's DICOM header where a result needs one, or why there is none."""
        from lungspot.images import read_header
        from lungspot.report import Refusal, require_study

        wanted = set(self._kinds) & {*_DICOM, "fhir"}
        if not wanted:
            return None, None
        try:
            header = read_header(film.open())
            require_study(header)
        except FilmError as error:
            where = film.name if error.where in {"", "<bytes>"} else error.where
            refused = isinstance(result, Refusal) or wanted == {"fhir"}  # said already, or not needed
            return None, None if refused else FilmError(error.code, where, error.reason, advice=error.advice)
        return header, None


def _ending(kind: str) -> str:
    return "dcm" if kind in _DICOM else "json" if kind == "fhir" else kind


def _place(path: Path) -> str:
    """Return a film's path without its ending; UIDs as names keep their last number."""
    return str(path.with_suffix("") if path.suffix.lower() in _ENDINGS else path)


def _hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


def _refused(name: str, error: FilmError) -> tuple[Film, str]:
    from lungspot.pipeline import Film

    return Film(name, partial(_refuse, error)), Path(name).stem


def _refuse(error: FilmError) -> bytes:
    raise error


def _standard_input() -> bytes:
    data = sys.stdin.buffer.read(_MOST_STDIN + 1)
    if len(data) > _MOST_STDIN:
        raise FilmError("TOO_LARGE", _STDIN, f"more than {_MOST_STDIN >> 20} MiB")
    return data
