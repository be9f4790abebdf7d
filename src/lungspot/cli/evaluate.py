"""``lungspot eval``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from lungspot.cli.console import Exit, Overwrite, emit, print_error, progress, say
from lungspot.cli.data_options import Classes
from lungspot.cli.data_sources import class_map_of, label_ids
from lungspot.cli.truth_options import truth_cases
from lungspot.errors import LungspotError, printable
from lungspot.outputs import Outputs

if TYPE_CHECKING:
    from lungspot.evaluate import Summary

__all__ = ["evaluate"]

_MOST_LINES: Final = 20


def evaluate(
    truth: Annotated[
        str, typer.Argument(metavar="TRUTH", help="NAME:ROOT of a dataset or format (nih:data/nih), or a COCO file.")
    ],
    predicted: Annotated[
        str,
        typer.Argument(
            metavar="PREDICTED",
            help="lungspot/1 JSON Lines, a folder of them or of batch, COCO; readers or reader:NAME to judge people.",
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder to write the report into.")] = Path("report"),
    by: Annotated[
        str, typer.Option(help="Parts of the films: source, view, sex, age, stored, size; several with commas.")
    ] = "source",
    other: Annotated[
        str | None, typer.Option("--compare", help="Another model's predictions of the same films.")
    ] = None,
    ci: Annotated[float, typer.Option(help="Per cent of the intervals.", min=50, max=99.9)] = 95.0,
    resamples: Annotated[int, typer.Option(help="Resamples of patients.", min=1, max=100_000)] = 1000,
    seed: Annotated[int, typer.Option(help="Another number draws other resamples.", min=0)] = 0,
    splits: Annotated[Path | None, typer.Option("--splits", help="A CSV of image, patient, split.")] = None,
    split: Annotated[str | None, typer.Option(help="Only the films of this split: train, val or test.")] = None,
    class_map: Classes = None,
    label: Annotated[list[str] | None, typer.Option("--label", help="Only this label; may be given again.")] = None,
    looked_for_all: Annotated[
        bool, typer.Option("--exhaustive", help="On every film of TRUTH people looked for every label (plain COCO).")
    ] = False,
    certain: Annotated[
        bool, typer.Option("--certain", help="Leave out labels where a film's truth is doubtful.")
    ] = False,
    threshold: Annotated[
        float | None, typer.Option(help="What counts as positive, in place of what the predictions name.", min=0, max=1)
    ] = None,
    shortcut: Annotated[
        str | None,
        typer.Option(
            "--shortcuts", metavar="MODEL", help="Look for this model's shortcuts; `default` is the shipped one."
        ),
    ] = None,
    films: Annotated[int, typer.Option(help="Films of each kind in the gallery; 0: none.", min=0, max=50)] = 6,
    overwrite: Overwrite = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No summary.")] = False,
) -> None:
    """Judge predictions, or people, against a dataset: one report with intervals over patients.

    Films that only one side has, that cannot be read or were not assessed are named and left out of the numbers.
    """
    from lungspot.evaluate import (
        DIVISIONS,
        EvaluationSettings,
        evaluate_films,
        folder_of,
        names_people,
        truth_source,
    )

    divisions = tuple(part.strip() for part in by.split(",") if part.strip())
    if unknown := set(divisions) - set(DIVISIONS):
        raise typer.BadParameter(
            f"{', '.join(sorted(unknown))}: give some of {', '.join(DIVISIONS)}", param_hint="--by"
        )
    name, root = truth_source(truth)
    outputs = _outputs(out, [root, predicted, other, splits], overwrite=overwrite)
    classes = class_map_of(class_map)
    cases = truth_cases(name, root, splits, split, classes, looked_for_all=looked_for_all, quiet=quiet)
    if names_people(predicted) and (other is not None or shortcut is not None):
        raise typer.BadParameter("people are compared with each other, and take no model", param_hint="PREDICTED")
    summary = evaluate_films(
        cases,
        predicted,
        EvaluationSettings(divisions, ci, resamples, seed),
        truth=(name, root),
        other=other,
        labels=label_ids(label),
        certain=certain,
        threshold=threshold,
        names=classes,
        model=shortcut,
        refuse=partial(_say_problems, quiet=quiet),
        progress=partial(progress, what="Looking for shortcuts", quiet=quiet),
    )
    about = [f"Truth: {name} in {root.name}. Judged: {Path(predicted).name}."]
    title = f"lungspot evaluation: {Path(predicted).name}"
    for file, text in folder_of(summary, title=title, films=films, about=about).items():
        outputs.write(out / file, text.encode(errors="backslashreplace"))
    _say_summary(summary, out, quiet=quiet)
    raise typer.Exit(Exit.SOME_REFUSED if summary.document["problems"] else Exit.DONE)


def _outputs(out: Path, read: Sequence[str | Path | None], *, overwrite: bool) -> Outputs:
    """Return what may be written, once every file of the report may be; ``read``: the files and folders of inputs."""
    from lungspot.evaluate import FILES
    from lungspot.formats import inputs_of

    outputs = Outputs(inputs_of(Path(each) for each in read if each is not None), overwrite=overwrite)
    for file in FILES:
        outputs.require(out / file)
    return outputs


def _say_summary(summary: Summary, out: Path, *, quiet: bool) -> None:
    from lungspot.evaluate import notes

    mean = summary.document["mean"]
    emit(
        {
            "out": str(out),
            "films": summary.document["films"],
            "refused": len(summary.document["problems"]),
            "mean": {key: mean[key]["value"] for key in ("ap0.4", "wafroc", "cpm", "t_iou0.4", "auroc") if key in mean},
            "not_for_clinical_use": True,
        }
    )
    if not quiet:
        for line in notes(summary.document):
            say(printable(f"lungspot: {line}"))
        say(printable(f"lungspot: {out / 'report.html'}"))


def _say_problems(problems: Sequence[LungspotError], *, quiet: bool) -> None:
    shown = problems[:_MOST_LINES] if quiet else problems
    for problem in shown:
        print_error(problem)
    if len(shown) < len(problems):
        say(f"lungspot: and {len(problems) - len(shown)} more, in report.json")
