"""Where `lungspot data` takes its cases from, and where it puts them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from lungspot.cli.console import Exit, emit, print_error, progress, require_one_of, say
from lungspot.errors import SetupError, printable
from lungspot.outputs import Outputs

if TYPE_CHECKING:
    from lungspot.formats import Case, ClassMap, Problem, Split

__all__ = [
    "cases_of",
    "class_map_of",
    "fractions_of",
    "label_ids",
    "need_folder_of",
    "problems_of",
    "say_classes",
    "show",
    "site_classes",
    "united",
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
    """Return :func:`lungspot.datasets.cases_of_source`; a name that is none is a usage error.

    ``class_map``: words of ``--class-map``, or ``classes`` made of them. Unless ``quiet``, one line says what became of
    every class of a tool's files. ``merged``: one case a film (:func:`united`).
    """
    from lungspot.datasets import SOURCE_NAMES, cases_of_source
    from lungspot.formats import read_class_map

    require_one_of(name, SOURCE_NAMES, "NAME")
    classes = classes or read_class_map(class_map)
    cases = cases_of_source(name, root, splits, classes=classes)
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
    from lungspot.datasets import SOURCE_NAMES, check
    from lungspot.formats import read_class_map

    require_one_of(name, SOURCE_NAMES, "NAME")
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
    from lungspot.formats import FilmTransfer, boxes_unsaid, write_cases

    def tell_crowds(crowds: int) -> None:
        if not quiet:
            say(f"lungspot: {crowds} boxes around several instances are left out: only coco can say them")

    written = write_cases(
        *(cases, out, to),
        films=FilmTransfer(films),
        progress=partial(progress, what="Writing films", quiet=quiet),
        outputs=Outputs([*inputs, *(case.image for case in cases if case.image is not None)], overwrite=overwrite),
        refuse=print_error,
        left_out=tell_crowds,
    )
    unsaid = 0 if quiet else boxes_unsaid(written, out, to)
    if unsaid:
        say(
            f"lungspot: {unsaid} boxes lie off their films or have no width: {to} has them in lungspot's extension only"
        )
    if as_json:
        emit({"out": str(out), "format": to, "films": len(written), "refused": len(cases) - len(written)})
    elif not quiet:
        say(printable(f"{out}: {len(written)} films as {to}"))
    if len(written) < len(cases):
        raise typer.Exit(Exit.SOME_REFUSED)


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


def label_ids(names: Iterable[str] | None) -> list[str]:
    """Return the ids of labels given by id or by any name; raises ``UNKNOWN_LABEL``."""
    from lungspot.findings import label_id

    return [label_id(name) for name in names or ()]
