"""Where `lungspot data` takes its cases from, and where it puts them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from lungspot.cli.console import Exit, emit, print_error, progress, require_one_of, say
from lungspot.errors import DatasetError, FilmError, SetupError, printable
from lungspot.outputs import Outputs, writing

if TYPE_CHECKING:
    from lungspot.findings import Reading
    from lungspot.formats import AnnotatedImage, Case, ClassMap, Problem, Split

__all__ = [
    "cases_of",
    "class_map_of",
    "fractions_of",
    "label_ids",
    "need_folder_of",
    "problems_of",
    "proposer",
    "say_classes",
    "show",
    "site_classes",
    "split_base",
    "united",
    "with_whole_films",
    "worth_drawing",
    "write",
]


def cases_of(
    name: str,
    root: Path,
    splits: Path | None = None,
    *,
    merged: bool = False,
    class_map: list[str] | None = None,
    classes: ClassMap | None = None,
    quiet: bool = True,
) -> list[Case]:
    """Return :func:`lungspot.datasets.sources.cases_of`; a name that is none is a usage error.

    ``class_map``: words of ``--class-map``, or ``classes`` made of them. Unless ``quiet``, one line says what became of
    every class of a tool's files. ``merged``: one case a film (:func:`united`).
    """
    from lungspot.datasets import sources
    from lungspot.formats import read_class_map

    require_one_of(name, sources.NAMES, "NAME")
    classes = classes or read_class_map(class_map)
    cases = sources.cases_of(name, root, splits, classes=classes)
    if not quiet:
        say_classes(classes)
    return united(cases, quiet=quiet) if merged else cases


def united(cases: Sequence[Case], *, quiet: bool) -> list[Case]:
    """Return one case a film; unless ``quiet``, one line says how many boxes two equal readings of a film hold."""
    from lungspot.datasets import merge, repeated_boxes

    merged = merge(cases)
    twice = repeated_boxes(cases, merged)
    if twice and not quiet:
        say(f"lungspot: {twice} boxes are left out: another entry of the same film has them, too")
    return merged


def class_map_of(words: list[str] | None) -> ClassMap:
    """Return the class map that ``--class-map`` says; raises :class:`InputError`."""
    from lungspot.formats import read_class_map

    return read_class_map(words)


def say_classes(classes: ClassMap) -> None:
    """Say on stderr what became of every class, where a tool's files named any."""
    if line := classes.summary():
        say(printable(f"lungspot: classes: {line}"))


def site_classes(class_map: list[str] | None, data: Path) -> ClassMap:
    """Return what the classes of a site's own folder mean; a usage error where ``data`` is none."""
    from lungspot.train import is_site

    if class_map and not is_site(data):
        raise typer.BadParameter("only a site's own annotations.json has classes to map", param_hint="--class-map")
    return class_map_of(class_map)


def problems_of(
    name: str,
    root: Path,
    splits: Path | None,
    films: Literal["skip", "open", "compare"],
    progress: Callable[[Sequence[Path]], Iterable[Path]],
    class_map: list[str] | None,
    *,
    quiet: bool,
) -> tuple[Problem, ...]:
    """Return :func:`lungspot.datasets.check.check`; a name that is none is a usage error."""
    from lungspot.datasets import check, sources
    from lungspot.formats import read_class_map

    require_one_of(name, sources.NAMES, "NAME")
    classes = read_class_map(class_map)
    found = check(name, root, splits=splits, films=films, progress=progress, classes=classes)
    if not quiet:
        say_classes(classes)
    return found


def write(
    cases: Sequence[Case],
    out: Path,
    to: str,
    films: str,
    *,
    inputs: Iterable[Path],
    overwrite: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write cases in a tool's format, and say so; ends with 1 where films were refused.

    ``inputs``: what was read, beside the cases' films; none of it is replaced.
    """
    from lungspot.formats import ANNOTATION_FORMATS, FilmTransfer, without_crowds

    outputs = Outputs([*inputs, *(case.image for case in cases if case.image is not None)], overwrite=overwrite)
    given, cases = len(cases), with_whole_films(cases)
    if to != "coco":
        cases, crowds = without_crowds(cases)
        if crowds and not quiet:
            say(f"lungspot: {crowds} boxes around several instances are left out: only coco can say them")
    with writing():
        bar = partial(progress, what="Writing films", quiet=quiet)
        ANNOTATION_FORMATS[to].write(cases, out, films=FilmTransfer(films), progress=bar, outputs=outputs)
    unsaid = 0 if quiet else _unsaid(cases, ANNOTATION_FORMATS[to].annotated_images(out))
    if unsaid:
        say(
            f"lungspot: {unsaid} boxes lie off their films or have no width: {to} has them in lungspot's extension only"
        )
    if as_json:
        emit({"out": str(out), "format": to, "films": len(cases), "refused": given - len(cases)})
    elif not quiet:
        say(printable(f"{out}: {len(cases)} films as {to}"))
    if len(cases) < given:
        raise typer.Exit(Exit.SOME_REFUSED)


def _unsaid(cases: Iterable[Case], written: Iterable[AnnotatedImage]) -> int:
    """Return how many boxes of the cases are none in the tool's own words, read back from what was written."""
    kept: Counter[tuple[str, str]] = Counter()
    for one in written:
        if one.case_json is not None:
            kept[one.case_json["dataset"], one.case_json["id"]] += len(one.marks)
    given: Counter[tuple[str, str]] = Counter()
    for case in cases:
        findings = (finding for reading in case.readings for finding in reading.findings)
        given[case.dataset, case.id] += sum(finding.box is not None for finding in findings)
    return (given - kept).total()


def with_whole_films(cases: Sequence[Case]) -> list[Case]:
    """Return the cases whose film, if they have one, says its size; the others are one line each on stderr.

    Raises the error of the first where none is left, so that one bad film never stops the rest.
    """
    from lungspot.formats import film_size

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
    for refusal in refused:
        print_error(refusal)
    return kept


def need_folder_of(out: Path) -> None:
    """Raise ``NOT_WRITABLE`` where the folder that a file is to be written into is not there."""
    if not out.parent.is_dir():
        raise SetupError("NOT_WRITABLE", out, "its folder does not exist")


def show(lines: Iterable[str]) -> None:
    """Write lines on stdout, safe for a terminal."""
    sys.stdout.writelines(f"{printable(line)}\n" for line in lines)


def fractions_of(text: str) -> dict[Split, float]:
    """Return the fractions that ``0.8,0.1,0.1`` means."""
    from lungspot.formats import Split

    try:
        return {side: float(word) for side, word in zip(Split, text.split(","), strict=True)}
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not three numbers with commas", param_hint="--fractions") from None


def split_base(cases: Iterable[Case], out: Path, root: Path) -> Path:
    """Return the folder that a split's paths start from: the CSV's, else the dataset's, else the one above that."""
    images = [case.image for case in cases if case.image is not None]
    bases = (out.parent, root, root.parent)
    return next((base for base in bases if all(image.is_relative_to(base) for image in images)), bases[0])


def label_ids(names: Iterable[str] | None) -> list[str]:
    """Return the ids of labels given by id or by any name; raises ``UNKNOWN_LABEL``."""
    from lungspot.findings import label_id

    return [label_id(name) for name in names or ()]


def proposer(model: str) -> Callable[[Case], Reading | None]:
    """Return what gives a model's reading of a case's film, or None where it cannot be read or judged."""
    from lungspot.detect import load_detector
    from lungspot.pipeline import analyze

    detector = load_detector(model)

    def propose(case: Case) -> Reading | None:
        try:
            return None if case.image is None else analyze(case.image, detector).reading
        except FilmError:
            return None

    return propose


def worth_drawing(cases: Sequence[Case], labels: Sequence[str]) -> list[Case]:
    """Return the cases with boxes of ``labels`` (none: of any), else all; and of those the ones whose film is here."""
    boxed = [
        case
        for case in cases
        if any(f.box is not None and (not labels or f.label in labels) for r in case.readings for f in r.findings)
    ]
    some = boxed or ([] if labels else list(cases))
    return [case for case in some if case.image is not None] or some
