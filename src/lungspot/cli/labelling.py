"""``lungspot labelling``: which films of a pool to answer next, and a model that learns from the answers."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from lungspot.cli.console import Overwrite, Tally, emit, progress, require_one_of, say
from lungspot.cli.data_options import Json, Quiet
from lungspot.cli.site_option import model_inputs
from lungspot.errors import DatasetError, InputError, printable
from lungspot.outputs import Outputs, writing

__all__ = ["app", "next_films", "play"]

app = typer.Typer(no_args_is_help=True, help="Choose what to label next, and learn from the answers.")

PoolFolder = Annotated[Path, typer.Argument(metavar="POOL", help="A folder that `lungspot data pool` wrote.")]
Exported = Annotated[Path | None, typer.Option("--answers", help="The tool's export, if not in the pool's folder.")]
Complete = Annotated[bool, typer.Option("--complete", help="Every film of the export was looked at, flagged or not.")]
HowMany = Annotated[int, typer.Option("-n", "--count", help="How many films.", min=1)]
By = Annotated[str, typer.Option(metavar="HOW", help="mixed, uncertainty, diversity or random.")]
RandomShare = Annotated[
    float, typer.Option("--random", help="The share that is drawn at random, for estimates.", min=0, max=1)
]
Seed = Annotated[int, typer.Option(help="Another number draws other films at random; keep it for one pool.", min=0)]
Answerer = Annotated[str, typer.Option("--reader", help="Who answered, where the tool does not say.")]


@app.command("next")
def next_films(
    pool: PoolFolder,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="The folder for next.csv; POOL if not given.")] = None,
    count: HowMany = 50,
    predictions: Annotated[
        Path | None, typer.Option(help="What a model said of the films: lungspot/1 JSON, or a folder of `batch`.")
    ] = None,
    model: Annotated[
        str, typer.Option(help="Without --predictions: the model that reads the films, and their mirror images.")
    ] = "default",
    by: By = "mixed",
    random_share: RandomShare = 0.2,
    seed: Seed = 0,
    answers: Exported = None,
    reader: Answerer = "annotator",
    complete: Complete = False,
    overwrite: Overwrite = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Name the films to answer next: where a model is least sure, unlike each other, and some at random."""
    from dataclasses import asdict

    from lungspot.detect import load_detector
    from lungspot.formats import inputs_of, read_predictions
    from lungspot.labelling import (
        NEXT_CSV,
        STRATEGIES,
        ask,
        choose,
        matched,
        open_pool,
        pool_films,
        write_next,
    )

    require_one_of(by, STRATEGIES, "--by")
    opened = open_pool(pool, answers, reader=reader, complete=complete)
    if not opened.answers.pending:
        raise DatasetError("DATASET_INCOMPLETE", pool, f"all {len(opened.films)} films are answered")
    folder = pool if out is None else out
    written = [folder / name for name in opened.next_files]
    read = [answers, predictions, *([] if predictions else model_inputs(model)), *opened.inputs]
    outputs = Outputs(inputs_of(read, out=written), overwrite=overwrite)
    for file in written:
        outputs.require(file)
    tally = Tally()
    if predictions is None:
        bar = partial(progress, what="Reading films", quiet=quiet)
        seen, mirrored = ask(opened, load_detector(model), bar, tally.refuse)
    else:
        said, refused = read_predictions(predictions)
        for error in refused:
            tally.refuse(error)
        seen, mirrored = matched(opened, said), {}
    tally.done = len(seen)
    if not seen:
        raise typer.Exit(tally.exit_code)
    chosen = choose(
        pool_films(opened, seen, mirrored), count, opened.labels, by=by, random_share=random_share, seed=seed
    )
    write_next(opened, chosen, folder, outputs)
    waiting = len(opened.answers.pending)
    if as_json:
        emit({"out": str(folder), "waiting": waiting, "next": [asdict(one) for one in chosen]})
    elif not quiet:
        lots = sum(one.why == "random" for one in chosen)
        say(printable(f"{folder / NEXT_CSV}: {len(chosen)} of {waiting} films that wait, {lots} of them at random"))
    if tally.refused:
        raise typer.Exit(tally.exit_code)


@app.command("round")
def play(
    pool: PoolFolder,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="The folder of rounds: a new one, or one of earlier rounds.")
    ],
    begin: Annotated[str, typer.Option("--from", help="The model file that every round begins with.")] = "default",
    locked: Annotated[
        Path | None,
        typer.Option(
            help="A data folder on whose test films every round's model is judged, as `train --data` takes it."
        ),
    ] = None,
    worse: Annotated[
        float, typer.Option(help="By how much mean AP or AUROC may fall; a model that fell more is not kept.")
    ] = 0.02,
    settings: Annotated[
        list[str] | None, typer.Option("-s", "--set", metavar="NAME=VALUE", help="A setting of training (TOML).")
    ] = None,
    count: HowMany = 50,
    by: By = "mixed",
    random_share: RandomShare = 0.2,
    seed: Seed = 0,
    answers: Exported = None,
    reader: Answerer = "annotator",
    complete: Complete = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Play one round: learn from the answers, judge the model on locked films, and name the films to answer next."""
    import tomllib

    from lungspot.detect import default_weights
    from lungspot.labelling import STRATEGIES, open_pool, play_round

    require_one_of(by, STRATEGIES, "--by")
    try:
        over = tomllib.loads("\n".join(settings or []))
    except tomllib.TOMLDecodeError as error:
        raise InputError("BAD_VALUE", "--set", str(error)) from error
    opened = open_pool(pool, answers, reader=reader, complete=complete)
    with writing():
        played = play_round(
            opened,
            out,
            default_weights()[0] if begin == "default" else Path(begin),
            settings=over,
            locked=locked,
            worse=worse,
            count=count,
            by=by,
            random_share=random_share,
            seed=seed,
            progress=partial(progress, what="Reading films", quiet=quiet),
            say=(lambda _: None) if quiet else say,
        )
    row = played.row
    if as_json:
        emit(row)
    elif not quiet:
        kept = f"it got worse ({'; '.join(row['got_worse'])})" if row["model"] is None else row["model"]["version"]
        films = f"{row['answered']} answered, {len(played.choices)} of {row['waiting']} to answer next"
        say(printable(f"{played.folder}: round {row['round']}: model {kept}; {films}"))
