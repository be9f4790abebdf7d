"""``lungspot data convert predictions``: what ``lungspot detect`` found, in the forms of other tools."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lungspot.cli.console import Exit, emit, print_error, progress, require_one_of, say
from lungspot.errors import printable

if TYPE_CHECKING:
    from lungspot.datasets import ResultStats
    from lungspot.formats import Case, CocoIds, Prediction

__all__ = [
    "PREDICTIONS",
    "Anything",
    "CocoIdsOf",
    "ConvertTo",
    "Roots",
    "convert_predictions",
    "counted",
    "one_root",
    "predicted_cases",
    "tell_left_out",
]

PREDICTIONS = "predictions"  # what stands in a dataset's place


Anything = Annotated[
    str, typer.Argument(metavar="NAME", help="A dataset (nih, …), a format (coco, …), all, or predictions.")
]
Roots = Annotated[
    list[Path], typer.Argument(metavar="ROOT…", help="Its folder; of predictions, files and folders of lungspot/1.")
]


def _known_target(name: str) -> str:
    from lungspot.formats import ANNOTATION_FORMATS, PREDICTION_FORMATS

    require_one_of(name, dict.fromkeys((*ANNOTATION_FORMATS, *PREDICTION_FORMATS)), "--to")
    return name


ConvertTo = Annotated[
    str,
    typer.Option(
        "--to",
        metavar="FORMAT",
        callback=_known_target,
        help="The format to write: one of docs/reference/formats.md; csv holds predictions only.",
    ),
]


def one_root(name: str, roots: Sequence[Path], to: str) -> Path:
    """Return the folder of a dataset; several, and csv, are a usage error."""
    from lungspot.formats import ANNOTATION_FORMATS

    if len(roots) > 1 or to not in ANNOTATION_FORMATS:
        raise typer.BadParameter(f"only predictions are of several files, or written as csv; not {name}")
    return roots[0]


CocoIdsOf = Annotated[
    Path | None,
    typer.Option(
        "--coco-ids",
        metavar="FILE",
        help="Of COCO: a COCO file of one's own, whose ids the results take, for COCO(FILE).loadRes(…).",
    ),
]


def tell_left_out(predictions: Sequence[Prediction], ids: CocoIds) -> None:
    """Say on stderr how many boxes are of no category of somebody's COCO file."""
    from lungspot.formats import in_the_file

    for label, number in in_the_file(predictions, ids)[2].items():
        say(printable(f"lungspot: {number} boxes of {label} are left out: {ids.path} has no category for it"))


def counted(path: Path) -> ResultStats | None:
    """Return the counts of a folder of ``lungspot batch``; None where its documents have to be looked at one by one."""
    from lungspot.datasets import result_stats
    from lungspot.formats import is_result_folder

    return result_stats(path) if is_result_folder(path) else None


def predicted_cases(path: Path) -> list[Case]:
    """Return what ``lungspot detect`` or ``batch`` found, film by film, as cases; films not assessed are left out."""
    from lungspot.formats import predicted_cases as cases_in

    found, refused = cases_in(path)
    for error in refused:
        print_error(error)
    return found


def convert_predictions(
    files: Sequence[Path],
    out: Path,
    to: str,
    films: str,
    coco_ids: Path | None,
    *,
    class_map: list[str] | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write the predictions of ``lungspot/1`` files in a tool's format; ends with 1 where some were refused."""
    from lungspot.formats import (
        PREDICTION_FORMATS,
        FilmTransfer,
        read_class_map,
        read_coco_ids,
        read_predictions,
        write_predictions,
    )

    if to not in PREDICTION_FORMATS:
        reason = f"{to} cannot say how sure a model is: give one of {', '.join(PREDICTION_FORMATS)}"
        raise typer.BadParameter(reason, param_hint="--to")
    if coco_ids is not None and to != "coco":
        raise typer.BadParameter("only COCO's results have ids: give --to coco", param_hint="--coco-ids")
    ids = None if coco_ids is None else read_coco_ids(coco_ids, read_class_map(class_map))
    pairs = [read_predictions(file) for file in files]
    found = [prediction for some, _ in pairs for prediction in some]
    refused = [error for _, some in pairs for error in some]
    if refused and not found:
        raise refused[0]
    bar = partial(progress, what="Writing films", quiet=quiet)
    how = FilmTransfer(films)
    inputs = [*files, *([] if coco_ids is None else [coco_ids])]
    left = write_predictions(found, out, to, films=how, overwrite=overwrite, inputs=inputs, progress=bar, ids=ids)
    for error in (*refused, *left):
        print_error(error)
    if ids is not None and not quiet:
        tell_left_out(found, ids)
    unread = sum(not prediction.assessed for prediction in found)
    written = len(found) - unread - len(left)
    if as_json:
        numbers = {"films": written, "not_assessed": unread, "refused": len(refused) + len(left)}
        emit({"out": str(out), "format": to, **numbers})
    elif not quiet:
        told = f"; {unread} films that were not assessed are no films of it" if unread else ""
        say(printable(f"{out}: predictions of {written} films as {to}{told}"))
    if refused or left:
        raise typer.Exit(Exit.SOME_REFUSED)
