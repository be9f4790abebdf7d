"""``lungspot calibrate``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from lungspot.cli.console import Exit, Overwrite, aligned, emit, print_error, say
from lungspot.cli.data_options import Classes
from lungspot.cli.data_sources import class_map_of, label_ids
from lungspot.cli.truth_options import truth_cases
from lungspot.errors import DatasetError, printable
from lungspot.outputs import Outputs

__all__ = ["calibrate"]

_MOST_LINES = 20


def calibrate(
    truth: Annotated[
        str,
        typer.Argument(
            metavar="TRUTH", help="NAME:ROOT of a dataset or format (nih:data/nih), a COCO file, or a CSV of labels."
        ),
    ],
    predicted: Annotated[
        Path,
        typer.Argument(
            metavar="PREDICTED",
            help="lungspot/1 JSON Lines, a folder of them, COCO, or a CSV of any tool's scores (may be TRUTH's).",
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The site file to write.")] = Path("site.json"),
    name: Annotated[str | None, typer.Option(help="What results call the site; the file's name if not given.")] = None,
    goal: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[LABEL:]LEVEL:POINT:WISH=VALUE[@PER CENT]",
            help="film:balanced:sensitivity=0.9, tuberculosis:film:specific:specificity=0.95@90, box:balanced:fp=0.25, "
            "film:balanced:cost=10; may be repeated.",
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option("--label", help="Only this label; may be given again. What score and reference of a CSV are of."),
    ] = None,
    prevalence: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL=SHARE", help="Of films to come, where it is not that of these; may be repeated."),
    ] = None,
    iou: Annotated[float, typer.Option(help="From which overlap a box is right: 0.1, 0.3, 0.4, 0.5 …")] = 0.4,
    ci: Annotated[float, typer.Option(help="Per cent of the intervals.", min=50, max=99.9)] = 95.0,
    width: Annotated[
        float, typer.Option(help="Of an interval: how many more people would make it so narrow?", min=0.01, max=0.9)
    ] = 0.1,
    coverage: Annotated[
        float, typer.Option(help="Per cent of true names that prediction sets over look-alikes keep.", min=50, max=99)
    ] = 90.0,
    splits: Annotated[Path | None, typer.Option("--splits", help="A CSV of image, patient, split.")] = None,
    split: Annotated[str | None, typer.Option(help="Only the films of this split: train, val or test.")] = None,
    class_map: Classes = None,
    looked_for_all: Annotated[
        bool, typer.Option("--exhaustive", help="On every film of TRUTH people looked for every label (plain COCO).")
    ] = False,
    certain: Annotated[
        bool, typer.Option("--certain", help="Leave out labels where a film's truth is doubtful.")
    ] = False,
    overwrite: Overwrite = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No table.")] = False,
) -> None:
    """Set thresholds and probabilities from your own films whose truth is known, for `--site`.

    What too few films can promise is refused, with how many it would take; the model's own thresholds then stay.
    """
    from lungspot.adapt import (
        CalibrationSettings,
        calibrate_site,
        is_table,
        local_films,
        parse_goal,
        parse_prevalence,
        read_truth,
    )
    from lungspot.evaluate import coco_truth, truth_source, truths
    from lungspot.formats import films_of, inputs_of

    goals = tuple(parse_goal(text) for text in goal or ())
    wanted = label_ids(label)
    classes = class_map_of(class_map)
    settings = CalibrationSettings(goals, iou, dict(map(parse_prevalence, prevalence or ())), ci, width, coverage)
    source, root = truth_source(truth)
    outputs = Outputs(inputs_of([root, Path(truth), predicted, splits], out=[out]), overwrite=overwrite)
    outputs.require(out)

    table = is_table(Path(truth))
    cases = (
        [] if table else truth_cases(source, root, splits, split, classes, looked_for_all=looked_for_all, quiet=quiet)
    )
    outputs.protect(films_of(cases))
    outputs.require(out)
    known = read_truth(Path(truth), wanted, classes) if table else truths(cases, source, certain=certain)
    local, problems = local_films(
        known, predicted, wanted, classes, None if is_table(root) else coco_truth(source, root)
    )
    for problem in problems[:_MOST_LINES]:
        print_error(problem)
    if local is None:
        advice = "the lines above say why; TRUTH and PREDICTED must be of the same films"
        raise DatasetError("DATASET_INCOMPLETE", predicted, "no film can be judged", advice=advice)
    if len(problems) > _MOST_LINES:
        say(f"lungspot: and {len(problems) - _MOST_LINES} more films")
    made = calibrate_site(local, settings, name=name or out.stem, made=date.today().isoformat())  # noqa: DTZ011
    for refusal in made.refused:
        print_error(refusal)
    if not made.promised:
        raise typer.Exit(Exit.NOTHING_DONE)
    made.document["films"] |= {"refused": len(problems), "truth": Path(root).name, "predicted": predicted.name}
    outputs.write(out, (json.dumps(made.document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())
    emit(
        {
            "out": str(out),
            "films": local.films,
            "people": local.people,
            "refused": len(problems),
            "thresholds": made.promised,
            "not_promised": [{"where": each.where, "code": each.code} for each in made.refused],
            "not_for_clinical_use": True,
        }
    )
    if not quiet:
        for line in _table(made.document):
            say(printable(line))
        if not (local.model or {}).get("sha256"):
            say("lungspot: the predictions do not say which model made them; no --site can take this file")
    raise typer.Exit(Exit.SOME_REFUSED if problems or made.refused else Exit.DONE)


def _table(document: Mapping[str, Any]) -> list[str]:
    """Return what was chosen, a line a threshold."""
    head = ("label", "level", "point", "goal", "from score", "sensitivity", "specificity", "false a film", "promise")
    rows = []
    for label, levels in document["labels"].items():
        for level, of in levels.items():
            for point, each in of["points"].items():
                if "threshold" not in each:
                    rows.append((label, level, point, each["goal"], "model's own", None, None, None, None))
                    continue
                measured = each["measured"]
                score = "nothing" if each["score"] is None else f"{each['score']:.4g}"
                told = [_spread(measured.get(key), share=key != "false_per_film") for key in _SHOWN]
                promise = ("yes" if each["promise"] else "no") if not each["moved"] else "moved"
                rows.append((label, level, point, each["goal"], score, *told, promise))
    return aligned(head, rows)


_SHOWN = ("sensitivity", "specificity", "false_per_film")


def _spread(value: Mapping[str, Any] | None, *, share: bool) -> str | None:
    """Return ``91 (85 to 95)``, in per cent or as it is."""
    if value is None or value["value"] is None:
        return None
    low_high = value["interval"] or (None, None)
    numbers = [value["value"], *low_high]
    shown = ["" if each is None else f"{100 * each:.0f}" if share else f"{each:.2f}" for each in numbers]
    return f"{shown[0]} ({shown[1]} to {shown[2]})" + (" %" if share else "")
