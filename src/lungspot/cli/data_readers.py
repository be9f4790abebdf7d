"""``lungspot data readers``: how far readers of the same films agree, since when, and what somebody must decide."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lungspot.cli.console import Overwrite, aligned, emit, require_one_of, say
from lungspot.cli.data_options import Classes, DatasetName, Json, Quiet, Root
from lungspot.cli.data_sources import cases_of, need_folder_of, show
from lungspot.errors import DatasetError, printable
from lungspot.outputs import Outputs

__all__ = ["readers"]


def readers(
    name: DatasetName,
    root: Root,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="The CSV of the films that somebody must decide.")
    ] = None,
    iou: Annotated[float, typer.Option(help="From which overlap on boxes are of one place.", min=0.01, max=1)] = 0.4,
    by: Annotated[str, typer.Option(metavar="PERIOD", help="Over time by week, month or year.")] = "month",
    class_map: Classes = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Say how readers of the same films agree, label by label and over time, and list what they dispute."""
    from lungspot.datasets import PERIODS, disputes, disputes_csv, label_agreement, of_people, over_time
    from lungspot.formats import films_of, inputs_of

    require_one_of(by, PERIODS, "--by")
    outputs = Outputs(overwrite=overwrite)
    if out is not None:
        need_folder_of(out)
        outputs.protect(inputs_of([root], out=[out]))
        outputs.require(out)
    read = cases_of(name, root, class_map=class_map, quiet=quiet)
    outputs.protect(films_of(read))
    cases = [case for case in map(of_people, read) if len(case.readings) > 1]
    if not cases:
        raise DatasetError("DATASET_INCOMPLETE", root, "no film has two readers", advice="give films to two readers")
    rows = label_agreement(cases, iou=iou)
    periods, disputed = over_time(cases, by=by, iou=iou), disputes(cases, iou=iou)
    if out is not None:
        outputs.write(out, disputes_csv(disputed).encode())
    if as_json:
        emit(
            {
                "labels": list(map(asdict, rows)),
                "periods": list(map(asdict, periods)),
                "disputes": list(map(asdict, disputed)),
            }
        )
        return
    head = ("label", "films", "kappa", f"match@{iou:g}")
    show(aligned(head, ((row.label, row.films, _shown(row.kappa), _shown(row.match)) for row in rows)))
    head = ("period", *head[1:])
    show(["", *aligned(head, ((row.period, row.films, _shown(row.kappa), _shown(row.match)) for row in periods))])
    if not quiet:
        undecided = len({(each.dataset, each.film) for each in disputed if not each.settled})
        where = "" if out is None else f": {out}"
        films = len({(each.dataset, each.film) for each in disputed})
        say(printable(f"lungspot: {films} of {len(cases)} films are disputed, {undecided} undecided{where}"))


def _shown(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"
