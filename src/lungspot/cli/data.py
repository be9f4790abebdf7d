"""``lungspot data``: check, count, split, fuse, convert, merge, draw and label datasets."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lungspot.cli import data_predictions as predicted
from lungspot.cli.console import Exit, Overwrite, emit, progress, say
from lungspot.cli.data_labelling import collect, pool
from lungspot.cli.data_options import (
    Classes,
    DatasetName,
    FilmCheck,
    FilmPlacing,
    FilmsTo,
    How,
    Json,
    Labels,
    Out,
    Quiet,
    Root,
    Splits,
    To,
)
from lungspot.cli.data_readers import readers
from lungspot.cli.data_sources import (
    cases_of,
    fractions_of,
    label_ids,
    need_folder_of,
    problems_of,
    show,
    united,
    write,
)
from lungspot.errors import DatasetError, InputError, printable
from lungspot.outputs import DRAWN, Outputs, png_info

if TYPE_CHECKING:
    from lungspot.datasets import Conflict, Count, Sizes

__all__ = ["app", "check", "collect", "convert", "draw", "fuse", "merge", "pool", "readers", "split", "stats"]

app = typer.Typer(no_args_is_help=True, help="Check, count, split, fuse, convert, merge, draw and label datasets.")


@app.command()
def check(
    name: DatasetName,
    root: Root,
    splits: Splits = None,
    films: Annotated[
        FilmCheck, typer.Option(help="Skip films, open each, or compare them too (extra: data).")
    ] = FilmCheck.COMPARE,
    class_map: Classes = None,
    show_all: Annotated[bool, typer.Option("--all", help="Show every problem, not ten of a kind.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Name every problem with its file and row; ends with 1 where there is one."""
    from lungspot.cli.data_text import problem_lines

    found = problems_of(
        name, root, splits, films.value, partial(progress, what="Opening films", quiet=quiet), class_map, quiet=quiet
    )
    kinds = dict(sorted(Counter(problem.code for problem in found).items()))
    if as_json:
        emit({"dataset": name, "root": str(root), "counts": kinds, "problems": [asdict(problem) for problem in found]})
    else:
        show(problem_lines(found, None if show_all else 10))
    if not quiet:
        say("lungspot: " + (", ".join(f"{number} {code}" for code, number in kinds.items()) or "no problems"))
    raise typer.Exit(Exit.SOME_REFUSED if found else Exit.DONE)


@app.command()
def stats(
    name: predicted.Anything,
    root: Root,
    splits: Splits = None,
    agreement: Annotated[bool, typer.Option("--agreement", help="How well readers agree: the human ceiling.")] = False,
    iou: Annotated[float, typer.Option(help="What counts as a match between readers.", min=0.01, max=1)] = 0.4,
    class_map: Classes = None,
    diseases: Annotated[
        bool, typer.Option("--diseases", help="Count the ten diseases as they count in training.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Count films by label, source, split and state; measure boxes; warn of sources that cannot be mixed.

    Of predictions, what reaches its threshold is counted; ROOT is lungspot/1 JSON or a folder of `lungspot batch`.
    """
    from lungspot.cli.data_text import agreement_lines
    from lungspot.datasets import conflicts, count, number_of_films, reader_agreement, sizes, unsized
    from lungspot.datasets import diseases as as_diseases

    found = name == predicted.PREDICTIONS
    if found and not agreement and (known := predicted.counted(root)) is not None:
        _show_stats(name, known.films, known.counts, known.sizes, (), as_json=as_json)
        return
    cases = (
        predicted.predicted_cases(root) if found else cases_of(name, root, splits, class_map=class_map, quiet=as_json)
    )
    if agreement:
        rows = reader_agreement(cases, iou=iou)
        if not rows:
            raise DatasetError("DATASET_INCOMPLETE", root, "no film has boxes", advice="give a set with boxes")
        if as_json:
            emit({"dataset": name, "agreement": [asdict(row) for row in rows]})
        else:
            show(agreement_lines(rows))
        return
    truths = cases if found else list(as_diseases(cases))
    counts, measured = count(truths if diseases else cases), sizes(cases, unsized=() if found else unsized(name, root))
    warnings = () if found else conflicts(measured, count(truths))
    _show_stats(name, number_of_films(cases), counts, measured, warnings, as_json=as_json)


def _show_stats(
    name: str,
    films: int,
    counts: Sequence[Count],
    measured: Sequence[Sizes],
    warnings: Sequence[Conflict],
    *,
    as_json: bool,
) -> None:
    from lungspot.cli.data_text import conflict_lines, count_lines, size_lines

    if as_json:
        emit(
            {
                "dataset": name,
                "films": films,
                "counts": [asdict(row) for row in counts],
                "sizes": [asdict(row) for row in measured],
                "warnings": [asdict(row) for row in warnings],
            }
        )
        return
    show(count_lines(counts))
    if measured:
        show(["", *size_lines(measured)])
    for line in conflict_lines(warnings):
        say(f"lungspot: warning: {line}")


@app.command()
def split(
    name: DatasetName,
    root: Root,
    out: Annotated[Path, typer.Option("-o", "--out", help="The CSV to write.")],
    fractions: Annotated[str, typer.Option(help="Of train, val and test.", metavar="T,V,T")] = "0.8,0.1,0.1",
    salt: Annotated[str, typer.Option(help="Another word gives another split.")] = "lungspot",
    class_map: Classes = None,
    given: Annotated[Path | None, typer.Option("--given", help="A split that counts first.")] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Split by patient, the same on every machine; refuses a given split that leaks."""
    from lungspot.datasets import read_splits, split_base, splits_csv, without_patient
    from lungspot.datasets import split as by_patient
    from lungspot.formats import Split as Sides
    from lungspot.formats import films_of, inputs_of

    parts = fractions_of(fractions)
    outputs = Outputs(inputs_of([root, given], out=[out]), overwrite=overwrite)
    outputs.require(out)
    read = cases_of(name, root, merged=True, class_map=class_map, quiet=quiet)
    cases = [case for case in read if case.image is not None]
    outputs.protect(films_of(cases))
    known = None if given is None else read_splits(given)
    base = None if given is None else split_base(cases, given, root)
    found = by_patient(cases, fractions=parts, salt=salt, given=known, root=base)
    alone = without_patient(found)
    if alone:
        whose = f"of {len(alone)} of {len(found)} films no patient is known"
        say(f"lungspot: warning: {whose}: each counts as a patient of its own, and may leak into another part")
    need_folder_of(out)
    outputs.write(out, splits_csv(found, out, split_base(cases, out, root)).encode(errors="surrogateescape"))
    films = Counter(str(case.split) for case in found)
    patients = Counter(str(side) for _, side in {(case.patient, case.split) for case in found})
    if as_json:
        emit({"out": str(out), "films": dict(films), "patients": dict(patients)})
    elif not quiet:
        say(printable(f"{out}: " + ", ".join(f"{films[s]} films of {patients[s]} patients in {s}" for s in Sides)))


@app.command()
def fuse(
    name: DatasetName,
    root: Root,
    how: Annotated[How, typer.Option(help="Weighted boxes fusion, majority, union, or one true reader.")] = How.WBF,
    reader: Annotated[
        list[str] | None, typer.Option("--reader", help="For one: the reader; given again, the next best.")
    ] = None,
    least: Annotated[
        int | None, typer.Option(help="For majority: how many readers; else more than half.", min=1)
    ] = None,
    iou: Annotated[float, typer.Option(help="Boxes that overlap more than this mean one spot.", min=0, max=0.99)] = 0.4,
    class_map: Classes = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="A new folder; without it, JSON Lines.")] = None,
    to: To = "coco",
    films: FilmsTo = FilmPlacing.COPY,
    overwrite: Overwrite = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make one reading of each film's readers, and keep who agreed."""
    from lungspot.datasets import fuse_readers
    from lungspot.findings import reading_to_json

    if how is How.ONE and not reader:
        raise typer.BadParameter("name the reader whose boxes count", param_hint="--reader")
    cases = cases_of(name, root, class_map=class_map, quiet=quiet)
    bar = progress(cases, "Fusing", quiet=quiet)
    fused = list(fuse_readers(bar, how.value, readers=reader or (), least=least, iou=iou))
    if not fused:
        raise DatasetError("DATASET_INCOMPLETE", root, f"no film was read by {', '.join(reader or [])}")
    if not quiet and len(fused) < len(cases):
        say(f"lungspot: {len(cases) - len(fused)} films that {', '.join(reader or [])} did not read are left out")
    if out is not None:
        write(fused, out, to, films, inputs=[root], overwrite=overwrite, as_json=as_json, quiet=quiet)
    else:
        for case in fused:
            emit({"dataset": case.dataset, "id": case.id, "reading": reading_to_json(case.readings[0])})


@app.command()
def convert(
    name: predicted.Anything,
    root: predicted.Roots,
    out: Out,
    to: predicted.ConvertTo,
    splits: Splits = None,
    class_map: Classes = None,
    films: FilmsTo = FilmPlacing.COPY,
    coco_ids: predicted.CocoIdsOf = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a dataset, or what `lungspot detect` found, in a tool's format; what that cannot say is kept beside it."""
    if name == predicted.PREDICTIONS:
        told = {"overwrite": overwrite, "as_json": as_json, "quiet": quiet}
        predicted.convert_predictions(root, out, to, films, coco_ids, class_map=class_map, **told)
        return
    if coco_ids is not None:
        raise typer.BadParameter("only predictions take the ids of a COCO file", param_hint="--coco-ids")
    folder = predicted.one_root(name, root, to)
    cases = cases_of(name, folder, splits, merged=True, class_map=class_map, quiet=quiet)
    read = [folder] if splits is None else [folder, splits]
    write(cases, out, to, films, inputs=read, overwrite=overwrite, as_json=as_json, quiet=quiet)


@app.command()
def merge(
    sources: Annotated[
        list[str], typer.Argument(metavar="NAME ROOT [NAME ROOT]…", help="Datasets with their folders.")
    ],
    out: Out,
    to: To = "coco",
    splits: Splits = None,
    class_map: Classes = None,
    films: FilmsTo = FilmPlacing.COPY,
    overwrite: Overwrite = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Unite the readings that several datasets hold of one film; what none looked for stays not looked for."""
    if len(sources) % 2:
        raise typer.BadParameter("give each dataset's name and its folder", param_hint="NAME ROOT")
    pairs = zip(sources[::2], sources[1::2], strict=True)
    cases = [
        case for name, root in pairs for case in cases_of(name, Path(root), splits, class_map=class_map, quiet=quiet)
    ]
    read = [*map(Path, sources[1::2]), *([] if splits is None else [splits])]
    write(united(cases, quiet=quiet), out, to, films, inputs=read, overwrite=overwrite, as_json=as_json, quiet=quiet)


@app.command()
def draw(
    name: DatasetName,
    root: Root,
    out: Annotated[Path, typer.Option("-o", "--out", help="The PNG to write.")],
    splits: Splits = None,
    class_map: Classes = None,
    label: Labels = None,
    film: Annotated[list[str] | None, typer.Option("--film", help="This film's id; may be given again.")] = None,
    count: Annotated[int, typer.Option(help="How many films.", min=1, max=400)] = 12,
    seed: Annotated[int, typer.Option(help="Another number draws other films.")] = 0,
    columns: Annotated[int, typer.Option(help="Films in a row.", min=1, max=20)] = 4,
    cell: Annotated[int, typer.Option(help="Pixels a film.", min=100, max=2000)] = 400,
    overwrite: Overwrite = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Draw a contact sheet of films with every reader's boxes; of all films, those with boxes."""
    from lungspot.datasets import contact_sheet, films_to_draw
    from lungspot.formats import films_of, inputs_of

    need_folder_of(out)
    outputs = Outputs(inputs_of([root, splits], out=[out]), overwrite=overwrite)
    outputs.require(out)
    labels = label_ids(label)
    cases = cases_of(name, root, splits, class_map=class_map, quiet=quiet)
    outputs.protect(films_of(cases))
    outputs.require(out)
    wanted = set(film or [])
    if missing := wanted - {case.id for case in cases}:
        raise InputError("BAD_VALUE", root, f"no film {', '.join(sorted(missing))} in {name}")
    chosen = films_to_draw(cases, labels=labels, ids=wanted, count=count, seed=seed)
    if not chosen:
        raise DatasetError("DATASET_INCOMPLETE", root, "no film to draw", advice="choose another label")
    sheet = contact_sheet(
        chosen, labels=labels, columns=columns, cell=cell, progress=partial(progress, what="Drawing", quiet=quiet)
    )
    buffer = io.BytesIO()
    sheet.save(buffer, format="PNG", pnginfo=png_info(DRAWN))
    outputs.write(out, buffer.getvalue())
    if as_json:
        emit({"out": str(out), "films": [case.id for case in chosen]})
    elif not quiet:
        say(printable(f"{out}: {len(chosen)} films"))


app.command()(pool)
app.command()(collect)
app.command()(readers)
