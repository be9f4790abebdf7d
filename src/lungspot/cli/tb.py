"""``lungspot tb`` and ``lungspot tb-plan``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from lungspot.cli.console import Overwrite, aligned, emit, say, write_text
from lungspot.errors import printable
from lungspot.outputs import Outputs

__all__ = ["tb", "tb_plan"]


class Unscored(StrEnum):
    """What becomes of people whose film gave no score."""

    REFER = "refer"
    NOT_REFER = "not-refer"
    LEAVE_OUT = "leave-out"


def tb(
    people: Annotated[
        Path,
        typer.Argument(
            metavar="PEOPLE.csv",
            help="One row a person: score, reference (1, 0, empty: not confirmed), and any further columns.",
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder to write the report into.")] = Path("tb-report"),
    triage: Annotated[
        float | None,
        typer.Option(help="From this score up everybody was to be confirmed, below it a random sample."),
    ] = None,
    sampled_by: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="A column that also decided who was confirmed; may be given again."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="The threshold in use; else one that keeps the first target's sensitivity.")
    ] = None,
    not_assessed: Annotated[Unscored, typer.Option(help="What becomes of people without a score.")] = Unscored.REFER,
    cost_test: Annotated[float | None, typer.Option(help="Cost of one confirmatory test.", min=0)] = None,
    cost_screen: Annotated[float, typer.Option(help="Cost of one film and its reading.", min=0)] = 0.0,
    cost_fixed: Annotated[float, typer.Option(help="Costs that do not depend on how many are screened.", min=0)] = 0.0,
    currency: Annotated[str, typer.Option(help="What the costs are in; it is only written down.")] = "USD",
    by: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Show the parts of this column only; may be given again. Else all."),
    ] = None,
    bands: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=N,N", help="Where the numbers of a column are cut (age=15,35,55)."),
    ] = None,
    targets: Annotated[
        Path | None, typer.Option(help="A TOML file of targets in place of WHO's (docs/reference/tb.md).")
    ] = None,
    score: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column of scores.")] = None,
    reference: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column of the reference test.")] = None,
    person: Annotated[str | None, typer.Option("--id", metavar="COLUMN", help="The column of people's ids.")] = None,
    reader: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The column of people's readings: 1 abnormal, 0 normal.")
    ] = None,
    date: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column of the films' dates.")] = None,
    ci: Annotated[float, typer.Option(help="Per cent of the intervals.", min=50, max=99.9)] = 95.0,
    seed: Annotated[int, typer.Option(help="Another number draws other intervals, a little.", min=0)] = 0,
    overwrite: Overwrite = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No summary.")] = False,
) -> None:
    """Say what each threshold of a CAD's scores would mean for a tuberculosis programme: cases, tests, costs.

    Of any CAD. Writes report.html, report.json and thresholds.csv. The reference is a bacteriological test.
    """
    from lungspot.adapt import (
        SCREENING_FILES,
        Costs,
        ScreeningSettings,
        read_people,
        read_targets,
        screening_folder,
        screening_short,
        screening_summary,
    )

    for option, value in (("--triage", triage), ("--threshold", threshold)):
        if value is not None and not math.isfinite(value):
            raise typer.BadParameter(f"{value} is no score", param_hint=option)
    if cost_test is None and (cost_screen or cost_fixed):
        raise typer.BadParameter("costs are counted where --cost-test is given", param_hint="--cost-test")
    outputs = Outputs([path for path in (people, targets) if path is not None], overwrite=overwrite)
    for file in SCREENING_FILES:
        outputs.require(out / file)
    named = {"score": score, "reference": reference, "id": person, "reader": reader, "date": date}
    settings = ScreeningSettings(
        triage,
        tuple(sampled_by or ()),
        threshold,
        not_assessed.value,
        None if by is None else tuple(by),
        _bands(bands or ()),
        None if cost_test is None else Costs(cost_test, cost_screen, cost_fixed, currency),
        read_targets(targets),
        ci,
        seed,
    )
    found = read_people(people, {name: column for name, column in named.items() if column is not None})
    document = screening_summary(found, settings)
    document["file"] = people.name
    title = f"lungspot tb: {people.name}"
    for file, text in screening_folder(document, title=title).items():
        outputs.write(out / file, text.encode(errors="backslashreplace"))
    emit({"out": str(out)} | _said(document))
    if not quiet:
        for line in (*screening_short(document), *document["remarks"]):
            say(printable(f"lungspot: {line}"))
        say(printable(f"lungspot: {out / 'report.html'}"))


def _bands(given: Sequence[str]) -> dict[str, tuple[float, ...]]:
    found = {}
    for text in given:
        name, _, numbers = text.rpartition("=")
        try:
            cuts = tuple(float(number) for number in numbers.split(","))
        except ValueError:
            cuts = ()
        if not name or not cuts or not all(map(math.isfinite, cuts)):
            raise typer.BadParameter(f"{text!r}: write COLUMN=NUMBER,NUMBER", param_hint="--bands")
        found[name] = cuts
    return found


def _said(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a script wants at once; the rest is in report.json."""
    used = document["in_use"]
    row = {} if used is None else document["thresholds"][used["row"]]
    measures = ("sensitivity", "specificity", "ppv", "npv")
    return {
        "people": document["people"],
        "confirmed": document["confirmed"],
        "cases_confirmed": document["cases_confirmed"],
        "area_under_roc": document["area_under_roc"]["value"],
        "threshold": row.get("threshold"),
        **{name: row[name]["value"] if row else None for name in measures},
        "not_for_clinical_use": True,
    }


def tb_plan(
    sensitivity: Annotated[float, typer.Option(help="The sensitivity that is expected, 0 to 1.")] = 0.90,
    specificity: Annotated[float, typer.Option(help="The specificity that is expected, 0 to 1.")] = 0.70,
    prevalence: Annotated[float, typer.Option(help="The share of people who have the disease, 0 to 1.")] = 0.01,
    half_width: Annotated[float, typer.Option(help="How far the interval's limits may lie from the number.")] = 0.05,
    confirm: Annotated[
        str, typer.Option(help="Shares of the people below the threshold who are to be confirmed, with commas.")
    ] = "1,0.5,0.25,0.1,0.05",
    not_assessed: Annotated[float, typer.Option(help="The share of films that will give no score.")] = 0.02,
    design_effect: Annotated[
        float, typer.Option(help="By how much people of one place being alike widens everything; 1: not at all.")
    ] = 1.0,
    ci: Annotated[float, typer.Option(help="Per cent of the intervals.", min=50, max=99.9)] = 95.0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say how many people a study of a threshold must screen and confirm, before it begins."""
    from dataclasses import asdict

    from lungspot.adapt import StudyAim, plan_study

    try:
        shares = [float(part) for part in confirm.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{confirm!r}: write shares as 1,0.5,0.1", param_hint="--confirm") from None
    aim = StudyAim(sensitivity, specificity, prevalence, half_width, ci, not_assessed, design_effect)
    plans = plan_study(aim, shares)
    if json:
        emit({"aim": asdict(aim), "plans": [asdict(plan) for plan in plans], "not_for_clinical_use": True})
        return
    head = ("confirmed below", "people to screen", "tests", "cases", "of them below, confirmed", "decided by")
    rows = [
        (
            f"{100 * plan.confirmed_below:g} %",
            plan.people,
            plan.tests,
            f"{plan.cases:.0f}",
            f"{plan.cases_below_confirmed:.1f}",
            plan.decided_by,
        )
        for plan in plans
    ]
    write_text("\n".join(aligned(head, rows)) + "\n")
