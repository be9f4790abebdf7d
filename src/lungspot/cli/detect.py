"""``lungspot detect``: films in, findings out; as a table, JSON, pictures, pages, DICOM objects or FHIR."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperCommand

from lungspot import BANNER
from lungspot.cli.console import Overwrite, Tally, emit, people, print_error, progress, require_one_of, say, write_text
from lungspot.cli.data_options import Classes
from lungspot.cli.prior_option import PriorFilms
from lungspot.cli.site_option import PointOption, SiteFile, detector_of, model_inputs
from lungspot.errors import FilmError, LungspotError, printable
from lungspot.outputs import writing

if TYPE_CHECKING:
    from lungspot.formats import CocoIds
    from lungspot.pipeline import Film
    from lungspot.priors import EarlierFilms
    from lungspot.report import Analysis, Before, Refusal, Review
    from lungspot.sources import FilmSource

__all__ = ["DetectCommand", "detect", "report_refusal"]

_TABLE: Final = "table"
_ROWS: Final = "csv"  # the form of a whole run that standard output has film by film
_MOST_STDIN: Final = 512 << 20
_MANY: Final = 20  # films from which on a process of its own for their decoding pays for its start


class DetectCommand(TyperCommand):
    """The verb, whose help names every form that results have: their rooms are asked where help or options are."""

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - as Typer's own, whose types are private
        """Return the options, with the forms in the help of ``--format``."""
        from lungspot.report import formats_in_words
        from lungspot.results import RUN_FILES

        option: Any = next(each for each in self.params if each.name == "formats")
        option.help = option.help.replace("{FORMATS}", formats_in_words()).replace("{RUN_FILES}", ", ".join(RUN_FILES))
        return super().get_params(ctx)


def detect(
    films: Annotated[list[str], typer.Argument(help="Films, folders of films, zip archives, or - for standard input.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="A folder for the results; for one film, a file.")
    ] = None,
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            help="table, {FORMATS}; one file for all films: {RUN_FILES}, the register a screening programme's. "
            "Several with commas.",
            metavar="LIST",
        ),
    ] = "",
    min_score: Annotated[
        float | None, typer.Option(help="Report boxes from this score, not the operating point's.", min=0, max=1)
    ] = None,
    operating_point: PointOption = "balanced",
    heatmap: Annotated[bool, typer.Option("--heatmap", help="Show activation maps in the PNG.")] = False,
    anatomy: Annotated[
        bool, typer.Option("--anatomy", help="Show heart and lungs in PNG, page and SR, where they could be outlined.")
    ] = False,
    experimental: Annotated[
        bool, typer.Option("--experimental", help="Say the model's experimental labels too, marked as such.")
    ] = False,
    language: Annotated[str, typer.Option(help="Of the report to copy: en or de.", metavar="CODE")] = "en",
    reviews: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Readers' reviews (a server's v1/reviews.json), to count in text, page, FHIR and SR."
        ),
    ] = None,
    coco_ids: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A COCO file whose ids `--format coco` takes, for COCO(FILE).loadRes(…)."),
    ] = None,
    class_map: Classes = None,
    screen: Annotated[
        str, typer.Option(metavar="LABEL", help="What `--format register` screens people for.")
    ] = "tuberculosis",
    sr_class: Annotated[
        str, typer.Option(help="comprehensive, or comprehensive3d as IHE AI Results asks.")
    ] = "comprehensive",
    model: Annotated[str, typer.Option(help="A model file made by `lungspot export`.")] = "default",
    site: SiteFile = None,
    prior: PriorFilms = None,
    overwrite: Overwrite = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No banner, no progress.")] = False,
) -> None:
    """Find and box disease in chest X-rays.

    A table on a terminal, one JSON document a line in a pipe. Results come in the order of the films; a film that
    cannot be read or judged is named on stderr and does not stop the rest.
    """
    from lungspot.detect import OPERATING_POINTS
    from lungspot.images import use_fork_server
    from lungspot.pipeline import analyze_all
    from lungspot.report import DICOM_KINDS, LANGUAGES, SR_CLASSES, read_reviews, require_dicom, require_screened
    from lungspot.sources import films_in

    kinds = _formats(formats, out)
    require_one_of(operating_point, OPERATING_POINTS, "--operating-point")
    require_one_of(sr_class, SR_CLASSES, "--sr-class")
    require_one_of(language, LANGUAGES, "--language")
    if set(kinds) & set(DICOM_KINDS):
        require_dicom()
    ours: list[Path] = []
    sources = list(films_in(films, stream=cache(_standard_input), left_out=ours.append))
    if ours and not quiet:
        say(f"lungspot: {len(ours)} files that lungspot wrote are left out")
    looks = {"heatmap": heatmap, "sr_class": sr_class, "experimental": experimental, "language": language}
    looks["anatomy"] = anatomy
    known = {} if reviews is None else read_reviews(reviews)
    ids = _ids_of(coco_ids, kinds, class_map)
    results: list[Path] = []
    priors = list(films_in(prior or (), left_out=results.append))
    read = [*model_inputs(model, site), *(path for path in (reviews, coco_ids) if path is not None)]
    read += [source.file for source in priors if source.file is not None]
    forms = _Forms(kinds, out, sources, looks, known, ids, one=len(films) == 1, overwrite=overwrite, inputs=read)
    # Of many films one is judged while the next are decoded; the number of threads changes no result.
    detector = detector_of(model, site, threads=2 if len(sources) == 1 else 1)
    if "register" in kinds:
        forms.screen_for(require_screened(detector.card, screen))
    earlier = None
    if priors:
        from lungspot.priors import EarlierFilms, belong_together

        try:
            earlier = EarlierFilms(
                priors,
                detector,
                results=results,
                point=operating_point,
                min_score=min_score,
                experimental=experimental,
                together=belong_together(sources, prior or ()),
            )
        except FilmError as error:
            raise error.at("--prior") from None
        for fault in earlier.faults:
            print_error(fault)
    if not quiet and sys.stderr.isatty():
        say(f"lungspot: {BANNER}")
    tally = Tally()
    every = (source.film for source in sources)
    found = analyze_all(every, detector, point=operating_point, min_score=min_score)
    still = quiet or _TABLE in kinds
    with writing(), use_fork_server() if len(sources) > _MANY else nullcontext():
        for number, result in enumerate(progress(found, "Reading", total=len(sources), quiet=still)):
            film = sources[number].film
            before = None if earlier is None else _before(earlier, result, film)
            _account(result, film.name, tally, forms.give(number, result, film, before))
        written = forms.end(tally, quiet=quiet)
    if not quiet and out is not None and tally.done:
        say(f"lungspot: {written} files in {printable(str(out))}")
    raise typer.Exit(tally.exit_code)


class _Forms:
    """The forms that were asked for: a film's at once, on stdout or in files of its own; a run's at its end."""

    def __init__(
        self,
        kinds: Sequence[str],
        out: Path | None,
        sources: Sequence[FilmSource],
        looks: Mapping[str, Any],
        reviews: Mapping[str, Review],
        ids: CocoIds | None,
        *,
        one: bool,
        overwrite: bool,
        inputs: Sequence[Path],
    ) -> None:
        from lungspot.results import RUN_FILES, Results, RunFiles

        self._kinds, self._out, self._looks, self._single = kinds, out, looks, len(sources) == 1
        self._reviews = reviews
        self._of_run = of_run = [kind for kind in kinds if kind in RUN_FILES]
        files = [kind for kind in kinds if kind not in {_TABLE, *RUN_FILES}]
        self._run = self._results = None
        if of_run:
            how_run: dict[str, Any] = {"overwrite": overwrite, "ids": ids, "inputs": inputs}
            self._run = RunFiles(out, of_run, sources, alone=not files, **how_run)
        if out is not None and (files or not of_run):
            one = one and len(files) == 1 and not of_run
            how: dict[str, Any] = {"looks": looks, "reviews": reviews, "inputs": inputs}
            self._results = Results(out, files, sources, one=one, overwrite=overwrite, **how)

    def screen_for(self, label: str) -> None:
        """Say which label the register is of; the model looks for it."""
        if self._run is not None:
            self._run.screen = label

    def give(
        self, number: int, result: Analysis | Refusal, film: Film, before: Before | None = None
    ) -> list[LungspotError]:
        """Give one film's result in every form; return why any that was asked for could not be made."""
        faults = [] if self._results is None else self._results.write(number, result, film, before)
        for kind in [one for one in _PRINTED if self._out is None and one in self._kinds]:
            heading = None if self._single else film.name
            _PRINTED[kind](result, heading, self._looks, {"review": self._review_of(result), "before": before})
        if self._run is not None:
            rows = self._run.add(result, film)
            if self._out is None and _ROWS in self._kinds:
                write_text(rows)
        if _TABLE in self._kinds:
            _print_table(result, film.name, experimental=self._looks["experimental"], before=before)
        return faults

    def _review_of(self, result: Analysis | Refusal) -> Review | None:
        from lungspot.report import Refusal

        return None if isinstance(result, Refusal) else self._reviews.get(result.radiograph.origin.sha256)

    def end(self, tally: Tally, *, quiet: bool) -> int:
        """Give what one file holds of the whole run; return how many files were written."""
        written = 0 if self._results is None else self._results.written
        if self._run is None:
            return written
        for kind in self._of_run if self._out is None else ():
            if kind != _ROWS:
                write_text(self._run.text(kind))
        strangers, left_out = self._run.missed()
        for error in strangers:
            tally.refuse(error)
            tally.done -= 1
        for label, number in {} if quiet else left_out.items():
            say(f"lungspot: {number} boxes of {label} are left out: the COCO file has no category for it")
        return written + self._run.write()


def _print_document(
    result: Analysis | Refusal, _heading: str | None, looks: Mapping[str, Any], told: Mapping[str, Any]
) -> None:
    """Write a film's document on stdout, in one line."""
    from lungspot.report import document

    emit(document(result, language=looks["language"], **told))


def _print_report(
    result: Analysis | Refusal, heading: str | None, looks: Mapping[str, Any], told: Mapping[str, Any]
) -> None:
    """Write a report to copy on stdout, below its heading where it has one."""
    from lungspot.report import report_text

    words = report_text(result, language=looks["language"], experimental=looks["experimental"], **told)
    write_text(words.text if heading is None else f"== {printable(heading)}\n{words.text}\n")


# The forms of one film that standard output can take, and what writes them there.
_PRINTED: Final = {"json": _print_document, "text": _print_report}


def report_refusal(result: Analysis, name: str) -> None:
    """Say on stderr, in one line, that a film was not assessed and why."""
    from lungspot.report import NOT_ASSESSED, statement

    codes = ", ".join(result.reasons)
    say(printable(f"lungspot: {NOT_ASSESSED.lower()}: {name}: {codes}: {statement(result).because}"))


def _print_table(result: Analysis | Refusal, name: str, *, experimental: bool, before: Before | None = None) -> None:
    from lungspot.report import Refusal, report_text, table

    if isinstance(result, Refusal):
        return
    people().print(table(result, name, experimental=experimental))
    if before is not None:
        people().print(report_text(result, experimental=experimental, before=before).comparison, markup=False)


def _before(earlier: EarlierFilms, result: Analysis | Refusal, film: Film) -> Before | None:
    """Return the film that one is compared with; say on stderr why there is none, or what is doubtful about it."""
    before, words = earlier.before(result, film)
    if words:
        how = "compared with an earlier film" if before is not None else "not compared with an earlier film"
        say(printable(f"lungspot: {film.name}: {how}: {words}"))
    return before


def _account(result: Analysis | Refusal, name: str, tally: Tally, faults: Sequence[LungspotError]) -> None:
    from lungspot.report import Refusal

    if isinstance(result, Refusal):
        tally.refuse(result.error)
        return
    for fault in faults:
        print_error(fault)
    if faults:
        tally.refused += 1
    elif result.assessed:
        tally.done += 1
    else:
        tally.refused += 1
        report_refusal(result, name)


def _formats(text: str, out: Path | None) -> tuple[str, ...]:
    from lungspot.report import FORMATS
    from lungspot.results import RUN_FILES, form_named

    named = None if out is None else form_named(out)
    default = named or ("json,png" if out else _TABLE if sys.stdout.isatty() else "json")
    kinds = tuple(part.strip() for part in (text or default).split(",") if part.strip())
    known = (_TABLE, *FORMATS, *RUN_FILES)
    if not kinds or not set(kinds) <= set(known):
        raise typer.BadParameter(f"{text!r}: give some of {', '.join(known)}", param_hint="--format")
    if out is None and not set(kinds) <= {_TABLE, *_PRINTED, *RUN_FILES}:
        raise typer.BadParameter("pictures, pages, DICOM and FHIR need a place: give --out", param_hint="--format")
    if out is None and len(set(kinds)) > 1:
        raise typer.BadParameter(
            f"{' and '.join(kinds)} cannot share standard output: give --out", param_hint="--format"
        )
    return kinds


def _ids_of(path: Path | None, kinds: Sequence[str], class_map: list[str] | None) -> CocoIds | None:
    if path is None:
        if class_map:
            raise typer.BadParameter("only the categories of --coco-ids are classes here", param_hint="--class-map")
        return None
    if "coco" not in kinds:
        raise typer.BadParameter("only COCO's results have ids: give --format coco", param_hint="--coco-ids")
    from lungspot.formats import read_class_map, read_coco_ids

    return read_coco_ids(path, read_class_map(class_map))


def _standard_input() -> bytes:
    data = sys.stdin.buffer.read(_MOST_STDIN + 1)
    if len(data) > _MOST_STDIN:
        raise FilmError("TOO_LARGE", "-", f"more than {_MOST_STDIN >> 20} MiB")
    return data
