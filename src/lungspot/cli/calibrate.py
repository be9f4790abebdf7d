"""``lungspot calibrate``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lungspot.cli.console import Exit, Overwrite, aligned, emit, print_error, say
from lungspot.cli.data_options import Classes
from lungspot.cli.data_sources import class_map_of, label_ids
from lungspot.cli.truth_options import source_of, truth_cases
from lungspot.errors import DatasetError, InputError, LungspotError, printable
from lungspot.outputs import Outputs

if TYPE_CHECKING:
    from lungspot.adapt import LocalFilms
    from lungspot.findings import Reading
    from lungspot.formats import Case, ClassMap

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
        of_tables,
        parse_goal,
        read_scores,
        read_truth,
    )

    goals = tuple(parse_goal(text) for text in goal or ())
    wanted = label_ids(label)
    classes = class_map_of(class_map)
    settings = CalibrationSettings(goals, iou, _shares(prevalence), ci, width, coverage)
    source, root = source_of(truth)
    outputs = Outputs(
        [each for each in (root, Path(truth), predicted, splits) if each is not None], overwrite=overwrite
    )
    outputs.require(out)

    if is_table(Path(truth)) and is_table(predicted):
        known, scores = read_truth(Path(truth), wanted, classes), read_scores(predicted, wanted, classes)
        local, problems = of_tables(known, scores)
    else:
        local, problems = _paired(
            _truths(truth, splits, split, classes, wanted, looked_for_all=looked_for_all, certain=certain, quiet=quiet),
            predicted,
            wanted,
            classes,
            coco=root if source == "coco" and root.is_file() and not is_table(root) else None,
        )
    for problem in problems[:_MOST_LINES]:
        print_error(problem)
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


def _truths(
    truth: str,
    splits: Path | None,
    split: str | None,
    classes: ClassMap,
    wanted: list[str],
    *,
    looked_for_all: bool,
    certain: bool,
    quiet: bool,
) -> list[tuple[Case, Reading]]:
    """Return each film of the truth with the reading that counts."""
    from lungspot.adapt import cases_of_table, is_table, read_truth
    from lungspot.evaluate import truths

    if is_table(Path(truth)):
        return cases_of_table(read_truth(Path(truth), wanted, classes))
    source, root = source_of(truth)
    cases = truth_cases(source, root, splits, split, classes, looked_for_all=looked_for_all, quiet=quiet)
    return truths(cases, source, certain=certain)


def _paired(
    readings: list[tuple[Case, Reading]], predicted: Path, wanted: list[str], classes: ClassMap, coco: Path | None
) -> tuple[LocalFilms, list[LungspotError]]:
    """Return films with boxes, and what could not be paired or read."""
    from lungspot.adapt import is_table, model_of, of_pairs, predictions_of_table, read_scores
    from lungspot.evaluate import only_labels, pair_up, read_predicted

    refused: list[LungspotError] = []
    if is_table(predicted):
        found = predictions_of_table(read_scores(predicted, wanted, classes))
    else:
        found, refused = read_predicted(predicted, coco, classes)
    paired = pair_up(readings, found)
    pairs = only_labels(paired.pairs, wanted) if wanted else paired.pairs
    problems = [*refused, *paired.refused]
    if not pairs:
        for problem in problems[:_MOST_LINES]:
            print_error(problem)
        advice = "the lines above say why; TRUTH and PREDICTED must be of the same films"
        raise DatasetError("DATASET_INCOMPLETE", predicted, "no film can be judged", advice=advice)
    return of_pairs(pairs, model_of(found)), problems


def _shares(words: Sequence[str] | None) -> dict[str, float]:
    """Return the shares of ``LABEL=SHARE`` words."""
    found = {}
    for word in words or ():
        name, equals, number = word.rpartition("=")
        try:
            share = float(number)
        except ValueError:
            share = 0.0
        if not equals or not 0 < share < 1:
            raise InputError("BAD_VALUE", "--prevalence", f"{word!r}", advice="write tuberculosis=0.02")
        found[label_ids([name])[0]] = share
    return found


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
