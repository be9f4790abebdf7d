"""``lungspot data pool`` and ``collect``: films to label handed to a tool, and the answers read back."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from lungspot.cli.console import Exit, Overwrite, emit, print_error, progress, say
from lungspot.cli.data_options import Classes, DatasetName, FilmPlacing, FilmsTo, Json, Labels, Out, Quiet, Root, To
from lungspot.cli.data_sources import cases_of, class_map_of, label_ids, say_classes, write
from lungspot.errors import DatasetError, printable
from lungspot.outputs import Outputs, writing

__all__ = ["collect", "pool"]


def pool(
    name: DatasetName,
    root: Root,
    out: Out,
    tool: Annotated[str, typer.Option(help="labelme, cvat, labelstudio or coco.")] = "labelme",
    class_map: Classes = None,
    label: Labels = None,
    count: Annotated[int, typer.Option(help="Films a label.", min=1)] = 50,
    seed: Annotated[int, typer.Option(help="Another number chooses other films.")] = 0,
    model: Annotated[
        str | None, typer.Option(help="Draw this model's boxes as a start; `default` is the shipped one.")
    ] = None,
    films: FilmsTo = FilmPlacing.VIEW,
    overwrite: Overwrite = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Choose films that show a disease and have no box of it, and write them as tasks with guidelines."""
    from lungspot.detect import load_detector
    from lungspot.findings import DISEASES
    from lungspot.formats import FilmTransfer, whole_films
    from lungspot.labelling import make, proposer, select_tasks

    labels = label_ids(label) or list(DISEASES)
    cases = cases_of(name, root, merged=True, class_map=class_map, quiet=quiet)
    chosen = select_tasks(cases, labels, count, seed)
    whole = set(whole_films([task.case for task in chosen], print_error))
    tasks = [task for task in chosen if task.case in whole]
    with writing():
        bar = partial(progress, what="Preparing films", quiet=quiet)
        start = None if model is None else proposer(load_detector(model))
        films_of = (task.case.image for task in tasks if task.case.image is not None)
        outputs = Outputs([root, *films_of], overwrite=overwrite)
        make(tasks, out, tool=tool, films=FilmTransfer(films.value), propose=start, progress=bar, outputs=outputs)
    asked = Counter(one for task in tasks for one in task.asked)
    if as_json:
        emit({"out": str(out), "films": len(tasks), "labels": dict(asked)})
    elif not quiet:
        say(printable(f"{out}: {len(tasks)} films; " + ", ".join(f"{asked[one]} {one}" for one in labels)))
    if len(tasks) < len(chosen):
        raise typer.Exit(Exit.SOME_REFUSED)


def collect(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that `pool` wrote.")],
    out: Out,
    to: To = "coco",
    answers: Annotated[Path | None, typer.Option("--answers", help="The tool's export, if not in the folder.")] = None,
    reader: Annotated[str, typer.Option(help="Who answered, where the tool does not say.")] = "annotator",
    class_map: Classes = None,
    complete: Annotated[bool, typer.Option("--complete", help="Every film was looked at, flagged or not.")] = False,
    films: FilmsTo = FilmPlacing.COPY,
    overwrite: Overwrite = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Read the answers to a pool back, with who drew each box, and write them as a dataset."""
    from lungspot.labelling import collect as read_back

    classes = class_map_of(class_map)
    found = read_back(folder, answers, reader=reader, complete=complete, classes=classes)
    if not quiet:
        say_classes(classes)
    if not found.cases:
        raise DatasetError("DATASET_INCOMPLETE", folder, f"none of {len(found.pending)} films is answered")
    if found.pending and not quiet:
        say(f"lungspot: {len(found.pending)} films are not answered")
    read = [folder] if answers is None else [folder, answers]
    write(list(found.cases), out, to, films, inputs=read, overwrite=overwrite, as_json=as_json, quiet=quiet)
